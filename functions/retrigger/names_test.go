package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// nameless is the failure event of a run without the dataflow's name, as events are that
// hold the bare run.
func (w *world) nameless(run string) string {
	w.TB.Helper()
	var event map[string]any
	if err := json.Unmarshal(w.Adobe.FailureEvent(run), &event); err != nil {
		w.TB.Fatal(err)
	}
	delete(event, "flowName")
	body, err := json.Marshal(map[string]any{"event_id": "event-of-" + run, "event": event})
	if err != nil {
		w.TB.Fatal(err)
	}
	return string(body)
}

// TestTheNameThatAnEventLacksIsAskedForOnce: ten events of one dataflow in one batch cost
// one call, and log and ledger have the name of each.
func TestTheNameThatAnEventLacksIsAskedForOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		const name = "Loyalty \"members\" hourly\u2028🦊"
		w.Adobe.AddFlow(flowsim.Flow{ID: "f", Name: name, OrgID: worldOrg, Sandbox: worldSandbox})
		var runs []string
		for range 10 {
			runs = append(runs, w.Fail("f"))
			w.Send(w.nameless(runs[len(runs)-1]))
		}
		w.Drain(time.Hour)
		for _, run := range runs {
			if got := w.Entry(run)["flowName"]; got != name {
				t.Errorf("the ledger has the name %q for run %s", got, run)
			}
		}
		for _, r := range w.Logs.Outcomes() {
			if r.FlowName != name {
				t.Errorf("the log has %+v", r)
			}
		}
		if n := w.Adobe.Count(flowsim.OpFlow); n != 1 {
			t.Errorf("%d calls for the name, want 1", n)
		}
	})
}

// TestANameThatCannotBeReadCostsNoRunItsRetry: whatever Flow Service answers to the
// question for the dataflow, however late, the run is re-triggered, once, within minutes.
func TestANameThatCannotBeReadCostsNoRunItsRetry(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"no such dataflow":        {Status: http.StatusNotFound},
		"no permission":           {Status: http.StatusForbidden},
		"no answer":               {Hang: true},
		"unavailable, come again": {Status: http.StatusServiceUnavailable, Header: map[string]string{"Retry-After": "25"}},
		"too many requests":       {Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "25"}},
		"too large":               {Body: `{"id":"f","name":"` + strings.Repeat("x", 9<<20) + `"}`},
		"a name of 1 MB":          {Body: `{"id":"f","name":"` + strings.Repeat("x", 1<<20) + `"}`},
		"no name":                 {Body: `{"id":"f"}`},
		"no JSON":                 {Body: `<html>`},
	} {
		for way, ask := range map[string]func(w *world, run string){
			"event":   func(w *world, run string) { w.Send(w.nameless(run)) },
			"message": func(w *world, run string) { w.Send(fmt.Sprintf(`{"runId":%q,"orgId":%q}`, run, worldOrg)) },
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.Repeats = true
					fault.Op, fault.Times = flowsim.OpFlow, 999
					w.Adobe.Inject(fault)
					run := w.Fail("f")
					ask(w, run)
					w.Drain(10 * time.Minute)
					ends := w.Logs.Ends(run)
					if len(ends) != 1 || ends[0].Outcome != "retriggered" || ends[0].Attempt != 1 || w.Adobe.Retriggers(run) != 1 {
						t.Errorf("the run ended so: %+v\n%s", ends, w)
					}
					if n := w.Adobe.Count(flowsim.OpFlow); n > 4 {
						t.Errorf("%d calls for the name", n)
					}
				})
			})
		}
	}
}

// TestNamesThatComeLateHoldABatchUpForSeconds: Flow Service answers no question for a
// dataflow, and the events of ten of them come at once. Each is re-triggered at its first
// delivery, after one wait of three seconds.
func TestNamesThatComeLateHoldABatchUpForSeconds(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallTimeout = 20 * time.Second
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpFlow, Hang: true, Times: 999})
		for i := range 10 {
			flow := fmt.Sprint("f", i)
			w.Flow(flow, worldOrg)
			w.Send(w.nameless(w.Fail(flow)))
		}
		began := time.Now()
		w.Poll(w.Start(-1, false))
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("the batch took %s", took)
		}
		for _, r := range w.Logs.Outcomes() {
			if r.Outcome != "retriggered" {
				t.Errorf("a run ended so: %+v", r)
			}
		}
	})
}
