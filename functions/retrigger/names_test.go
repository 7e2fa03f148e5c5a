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
	w.tb.Helper()
	var event map[string]any
	if err := json.Unmarshal(w.adobe.FailureEvent(run), &event); err != nil {
		w.tb.Fatal(err)
	}
	delete(event, "flowName")
	body, err := json.Marshal(map[string]any{"event_id": "event-of-" + run, "event": event})
	if err != nil {
		w.tb.Fatal(err)
	}
	return string(body)
}

// TestTheNameThatAnEventLacksIsAskedForOnce: ten events of one dataflow in one batch cost
// one call, and log and ledger have the name of each.
func TestTheNameThatAnEventLacksIsAskedForOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		const name = "Loyalty \"members\" hourly\u2028🦊"
		w.adobe.AddFlow(flowsim.Flow{ID: "f", Name: name, OrgID: worldOrg, Sandbox: worldSandbox})
		var runs []string
		for range 10 {
			runs = append(runs, w.fail("f"))
			w.send(w.nameless(runs[len(runs)-1]))
		}
		w.drain(time.Hour)
		for _, run := range runs {
			if got := w.entry(run)["flowName"]; got != name {
				t.Errorf("the ledger has the name %q for run %s", got, run)
			}
		}
		for _, r := range w.logs.outcomes() {
			if r.FlowName != name {
				t.Errorf("the log has %+v", r)
			}
		}
		if n := w.adobe.Count(flowsim.OpFlow); n != 1 {
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
			"event":   func(w *world, run string) { w.send(w.nameless(run)) },
			"message": func(w *world, run string) { w.send(fmt.Sprintf(`{"runId":%q,"orgId":%q}`, run, worldOrg)) },
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.repeats = true
					fault.Op, fault.Times = flowsim.OpFlow, 999
					w.adobe.Inject(fault)
					run := w.fail("f")
					ask(w, run)
					w.drain(10 * time.Minute)
					ends := w.logs.ends(run)
					if len(ends) != 1 || ends[0].Outcome != "retriggered" || ends[0].Attempt != 1 || w.adobe.Retriggers(run) != 1 {
						t.Errorf("the run ended so: %+v\n%s", ends, w)
					}
					if n := w.adobe.Count(flowsim.OpFlow); n > 4 {
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
		w.cfg.CallTimeout = 20 * time.Second
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpFlow, Hang: true, Times: 999})
		for i := range 10 {
			flow := fmt.Sprint("f", i)
			w.flow(flow, worldOrg)
			w.send(w.nameless(w.fail(flow)))
		}
		began := time.Now()
		w.poll(w.start(-1, false))
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("the batch took %s", took)
		}
		for _, r := range w.logs.outcomes() {
			if r.Outcome != "retriggered" {
				t.Errorf("a run ended so: %+v", r)
			}
		}
	})
}
