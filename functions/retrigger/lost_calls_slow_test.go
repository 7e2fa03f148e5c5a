//go:build slow

package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestManyLostCallsDoNotStopTheirDataflow: The calls of 55 runs are lost, and the runs
// are given up. The ledger drops the slots of given-up runs when there are too many, so
// the next run is re-triggered.
func TestManyLostCallsDoNotStopTheirDataflow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway, Times: 2 * 55})
		for range 55 {
			w.Told(w.Fail("f"))
			w.Drain(time.Hour)
			pass(time.Hour)
		}
		last := w.Fail("f")
		w.Told(last)
		w.Drain(24 * time.Hour)
		if w.Adobe.Retriggers(last) != 1 || w.reasons()["outcome_unknown"] != 55 {
			t.Errorf("when Flow Service is well again: %d re-triggers, letters %v, entry %v", w.Adobe.Retriggers(last), w.reasons(), w.Entry(last))
		}
	})
}
