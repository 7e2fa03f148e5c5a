package main

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestCredentialRefusedByTheGatewayLosesNoRun: A 403 about key, client id, profile or
// token returns the messages, whichever call it answers, and no dead letter is written.
func TestCredentialRefusedByTheGatewayLosesNoRun(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"error_code":"403003","message":"Api Key is invalid"}`,
		`{"error_code":"403025","message":"Profile is not valid"}`,
		`{"error_code":"403201","message":"Client ID not allowed to call this service"}`,
		`{"error":{"code":"Forbidden","message":"Client ID is invalid","details":{"error_code":"403003"}}}`,
		`{"code":403,"errors":{"403":[{"error_code":"403025"}]}}`,
		`{"error":"Forbidden","message":"Profile is not valid"}`,
		`<?xml version="1.0"?><error><error_code>403003</error_code></error>`,
	} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				for _, op := range []string{flowsim.OpRetrigger, flowsim.OpRun} {
					w.Adobe.Inject(flowsim.Fault{Op: op, Status: http.StatusForbidden, Times: 99, Body: body})
				}
				w.Told(w.Fail("f"))
				byHand := w.Fail("f")
				w.Send(fmt.Sprintf(`{"runId":%q,"orgId":%q}`, byHand, worldOrg))
				p := w.Start(-1, false)
				w.Poll(p)
				w.Poll(p)
				if letters, waiting := w.AWS.Messages(w.DeadLetterQueue), w.AWS.Messages(w.Requests); len(letters) != 0 || len(waiting) != 2 {
					t.Errorf("%d dead letters, and %d messages wait, want 0 and 2", len(letters), len(waiting))
				}
				refused := 0
				for _, r := range w.Logs.All() {
					switch {
					case r.RunID == "", r.Reason == "flow_busy": // no outcome; the other run of the dataflow was first
					case r.Reason == "credentials_refused":
						refused++
					default:
						t.Errorf("run %s: %s, %q", r.RunID, r.Outcome, r.Reason)
					}
				}
				if refused == 0 {
					t.Error("no outcome has the reason credentials_refused")
				}
			})
		})
	}
}
