//go:build slow

package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestRunRequestedInAPauseWaitsForItsEnd: A sweep requests a run of a paused dataflow.
// After five days of pause the run is re-triggered, and there is no dead letter.
func TestRunRequestedInAPauseWaitsForItsEnd(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		pass(time.Minute)
		scope := `"orgId":"` + worldOrg + `","flowId":"f"`
		w.pausing("pause", scope)
		if r := w.sweep(onlySweep); r.State != sweep.Finished || r.Requested != 1 {
			t.Fatalf("the report is %+v", r)
		}
		w.Drain(5 * 24 * time.Hour)
		w.pausing("resume", scope)
		w.Drain(12 * time.Hour)
		w.wantOnce(t, []string{id})
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

// TestSweepWaitsForTheEndOfAPause: The sweep lists nothing of a paused org and goes on
// when the pause is over.
func TestSweepWaitsForTheEndOfAPause(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(20, 5)
		w.pausing("pause", `"orgId":"`+worldOrg+`"`)
		w.sweep(onlySweep)
		w.Drain(time.Hour)
		if n := w.Adobe.Count(flowsim.OpRuns); n != 0 {
			t.Errorf("%d lists in the pause", n)
		}
		w.pausing("resume", `"orgId":"`+worldOrg+`"`)
		w.Drain(6 * time.Hour)
		w.wantOnce(t, ids)
	})
}
