package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// sent returns when re-triggers were sent, with the runs.
func (w *world) sent() (calls []flowsim.Call) {
	for _, c := range w.Adobe.Calls() {
		if c.Op == flowsim.OpRetrigger {
			calls = append(calls, c)
		}
	}
	return calls
}

// within counts the calls from a time on.
func within(calls []flowsim.Call, from time.Time, d time.Duration) int {
	n := 0
	for _, c := range calls {
		if !c.At.Before(from) && c.At.Before(from.Add(d)) {
			n++
		}
	}
	return n
}

// tellAll tells of runs by the queue.
func (w *world) tellAll(ids []string) {
	for _, id := range ids {
		w.Told(id)
	}
}

// TestThePaceOfAnOrg holds over all environments that the reserved concurrency
// allows, each of which has its share.
func TestThePaceOfAnOrg(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallsPerSecond, w.Config.ConcurrentCalls, w.Config.ReservedConcurrency = 10, 10, 5
		ids := w.backlog(300, 300)
		w.tellAll(ids)
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				for p := w.Start(-1, false); w.Poll(p) > 0; {
				}
			})
		}
		group.Wait()
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
		calls := w.sent()
		for _, c := range calls {
			const burst = 10 // a second's worth
			for _, seconds := range []int{1, 5, 20} {
				if n := within(calls, c.At, time.Duration(seconds)*time.Second); n > 10*seconds+burst {
					t.Fatalf("%d calls in %d s", n, seconds)
				}
			}
		}
		if took := calls[len(calls)-1].At.Sub(calls[0].At); took > time.Minute {
			t.Errorf("300 calls took %s", took)
		}
	})
}

// TestA429SlowsTheWholeOrg: what one environment is told holds for the others
// within the age of their copy, and for no other org. Then the pace grows again.
func TestA429SlowsTheWholeOrg(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallsPerSecond, w.Config.ConcurrentCalls, w.Config.ReservedConcurrency = 8, 2, 2
		w.Flow("other", worldOther)
		first, second := w.Start(-1, false), w.Start(-1, false)
		ids := w.backlog(400, 400)
		w.Told(ids[0])
		w.Poll(second) // it has a copy of the record
		pass(time.Second)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "60"}})
		w.Told(ids[1])
		w.Poll(first)
		stopped := time.Now()
		pass(throttle.MaxAge)
		w.Told(ids[2])
		other := w.Fail("other")
		w.Told(other)
		w.Poll(second)
		if n := w.Adobe.Retriggers(ids[2]); n != 0 {
			t.Errorf("the other environment went on after %s", time.Since(stopped))
		}
		w.wantOnce(t, []string{other})
		pass(time.Until(stopped.Add(time.Minute)))
		w.tellAll(ids[3:])
		for w.Poll(second) > 0 && time.Since(stopped) < 3*time.Minute {
		}
		calls := w.sent()
		if n := within(calls, stopped.Add(time.Millisecond), time.Minute-time.Millisecond); n != 1 { // the other org's
			t.Errorf("%d calls within the minute that Adobe asked for", n)
		}
		// A share of 4 a second is halved; a minute after the 429 it is back.
		if n := within(calls, stopped.Add(time.Minute+5*time.Second), 20*time.Second); n < 70 || n > 90 {
			t.Errorf("%d calls within 20 s after it, want 80", n)
		}
		w.Drain(time.Hour)
		w.wantOnce(t, append(ids, other))
	})
}

// TestAStormOf429 ends with every run retried once and no dead letter, however long
// it lasts.
func TestAStormOf429(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallsPerSecond, w.Config.ConcurrentCalls, w.Config.ReservedConcurrency = 10, 5, 5
		ids := w.backlog(60, 60)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: 200, Status: http.StatusTooManyRequests})
		w.tellAll(ids)
		began := time.Now()
		w.Drain(48 * time.Hour)
		w.wantOnce(t, ids)
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
		if n := within(w.sent(), began.Add(10*time.Minute), 10*time.Minute); n > 600 {
			t.Errorf("%d calls in ten minutes of the storm", n)
		}
		for _, r := range w.Memory.Records() {
			if r["attempts"] != "" && r["attempts"] != "1" {
				t.Errorf("what had no effect counts: %v", r)
			}
		}
	})
}

func TestBudgets(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		flow, org, flows, limit int
	}{
		"a dataflow's": {flow: 5, flows: 1, limit: 5},
		"an org's":     {org: 8, flows: 12, limit: 8},
		"both":         {flow: 3, org: 5, flows: 3, limit: 5},
		"in shards":    {org: 96, flows: 200, limit: 96},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.BudgetWindow, w.Config.FlowBudget, w.Config.OrgBudget = time.Hour, tt.flow, tt.org
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: 3, Status: http.StatusTooManyRequests}) // what has no effect does not count
				ids := w.backlog(max(24, tt.flows), tt.flows)
				w.tellAll(ids)
				began := time.Now()
				w.Drain(48 * time.Hour)
				w.wantOnce(t, ids)
				most := 0
				for hour := range 48 {
					n := 0
					flows := map[string]int{}
					for _, r := range w.Adobe.Runs() {
						if r.Of != "" && !r.CreatedAt.Before(began.Add(time.Duration(hour)*time.Hour)) && r.CreatedAt.Before(began.Add(time.Duration(hour+1)*time.Hour)) {
							n++
							flows[r.FlowID]++
							if tt.flow > 0 && flows[r.FlowID] > tt.flow {
								t.Errorf("dataflow %s had more than %d re-triggers in hour %d", r.FlowID, tt.flow, hour)
							}
						}
					}
					most = max(most, n)
				}
				if most > tt.limit || most < tt.limit*2/3 {
					t.Errorf("at most %d re-triggers in an hour, want up to %d", most, tt.limit)
				}
				if !slices.ContainsFunc(w.Logs.Outcomes(), func(r record) bool { return r.Outcome == "deferred" && r.Reason == "budget_spent" }) {
					t.Error("no request waited for the budget")
				}
				if n := len(w.AWS.Messages(w.Letters)); n != 0 {
					t.Errorf("there are %d dead letters", n)
				}
			})
		})
	}
}

// TestForcePassesTheBudget, as it passes all limits.
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

// pausing pauses or resumes by hand.
func (w *world) pausing(word, scope string) []throttle.Pause {
	w.TB.Helper()
	answer := w.invoke(w.Start(-1, false), `{"`+word+`":{`+scope+`}}`)
	if answer.Pauses == nil {
		w.TB.Fatalf("%s: the answer is %+v", word, answer)
	}
	return *answer.Pauses
}

// TestPause: nothing is sent, nothing is lost, and what waited goes in the order in
// which it was due, not all at once.
func TestPause(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{5 * time.Minute, 3 * time.Hour, 5 * 24 * time.Hour} {
		t.Run(length.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				const runs = 40
				if got := w.pausing("pause", `"reason":"maintenance"`); len(got) != 1 || got[0].Reason != "maintenance" {
					t.Fatalf("the pauses are %+v", got)
				}
				began := time.Now()
				ids := make([]string, runs)
				for i := range ids {
					flow := fmt.Sprint("p", i)
					w.Flow(flow, worldOrg)
					ids[i] = w.Fail(flow)
					if i%4 == 3 {
						w.Direct(w.Adobe.FailureEvent(ids[i]), func() *process { return w.Start(-1, false) })
					} else {
						w.Told(ids[i])
					}
					w.Drain(0)
					if e := w.Entry(ids[i]); e["state"] != "deferred" || e["reason"] != "paused" {
						t.Fatalf("the entry of a waiting run is %v", e)
					}
					w.Told(ids[i]) // a duplicate
					w.Drain(0)
					for end := began.Add(length * time.Duration(i+1) / runs); time.Now().Before(end); {
						pass(min(time.Until(end), max(time.Until(w.Next()), time.Second)))
						w.Drain(0)
					}
				}
				if n := len(w.Adobe.Calls()); n != 0 {
					t.Fatalf("%d calls to Adobe during the pause", n)
				}
				receives := 0
				for _, m := range w.AWS.Messages(w.Requests) {
					receives = max(receives, m.Receives)
				}
				if len(w.AWS.Messages(w.Requests)) != runs || len(w.AWS.Messages(w.Letters)) != 0 {
					t.Fatalf("%d messages wait, and %d dead letters are there, want %d and 0", len(w.AWS.Messages(w.Requests)), len(w.AWS.Messages(w.Letters)), runs)
				}
				if got := w.pausing("resume", ""); len(got) != 0 {
					t.Fatalf("the pauses are %+v", got)
				}
				resumed := time.Now()
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable}) // after the wait, receives for faults are left
				w.Drain(12 * time.Hour)
				w.wantOnce(t, ids)
				if n := len(w.AWS.Messages(w.Letters)); n != 0 {
					t.Errorf("there are %d dead letters", n)
				}
				var order []string
				calls := w.sent()
				for _, c := range calls {
					order = append(order, c.RunID)
				}
				last := calls[len(calls)-1].At.Sub(resumed)
				spread := calls[len(calls)-1].At.Sub(calls[0].At)
				if outOfOrder := disorder(ids, order); outOfOrder > 1 { // the one that met the fault comes later
					t.Errorf("%d runs were out of order: %v", outOfOrder, order)
				}
				if spread < time.Minute*3/4 || last > 100*time.Minute {
					t.Errorf("they went within %s, until %s after the pause", spread, last)
				}
				t.Logf("a pause of %s: at most %d receives; let go from %s to %s after it", length, receives, calls[0].At.Sub(resumed), last)
			})
		})
	}
}

// disorder is how many elements must be taken out for the rest to be in order.
func disorder(want, got []string) int {
	best := make([]int, len(got)) // the longest ordered list that ends with each
	longest := 0
	for i, id := range got {
		best[i] = 1
		for j := range i {
			if slices.Index(want, got[j]) < slices.Index(want, id) {
				best[i] = max(best[i], best[j]+1)
			}
		}
		longest = max(longest, best[i])
	}
	return len(got) - longest
}

// TestAPauseTakesEffect within the age of a process's copy, for its scope.
func TestAPauseTakesEffect(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Flow("g", worldOrg)
		w.Flow("other", worldOther)
		p := w.Start(-1, false)
		warm := w.Fail("f")
		w.Told(warm)
		w.Poll(p)
		w.wantOnce(t, []string{warm})
		w.Adobe.Settle()
		w.pausing("pause", `"orgId":"`+worldOrg+`","flowId":"f"`)
		pass(throttle.MaxAge)
		waits, goes, others := w.Fail("f"), w.Fail("g"), w.Fail("other")
		w.tellAll([]string{waits, goes, others})
		w.Poll(p)
		w.wantOnce(t, []string{goes, others})
		if n := w.Adobe.Retriggers(waits); n != 0 {
			t.Errorf("a run of a paused dataflow was re-triggered %d times", n)
		}
		w.Adobe.Settle()
		// A person's request waits, too, and force does not pass the pause.
		forced := w.invoke(p, `{"runId":"`+waits+`","orgId":"`+worldOrg+`","flowId":"f","force":true}`)
		if forced.Results[0].Outcome != "deferred" {
			t.Errorf("the answer is %+v", forced)
		}
		dry := w.invoke(p, `{"runId":"`+waits+`","orgId":"`+worldOrg+`","flowId":"f","dryRun":true}`)
		if !strings.Contains(dry.Results[0].Message, "paused since") {
			t.Errorf("the answer is %+v", dry)
		}
		if got := w.pausing("pause", `"orgId":"`+worldOther+`"`); len(got) != 2 {
			t.Errorf("the pauses are %+v", got)
		}
		w.pausing("resume", `"orgId":"`+worldOrg+`","flowId":"f"`)
		w.Drain(2 * time.Hour)
		w.wantOnce(t, []string{waits})
	})
}

func TestPausesThatCantBe(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, payload := range []string{`{"pause":{"orgId":"X@AdobeOrg"}}`, `{"resume":{"flowId":"f"}}`} { // there are two orgs
			answer := w.invoke(w.Start(-1, false), payload)
			if len(answer.Results) != 1 || answer.Results[0].Outcome != "dead_lettered" || answer.Results[0].Reason != "invalid_field" {
				t.Errorf("%s: the answer is %+v", payload, answer)
			}
		}
		w.Faults.Fail(1, 0)
		response, err := w.Start(-1, false).Invoke(t.Context(), []byte(`{"pause":{}}`))
		if err != nil || !strings.Contains(response.FunctionError, "nothing was paused") {
			t.Errorf("without the ledger: %+v, %v", response, err)
		}
	})
}

// TestPausedByVariable: PAUSED stops everything; without it what waited goes on.
func TestPausedByVariable(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.Paused = true
		id := w.Fail("f")
		w.Told(id)
		w.Drain(12 * time.Hour)
		if n := len(w.Adobe.Calls()); n != 0 {
			t.Errorf("%d calls to Adobe", n)
		}
		unheard := w.Fail("f")
		if r := w.sweep(`{"sweep":{"dryRun":true}}`); len(r.Runs) != 2 || r.Runs[1].RunID != unheard || r.Runs[1].Decision != "requested" {
			t.Errorf("a dry run does not tell what would be retried: %+v", r)
		}
		w.Config.Paused = false
		w.Drain(12 * time.Hour)
		w.wantOnce(t, []string{id})
	})
}

// TestNothingWaitsForEver: a message that its queue would soon delete becomes a dead
// letter, with the reason.
func TestNothingWaitsForEver(t *testing.T) {
	t.Parallel()
	for name, paused := range map[string]func(*world, bool){
		"a pause": func(w *world, on bool) { w.pausing(map[bool]string{true: "pause", false: "resume"}[on], "") },
		"PAUSED":  func(w *world, on bool) { w.Config.Paused = on },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.MaxRunAge = 60 * 24 * time.Hour
				paused(w, true)
				id := w.Fail("f")
				w.Told(id)
				w.Drain(15 * 24 * time.Hour)
				letters := w.AWS.Messages(w.Letters)
				if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "waited_too_long" || len(w.AWS.Messages(w.Requests)) != 0 {
					t.Fatalf("the dead letters are %+v", letters)
				}
				paused(w, false)
				w.Send(letters[0].Body)
				w.Drain(24 * time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}

// TestAWaitIsKeptBesideSlowWork: a message that came before it is due, in a batch with
// a sweep and runs whose calls hang, is handled when it is due, by another process.
func TestAWaitIsKeptBesideSlowWork(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]func(w *world){
		"a sweep": func(w *world) {
			w.Config.CallTimeout = 50 * time.Second
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Hang: true, Times: 10})
			w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		},
		"re-triggers": func(w *world) {
			w.Config.CallTimeout, w.Config.MaxConcurrentRuns = 30*time.Second, 1
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Hang: true})
			w.Flow("slow", worldOrg)
			w.Told(w.Fail("slow"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				due := time.Now().Add(20 * time.Second).UTC()
				slow(w)
				w.Send(ownMessage(id, due))
				first, second := w.Start(-1, false), w.Start(-1, false)
				var group sync.WaitGroup
				group.Go(func() { w.Poll(first) })
				pass(time.Until(due))
				if w.Poll(second) != 1 {
					t.Fatal("the message is not there when it is due")
				}
				calls := w.sent()
				if at := calls[len(calls)-1]; at.RunID != id || at.At.Sub(due) > time.Second {
					t.Errorf("run %s was re-triggered %s after the time", at.RunID, at.At.Sub(due))
				}
				group.Wait()
				w.Adobe.Heal()
				w.Drain(time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}

// TestAWaitThatIsFoundOutIsKeptBesideASweep: of a message whose time has come it turns
// out that it must wait on; it comes again when it is due, however long a sweep of its
// batch takes.
func TestAWaitThatIsFoundOutIsKeptBesideASweep(t *testing.T) {
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

// ownMessage is one of the function's own, for a run of dataflow f that is due at a time.
func ownMessage(runID string, due time.Time) string {
	return fmt.Sprintf(`{"runId":%q,"flowId":"f","orgId":%q,"sandbox":"prod","origin":{"firstSeen":%q,"due":%q,"requeues":1}}`,
		runID, worldOrg, time.Now().UTC().Format(time.RFC3339Nano), due.UTC().Format(time.RFC3339Nano))
}

// TestTheAnswerComesInTime, also where SQS takes no message back and no message on.
func TestTheAnswerComesInTime(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"ChangeMessageVisibilityBatch", "SendMessageBatch"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				pass(time.Minute)
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable})
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests})
				w.AWS.Inject(awssim.Fault{Op: op, Hang: true})
				began := time.Now()
				if op == "SendMessageBatch" { // process.Invoke holds that the answer comes in time
					w.Direct([]byte(`{"sweep":{"orgId":"`+worldOrg+`"}}`), func() *process { return w.Start(-1, false) })
				} else {
					w.Told(id)
					w.Poll(w.Start(-1, false))
				}
				if took := time.Since(began); took < 5*time.Second {
					t.Fatalf("no call hangs: the answer took %s", took)
				}
				w.Drain(time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}

// TestAFaultIsGivenUp after ten receives.
func TestAFaultIsGivenUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 100, Status: http.StatusServiceUnavailable})
		w.Told(id)
		receives := 0
		for len(w.AWS.Messages(w.Requests)) > 0 {
			if w.Poll(w.Start(-1, false)) > 0 {
				receives++
			} else {
				pass(time.Until(w.Next()))
			}
		}
		if receives != 10 || w.reasons()["adobe_unavailable"] != 1 {
			t.Errorf("after %d receives the dead letters are %v", receives, w.reasons())
		}
	})
}

// TestAWaitTakesNoReceiveFromFaults: a message that was received once to wait on, as its
// due time is past SQS's longest delay, may meet as many faults as any other afterwards.
func TestAWaitTakesNoReceiveFromFaults(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		id := w.Fail("f")
		w.Told(id)
		p := w.Start(-1, false)
		w.Poll(p)
		due, err := time.Parse(time.RFC3339Nano, w.Entry(id)["due"])
		if err != nil || time.Until(due) < 20*time.Minute {
			t.Fatalf("it is due at %s, %v: too soon for this test", due, err)
		}
		pass(time.Until(w.Next()))
		w.Poll(p)
		pass(time.Until(w.Next()))
		if late := time.Since(due); late < 0 || late > time.Second || w.AWS.Messages(w.Requests)[0].Receives != 1 {
			t.Fatalf("it comes %s after it is due, received %d times before", late, w.AWS.Messages(w.Requests)[0].Receives)
		}
		w.Faults.Fail(1000, 0)
		for range 9 {
			if w.Poll(p) != 1 {
				t.Fatal("it does not come")
			}
			pass(time.Until(w.Next()))
		}
		w.Faults.Fail(0, 0)
		w.Drain(time.Hour)
		w.wantOnce(t, []string{id})
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

// TestTheLongestWaitCounts of those that Adobe asks for in answer to a list of requests.
func TestTheLongestWaitCounts(t *testing.T) {
	t.Parallel()
	for _, longest := range []string{worldOrg, worldOther} {
		inWorld(t, func(t *testing.T, w *world) {
			w.Flow("other", worldOther)
			w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/action") {
					w.Adobe.ServeHTTP(answer, r)
					return
				}
				wait := "60"
				if r.Header.Get("X-Gw-Ims-Org-Id") == longest {
					wait = "840"
				}
				answer.Header().Set("Retry-After", wait)
				answer.WriteHeader(http.StatusTooManyRequests)
			})
			w.Send(fmt.Sprintf(`{"requests":[{"runId":%q,"orgId":%q,"flowId":"f"},{"runId":%q,"orgId":%q,"flowId":"other"}]}`, w.Fail("f"), worldOrg, w.Fail("other"), worldOther))
			w.Poll(w.Start(-1, false))
			if left := time.Until(w.Next()); left < 840*time.Second {
				t.Errorf("Adobe asks %s to wait for 840 s, and the message comes in %s", longest, left)
			}
		})
	}
}

// TestAMessageOfAnotherQueue is returned, and when it comes again is that queue's affair.
func TestAMessageOfAnotherQueue(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]int{"arn:aws:sqs:us-east-1:1:elsewhere": 0, awssim.QueueARN("requests"): 1} {
		inWorld(t, func(t *testing.T, w *world) {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests})
			response, err := w.Start(-1, false).Invoke(t.Context(), sqsBatch(t, arn, 1, string(w.Adobe.FailureEvent(w.Fail("f")))))
			if err != nil || string(response.Payload) != `{"batchItemFailures":[{"itemIdentifier":"m"}]}` {
				t.Errorf("the answer is %+v, %v", response, err)
			}
			if n := w.AWS.Count("ChangeMessageVisibilityBatch"); n != want {
				t.Errorf("%d calls change the visibility of a message of %s, want %d", n, arn, want)
			}
		})
	}
}

// sqsBatch is a batch of one message, m, as Lambda delivers it.
func sqsBatch(t *testing.T, arn string, receives int, body string) []byte {
	t.Helper()
	payload, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
		"messageId": "m", "receiptHandle": "r", "eventSource": "aws:sqs", "eventSourceARN": arn,
		"attributes": map[string]string{"ApproximateReceiveCount": strconv.Itoa(receives)}, "body": body,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// counted counts the invocations of a chain of messages, and their requeues.
type counted struct {
	*process
	chain, requeues int
}

func (c *counted) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	c.chain, c.requeues = max(c.chain, lambdaenv.Chain(ctx)), max(c.requeues, requeues(string(payload)))
	return c.process.Invoke(ctx, payload)
}

// TestALongPauseOfABusyOrg: an event each five minutes for a day, in batches with what
// waits already, in no order. Each message is requeued a few times, and nothing is lost. A chain
// as Lambda counts it is longer and grows with the pause, since what is sent for one
// message of a batch goes on with the trace of another: here loops are allowed.
func TestALongPauseOfABusyOrg(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AWS.Shuffle(w.Requests, 1)
		w.AllowLoops = true
		w.pausing("pause", "")
		p := &counted{process: w.Start(-1, false)}
		step := func() {
			for w.Poll(p) > 0 {
			}
			pass(5 * time.Minute)
		}
		ids := make([]string, 24*12)
		for i := range ids {
			flow := fmt.Sprint("p", i)
			w.Flow(flow, worldOrg)
			ids[i] = w.Fail(flow)
			w.Told(ids[i])
			step()
		}
		if n := len(w.Adobe.Calls()); n != 0 || len(w.AWS.Messages(w.Requests)) != len(ids) {
			t.Fatalf("%d calls to Adobe during the pause; %d messages wait for %d runs", n, len(w.AWS.Messages(w.Requests)), len(ids))
		}
		w.pausing("resume", "")
		for len(w.AWS.Messages(w.Requests)) > 0 {
			step()
		}
		w.wantOnce(t, ids)
		if n := len(w.AWS.Messages(w.Letters)); n != 0 || p.requeues > 8 {
			t.Errorf("there are %d dead letters, and a message was requeued %d times", n, p.requeues)
		}
		t.Logf("at most %d requeues of a message, and %d invocations of a chain", p.requeues, p.chain)
	})
}

// TestAPoisonMessageIsGivenUp: it becomes a dead letter before the function works on it
// once more.
func TestAPoisonMessageIsGivenUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.invoke(w.Start(-1, false), string(sqsBatch(t, awssim.QueueARN("requests"), 51, string(w.Adobe.FailureEvent(id)))))
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "never_finished" || len(w.sent()) != 0 {
			t.Errorf("the dead letters are %+v", letters)
		}
	})
}

// TestAWaitingMessageIsRequeuedBeforeItsReceivesAreUsedUp: a message that waits for a
// fault of Adobe's to end keeps its receives for faults. It is requeued a few times,
// however long the fault takes.
func TestAWaitingMessageIsRequeuedBeforeItsReceivesAreUsedUp(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]int{"for a day": 60, "for days": 200} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) { renewal(t, w, times) })
		})
	}
}

func renewal(t *testing.T, w *world, times int) {
	t.Helper()
	id := w.Fail("f")
	w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: times, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "900"}})
	w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, After: 1, Times: 5, Status: http.StatusServiceUnavailable})
	w.Told(id)
	for waiting := w.AWS.Messages(w.Requests); len(waiting) > 0; waiting = w.AWS.Messages(w.Requests) {
		if most := requeues(waiting[0].Body); most > 8 {
			t.Fatalf("it was requeued %d times", most)
		}
		w.Drain(time.Hour)
		w.Adobe.RevokeTokens(worldOrg)
		pass(time.Minute)
	}
	w.wantOnce(t, []string{id})
	if n := len(w.AWS.Messages(w.Letters)); n != 0 {
		t.Errorf("there are %d dead letters", n)
	}
}

// requeues returns how often the payload's requests were requeued at most.
func requeues(payload string) (most int) {
	for _, found := range regexp.MustCompile(`requeues\\*":(\d+)`).FindAllStringSubmatch(payload, -1) {
		n, _ := strconv.Atoi(found[1])
		most = max(most, n)
	}
	return most
}
