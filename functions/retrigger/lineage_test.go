package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// inWorld runs a test in a world of its own.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 0, 0)
		w.Flow("f", worldOrg)
		test(t, w)
	})
}

// failing scripts the next runs of dataflow f to fail.
func (w *world) failing(times int) {
	for range times {
		w.Adobe.Script("f", flowsim.Fail("CONNECTOR-1001-500", "Copying from the source failed"))
	}
}

// lineage lets a run of dataflow f fail, and so many of the runs that come of it,
// and returns the root when all is over.
func (w *world) lineage(failures int) (root string) {
	w.failing(failures)
	root = w.Fail("f")
	w.Told(root)
	w.Drain(24 * time.Hour)
	return root
}

// outcomesOf returns the outcomes of a run with their reasons, those on the way
// left out.
func (w *world) outcomesOf(runID string) []string {
	list := []string{}
	for _, one := range w.Logs.Ends(runID) {
		list = append(list, strings.TrimSpace(one.Outcome+" "+one.Reason))
	}
	return list
}

// crashes are the points at which a process can die while it retries a run of
// which an event tells: so many calls are answered, and with after the next one
// still takes effect. The calls of a cold start are the reading of the pauses, the
// claim, the secrets of two orgs, the token, the re-trigger and the record; the
// secrets at any time before the token.
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
		{"after the claim", 4, false, 1, 1, 0},
		{"before sending", 5, false, 1, 1, 0},
		{"after sending, before the answer", 5, true, 1, 0, 1},
		{"after the answer, before the record", 6, false, 1, 0, 1},
		{"after the record", 6, true, 1, 0, 0},
		{"before the message's deletion", 7, false, 1, 0, 0},
	}
}

// TestCrashPoints: wherever the process dies, the redelivered message ends with
// one re-trigger that took effect.
func TestCrashPoints(t *testing.T) {
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

// crashing is a warm process that crashes after so many calls.
func (w *world) crashing(calls int, after bool) *process {
	w.TB.Helper()
	p := w.Start(-1, false)
	w.invoke(p, `{"runId":"`+w.Fail("f")+`","orgId":"`+worldOrg+`","dryRun":true}`)
	p.CrashAfter(calls, after)
	return p
}

// TestCrashPointsBesideTheCall: what waits, what is given up, and what is looked up.
// Wherever the process dies, as many re-triggers are sent as the table says, and the
// run ends visibly.
func TestCrashPointsBesideTheCall(t *testing.T) {
	t.Parallel()
	forbidden := flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Times: 100, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`}
	type crash struct {
		retriggers, letters int
		state               string
	}
	retried, once, twice := crash{1, 0, "retriggered"}, crash{1, 1, "dead_lettered"}, crash{2, 1, "dead_lettered"}
	for name, tt := range map[string]struct {
		begin func(w *world) // before the delivery that crashes
		// crashes are those before each call takes effect, and after.
		crashes [][2]crash
	}{
		"an attempt waits": {
			func(w *world) { w.Config.RetryDelays = []time.Duration{10 * time.Minute} },
			[][2]crash{{retried, retried} /* hold */, {retried, retried} /* the message */, {retried, retried} /* note */},
		},
		"a run is given up": {
			func(w *world) { w.Adobe.Inject(forbidden) },
			// Without the record it is looked up, and sent once more.
			[][2]crash{{once, once} /* claim */, {once, twice} /* re-trigger */, {twice, {2, 2, "dead_lettered"}} /* letter */, {{2, 2, "dead_lettered"}, once} /* record */},
		},
		"a run that was made is looked up": {
			func(w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway, AfterEffect: true})
			},
			[][2]crash{{retried, retried}, {retried, retried} /* hold */, {retried, retried}, {retried, retried}, {retried, retried} /* list */, {retried, retried}, {retried, retried} /* adopt */},
		},
		"a run that was not made is looked up": {
			func(w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway})
			},
			[][2]crash{
				{{2, 0, "retriggered"}, {2, 0, "retriggered"}},
				{{2, 0, "retriggered"}, {2, 0, "retriggered"}}, // hold
				{{2, 0, "retriggered"}, {2, 0, "retriggered"}},
				{{2, 0, "retriggered"}, {2, 0, "retriggered"}},
				{{2, 0, "retriggered"}, {2, 0, "retriggered"}}, // list
				{{2, 0, "retriggered"}, once},                  // claim: whether it was sent is not known a second time
				{once, {2, 0, "retriggered"}},                  // re-trigger
				{{2, 0, "retriggered"}, {2, 0, "retriggered"}}, // record
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
						if strings.HasSuffix(name, "looked up") {
							w.Poll(w.Start(-1, false))
							pass(time.Until(w.Next()))
						}
						dying := w.crashing(calls, after)
						w.Poll(dying)
						if !dying.Dead() {
							t.Fatalf("it does not take %d calls", calls)
						}
						w.Drain(24 * time.Hour)
						got := crash{len(w.sent()), len(w.AWS.Messages(w.Letters)), w.Entry(root)["state"]}
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

// lost is a process whose answers don't arrive: the message is not deleted.
type lost struct{ *process }

func (l lost) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	_, _ = l.process.Invoke(ctx, payload)
	return lambdaenv.Response{}, simulation.ErrDead
}

// TestALoopEnds is the loop that must not be: a dataflow that fails for ever, and
// each failure's event comes back to the function.
func TestALoopEnds(t *testing.T) {
	t.Parallel()
	for name, direct := range map[string]bool{"on the queue": false, "by direct events": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.failing(1000)
				tell := func(id string) {
					if direct {
						w.Direct(w.Adobe.FailureEvent(id), func() *process { return w.Start(-1, false) })
					} else {
						w.Send(string(w.Adobe.FailureEvent(id)))
					}
				}
				w.Told = tell
				for range 10 { // one after the other, an hour apart
					tell(w.Fail("f"))
					w.Drain(time.Hour)
				}
				// Three lineages have their three attempts, then the breaker is open.
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != 9 {
					t.Errorf("%d re-triggers, want 9", n)
				}
				want := map[string]int{"attempts_exhausted": 3, "breaker_open": 7}
				if diff := cmp.Diff(want, w.reasons()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				// A run succeeds by itself, and the next failure is retried again.
				w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, Records: 1, CompletedAt: time.Now()})
				pass(time.Minute)
				tell(w.Fail("f"))
				w.Drain(time.Hour)
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != 12 {
					t.Errorf("%d re-triggers after a success, want 3 more", n)
				}
				// Without a success one lineage goes through after the cool-down.
				w.failing(1000)
				for range 2 {
					tell(w.Fail("f"))
					w.Drain(time.Hour)
				}
				before := w.Adobe.Count(flowsim.OpRetrigger)
				tell(w.Fail("f"))
				w.Drain(time.Hour)
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != before {
					t.Errorf("%d re-triggers with an open breaker, want none", n-before)
				}
				pass(25 * time.Hour)
				for range 2 {
					tell(w.Fail("f"))
					w.Drain(time.Hour)
				}
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != before+3 {
					t.Errorf("%d re-triggers after the cool-down, want 3", n-before)
				}
			})
		})
	}
}

// TestTheBreakerCountsLineages once each, and anew after a success.
func TestTheBreakerCountsLineages(t *testing.T) {
	t.Parallel()
	t.Run("a redrive does not count", func(t *testing.T) {
		t.Parallel()
		inWorld(t, func(t *testing.T, w *world) {
			w.lineage(100)
			for range 3 {
				letters := w.AWS.Messages(w.Letters)
				w.Send(letters[len(letters)-1].Body)
				w.Drain(time.Hour)
			}
			w.lineage(100) // the second
			next := w.Fail("f")
			w.Told(next)
			w.Poll(w.Start(-1, false))
			if w.Adobe.Retriggers(next) != 1 {
				t.Errorf("letters %v", w.reasons())
			}
		})
	})
	t.Run("a success begins it anew", func(t *testing.T) {
		t.Parallel()
		inWorld(t, func(t *testing.T, w *world) {
			lineages := func(n int) {
				w.failing(100)
				for range n {
					w.Told(w.Fail("f"))
					w.Drain(time.Hour)
				}
			}
			lineages(2)
			w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, Records: 1, CompletedAt: time.Now()})
			pass(time.Minute)
			lineages(5)
			if diff := cmp.Diff(map[string]int{"attempts_exhausted": 5, "breaker_open": 2}, w.reasons()); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
		})
	})
}

// TestALineageBelongsTogether: its runs point at each other, whatever brings them.
func TestALineageBelongsTogether(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.lineage(2)
		second := w.Adobe.MadeOf(root)
		third := w.Adobe.MadeOf(second)
		runs, err := ledger.New(w.Memory, ledger.DefaultTTL, time.Now).OfLineage(t.Context(), worldOrg, root, 10)
		if err != nil {
			t.Fatal(err)
		}
		type line struct {
			Run, Parent, Root, New string
			Attempt                int
			State                  ledger.State
		}
		var got []line
		for _, r := range runs {
			got = append(got, line{r.RunID, r.Parent, r.Root, r.NewRunID, r.Attempt, r.State})
		}
		want := []line{
			{w.Adobe.MadeOf(third), third, root, "", 3, ledger.Made},
			{third, second, root, w.Adobe.MadeOf(third), 2, ledger.Retriggered},
			{second, root, root, third, 1, ledger.Retriggered},
			{root, "", root, second, 0, ledger.Retriggered},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the lineage, the newest first (-want +got):\n%s", diff)
		}
	})
}

// TestAnEventOvertakesTheAnswer: the failure of the new run arrives while the call
// that made it is under way, and after it was lost.
func TestAnEventOvertakesTheAnswer(t *testing.T) {
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
					if made == "" || w.Entry(made) != nil || w.Entry(root)["state"] != "claimed" {
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

// TestTwoLineagesOfOneDataflow fail at the same moment, and both calls are lost.
func TestTwoLineagesOfOneDataflow(t *testing.T) {
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

// TestALossOfLongAgoIsNotTakenForANewOne: when a lost re-trigger no longer holds up its
// dataflow, what the next one makes is not put down to it.
func TestALossOfLongAgoIsNotTakenForANewOne(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		one := func() *process { return w.Start(-1, false) }
		a := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable})
		w.Direct(w.Adobe.FailureEvent(a), one)
		pass(ledger.LostCallWindow + time.Minute) // nobody looks at the queue meanwhile
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

// slowly lets each re-trigger take so long.
func (w *world) slowly(d time.Duration) {
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if isRetrigger(r) {
			pass(d)
		}
		w.Adobe.ServeHTTP(answer, r)
	})
}

// TestRunsThatWaitForEachOther in a process until its time is over are no fault: they
// wait their turn.
func TestRunsThatWaitForEachOther(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Timeout = 30 * time.Second
		w.slowly(9 * time.Second)
		for range 5 {
			w.Told(w.Fail("f"))
		}
		w.Poll(w.Start(-1, false))
		counts := map[string]int{}
		for _, one := range w.Logs.Outcomes() {
			counts[one.Outcome+" "+one.Reason]++
		}
		if diff := cmp.Diff(map[string]int{"retriggered ": 2, "returned flow_busy": 3}, counts); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// TestAPauseTakesEffectForRunsThatWaitForEachOther within the age of the process's copy
// and one call.
func TestAPauseTakesEffectForRunsThatWaitForEachOther(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{false, true} {
		t.Run(fmt.Sprintf("messages of ours %t", ours), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.slowly(9 * time.Second)
				if ours {
					w.pausing("pause", "")
				}
				var ids []string
				for range 5 {
					ids = append(ids, w.Fail("f"))
				}
				w.tellAll(ids)
				p := w.Start(-1, false)
				if ours { // they wait for the end of a pause, and come together
					w.Poll(p)
					w.pausing("resume", "")
					pass(10 * time.Minute)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					w.Poll(p)
				}()
				pass(time.Second)
				w.pausing("pause", "")
				began := time.Now()
				<-done
				calls := w.sent()
				if last := calls[len(calls)-1].At.Sub(began); len(calls) < 2 || last > (15+9)*time.Second {
					t.Errorf("%d re-triggers, the last %s after the pause began", len(calls), last)
				}
				w.Drain(time.Hour)
				if n := len(w.sent()); n != len(calls) {
					t.Errorf("%d re-triggers in the pause", n-len(calls))
				}
				w.pausing("resume", "")
				w.Drain(24 * time.Hour)
				w.wantOnce(t, ids)
			})
		})
	}
}

// TestManyLostRetriggers of a dataflow don't stop it: those that were given up are
// forgotten when there are too many.
func TestManyLostRetriggers(t *testing.T) {
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

// TestALineageWhoseEntryIsForgotten has had its attempts all the same.
func TestALineageWhoseEntryIsForgotten(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		root := w.Fail("f")
		w.Told(root)
		for w.Lineages()[root] < 2 {
			w.Poll(w.Start(-1, false))
			w.Settle()
			pass(10 * time.Second)
		}
		for _, r := range w.Memory.Records() { // as DynamoDB forgets it, LEDGER_TTL after the last claim
			if strings.HasPrefix(r[store.AttributeKey], "lineage#") {
				if err := w.Memory.Commit(t.Context(), store.Write{Key: r[store.AttributeKey], Old: r[store.AttributeRev]}); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.Drain(24 * time.Hour)
		if n := w.Lineages()[root]; n != 3 || w.reasons()["attempts_exhausted"] != 1 {
			t.Errorf("%d re-triggers of the lineage, want 3; letters %v", n, w.reasons())
		}
	})
}

// TestASecondLossIsADeadLetter, and so is the first where no attempt is left.
func TestASecondLossIsADeadLetter(t *testing.T) {
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

// TestARecordThatFails is made up for by looking the run up.
func TestARecordThatFails(t *testing.T) {
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

// panicking panics when a re-trigger has been answered.
type panicking struct{ retrigger.Ledger }

func (panicking) Retriggered(context.Context, ledger.View, string) (ledger.View, error) {
	panic("a defect")
}

// TestAPanicAfterTheCallForgetsNothing: the run may have been re-triggered, and the
// failure of what was made is of its lineage.
func TestAPanicAfterTheCallForgetsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		root := w.Fail("f")
		pass(5 * time.Minute)
		w.Mutate = func(l retrigger.Ledger) retrigger.Ledger { return panicking{l} }
		w.Told(root)
		w.Poll(w.Start(-1, false))
		if e := w.Entry(root); e["state"] != "dead_lettered" || e["reason"] != "internal_error" || e["sends"] != "1" {
			t.Errorf("the entry is %v", e)
		}
		w.Mutate = nil
		w.Drain(24 * time.Hour)
		if n := w.Lineages()[root]; n != 3 || w.Entry(w.Adobe.MadeOf(root))["parent"] != root {
			t.Errorf("%d re-triggers of the lineage, want 3; %v", n, w)
		}
	})
}

// TestALostRetriggerIsLookedUpInTime: neither its own duplicate nor another run of the
// dataflow is sent before Flow Service has had the time to list what was made.
func TestALostRetriggerIsLookedUpInTime(t *testing.T) {
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

// TestADeadlineIsCheckedAfterTheToken: it may take the time that the call needs.
func TestADeadlineIsCheckedAfterTheToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Timeout = 22 * time.Second // 16.5 s are for the work, 10 s of them for the call
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/ims") {
				pass(8 * time.Second)
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		root := w.Fail("f")
		w.Told(root)
		p := w.Start(-1, false)
		w.Poll(p)
		one := w.Logs.Outcomes()[0]
		if len(w.sent()) != 0 || one.Reason != "deadline" || w.Entry(root)["state"] != "returned" || w.Entry(root)["sends"] != "" {
			t.Errorf("%d re-triggers, outcome %+v, entry %v", len(w.sent()), one, w.Entry(root))
		}
		pass(time.Until(w.Next()))
		w.Poll(p) // the token is there
		w.wantOnce(t, []string{root})
	})
}

// TestALetterIsWrittenByOneDelivery at a time.
func TestALetterIsWrittenByOneDelivery(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var err error
		if w.Config.RetryPolicy, err = policy.ParseRules(`[{"action":"dead_letter"}]`); err != nil {
			t.Fatal(err)
		}
		root := w.Fail("f")
		w.Told(root)
		w.AWS.Inject(awssim.Fault{Op: "SendMessage", Hang: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = w.Start(-1, false).Invoke(t.Context(), w.Adobe.FailureEvent(root))
		}()
		synctest.Wait()
		w.Poll(w.Start(-1, false))
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("%d letters while another delivery writes one", n)
		}
		<-done
		w.Drain(24 * time.Hour)
		if n := len(w.AWS.Messages(w.Letters)); n != 1 {
			t.Errorf("%d letters, want 1", n)
		}
	})
}

// TestWhatIsSettledHoldsNobodyUp: when a lost re-trigger's run has come to an end, the
// next run of the dataflow does not wait.
func TestWhatIsSettledHoldsNobodyUp(t *testing.T) {
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

// TestWithoutTheLedgerNothingIsSent.
func TestWithoutTheLedgerNothingIsSent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.Faults.Fail(1000, 0)
		w.Send(string(w.Adobe.FailureEvent(root)))
		p := w.Start(-1, false)
		for range 3 {
			w.Poll(p)
			pass(20 * time.Minute)
		}
		if n := w.Adobe.Count(flowsim.OpRetrigger); n != 0 || len(w.DeadLetters()) != 0 {
			t.Errorf("%d re-triggers and %d dead letters without a ledger", n, len(w.DeadLetters()))
		}
		for _, one := range w.Logs.Outcomes() {
			if one.Outcome != "returned" || one.Reason != "ledger_unavailable" {
				t.Errorf("outcome = %+v", one)
			}
		}
		w.Faults.Fail(0, 0)
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 {
			t.Errorf("%d re-triggers when the ledger is back, want 1", n)
		}
	})
}

// TestEveryExtraRetriggerIsCounted, also where it can't be recorded, or another
// delivery has taken the run over meanwhile.
func TestEveryExtraRetriggerIsCounted(t *testing.T) {
	t.Parallel()
	for name, extra := range map[string]func(t *testing.T, w *world){
		"it is recorded":   func(*testing.T, *world) {},
		"the record fails": func(_ *testing.T, w *world) { w.Faults.Fail(1, 0) },
		"it is lost": func(_ *testing.T, w *world) {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Reset: true, AfterEffect: true})
		},
		"it is taken over": func(t *testing.T, w *world) {
			t.Helper()
			l := ledger.New(w.Memory, ledger.DefaultTTL, time.Now)
			v, err := l.Look(t.Context(), ledger.Guess(worldOrg, "f", worldSandbox, "root-f-1"))
			if err == nil {
				_, err = l.Hold(t.Context(), v, time.Now().Add(time.Minute))
			}
			if err != nil {
				t.Error(err)
			}
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

// TestAClaimWhoseAnswerIsLost is taken back: nothing was sent under it.
func TestAClaimWhoseAnswerIsLost(t *testing.T) {
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
				if e := w.Entry(root); w.Faults.Left() != 0 || e["state"] != "returned" || e["sends"] != "" {
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

// TestTheClaimDoesNotWaitForTheCredentials.
func TestTheClaimDoesNotWaitForTheCredentials(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.AWS.Inject(awssim.Fault{Op: "GetSecretValue", Hang: true, Times: 100})
		done := make(chan lambdaenv.Response)
		p := w.Start(-1, false)
		go func() {
			answer, _ := p.Invoke(t.Context(), w.Adobe.FailureEvent(root))
			done <- answer
		}()
		synctest.Wait()
		if e := w.Entry(root); e["state"] != "claimed" {
			t.Errorf("while Secrets Manager hangs the ledger has %v, want the claim", e)
		}
		<-done
		if e := w.Entry(root); e["state"] != "deferred" || w.Adobe.Count(flowsim.OpRetrigger) != 0 {
			t.Errorf("in the end the ledger has %v after %d re-triggers", e, w.Adobe.Count(flowsim.OpRetrigger))
		}
	})
}

// TestWaiting: from a second to twelve hours, by the queue and directly, a request
// is handled when it is due, after one hop.
func TestWaiting(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{time.Second, time.Minute, 14 * time.Minute, 16 * time.Minute, 3 * time.Hour, 12 * time.Hour} {
		for _, direct := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/direct %t", delay, direct), func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.Config.RetryDelays = []time.Duration{delay}
					p := w.Start(-1, false)
					for range 20 { // jitter makes each of them another delay
						root := w.Fail("f")
						event := w.Adobe.FailureEvent(root)
						if direct {
							w.Direct(event, func() *process { return p })
						} else {
							w.Send(string(event))
							w.Poll(p)
						}
						waiting := w.AWS.Messages(w.Requests)
						if len(waiting) != 1 {
							t.Fatalf("%d messages wait, want 1", len(waiting))
						}
						due, err := time.Parse(time.RFC3339Nano, w.Entry(root)["due"])
						if err != nil || due.After(time.Now().Add(delay)) {
							t.Fatalf("due = %v, %v", due, err)
						}
						// A duplicate changes nothing of it, and has the same outcome.
						w.Send(string(event))
						w.Poll(p)
						sent := w.AWS.Count("SendMessageBatch")
						for w.Adobe.Retriggers(root) == 0 {
							pass(max(time.Until(w.Next()), 0))
							if time.Now().Before(due) && w.Adobe.Retriggers(root) > 0 {
								t.Fatal("it was retried before it was due")
							}
							w.Poll(p)
						}
						if late := time.Since(due); late < 0 || late > time.Second {
							t.Errorf("due in %s it was handled %s late", delay, late)
						}
						if n := w.AWS.Count("SendMessageBatch") - sent; n != 0 {
							t.Errorf("requeued %d more times", n)
						}
						w.Adobe.Settle()
					}
					for _, one := range w.Logs.Outcomes() {
						if one.Outcome == "deferred" && one.Reason != "retry_delay" && one.Reason != "duplicate" || one.Outcome == "dead_lettered" {
							t.Errorf("outcome = %+v", one)
						}
					}
				})
			})
		}
	}
}

// TestAQueueThatHangsKeepsNobodyWaiting: a message that came early can't be put off,
// and the others of its batch are retried all the same.
func TestAQueueThatHangsKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{time.Hour}
		early := w.Fail("f")
		w.Told(early)
		p := w.Start(-1, false)
		w.Poll(p)
		pass(time.Until(w.Next()))
		w.Config.RetryDelays = []time.Duration{0}
		p = w.Start(-1, false)
		root := w.Fail("f")
		w.Told(root)
		w.AWS.Inject(awssim.Fault{Op: "ChangeMessageVisibilityBatch", Hang: true})
		began := time.Now()
		w.Poll(p)
		calls := w.sent()
		if len(calls) != 1 || calls[0].RunID != root || calls[0].At.Sub(began) > postponeTime {
			t.Errorf("re-triggers %+v, want one of %s within %s of %s", calls, root, postponeTime, began)
		}
		w.Drain(24 * time.Hour)
		w.wantOnce(t, []string{early, root})
	})
}

// TestARedeliveryIsDueAtTheSameTime, and a message that came late is due at once: the
// delay counts from when the event was sent.
func TestARedeliveryIsDueAtTheSameTime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{10 * time.Hour}
		root := w.Fail("f")
		w.Told(root)
		sent := time.Now()
		pass(time.Minute)
		w.Poll(lost{w.Start(-1, false)})
		due := w.Entry(root)["due"]
		pass(6 * time.Minute)
		w.Poll(w.Start(4, true)) // a crash, too, changes nothing of it
		w.Poll(w.Start(-1, false))
		if again := w.Entry(root)["due"]; due == "" || again != due {
			t.Errorf("due at %s, and after a redelivery at %s", due, again)
		}
		for _, m := range w.AWS.Messages(w.Requests) {
			if first := sent.UTC().Format("2006-01-02T15:04:05"); !strings.Contains(m.Body, `"firstSeen":"`+first) {
				t.Errorf("the message is %s, want it seen first at %s", m.Body, first)
			}
		}
		w.Drain(24 * time.Hour)
		late := w.Fail("f")
		w.Told(late)
		pass(10 * time.Hour)
		w.Poll(w.Start(-1, false))
		w.wantOnce(t, []string{root, late})
	})
}

// TestAWaitingMessageIsNotGivenUp: the receives of before are forgotten with the
// hop, and the one that the wait costs is allowed for.
func TestAWaitingMessageIsNotGivenUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		root := w.Fail("f")
		w.Send(string(w.Adobe.FailureEvent(root)))
		p := w.Start(-1, false)
		// Before it waits it comes nine times in vain, and as often afterwards.
		for range 2 {
			for range maxReceives - 1 {
				w.Faults.Fail(100, 0)
				w.Poll(p)
				w.Faults.Fail(0, 0)
				pass(max(time.Until(w.Next()), 0))
			}
			for w.Next().Before(time.Now().Add(time.Second)) && w.Poll(p) > 0 && w.Adobe.Retriggers(root) == 0 {
			}
			pass(max(time.Until(w.Next()), 0))
		}
		w.Drain(48 * time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 || len(w.DeadLetters()) != 0 {
			t.Errorf("%d re-triggers, dead letters %v\n%v", n, w.DeadLetters(), w.Logs.Outcomes())
		}
	})
}

// TestAfterALongPauseAFaultIsNoDeadLetter: the pause has used up the receives for
// faults.
func TestAfterALongPauseAFaultIsNoDeadLetter(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"PAUSED", "record"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				if w.Config.Paused = how == "PAUSED"; !w.Config.Paused {
					w.pausing("pause", "")
				}
				root := w.Fail("f")
				w.Told(root)
				w.Drain(12 * time.Hour)
				if w.Config.Paused = false; how == "record" {
					w.pausing("resume", "")
				}
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable})
				w.Drain(24 * time.Hour)
				if w.Adobe.Retriggers(root) != 1 || len(w.reasons()) > 0 {
					t.Errorf("%d re-triggers, letters %v", w.Adobe.Retriggers(root), w.reasons())
				}
				// A fault that stays is one, after ten receives more.
				next := w.Fail("f")
				w.Config.Paused = true
				w.Told(next)
				w.Drain(12 * time.Hour)
				w.Config.Paused = false
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable, Times: 1000})
				w.Drain(24 * time.Hour)
				if want := map[string]int{"adobe_unavailable": 1}; !cmp.Equal(want, w.reasons()) {
					t.Errorf("letters %v, want %v", w.reasons(), want)
				}
			})
		})
	}
}

// TestABudgetKeepsTheOrder of what a pause has kept, and of what comes meanwhile: it
// lets go the oldest first, and nothing starves.
func TestABudgetKeepsTheOrder(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		const runs, budget = 100, 20
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, budget
		w.pausing("pause", "")
		var ids []string
		for i := range runs {
			flow := fmt.Sprint("p", i)
			w.Flow(flow, worldOrg)
			ids = append(ids, w.Fail(flow))
			w.Told(ids[i])
			w.Drain(time.Minute)
			pass(time.Minute)
		}
		w.pausing("resume", "")
		resumed := time.Now()
		w.Drain(24 * time.Hour)
		w.wantOnce(t, ids)
		calls := w.sent()
		for place, c := range calls {
			if first := slices.Index(ids, c.RunID); place < first-10 || place > first+10 {
				t.Errorf("run %d was the %dth to go", first, place)
			}
		}
		if took := calls[len(calls)-1].At.Sub(resumed); took > (runs/budget+2)*time.Hour {
			t.Errorf("it took %s", took)
		}
	})
}

// TestForce: a person sends an exhausted run on, which gives it fresh attempts, and
// never a run that was re-triggered.
func TestForce(t *testing.T) {
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

// TestForcePassesTheWait, and never another delivery's claim.
func TestForcePassesTheWait(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		force := func(id string) retrigger.Result {
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
		if r := force(claimed); r.Reason != "in_progress" || w.Entry(claimed)["state"] != "claimed" {
			t.Errorf("the claimed run is %+v, its entry %v", r, w.Entry(claimed))
		}
		<-done
		w.Drain(24 * time.Hour)
		w.wantOnce(t, []string{waits, claimed})
	})
}

// TestForceIsSentOnceMore after a loss, not again and again; and once more when a
// person forces what was given up.
func TestForceIsSentOnceMore(t *testing.T) {
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

// TestARunThatIsAskedForTooSoon is retried all the same when it has failed.
func TestARunThatIsAskedForTooSoon(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"the schedule's", "a lineage's"} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				p := w.Start(-1, false)
				w.failing(1)
				run := "running"
				if of == "the schedule's" {
					w.Adobe.AddRun(flowsim.Run{ID: run, FlowID: "f", Status: flowsim.InProgress, CreatedClient: "acp_ui_platform"})
				} else {
					root := w.Fail("f")
					w.Told(root)
					w.Poll(p)
					run = w.Adobe.MadeOf(root)
				}
				w.Send(`{"runId":"` + run + `","orgId":"` + worldOrg + `"}`)
				w.Poll(p)
				w.Drain(24 * time.Hour)
				want := []string{"skipped run_in_progress", "retriggered"}
				if diff := cmp.Diff(want, w.outcomesOf(run)); diff != "" || w.Adobe.Retriggers(run) != 1 {
					t.Errorf("%d re-triggers; outcomes (-want +got):\n%s", w.Adobe.Retriggers(run), diff)
				}
			})
		})
	}
}

// TestARequestByHandMayNameAnotherDataflow: that of the run counts, also when the
// request has waited meanwhile, and what was lost is found.
func TestARequestByHandMayNameAnotherDataflow(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprintf("waits %t", waits), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
				root := w.Fail("f")
				if waits {
					w.pausing("pause", "")
				}
				w.Send(`{"runId":"` + root + `","flowId":"typo","orgId":"` + worldOrg + `"}`)
				if waits {
					w.Drain(time.Minute)
					w.pausing("resume", "")
				}
				w.Drain(24 * time.Hour)
				if n, e := len(w.sent()), w.Entry(root); n != 1 || w.Adobe.Retriggers(root) != 1 || e["flowId"] != "f" {
					t.Errorf("%d re-triggers; the entry is %v", n, e)
				}
			})
		})
	}
}

// TestAWrongSandboxByHandHidesNoFailure: its dead letter, or its wait, is not that of
// the event.
func TestAWrongSandboxByHandHidesNoFailure(t *testing.T) {
	t.Parallel()
	for _, waiting := range []string{"nothing", "the request", "the event"} {
		t.Run(waiting+" waits", func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				root := w.Fail("f")
				p := w.Start(-1, false)
				switch waiting {
				case "the request":
					w.pausing("pause", "")
				case "the event":
					w.Config.RetryDelays = []time.Duration{10 * time.Minute}
					w.Told(root)
					w.Poll(w.Start(-1, false))
				}
				w.Send(`{"runId":"` + root + `","sandbox":"dev","orgId":"` + worldOrg + `"}`)
				w.Poll(p)
				switch waiting {
				case "the request":
					w.pausing("resume", "")
					pass(time.Minute)
					w.Told(root)
				case "nothing":
					w.Told(root)
				}
				w.Drain(24 * time.Hour)
				if w.Adobe.Retriggers(root) != 1 || w.Entry(root)["state"] != "retriggered" || w.Entry(root)["sandbox"] != worldSandbox {
					t.Errorf("%d re-triggers; entry %v; outcomes %v", w.Adobe.Retriggers(root), w.Entry(root), w.Logs.Outcomes())
				}
				// A second event is a duplicate.
				w.Told(root)
				w.Drain(time.Hour)
				if w.Adobe.Retriggers(root) != 1 {
					t.Errorf("%d re-triggers", w.Adobe.Retriggers(root))
				}
			})
		})
	}
}

// TestARequestByHandMeetsThePauseOfItsDataflow, which it need not name.
func TestARequestByHandMeetsThePauseOfItsDataflow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.pausing("pause", `"orgId":"`+worldOrg+`","flowId":"f"`)
		root := w.Fail("f")
		r := w.invoke(w.Start(-1, false), `{"runId":"`+root+`","orgId":"`+worldOrg+`"}`).Results[0]
		if r.Outcome != "deferred" || r.Reason != "paused" || len(w.sent()) != 0 {
			t.Errorf("%+v after %d re-triggers", r, len(w.sent()))
		}
		dry := w.invoke(w.Start(-1, false), `{"runId":"`+w.Fail("f")+`","orgId":"`+worldOrg+`","dryRun":true}`).Results[0]
		if !strings.Contains(dry.Message, "would wait") {
			t.Errorf("the dry run says %+v", dry)
		}
	})
}

// TestADryRunWritesNoLetter for a run that is not there.
func TestADryRunWritesNoLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		r := w.invoke(w.Start(-1, false), `{"runId":"no-such-run","orgId":"`+worldOrg+`","dryRun":true}`).Results[0]
		if r.Outcome != "skipped" || r.Reason != "dry_run" || !strings.Contains(r.Message, "run_not_found") {
			t.Errorf("%+v", r)
		}
		if n, e := len(w.AWS.Messages(w.Letters)), w.Entry("no-such-run"); n != 0 || e != nil {
			t.Errorf("%d letters; the entry is %v", n, e)
		}
	})
}

// TestADuplicateByHandWaitsItsTurn within a process, and is answered with the new run.
func TestADuplicateByHandWaitsItsTurn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.slowly(5 * time.Second)
		root := w.Fail("f")
		byHand := `{"runId":"` + root + `","orgId":"` + worldOrg + `"}`
		p := w.Start(-1, false)
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.invoke(p, byHand)
		}()
		pass(time.Second)
		r := w.invoke(p, byHand).Results[0]
		if r.Outcome != "retriggered" || r.Reason != "duplicate" || r.NewRunID != w.Adobe.MadeOf(root) {
			t.Errorf("%+v", r)
		}
		<-done
	})
}

// TestADuplicateByHandOfAPurgedRun is answered by the ledger, and a dry run says so.
func TestADuplicateByHandOfAPurgedRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.Told(root)
		w.Drain(time.Hour)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRun, Status: http.StatusNotFound, Times: 10, Body: `{}`})
		w.Send(`{"runId":"` + root + `","orgId":"` + worldOrg + `"}`)
		w.Drain(time.Hour)
		if diff := cmp.Diff([]string{"retriggered", "retriggered duplicate"}, w.outcomesOf(root)); diff != "" || len(w.reasons()) > 0 {
			t.Errorf("letters %v; outcomes (-want +got):\n%s", w.reasons(), diff)
		}
		dry := w.invoke(w.Start(-1, false), `{"runId":"`+root+`","orgId":"`+worldOrg+`","dryRun":true}`).Results[0]
		if dry.Outcome != "skipped" || dry.Reason != "dry_run" || !strings.Contains(dry.Message, "retriggered (duplicate)") {
			t.Errorf("the dry run says %+v", dry)
		}
	})
}

// TestCallsOfARetry: an event takes one call to Adobe and two of the ledger, a request
// by hand reads the run, and what the ledger knows of it, besides.
func TestCallsOfARetry(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.SecretIDs = w.Config.SecretIDs[:1]
		p := w.Start(-1, false)
		w.invoke(p, string(w.Adobe.FailureEvent(w.Fail("f")))) // warm
		for request, want := range map[string]int{"event": 3, `{"runId":%q}`: 5, `{"runId":%q,"flowId":"f"}`: 5} {
			id := w.Fail("f")
			payload := string(w.Adobe.FailureEvent(id))
			if request != "event" {
				payload = fmt.Sprintf(request, id)
			}
			before := p.Calls()
			w.invoke(p, payload)
			if n := p.Calls() - before; n != want || w.Adobe.Retriggers(id) != 1 {
				t.Errorf("%s: %d calls and %d re-triggers, want %d and 1", request, n, w.Adobe.Retriggers(id), want)
			}
		}
	})
}

// TestADeadLetterIsSentAgain when its cause is mended, and the ledger lets it.
func TestADeadLetterIsSentAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		event := string(w.Adobe.FailureEvent(root))
		w.Send(event)
		w.Drain(time.Hour)
		w.Send(event) // a duplicate makes no second letter
		w.Drain(time.Hour)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		for range 2 { // redriven twice
			w.Send(letters[0].Body)
		}
		w.Drain(time.Hour)
		want := []string{"dead_lettered forbidden", "dead_lettered duplicate", "retriggered", "retriggered duplicate"}
		got := w.outcomesOf(root)
		slices.Sort(got[2:]) // either of the two comes first
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// TestAWaitingMessageThatIsDeliveredTwice has one end.
func TestAWaitingMessageThatIsDeliveredTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{time.Minute}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Times: 10, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		root := w.Fail("f")
		w.Told(root)
		p := w.Start(-1, false)
		w.Poll(p)
		pass(time.Until(w.Next()))
		w.Poll(lost{p}) // handled, and not deleted
		w.Drain(24 * time.Hour)
		want := []string{"dead_lettered forbidden", "dead_lettered duplicate"}
		if diff := cmp.Diff(want, w.outcomesOf(root)); diff != "" || len(w.sent()) != 1 || len(w.AWS.Messages(w.Letters)) != 1 {
			t.Errorf("%d re-triggers, %d letters; outcomes (-want +got):\n%s", len(w.sent()), len(w.AWS.Messages(w.Letters)), diff)
		}
	})
}

// TestThePolicyIsFollowed end to end: rules, age and dry run.
func TestThePolicyIsFollowed(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		rules, err := policy.ParseRules(`[{"code":"MAPPER-*","action":"dead_letter"},{"message":"*quota*","action":"skip"},{"code":"SLOW-*","action":"retry","delays":["0s"]}]`)
		if err != nil {
			t.Fatal(err)
		}
		w.Config.RetryPolicy = rules
		add := func(id, code, message string, age time.Duration) {
			w.Adobe.AddRun(flowsim.Run{
				ID: id, FlowID: "f", Status: flowsim.Failed, CreatedClient: "x", CreatedAt: time.Now().Add(-age), CompletedAt: time.Now().Add(-age),
				Errors: []flowsim.RunError{{Code: code, Message: message}},
			})
		}
		add("mapper", "MAPPER-3700-400", "", time.Hour)
		add("quota", "X", "The quota is used up", time.Hour)
		add("slow", "SLOW-1", "", time.Hour)
		add("old", "X", "", 8*24*time.Hour)
		add("plain", "X", "", time.Hour)
		w.Adobe.Script("f", flowsim.Fail("SLOW-1", "again"))
		want := map[string][]string{
			"mapper": {"dead_lettered policy"}, "quota": {"skipped policy"}, "slow": {"retriggered"}, "old": {"skipped too_old"}, "plain": {"retriggered"},
		}
		p := w.Start(-1, false)
		for id, outcomes := range want {
			// The dry run says the same, and changes nothing.
			before := len(w.Memory.Records())
			answer, err := p.Invoke(t.Context(), []byte(`{"runId":"`+id+`","orgId":"`+worldOrg+`","dryRun":true}`))
			if err != nil || len(w.Memory.Records()) != before || w.Adobe.Retriggers(id) != 0 {
				t.Errorf("%s: the dry run changed something (%v)", id, err)
			}
			word, reason, _ := strings.Cut(outcomes[0], " ")
			if says := string(answer.Payload); !strings.Contains(says, map[string]string{"retriggered": "would be re-triggered", "skipped": "skip (" + reason, "dead_lettered": "dead_letter (" + reason}[word]) {
				t.Errorf("%s: the dry run says %s", id, says)
			}
			if id == "mapper" { // by hand: the run is read for its error
				w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `"}`)
			} else {
				w.Send(string(w.Adobe.FailureEvent(id)))
			}
			w.Drain(time.Hour)
			got := w.outcomesOf(id)
			if diff := cmp.Diff(outcomes, got[1:]); diff != "" { // the first is the dry run's
				t.Errorf("%s (-want +got):\n%s", id, diff)
			}
		}
	})
}

// reasons counts the dead letters by reason.
func (w *world) reasons() map[string]int {
	counts := map[string]int{}
	for _, m := range w.AWS.Messages(w.Letters) {
		counts[m.Attributes["reason"].StringValue]++
	}
	return counts
}

// TestALetterTellsTheLineage.
func TestALetterTellsTheLineage(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.lineage(100)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 1 || letters[0].Attributes["attempts"].StringValue != "3" {
			t.Fatalf("dead letters = %+v", letters)
		}
		var body struct {
			RunID  string
			Origin struct{ Root, Parent, Due string }
		}
		if err := json.Unmarshal([]byte(letters[0].Body), &body); err != nil || body.Origin.Root != root || body.Origin.Parent == "" || body.Origin.Due != "" {
			t.Errorf("body = %+v, %v", body, err)
		}
	})
}

// TestALateDuplicateIsNoOtherOutcome: the first one's stands, whatever the policy
// says of the run by now.
func TestALateDuplicateIsNoOtherOutcome(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		event := string(w.Adobe.FailureEvent(root))
		w.Send(event)
		w.Drain(time.Hour)
		pass(10 * 24 * time.Hour) // the run is too old for a retry
		w.Send(event)
		w.Drain(time.Hour)
		if diff := cmp.Diff([]string{"retriggered", "retriggered duplicate"}, w.outcomesOf(root)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if e := w.Entry(root); e["state"] != "retriggered" {
			t.Errorf("the entry is %v", e)
		}
	})
}

// TestWhatIsGivenUpIsInTheLedger, also where nothing but the org was known.
func TestWhatIsGivenUpIsInTheLedger(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Send(`{"runId":"no-such-run","orgId":"` + worldOrg + `"}`)
		root := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 1 << 30, Status: http.StatusServiceUnavailable})
		w.Send(string(w.Adobe.FailureEvent(root)))
		w.Drain(time.Hour)
		p := w.Start(-1, false)
		for range 20 {
			pass(15 * time.Minute)
			w.Poll(p)
		}
		for run, reason := range map[string]string{"no-such-run": "adobe_unavailable", root: "adobe_unavailable"} {
			if e := w.Entry(run); e["state"] != "dead_lettered" || e["reason"] != reason {
				t.Errorf("the entry of %s is %v, want dead_lettered %s", run, e, reason)
			}
		}
		if len(w.AWS.Messages(w.Letters)) != 2 {
			t.Errorf("%d dead letters, want 2", len(w.AWS.Messages(w.Letters)))
		}
	})
}

// TestReadingRenewsTheCredential as re-triggering does: to look up what was lost, and to
// ask whether a dataflow has recovered.
func TestReadingRenewsTheCredential(t *testing.T) {
	t.Parallel()
	for _, renewed := range []bool{true, false} {
		t.Run(fmt.Sprintf("in the secret %t", renewed), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				rotate := func(secret string) {
					w.Adobe.RotateSecret(worldOrg, secret)
					if renewed {
						w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":%q,"org_id":%q,"scopes":"openid","sandbox":"prod"}`, secret, worldOrg))
					}
				}
				w.Config.BreakerThreshold = 1
				p := w.Start(-1, false)
				lost := w.Fail("f")
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
				w.Told(lost)
				w.Poll(p)
				rotate("second")
				pass(time.Until(w.Next()))
				w.Poll(p)
				if e := w.Entry(lost); renewed != (e["state"] == "retriggered") || w.Adobe.Retriggers(lost) != 1 {
					t.Errorf("what was lost is looked up: %v", e)
				}
				if last := w.Logs.Outcomes()[len(w.Logs.Outcomes())-1]; !renewed && (last.Outcome != "returned" || last.Reason != "credentials_refused") {
					t.Errorf("the outcome is %+v", last)
				}
				if !renewed {
					w.Adobe.RotateSecret(worldOrg, "s")
				}
				w.Drain(time.Hour)
				w.failing(3) // the breaker opens
				w.Told(w.Fail("f"))
				for w.reasons()["attempts_exhausted"] == 0 {
					w.Drain(time.Minute)
					pass(time.Minute)
				}
				w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, Records: 1, CompletedAt: time.Now().Add(time.Second)})
				pass(time.Minute)
				p = w.Start(-1, false)
				w.invoke(p, string(w.Adobe.FailureEvent(lost))) // the credential is cached
				rotate("third")
				next := w.Fail("f")
				w.Told(next)
				w.Poll(p)
				last := w.Logs.Outcomes()[len(w.Logs.Outcomes())-1]
				if want := map[bool]string{true: "retriggered ", false: "returned credentials_refused"}[renewed]; last.Outcome+" "+last.Reason != want {
					t.Errorf("with an open breaker the outcome is %+v, want %s", last, want)
				}
			})
		})
	}
}

// TestADuplicateLeavesAnOpenClaimAlone: it is put off, and the entry stays that of
// the delivery that works on the run.
func TestADuplicateLeavesAnOpenClaimAlone(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		event := w.Adobe.FailureEvent(root)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Direct(event, func() *process { return w.Start(-1, false) })
		}()
		synctest.Wait()
		before := w.Entry(root)
		w.Direct(event, func() *process { return w.Start(-1, false) })
		if diff := cmp.Diff(before, w.Entry(root)); diff != "" || before["state"] != "claimed" {
			t.Errorf("the entry has changed (-before +after):\n%s", diff)
		}
		<-done
		w.Drain(time.Hour)
		if w.Adobe.Count(flowsim.OpRetrigger) != 1 || w.Entry(root)["newRunId"] != w.Adobe.MadeOf(root) {
			t.Errorf("%d re-triggers; the entry is %v", w.Adobe.Count(flowsim.OpRetrigger), w.Entry(root))
		}
	})
}

// TestALateEffectIsFound: the call takes effect when nobody waits for its answer any
// more, and Adobe's clock is not ours.
func TestALateEffectIsFound(t *testing.T) {
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

// isRetrigger tells the call that makes a run.
func isRetrigger(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/action")
}
