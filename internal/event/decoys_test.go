package event_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wants holds what the decoder tells of payloads, by name: the items of each are written
// in one text.
func wants(t *testing.T, cases map[string][2]string) {
	t.Helper()
	for name, c := range cases {
		if diff := cmp.Diff(c[1], strings.Join(decoded(t, c[0]), ", ")); diff != "" {
			t.Errorf("%s: %.200s (-want +got):\n%s", name, c[0], diff)
		}
	}
}

const retried = "retry " + runA

// ofApplication is an event of an application's own on EventBridge.
func ofApplication(detail string) string {
	return `{"version":"0","id":"e","detail-type":"relay","source":"com.example","detail":` + detail + `}`
}

func TestALayerWithAnAlertsNameOrCodeHidesNoRun(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	wants(t, map[string][2]string{
		"the name is the event's type":      {eventBridge(`{"name":"sources_flow_run_failed","value":` + run + `}`), retried},
		"beside an event id":                {`{"event_id":"e","name":"sources_flow_run_failure","event":` + run + `}`, retried},
		"a delivery's status":               {eventBridge(`{"eventCode":"source_flow_run_error","status":"delivered","payload":` + run + `}`), retried},
		"the failure's status":              {eventBridge(`{"header":{"_adobeio":{"eventCode":"source_flow_run_error"}},"status":"failed","payload":` + run + `}`), retried},
		"the run's id, too":                 {eventBridge(`{"flowRunId":"` + runA + `","eventCode":"source_flow_run_error","status":"failed","run":` + run + `}`), retried},
		"an ingestion id":                   {eventBridge(`{"xdm:ingestionId":"i","run":` + run + `}`), retried},
		"an alert that quotes the run":      {eventBridge(`{"name":"sources_flow_run_error_rate","status":"FIRING","run":` + run + `}`), "skip error_rate_alert"},
		"a delay that quotes the run":       {eventBridge(`{"name":"sources_flow_run_delay_150","run":` + run + `}`), "skip run_delayed_alert"},
		"a failure in an unknown shape":     {eventBridge(`{"eventCode":"source_flow_run_error","status":"failed","run":"r","flowId":"f"}`), "error unrecognized"},
		"a failure in another, with the id": {eventBridge(`{"flowRunId":"r","flowId":"f","eventCode":"source_flow_run_error","status":"FAILED"}`), "error unrecognized"},
	})
}
