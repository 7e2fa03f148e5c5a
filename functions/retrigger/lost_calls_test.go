package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestNothingIsSentBeforeTheSearchForALostCall: Flow Service may list a new run late.
// Until the search, neither a duplicate of the lost call's run nor another run of the
// dataflow is sent.
func TestNothingIsSentBeforeTheSearchForALostCall(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 0, 29*time.Second)
		w.Flow("f", worldOrg)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
		root, other := w.Fail("f"), w.Fail("f")
		w.Told(root)
		p := w.Start(-1, false)
		w.Poll(p)
		pass(time.Second)
		w.Told(root)
		w.Told(other)
		for range 25 { // until what was made can be listed
			w.Poll(p)
			pass(time.Second)
		}
		if n, lists := len(w.sent()), w.Adobe.Count(flowsim.OpRuns); n != 1 || lists != 0 {
			t.Errorf("%d re-triggers and %d lists of runs before the time, want 1 and 0", n, lists)
		}
		w.Drain(time.Hour)
		w.wantOnce(t, []string{root, other})
		if n := len(w.sent()); n != 2 {
			t.Errorf("%d re-triggers, want 2", n)
		}
	})
}

// TestClaimWhoseAnswerIsLostIsUsed: DynamoDB writes the claim, but its answer is lost.
// The function reads the entry, finds its own claim and sends the call once.
func TestClaimWhoseAnswerIsLostIsUsed(t *testing.T) {
	t.Parallel()
	for _, delays := range [][]time.Duration{{0}, policy.DefaultDelays()} {
		t.Run(fmt.Sprint(delays), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.RetryDelays, w.Config.BudgetWindow, w.Config.FlowBudget = delays, time.Hour, 1
				root := w.Fail("f")
				p := w.Start(-1, false)
				w.invoke(p, `{"runId":"`+root+`","orgId":"`+worldOrg+`","dryRun":true}`) // the pauses are read
				w.Faults.Fail(0, 1)
				w.Told(root)
				w.Poll(p)
				if e := w.Entry(root); w.Faults.Left() != 0 || e["state"] != "retriggered" || e["sends"] != "1" {
					t.Errorf("the entry is %v", e)
				}
				w.Drain(24 * time.Hour)
				extra := 0
				for _, one := range w.Logs.All() {
					extra += one.Extra
				}
				if n, e := len(w.sent()), w.Entry(root); n != 1 || extra > 0 || len(w.reasons()) > 0 || e["sends"] != "1" || e["state"] != "retriggered" {
					t.Errorf("%d re-triggers, %d extra, letters %v, entry %v, %v", n, extra, w.reasons(), e, w.Logs.Outcomes())
				}
			})
		})
	}
}

// TestRunMadeAfterTheTimeoutIsFound: Adobe makes the run 25 s after its gateway has
// answered 504, and Adobe's clock differs from ours. The search finds the run.
func TestRunMadeAfterTheTimeoutIsFound(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-ledger.MaxClockSkew, -time.Minute, 0, time.Minute, ledger.MaxClockSkew} {
		t.Run(skew.String(), func(t *testing.T) {
			t.Parallel()
			bubble(t, func(t *testing.T) {
				w := newWorld(t, skew, 0)
				w.Flow("f", worldOrg)
				lost := false
				w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
					if lost || !isRetrigger(r) {
						w.Adobe.ServeHTTP(answer, r)
						return
					}
					lost = true
					late := r.Clone(context.WithoutCancel(r.Context()))
					go func() {
						pass(25 * time.Second)
						w.Adobe.ServeHTTP(httptest.NewRecorder(), late)
					}()
					answer.WriteHeader(http.StatusGatewayTimeout)
				})
				w.failing(100)
				root := w.Fail("f")
				w.Told(root)
				w.Drain(24 * time.Hour)
				if made, all := w.Adobe.Retriggers(root), w.Lineages()[root]; made != 1 || all != 3 {
					t.Errorf("%d runs were made of the root, %d of the lineage, want 1 and 3; %v", made, all, w.Logs.Outcomes())
				}
			})
		})
	}
}

// TestSecondLostCallBecomesADeadLetter: A lost call is sent once more, and its second loss
// is a dead letter. Where the policy allows one attempt only, the first loss is one.
func TestSecondLostCallBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	for calls, delays := range map[int][]time.Duration{2: policy.DefaultDelays(), 1: {0}} {
		t.Run(fmt.Sprint(delays), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.RetryDelays = delays
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Hang: true, Times: 5})
				w.Told(w.Fail("f"))
				w.Drain(24 * time.Hour)
				if n := len(w.sent()); n != calls || w.reasons()["outcome_unknown"] != 1 {
					t.Errorf("%d re-triggers, letters %v, want %d and one outcome_unknown", n, w.reasons(), calls)
				}
			})
		})
	}
}

// TestTwoLostCallsOfOneDataflowAreKeptApart: Two runs of a dataflow fail at the same
// moment, and both calls are lost. Each lineage has its three attempts, and no run is
// re-triggered twice.
func TestTwoLostCallsOfOneDataflowAreKeptApart(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		a, b := w.Fail("f"), w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true, Times: 2})
		w.Send(string(w.Adobe.FailureEvent(a)))
		w.Send(string(w.Adobe.FailureEvent(b)))
		w.Drain(48 * time.Hour)
		for _, root := range []string{a, b} {
			if n := w.Lineages()[root]; n != 3 {
				t.Errorf("lineage %s has had %d re-triggers, want 3", root, n)
			}
		}
		for _, r := range w.Adobe.Runs() {
			if n := w.Adobe.Retriggers(r.ID); n > 1 {
				t.Errorf("run %s was re-triggered %d times", r.ID, n)
			}
		}
	})
}

// TestOldLostCallIsNotLinkedToANewRun: A lost call no longer makes its dataflow wait
// after LostCallWindow. A run that a later call has made is linked to the later call's
// run.
func TestOldLostCallIsNotLinkedToANewRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		one := func() *process { return w.Start(-1, false) }
		a := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable})
		w.Direct(w.Adobe.FailureEvent(a), one)
		pass(ledger.LostCallWindow + 3*ledger.MaxClockSkew) // nobody looks at the queue meanwhile
		b := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
		w.Direct(w.Adobe.FailureEvent(b), one)
		pass(time.Minute)
		for _, r := range w.Adobe.Settle() {
			w.Direct(w.Adobe.FailureEvent(r.ID), one)
			if e := w.Entry(r.ID); e["parent"] != b {
				t.Errorf("run %s was made of %s, and its entry is %v", r.ID, b, e)
			}
		}
		w.Drain(48 * time.Hour)
		if n := w.Lineages(); n[a] != 2 || n[b] != 3 { // what was lost of the first is an attempt
			t.Errorf("the lineages have had %v re-triggers, want 2 and 3", n)
		}
	})
}

// TestGivenUpRunDoesNotBlockItsDataflow: The run of a lost call is re-triggered once
// more, refused or given up. Then the next run of the dataflow goes at once.
func TestGivenUpRunDoesNotBlockItsDataflow(t *testing.T) {
	t.Parallel()
	hang := flowsim.Fault{Op: flowsim.OpRetrigger, Hang: true}
	for name, second := range map[string]*flowsim.Fault{
		"one more is recorded": nil,
		"it is given up":       &hang,
		"one more is refused":  {Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Adobe.Inject(hang)
				if second != nil {
					w.Adobe.Inject(*second)
				}
				p := w.Start(-1, false)
				w.Told(w.Fail("f"))
				for len(w.AWS.Messages(w.Requests)) > 0 {
					if w.Poll(p) == 0 {
						pass(time.Until(w.Next()))
					}
				}
				next := w.Fail("f")
				w.Told(next)
				w.Poll(p)
				if w.Adobe.Retriggers(next) != 1 {
					t.Errorf("it is held up: %+v", w.Logs.Outcomes())
				}
			})
		})
	}
}

// TestEveryExtraRetriggerIsCounted: The log counts a run's second re-trigger, also if the
// ledger could not record it or its answer is lost.
func TestEveryExtraRetriggerIsCounted(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]func(t *testing.T, w *world){
		"it is recorded":   func(*testing.T, *world) {},
		"the record fails": func(_ *testing.T, w *world) { w.Faults.Fail(1, 0) },
		"it is lost": func(_ *testing.T, w *world) {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Reset: true, AfterEffect: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				calls := 0
				w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
					if !isRetrigger(r) {
						w.Adobe.ServeHTTP(answer, r)
						return
					}
					switch calls++; calls {
					case 1:
						answer.WriteHeader(http.StatusBadGateway)
					case 2:
						extra(t, w)
						w.Adobe.ServeHTTP(answer, r)
					default:
						w.Adobe.ServeHTTP(answer, r)
					}
				})
				root := w.Fail("f")
				w.Told(root)
				w.Drain(24 * time.Hour)
				counted := 0
				for _, one := range w.Logs.All() {
					counted += one.Extra
				}
				if calls != 2 || counted != 1 || w.Entry(root)["state"] != "retriggered" {
					t.Errorf("%d re-triggers, %d of them counted as extra, want 2 and 1; entry %v; %v", calls, counted, w.Entry(root), w.Logs.Outcomes())
				}
			})
		})
	}
}

// TestFailureEventBeforeTheAnswerIsLinkedToItsParent: The new run fails, and its event
// comes while the call that made the run is under way, or after the process has crashed
// in that call. The run is linked to its parent.
func TestFailureEventBeforeTheAnswerIsLinkedToItsParent(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]bool{"under way": true, "lost in a crash": false} {
		for _, skew := range []time.Duration{-115 * time.Second, 0, 115 * time.Second} {
			t.Run(fmt.Sprintf("%s/clocks %s apart", name, skew), func(t *testing.T) {
				t.Parallel()
				bubble(t, func(t *testing.T) {
					w := newWorld(t, skew, 0)
					w.Flow("f", worldOrg)
					w.failing(100)
					root := w.Fail("f")
					pass(5 * time.Minute)
					w.Send(string(w.Adobe.FailureEvent(root)))
					w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
					crashes := 5 // in the middle of the re-trigger
					if hang {
						crashes = -1
					}
					done := make(chan struct{})
					go func() {
						defer close(done)
						w.Poll(w.Start(crashes, true))
					}()
					if !hang {
						w.Adobe.Heal()
					}
					synctest.Wait()
					made := w.Adobe.MadeOf(root)
					if made == "" || w.Entry(made) != nil || w.Entry(root)["state"] != "in_flight" {
						t.Fatalf("the course of events is another: %q was made, and recorded as %v; the root's entry is %v", made, w.Entry(made), w.Entry(root))
					}
					w.Settle() // the event of the new run's failure is sent
					w.Poll(w.Start(-1, false))
					if n := w.Adobe.Count(flowsim.OpRetrigger); n != 1 {
						t.Fatalf("%d re-triggers before the first is recorded", n)
					}
					<-done
					w.Drain(24 * time.Hour)
					if n := w.Lineages()[root]; n != 3 {
						t.Errorf("%d re-triggers of the lineage, want 3", n)
					}
					if e := w.Entry(made); e["root"] != root || e["parent"] != root {
						t.Errorf("the new run's entry is %v", e)
					}
				})
			})
		}
	}
}
