package sweep

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// newLedger makes ten failed runs, one a second, and the ledger after five of them. It
// returns when that was.
func newLedger(s *stage) time.Time {
	s.fail(10)
	born := time.Now().Add(-time.Hour - 5*time.Second).UTC()
	s.table.MadeAt(born)
	return born
}

func TestASweepLooksBackNoFurtherThanToTheLedgersBirthUnlessItSaysSince(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		since     string
		requested int
		asked     int
	}{
		"as the schedule asks":     {"", 5, 1},
		"since is named":           {"24h", 10, 0},
		"since is named as a time": {"1999-12-31T00:00:00Z", 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				born := newLedger(s)
				for _, dry := range []bool{true, false} {
					s.births = 0
					r := s.run(event.Sweep{ID: "s", Since: tt.since, DryRun: dry}).Report
					if cut := r.Since.Equal(born) && r.Born.Equal(born); r.Requested != tt.requested || r.State != Finished || cut != (tt.since == "") || s.births != tt.asked {
						t.Errorf("dry run %t: the report is %+v, and the birth was asked for %d times", dry, r, s.births)
					}
				}
			})
		})
	}
}

// TestASweepAsksOnceForTheLedgersBirth: What came of it is in the saved progress, and a
// ledger that is older than the sweep's time cuts nothing.
func TestASweepAsksOnceForTheLedgersBirth(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.options.Pace = 10 * time.Second
		s.fail(250)
		r, n := s.finish(sweep)
		if n < 3 || s.births != 1 || !r.Report.Born.IsZero() || r.Report.Requested != 250 {
			t.Errorf("in %d invocations the birth was asked for %d times: %+v", n, s.births, r.Report)
		}
	})
}

// TestASweepThatDoesNotKnowTheLedgersBirthWaits: It says why, and takes no run that it may
// have to leave alone. The rest that it asks for is bounded as it was.
func TestASweepThatDoesNotKnowTheLedgersBirthWaits(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		born := newLedger(s)
		s.bornErr = &store.UnavailableError{Op: "describe", Err: errors.New("give the permission")}
		r := s.run(sweep)
		if !r.Again || r.After != birthWait || r.Report.State != Continues || !strings.Contains(r.Report.Error, "give the permission") || !slices.Contains(r.Reasons, retry.LedgerUnavailable) {
			t.Errorf("the result is %+v", r)
		}
		if dry := s.run(event.Sweep{ID: "dry", DryRun: true}); dry.Again || dry.Report.State != CutOff || !strings.Contains(dry.Report.Error, "give the permission") {
			t.Errorf("a dry run: %+v", dry.Report)
		}
		s.bornErr = nil
		if rest := s.run(r.Request); rest.Report.Requested != 5 || !rest.Report.Born.Equal(born) || len(s.queue) != 5 {
			t.Errorf("the rest is %+v", rest.Report)
		}
	})
}

func TestASweepThatEndsBeforeTheLedgersBirthIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		newLedger(s)
		r := s.run(event.Sweep{ID: "s", Until: "2h"})
		if r.Report.State != Refused || !strings.Contains(r.Refused, "when the ledger was made: name since") {
			t.Errorf("the result is %+v", r)
		}
		if again := s.run(r.Request); again.Report.State != Refused { // its dead letter was redriven
			t.Errorf("the dead letter is %+v", again)
		}
	})
}
