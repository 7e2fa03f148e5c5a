package main

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// Nobody tells of successes here, unless a test does: only sweeps find them.

// wantSummed checks the recoveries in the sums of all days.
func (r results) wantSummed(recovered int) {
	r.TB.Helper()
	if n := r.summed("recovered"); n != recovered {
		r.TB.Errorf("the sums have %d recoveries, want %d\n%v", n, recovered, r)
	}
}

// schedule is a new event of the schedule.
func schedule(n int) string {
	return fmt.Sprintf(`{"id":"sweep-%d","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`, n)
}

// lookups counts the calls that asked for runs by their ids.
func (s script) lookups() *int {
	n := new(int)
	s.runsCalls(func(_ http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.RawQuery, "property=id%3D%3D") {
			*n++
		}
		return true
	})
	return n
}

func TestTheHourlySweepCountsARecoveryOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root, child, seen := w.success()
		minutes := time.Since(seen).Minutes()
		asked := w.lookups()
		for i := range 3 {
			pass(time.Hour)
			if r := w.sweep(schedule(i)); r.State != sweep.Finished {
				t.Fatalf("sweep %d: %+v", i, r)
			}
		}
		w.wantRecovered(1, minutes)
		w.wantSummed(1)
		if e := w.Entry(child); e["state"] != "succeeded" || e["root"] != root || e[store.IndexList] != "" {
			t.Errorf("the entry of the run is %v", e)
		}
		if *asked != 1 {
			t.Errorf("%d calls asked for its end", *asked)
		}
		last := w.Logs.Ends(child)
		if len(last) != 1 || last[0].Outcome != "skipped" || last[0].Reason != "run_succeeded" || last[0].Attempt != 2 {
			t.Errorf("the log says %+v", last)
		}
		w.tellSuccess(child, w.Start(-1, false)) // so late
		w.wantRecovered(1, minutes)
		w.wantSummed(1)
	})
}

func TestASweepAfterTheEventOfASuccessCountsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		_, child, _ := w.success()
		w.tellSuccess(child, w.Start(-1, false))
		asked := w.lookups()
		w.sweep(schedule(1))
		if w.wantSummed(1); *asked != 0 {
			t.Errorf("%d calls asked for its end", *asked)
		}
	})
}

// The answer to the re-trigger is lost, and the run that it made succeeds at once: the event
// comes before anybody has linked the run to its parent.
func TestASuccessThatIsToldBeforeTheRunIsLinkedIsFoundByASweep(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
		w.Told(root)
		p := w.Start(-1, false)
		w.Poll(p)
		w.Adobe.Settle()
		child := w.Adobe.MadeOf(root)
		w.tellSuccess(child, p)
		w.wantSummed(0)
		w.Drain(2 * time.Hour)
		if e := w.Entry(child); e["parent"] != root || e["state"] != "made" {
			t.Fatalf("the entry of the run is %v", e)
		}
		w.sweep(schedule(1))
		w.wantSummed(1)
		w.tellSuccess(child, p)
		w.wantSummed(1)
		if n := w.Adobe.Count(flowsim.OpRetrigger); n != 1 {
			t.Errorf("%d re-triggers", n)
		}
	})
}

// An event of a success comes before the failure's: the lineage begins with the failure.
func TestASuccessThatIsToldBeforeItsFailureCountsNothingAndLosesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		early := strings.Replace(string(w.Adobe.FailureEvent(root)), `"status":"failed"`, `"status":"success"`, 1)
		w.Send(early)
		w.Send(early)
		w.Drain(time.Hour)
		if got := w.outcomesOf(root); fmt.Sprint(got) != "[skipped run_succeeded skipped run_succeeded]" {
			t.Errorf("the outcomes are %v", got)
		}
		w.wantSummed(0)
		w.Told(root)
		w.Drain(time.Hour)
		w.sweep(schedule(1))
		w.wantOnce(t, []string{root})
		w.wantSummed(1)
	})
}

func TestASuccessOfAnotherOrgsRunCountsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		_, child, _ := w.success()
		w.Send(strings.Replace(string(w.Adobe.FailureEvent(child)), worldOrg, worldOther, 2))
		w.Send(strings.Replace(string(w.Adobe.FailureEvent(child)), worldOrg, "FOREIGN@AdobeOrg", 2))
		w.Drain(time.Hour)
		w.wantSummed(0)
		if e := w.Entry(child); e["state"] != "made" || len(w.DeadLetters()) != 0 {
			t.Errorf("the entry of the run is %v; the dead letters %v", e, w.DeadLetters())
		}
		w.tellSuccess(child, w.Start(-1, false))
		w.wantSummed(1)
	})
}

func TestSuccessesThatNobodyToldInTimeAreAskedForNoMore(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		_, child, _ := w.success()
		asked := w.lookups()
		pass(w.Config.MaxRunAge)
		w.sweep(schedule(1))
		if w.wantSummed(0); *asked != 0 || w.Entry(child)["state"] != "made" {
			t.Errorf("%d calls asked for its end; %v", *asked, w.Entry(child))
		}
	})
}

// TestADayHasItsSums: three lineages fail with one code, one with another. Two recover, one
// after two re-triggers; two are given up.
func TestADayHasItsSums(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{0, 0}
		began := time.Now()
		for _, failures := range []int{0, 1, 2} {
			w.lineage(failures)
		}
		w.Adobe.AddRun(flowsim.Run{ID: "data", FlowID: "f", Status: flowsim.Failed, CompletedAt: time.Now(), Errors: []flowsim.RunError{{Code: "MAPPER #1"}}})
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		w.Told("data")
		w.Told("data") // a duplicate
		w.Drain(time.Hour)
		w.sweep(schedule(1))
		got := map[string]string{}
		for _, r := range w.Memory.Records() {
			if r["day"] == began.UTC().Format(time.DateOnly) {
				got[r["errorCode"]] = fmt.Sprintf("%s: %s retriggered, %s recovered with %s, %s given up", r["flowName"], r["retriggered"], r["recovered"], r["attempts"], r["given_up"])
			}
		}
		want := map[string]string{"CONNECTOR-1001-500": "f: 5 retriggered, 2 recovered with 3, 1 given up", "MAPPER__1": "f: 0 retriggered, 0 recovered with 0, 1 given up"}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("the sums are %v, want %v", got, want)
		}
		minutes := 0.0
		for _, m := range w.recoveries() {
			minutes += math.Round(m)
		}
		if n := w.summed("recovery_minutes"); n != int(minutes) || n == 0 {
			t.Errorf("the sums have %d minutes, the metric %v", n, w.recoveries())
		}
	})
}

func TestPulseThatCantBeWrittenFailsNoRetry(t *testing.T) {
	t.Parallel()
	for name, mutate := range map[string]func(store.Table) store.Table{
		"the ledger does not answer": func(t store.Table) store.Table { return pulseless{t, false} },
		"a defect":                   func(t store.Table) store.Table { return pulseless{t, true} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Mutate = mutate
				root := w.Fail("f")
				w.Told(root)
				w.Drain(time.Hour)
				if got := w.outcomesOf(root); fmt.Sprint(got) != "[retriggered]" || len(w.AWS.Messages(w.Requests)) != 0 {
					t.Errorf("the outcomes are %v", got)
				}
			})
		})
	}
}
