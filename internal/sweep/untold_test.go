package sweep

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// bus takes notices.
type bus struct {
	sent  []notice.Notice
	calls int
	err   error
	hangs bool
}

func (b *bus) Send(ctx context.Context, notices ...notice.Notice) error {
	b.calls++
	if b.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	if b.err == nil {
		b.sent = append(b.sent, notices...)
	}
	return b.err
}

// news gives runs of so many dataflows up, as a process does that dies before it tells that.
func (s *stage) news(dataflows int) *bus {
	s.t.Helper()
	book := ledger.New(s.table, ledger.DefaultTTL, time.Now, ledger.KeepNews)
	for i := range dataflows {
		s.giveUpIn(book, "f"+strconv.Itoa(i))
	}
	b := &bus{}
	episodes := ledger.NewEpisodes(book)
	s.options.Episodes = episodes
	s.options.Teller = &retry.Teller{Notices: b, Episodes: episodes, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return b
}

func (s *stage) giveUpIn(book *ledger.Ledger, flowID string) {
	s.t.Helper()
	e, err := book.Load(s.t.Context(), ledger.Ref{OrgID: org, FlowID: flowID, Sandbox: "prod", RunID: "run of " + flowID})
	if err == nil {
		e, err = book.Reserve(s.t.Context(), e, ledger.AnEvent, time.Now().Add(time.Minute))
	}
	if err == nil {
		_, err = book.Note(s.t.Context(), e, ledger.AnEvent, ledger.Outcome{State: ledger.DeadLettered, Reason: "rejected", GivenUp: true})
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// untold counts the dataflows with news that is yet to be told.
func (s *stage) untold() int {
	s.t.Helper()
	flows, err := s.options.Episodes.Untold(s.t.Context(), org, 100)
	if err != nil {
		s.t.Fatal(err)
	}
	return len(flows)
}

func TestASweepTellsWhatWasNotTold(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		b := s.news(3)
		if r := s.run(event.Sweep{ID: "s", DryRun: true}); len(b.sent) > 0 || r.Report.State != Finished {
			t.Errorf("a dry run sends %v", b.sent)
		}
		if r := s.run(event.Sweep{ID: "s"}); r.Report.State != Finished || len(r.Reasons) > 0 {
			t.Errorf("the result is %+v", r)
		}
		var flows []string
		for _, n := range b.sent {
			flows = append(flows, n.FlowID)
		}
		if slices.Sort(flows); !slices.Equal(flows, []string{"f0", "f1", "f2"}) || b.sent[0].Kind != notice.GivenUp || s.untold() != 0 {
			t.Errorf("the notices are %v; %d are left", b.sent, s.untold())
		}
		if s.run(event.Sweep{ID: "next"}); len(b.sent) != 3 {
			t.Errorf("the next sweep sends them again: %v", b.sent)
		}
	})
}

func TestABusThatIsAwayStopsNoSweep(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*bus){"gone": func(b *bus) { b.err = errDown }, "slow": func(b *bus) { b.hangs = true }} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				b := s.news(8)
				away(b)
				ids := s.fail(2)
				began := time.Now()
				r := s.run(event.Sweep{ID: "s"})
				if r.Report.State != Finished || !slices.Equal(s.queued(), ids) || !slices.Equal(r.Reasons, []retry.Reason{retry.NoticesUnavailable}) {
					t.Errorf("the result is %+v, the requests %q", r, s.queued())
				}
				if took := time.Since(began); b.calls != maxUnsent || took > untoldTime || s.untold() != 8 {
					t.Errorf("%d calls in %s; the news of %d dataflows is left", b.calls, took, s.untold())
				}
			})
		})
	}
}

func TestASweepTellsTheNewsOfABoundedNumberOfDataflows(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		b := s.news(maxUntold + 10)
		s.run(event.Sweep{ID: "s"})
		if len(b.sent) != maxUntold || s.untold() != 10 {
			t.Errorf("%d notices were sent, and the news of %d dataflows is left", len(b.sent), s.untold())
		}
		s.run(event.Sweep{ID: "next"})
		if len(b.sent) != maxUntold+10 || s.untold() != 0 {
			t.Errorf("%d notices were sent, and the news of %d dataflows is left", len(b.sent), s.untold())
		}
	})
}

func TestWithoutNoticesASweepListsNoNews(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.news(1)
		s.options.Teller = nil
		s.options.Episodes = nil
		if r := s.run(event.Sweep{ID: "s"}); r.Report.State != Finished {
			t.Errorf("the result is %+v", r)
		}
	})
}
