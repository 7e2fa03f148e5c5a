package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// crashes are the points at which a process can die while it retries the run of an event.
// The first calls are answered, as many as calls says. With after, the next call still takes
// effect. A cold start makes these calls: it reads the entries and the pauses, reads the
// secrets of two orgs (at any time before the token), requests the token, claims,
// re-triggers and records.
func crashes() []struct {
	name                         string
	calls                        int
	after                        bool
	retriggers, extra, reconcile int
} {
	return []struct {
		name                         string
		calls                        int
		after                        bool
		retriggers, extra, reconcile int
	}{
		{"before the claim", 0, false, 1, 0, 0},
		{"after the claim", 4, true, 1, 1, 0},
		{"before sending", 5, false, 1, 1, 0},
		{"after sending, before the answer", 5, true, 1, 0, 1},
		{"after the answer, before the record", 6, false, 1, 0, 1},
		{"after the record", 6, true, 1, 0, 0},
		{"before the message's deletion", 7, false, 1, 0, 0},
	}
}

// TestCrashDuringARetryEndsWithOneNewRun: The process dies before or after each call of a
// retry. The redelivered message ends with one new run.
func TestCrashDuringARetryEndsWithOneNewRun(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"queue", "direct"} {
		for _, crash := range crashes() {
			t.Run(how+"/"+crash.name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					root := w.Fail("f")
					pass(5 * time.Minute)
					event := string(w.Adobe.FailureEvent(root))
					dying := w.Start(crash.calls, crash.after)
					if crash.name == "before the message's deletion" {
						dying = w.Start(-1, false)
					}
					if how == "queue" {
						w.Send(event)
						w.Poll(lost{dying})
					} else if _, err := dying.Invoke(t.Context(), []byte(event)); err == nil {
						t.Log("the invocation was answered; EventBridge delivers it again all the same")
					}
					if how == "direct" {
						pass(time.Minute)
						w.Direct([]byte(event), func() *process { return w.Start(-1, false) })
					}
					w.Drain(24 * time.Hour)
					calls := 0
					for _, c := range w.Adobe.Calls() {
						if c.Op == flowsim.OpRetrigger {
							calls++
						}
					}
					extra := 0
					for _, one := range w.Logs.All() {
						extra += one.Extra
					}
					reconciled := 0
					for _, one := range w.Logs.Ends(root) {
						if one.Reason == "reconciled" {
							reconciled++
						}
					}
					if calls != crash.retriggers || w.Adobe.Retriggers(root) != 1 || extra != crash.extra || reconciled != crash.reconcile {
						t.Errorf("%d calls, %d runs made, %d extra, %d reconciled; want %d, 1, %d, %d\n%v",
							calls, w.Adobe.Retriggers(root), extra, reconciled, crash.retriggers, crash.extra, crash.reconcile, w.Logs.Outcomes())
					}
					if e := w.Entry(root); e["state"] != "retriggered" || e["newRunId"] != w.Adobe.MadeOf(root) {
						t.Errorf("the ledger has %v", e)
					}
				})
			})
		}
	}
}

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

// TestRetriggerThatCouldNotBeRecordedIsFoundBySearch: The ledger fails when the answer is
// to be recorded. The next delivery finds the new run and sends no second re-trigger.
func TestRetriggerThatCouldNotBeRecordedIsFoundBySearch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			w.Adobe.ServeHTTP(answer, r)
			if isRetrigger(r) {
				w.Faults.Fail(1, 0)
			}
		})
		root := w.Fail("f")
		w.Direct(w.Adobe.FailureEvent(root), func() *process { return w.Start(-1, false) })
		w.Drain(24 * time.Hour)
		if e := w.Entry(root); len(w.sent()) != 1 || e["state"] != "retriggered" || e["newRunId"] != w.Adobe.MadeOf(root) {
			t.Errorf("%d re-triggers; the entry is %v", len(w.sent()), e)
		}
	})
}

// panicking panics when the ledger records the answer of a re-trigger.
type panicking struct{ store.Table }

func (t panicking) Commit(ctx context.Context, writes ...store.Write) error {
	for _, w := range writes {
		if w.New["state"] == string(ledger.Retriggered) {
			panic("a defect")
		}
	}
	return t.Table.Commit(ctx, writes...)
}

// TestPanicAfterTheCallKeepsTheClaim: The process panics while it records the answer. The
// claim stays in the ledger, and the new run is linked to its parent.
func TestPanicAfterTheCallKeepsTheClaim(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		root := w.Fail("f")
		pass(5 * time.Minute)
		w.Mutate = func(t store.Table) store.Table { return panicking{t} }
		w.Told(root)
		w.Poll(w.Start(-1, false))
		if e := w.Entry(root); e["state"] != "in_flight" || e["faults"] != "1" || e["sends"] != "1" {
			t.Errorf("the entry is %v", e)
		}
		w.Mutate = nil
		w.Drain(24 * time.Hour)
		if n := w.Lineages()[root]; n != 3 || w.Entry(w.Adobe.MadeOf(root))["parent"] != root {
			t.Errorf("%d re-triggers of the lineage, want 3; %v", n, w)
		}
	})
}
