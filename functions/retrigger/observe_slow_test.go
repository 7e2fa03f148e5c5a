//go:build slow

package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestWhatWaitsInObserveModeOutlivesItsQueue: SQS deletes a message after 14 days, and gives
// one up after 1000 receives. The function replaces it before that.
func TestWhatWaitsInObserveModeOutlivesItsQueue(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays, w.Config.MaxRunAge = []time.Duration{5 * time.Minute}, 60*24*time.Hour
		id := w.Fail("f")
		w.Told(id)
		w.Poll(w.Start(-1, false))
		w.observing(true)
		w.Drain(20 * 24 * time.Hour)
		w.observing(false)
		w.Drain(time.Hour)
		w.wantOnce(t, []string{id})
	})
}

// TestASweepThatWasBegunBeforeObserveModeGoesOnAfterIt: Its message waits, and no page is
// listed meanwhile.
func TestASweepThatWasBegunBeforeObserveModeGoesOnAfterIt(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 1200
		ids := w.backlog(110, 10)
		if r := w.sweep(bareSchedule); r.State != sweep.Continues {
			t.Fatalf("the report is %+v", r)
		}
		w.observing(true)
		lists, requests := w.Adobe.Count(flowsim.OpRuns), len(w.AWS.Messages(w.Requests))
		w.Drain(2 * time.Hour)
		if n := w.Adobe.Count(flowsim.OpRuns) - lists; n != 0 || len(w.AWS.Messages(w.Requests)) != requests || len(w.sent()) != 0 {
			t.Errorf("%d pages were listed, %d messages are left of %d, %d re-triggers", n, len(w.AWS.Messages(w.Requests)), requests, len(w.sent()))
		}
		w.observing(false)
		w.Drain(24 * time.Hour)
		w.wantOnce(t, ids)
		if last := w.lastSweep(); last.State != "finished" || last.Seen != len(ids) {
			t.Errorf("the sweep is %+v", last)
		}
	})
}
