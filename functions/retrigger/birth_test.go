package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

// TestANewStacksSchedulesLeaveAloneWhatFailedBefore: People have retried those runs, or left
// them. Who names since asks for them by hand.
func TestANewStacksSchedulesLeaveAloneWhatFailedBefore(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		old := w.backlog(5, 1)
		pass(time.Minute)
		born := time.Now().UTC()
		w.Memory.MadeAt(born)
		pass(30 * time.Minute)
		young := w.Fail("f")
		pass(30 * time.Minute)
		r := w.sweep(bareSchedule)
		if r.State != sweep.Finished || r.Failed != 1 || r.Requested != 1 || !r.Born.Equal(born) || !r.Since.Equal(born) {
			t.Errorf("the first sweep is %+v", r)
		}
		if last := w.lastSweep(); !last.Born.Equal(born) {
			t.Errorf("the log says of the sweep %+v", last)
		}
		w.Drain(time.Hour)
		w.wantOnce(t, []string{young})
		if n := len(w.sent()); n != 1 {
			t.Errorf("%d re-triggers", n)
		}
		if r := w.sweep(`{"sweep":{"since":"24h","orgId":"` + worldOrg + `"}}`); r.Requested != len(old) || !r.Born.IsZero() {
			t.Errorf("the sweep by hand is %+v", r)
		}
		w.Drain(time.Hour)
		w.wantOnce(t, append(old, young))
	})
}

// unborn is a table that the function may not ask when it was made.
type unborn struct{ store.Table }

func (unborn) Born(context.Context) (time.Time, error) {
	return time.Time{}, &store.UnavailableError{Op: "describe", Err: errors.New("AccessDeniedException")}
}

// TestASweepWaitsForThePermissionToAskForTheLedgersBirth: Its message waits, the alarm's
// metric counts, and the sweep goes on by itself.
func TestASweepWaitsForThePermissionToAskForTheLedgersBirth(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.backlog(5, 1)
		pass(time.Minute)
		w.Memory.MadeAt(time.Now())
		young := w.Fail("f")
		w.Mutate = func(table store.Table) store.Table { return unborn{table} }
		if r := w.sweep(bareSchedule); r.State != sweep.Continues || !strings.Contains(r.Error, "AccessDeniedException") {
			t.Errorf("the report is %+v", r)
		}
		w.Drain(3 * time.Hour)
		if n := len(w.AWS.Messages(w.Requests)); n != 1 || w.Logs.Sum("ledger_unavailable") < 10 || len(w.sent()) != 0 {
			t.Errorf("%d messages wait, the metric is %d", n, w.Logs.Sum("ledger_unavailable"))
		}
		w.Mutate = nil
		w.Drain(3 * time.Hour)
		w.wantOnce(t, []string{young})
		if n := len(w.sent()); n != 1 {
			t.Errorf("%d re-triggers", n)
		}
	})
}
