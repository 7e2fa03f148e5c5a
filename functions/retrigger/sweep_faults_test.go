package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestUnlistableSandboxBecomesADeadLetter: The sweep goes on with the other org, and a
// redrive of the dead letter sweeps the sandbox.
func TestUnlistableSandboxBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"forbidden": http.StatusForbidden, "down": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Flow("other", worldOther)
				first, second := w.Fail("f"), w.Fail("other")
				answering(w, status, nil, `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`, listsRuns)
				pass(time.Minute)
				w.sweep(bareSchedule)
				pass(2 * time.Second)
				for w.Poll(w.Start(-1, false)) > 0 { // the other org need not wait
					pass(time.Second)
				}
				w.wantOnce(t, []string{second})
				w.Drain(24 * time.Hour)
				letters := w.AWS.Messages(w.DeadLetterQueue)
				if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" || !strings.Contains(letters[0].Body, `"sandbox":["prod"]`) {
					t.Fatalf("the dead letters are %+v", letters)
				}
				if n := w.Adobe.Retriggers(first); n != 0 {
					t.Fatalf("the run of the other org was re-triggered %d times", n)
				}
				w.AdobeHandler = nil // the cause is mended, and the letter sent again
				w.Send(letters[0].Body)
				w.Drain(24 * time.Hour)
				w.wantOnce(t, []string{first, second})
			})
		})
	}
}

// TestFailedDryRunOfASweepSaysWhy: A dry run is not continued by the queue.
func TestFailedDryRunOfASweepSaysWhy(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"hangs":     {Op: flowsim.OpRuns, Hang: true, Times: 10},
		"is down":   {Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable},
		"throttles": {Op: flowsim.OpRuns, Status: http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.QueueURL = ""
				w.Fail("f")
				w.Adobe.Inject(fault)
				if r := w.sweep(`{"sweep":{"dryRun":true}}`); r.State != sweep.CutOff || len(w.Memory.Records()) > 1 {
					t.Errorf("the report is %+v", r)
				}
				w.Adobe.Heal()
				w.Faults.Fail(1, 0)
				if r := w.sweep(`{"sweep":{"dryRun":true}}`); r.State != sweep.CutOff || r.Error == "" {
					t.Errorf("without the ledger the report is %+v", r)
				}
				if r, err := w.Start(-1, false).Invoke(t.Context(), []byte(`{"sweep":{}}`)); err != nil || !strings.Contains(r.FunctionError, "QUEUE_URL") {
					t.Errorf("without a queue the answer is %+v, %v", r, err)
				}
			})
		})
	}
}

// TestDeadLetterOfASweepKeepsItsFilters: A sandbox could not be listed. The redriven dead
// letter sweeps it with the same dataflows, code, limit and time window.
func TestDeadLetterOfASweepKeepsItsFilters(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, flow := range []string{"g", "h"} {
			w.Flow(flow, worldOrg)
		}
		add := func(id, flow, code string, ago time.Duration) string {
			at := time.Now().Add(-ago)
			w.Adobe.AddRun(flowsim.Run{ID: id, FlowID: flow, Status: flowsim.Failed, CreatedAt: at, CompletedAt: at, Errors: []flowsim.RunError{{Code: code}}})
			return id
		}
		others := []string{
			add("another-code", "f", "OTHER-1", 2*time.Hour), add("another-flow", "h", "SLOW-1", 2*time.Hour),
			add("too-old", "f", "SLOW-1", 4*time.Hour), add("over-the-limit", "g", "SLOW-1", time.Minute),
		}
		wanted := []string{add("first", "f", "SLOW-1", time.Hour), add("second", "g", "SLOW-2", time.Hour)}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","flowId":["f","g"],"code":"slow-*","limit":2,"since":"3h"}}`)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 {
			t.Fatalf("the dead letters are %+v", letters)
		}
		w.Send(letters[0].Body)
		w.Drain(time.Hour)
		w.wantOnce(t, wanted)
		for _, id := range others {
			if n := w.Adobe.Retriggers(id); n != 0 {
				t.Errorf("run %s was re-triggered %d times", id, n)
			}
		}
	})
}
