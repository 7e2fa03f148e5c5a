package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

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
