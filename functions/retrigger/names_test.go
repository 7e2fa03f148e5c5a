package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// nameless is the failure event of a run without the dataflow's name, as events are that
// hold the bare run.
func nameless(w *world, run string) string {
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

// TestMissingDataflowNameIsAskedForOnce: Ten events of one dataflow in one batch cost one
// call. The log and the ledger have the name for each of them.
func TestMissingDataflowNameIsAskedForOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		const name = "Loyalty \"members\" hourly\u2028🦊"
		w.Adobe.AddFlow(flowsim.Flow{ID: "f", Name: name, OrgID: worldOrg, Sandbox: worldSandbox})
		var runs []string
		for range 10 {
			runs = append(runs, w.Fail("f"))
			w.Send(nameless(w, runs[len(runs)-1]))
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

// TestUnreadableDataflowNameStopsNoRetry: Whatever Flow Service answers when asked for
// the dataflow, and however late, the run is re-triggered once, within minutes.
func TestUnreadableDataflowNameStopsNoRetry(t *testing.T) {
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
			"event":   func(w *world, run string) { w.Send(nameless(w, run)) },
			"message": func(w *world, run string) { w.Send(fmt.Sprintf(`{"runId":%q,"orgId":%q}`, run, worldOrg)) },
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.Repeats = true
					each := fault
					each.Op, each.Times = flowsim.OpFlow, 999
					w.Adobe.Inject(each)
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

// TestSlowDataflowNamesDelayABatchByThreeSeconds: Flow Service answers no question for a
// dataflow, and the events of ten dataflows come at once. Each run is re-triggered at its
// first delivery, after one wait of three seconds.
func TestSlowDataflowNamesDelayABatchByThreeSeconds(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallTimeout = 20 * time.Second
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpFlow, Hang: true, Times: 999})
		for i := range 10 {
			flow := fmt.Sprint("f", i)
			w.Flow(flow, worldOrg)
			w.Send(nameless(w, w.Fail(flow)))
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

// TestDataflowNameAndSourceErrorStandInEveryRecord: The answer, the log, the ledger, the
// dead letter and the report have both, for an event, a request by hand and a sweep.
func TestDataflowNameAndSourceErrorStandInEveryRecord(t *testing.T) {
	t.Parallel()
	const code, words = "CONNECTOR-1001-500", "Copying from the source failed"
	fail := func(w *world, flow string) string {
		w.Adobe.AddFlow(flowsim.Flow{ID: flow, Name: "Loyalty members hourly", OrgID: worldOrg, Sandbox: worldSandbox})
		id := "failed-of-" + flow
		w.Adobe.AddRun(flowsim.Run{
			ID: id, FlowID: flow, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CompletedAt: time.Now(),
			Errors: []flowsim.RunError{{Code: code, Message: words}},
		})
		return id
	}
	check := func(t *testing.T, w *world, id string) {
		t.Helper()
		if e := w.Entry(id); e["flowName"] != "Loyalty members hourly" || e["errorCode"] != code || e["errorText"] != words {
			t.Errorf("the ledger has %v", e)
		}
		for _, one := range w.Logs.Outcomes() {
			if one.RunID == id && (one.FlowName != "Loyalty members hourly" || one.ErrorCode != code || one.ErrorText != words) {
				t.Errorf("the log has %+v", one)
			}
		}
	}
	inWorld(t, func(t *testing.T, w *world) {
		id := fail(w, "by-event")
		w.Told(id)
		w.Drain(time.Minute)
		check(t, w, id)

		id = fail(w, "by-hand")
		answer := w.invoke(w.Start(-1, false), `{"runId":"`+id+`","orgId":"`+worldOrg+`"}`)
		if r := answer.Results[0]; r.FlowName != "Loyalty members hourly" || r.ErrorCode != code || r.ErrorText != words {
			t.Errorf("the answer is %+v", r)
		}
		check(t, w, id)

		id = fail(w, "by-sweep")
		dry := w.sweep(`{"sweep":{"since":"1h","orgId":"` + worldOrg + `","flowId":"by-sweep","dryRun":true}}`)
		if len(dry.Runs) != 1 || dry.Runs[0].FlowName != "Loyalty members hourly" || dry.Runs[0].ErrorCode != code || dry.Runs[0].ErrorText != words || dry.Flows["by-sweep"].Name != "Loyalty members hourly" {
			t.Errorf("the dry run says %+v, %+v", dry.Runs, dry.Flows)
		}
		w.sweep(`{"sweep":{"since":"1h","orgId":"` + worldOrg + `","flowId":"by-sweep"}}`)
		w.Drain(time.Hour)
		check(t, w, id)

		w.Config.RetryPolicy = []policy.Rule{{Action: policy.DeadLetter}}
		id = fail(w, "given-up")
		w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `"}`)
		w.Drain(time.Minute)
		check(t, w, id)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 || !strings.Contains(letters[0].Body, `"flowName":"Loyalty members hourly"`) || !strings.Contains(letters[0].Body, words) || letters[0].Attributes["code"].StringValue != code {
			t.Errorf("the dead letters are %+v", letters)
		}
	})
}
