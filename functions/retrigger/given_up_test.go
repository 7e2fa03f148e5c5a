package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestDeadLetterHasAdobesCodeAndTheFactsOfTheRun: Adobe answers 1387 to each call. After
// ten deliveries the request becomes a dead letter, and no attempt is used up.
func TestDeadLetterHasAdobesCodeAndTheFactsOfTheRun(t *testing.T) {
	t.Parallel()
	byHand := func(fields string) func(*world, string) {
		return func(w *world, run string) {
			w.invoke(w.Start(-1, false), fmt.Sprintf(`{"runId":%q,"orgId":%q%s}`, run, worldOrg, fields))
		}
	}
	for name, ask := range map[string]func(w *world, run string){
		"an event":         func(w *world, run string) { w.Told(run) },
		"a message":        func(w *world, run string) { w.Send(fmt.Sprintf(`{"runId":%q,"orgId":%q}`, run, worldOrg)) },
		"by hand":          byHand(""),
		"by hand, forced":  byHand(`,"force":true`),
		"found by a sweep": func(w *world, _ string) { w.invoke(w.Start(-1, false), `{"sweep":{"orgId":"`+worldOrg+`"}}`) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusBadRequest, Times: 99, Body: `{"errorCode":1387,"requestId":"req-7"}`})
				run := w.Fail("f")
				pass(time.Minute)
				ask(w, run)
				w.Drain(24 * time.Hour)
				letters := w.AWS.Messages(w.DeadLetterQueue)
				if n := w.Adobe.Count(flowsim.OpRetrigger); len(letters) != 1 || n < 10 || n > 11 {
					t.Fatalf("%d dead letters after %d re-triggers, want 1 after ten or eleven\n%s", len(letters), n, w)
				}
				for attribute, want := range map[string]string{
					deadletter.AttributeReason: "not_yet", deadletter.AttributeCode: "1387", deadletter.AttributeHTTPStatus: "400",
					deadletter.AttributeAdobeRequestID: "req-7", deadletter.AttributeAttempts: "0",
				} {
					if got := letters[0].Attributes[attribute].StringValue; got != want {
						t.Errorf("the letter's %s is %q, want %q", attribute, got, want)
					}
				}
				var body struct {
					Origin struct {
						FlowName string
						Errors   []struct{ Code string }
					}
				}
				if err := json.Unmarshal([]byte(letters[0].Body), &body); err != nil || body.Origin.FlowName != "f" || len(body.Origin.Errors) != 1 || body.Origin.Errors[0].Code != "CONNECTOR-1001-500" {
					t.Errorf("the letter's body %s lacks the dataflow's name or the run's own error (%v)", letters[0].Body, err)
				}
			})
		})
	}
}
