//go:build slow

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestCrashWhileWaitingOrSearchingLosesNoRun: The process dies while it lets a run wait,
// gives it up or searches for the run of a lost call. The table has the number of
// re-triggers and dead letters, and the state in which the run ends.
func TestCrashWhileWaitingOrSearchingLosesNoRun(t *testing.T) {
	t.Parallel()
	forbidden := flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Times: 100, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`}
	type crash struct {
		retriggers, letters int
		state               string
	}
	retried, once, twice := crash{1, 0, "retriggered"}, crash{1, 1, "dead_lettered"}, crash{2, 1, "dead_lettered"}
	sent := crash{2, 0, "retriggered"} // a second time, since the first call had no effect
	for name, tt := range map[string]struct {
		begin func(w *world) // before the delivery that crashes
		// deliveries are those before it.
		deliveries int
		// crashes are those before each call takes effect, and after.
		crashes [][2]crash
	}{
		"an attempt waits": {
			func(w *world) { w.Config.RetryDelays = []time.Duration{10 * time.Minute} }, 0,
			[][2]crash{{retried, retried} /* read */, {retried, retried} /* reserve */, {retried, retried} /* the message */, {retried, retried} /* note */},
		},
		"a run is given up": {
			func(w *world) { w.Adobe.Inject(forbidden) }, 0,
			[][2]crash{
				{once, once},                     // read
				{once, once},                     // claim: then it is not known whether it was sent
				{once, twice},                    // re-trigger
				{twice, twice},                   // release
				{twice, twice},                   // reserve
				{twice, {2, 2, "dead_lettered"}}, // dead letter
				{{2, 2, "dead_lettered"}, once},  // note
			},
		},
		"a run that was made is searched for": {
			func(w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway, AfterEffect: true})
			}, 1,
			[][2]crash{{retried, retried} /* read */, {retried, retried} /* list */, {retried, retried} /* the child */, {retried, retried} /* the parent */, {retried, retried} /* link */},
		},
		"a run that was not made is searched for": {
			func(w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway})
			}, 1,
			[][2]crash{{sent, sent} /* read */, {sent, sent} /* list */, {sent, sent} /* the parent */, {sent, sent} /* settle */, {sent, sent} /* read */, {sent, sent} /* reserve */, {sent, sent} /* the message */, {sent, sent} /* note */},
		},
		"a run that was not made is sent once more": {
			func(w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway})
			}, 3,
			[][2]crash{
				{sent, sent}, // read
				{sent, sent}, // list, in search of its run
				{sent, sent}, // list, in search of a retry by hand
				{sent, once}, // claim: whether it was sent is not known a second time
				{once, sent}, // re-trigger
				{sent, sent}, // record
			},
		},
	} {
		for calls, both := range tt.crashes {
			for i, want := range both {
				after := i == 1
				t.Run(fmt.Sprintf("%s/%d calls, after the effect %t", name, calls, after), func(t *testing.T) {
					t.Parallel()
					inWorld(t, func(t *testing.T, w *world) {
						root := w.Fail("f")
						pass(5 * time.Minute)
						tt.begin(w)
						w.Told(root)
						for range tt.deliveries {
							w.Poll(w.Start(-1, false))
							pass(time.Until(w.Next()))
						}
						dying := crashing(w, calls, after)
						w.Poll(dying)
						if !dying.Dead() {
							t.Fatalf("it does not take %d calls", calls)
						}
						w.Drain(24 * time.Hour)
						got := crash{len(w.sent()), len(w.AWS.Messages(w.DeadLetterQueue)), w.Entry(root)["state"]}
						if got != want {
							t.Errorf("got %+v, want %+v; %v", got, want, w.Logs.Outcomes())
						}
						if made := w.Adobe.Retriggers(root); made != 1 && want.state == "retriggered" {
							t.Errorf("%d runs were made", made)
						}
					})
				})
			}
		}
	}
}
