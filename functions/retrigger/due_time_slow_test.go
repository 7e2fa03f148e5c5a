//go:build slow

package main

import (
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestSweepDoesNotDelayAMessageThatMustWaitOn: A message is due, but its dataflow's
// budget is used up. The message comes again when the budget allows it, even if a sweep
// of its batch takes longer.
func TestSweepDoesNotDelayAMessageThatMustWaitOn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.FlowBudget, w.Config.CallTimeout = 12*time.Second, 1, 50*time.Second
		pass(time.Until(time.Now().Truncate(12 * time.Second).Add(12 * time.Second)))
		w.Told(w.Fail("f"))
		w.Poll(w.Start(-1, false)) // the window's budget is used up
		w.Adobe.Settle()
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Hang: true, Times: 10})
		w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Send(ownMessage(id, time.Now()))
		first, second := w.Start(-1, false), w.Start(-1, false)
		var group sync.WaitGroup
		group.Go(func() { w.Poll(first) })
		pass(time.Second)
		due, err := time.Parse(time.RFC3339Nano, w.Entry(id)["due"])
		if err != nil || !due.After(time.Now()) || time.Until(due) > 24*time.Second {
			t.Fatalf("the entry is %v", w.Entry(id))
		}
		pass(time.Until(due) + time.Second) // SQS counts in seconds
		if w.Poll(second) != 1 || w.Adobe.Retriggers(id) != 1 {
			t.Errorf("when it is due it has %d re-triggers; the entry is %v", w.Adobe.Retriggers(id), w.Entry(id))
		}
		group.Wait()
	})
}
