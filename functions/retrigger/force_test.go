package main

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestForceGivesAnExhaustedRunNewAttempts: Without force an exhausted run has no more
// attempts. With force it has three more. Force never sends a run that was re-triggered.
func TestForceGivesAnExhaustedRunNewAttempts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.lineage(100)
		last := ""
		for _, r := range w.Adobe.Runs() {
			last = r.ID
		}
		w.Send(`{"runId":"` + last + `","orgId":"` + worldOrg + `"}`)
		w.Drain(24 * time.Hour)
		if n := w.Lineages()[root]; n != 3 {
			t.Errorf("%d re-triggers without force, want 3", n)
		}
		w.Send(`{"runId":"` + root + `","orgId":"` + worldOrg + `","force":true}`)
		w.Drain(24 * time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 {
			t.Errorf("the root was re-triggered %d times, want once", n)
		}
		w.Send(`{"runId":"` + last + `","orgId":"` + worldOrg + `","force":true}`)
		w.Drain(24 * time.Hour)
		if n := w.Lineages()[root]; n != 6 {
			t.Errorf("%d re-triggers with force, want three more", n)
		}
	})
}

// TestForcePassesTheRetryDelayButNoClaim: A forced request for a waiting run goes at
// once. A forced request for a run that another delivery has claimed waits.
func TestForcePassesTheRetryDelayButNoClaim(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		force := func(id string) retry.Result {
			return w.invoke(w.Start(-1, false), `{"runId":"`+id+`","orgId":"`+worldOrg+`","force":true}`).Results[0]
		}
		waits := w.Fail("f")
		w.Told(waits)
		w.Poll(w.Start(-1, false))
		if r := force(waits); r.Outcome != "retriggered" || r.Reason != "" {
			t.Errorf("the run that waits is %+v", r)
		}
		w.Config.RetryDelays = []time.Duration{0}
		claimed := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Direct(w.Adobe.FailureEvent(claimed), func() *process { return w.Start(-1, false) })
		}()
		synctest.Wait()
		if r := force(claimed); r.Reason != "in_progress" || w.Entry(claimed)["state"] != "in_flight" {
			t.Errorf("the claimed run is %+v, its entry %v", r, w.Entry(claimed))
		}
		<-done
		w.Drain(24 * time.Hour)
		w.wantOnce(t, []string{waits, claimed})
	})
}

// TestForcedRunIsSentOnceMoreAfterALostCall: A lost call of a forced run is sent once
// more, not again and again. Each time a person forces the given-up run it is sent once
// more. A fault during the search does not change that.
func TestForcedRunIsSentOnceMoreAfterALostCall(t *testing.T) {
	t.Parallel()
	for name, effect := range map[string]bool{"with effect, never listed": true, "without effect": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, 0, 1000*time.Hour)
				w.Flow("f", worldOrg)
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway, AfterEffect: effect, Times: 1000})
				root := w.Fail("f")
				for more := range 3 {
					w.Send(`{"runId":"` + root + `","flowId":"f","force":true,"orgId":"` + worldOrg + `"}`)
					w.Drain(24 * time.Hour)
					if calls, letters := len(w.sent()), w.reasons()["outcome_unknown"]; calls != 2+more || letters != 1+more {
						t.Fatalf("after %d requests with force: %d re-triggers and %d dead letters, want %d and %d", 1+more, calls, letters, 2+more, 1+more)
					}
				}
				// A fault while it is looked up, takes nothing of it away.
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable})
				w.Send(`{"runId":"` + root + `","flowId":"f","force":true,"orgId":"` + worldOrg + `"}`)
				w.Drain(24 * time.Hour)
				if n := len(w.sent()); n != 5 {
					t.Errorf("%d re-triggers, want 5", n)
				}
			})
		})
	}
}

// TestForcedRunThatALostCallMadeStaysInItsLineage: A re-trigger gets no answer, and makes a
// run that fails. A person forces that run before the call is looked for a second time. Then
// the parent is not sent again.
func TestForcedRunThatALostCallMadeStaysInItsLineage(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 0, 5*time.Minute) // so late that the first search does not find the run
		w.Flow("f", worldOrg)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway, AfterEffect: true})
		root := w.Fail("f")
		w.Told(root)
		w.Drain(2 * time.Minute)
		child := w.Adobe.Runs()[1].ID
		w.Adobe.End(child, flowsim.Fail("CONNECTOR-1001-500", "again"))
		w.Send(`{"runId":"` + child + `","flowId":"f","force":true,"orgId":"` + worldOrg + `"}`)
		w.Drain(24 * time.Hour)
		if n, e := w.Adobe.Retriggers(root), w.Entry(child); n != 1 || w.Adobe.Retriggers(child) != 1 || e["parent"] != root {
			t.Errorf("the root was re-triggered %d times, its run is %v\n%s", n, e, w)
		}
	})
}

// TestForcePassesTheBudget: A forced request goes although the budget of its dataflow is
// used up.
func TestForcePassesTheBudget(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.FlowBudget = time.Hour, 1
		p := w.Start(-1, false)
		first, second := w.Fail("f"), w.Fail("f")
		w.invoke(p, `{"runId":"`+first+`","orgId":"`+worldOrg+`"}`)
		answer := w.invoke(p, `{"runId":"`+second+`","orgId":"`+worldOrg+`","force":true}`)
		if len(answer.Results) != 1 || answer.Results[0].Outcome != "retriggered" {
			t.Errorf("the answer is %+v", answer)
		}
	})
}
