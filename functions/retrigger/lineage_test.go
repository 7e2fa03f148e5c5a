package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func always(w *world, flowID string, n int) {
	for range n {
		w.adobe.Script(flowID, flowsim.Fail("CONNECTOR-1001-500", "it fails"))
	}
}

// TestAFlowThatFailsForEverStops is the loop: each failure's event comes back to
// the function.
func TestAFlowThatFailsForEverStops(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T, w *world) {
		w.flow("f", worldOrg)
		always(w, "f", 1000)
		root := w.fail("f")
		w.send(string(w.adobe.FailureEvent(root)))
		w.drain(24 * time.Hour)
		if n := w.lineages()[root]; n != 3 {
			t.Errorf("%d re-triggers, want 3", n)
		}
	})
}
