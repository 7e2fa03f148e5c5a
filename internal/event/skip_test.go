package event_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// TestSkippedEventKeepsItsNames: A skipped event's run, dataflow, org and sandbox are
// reported.
func TestSkippedEventKeepsItsNames(t *testing.T) {
	t.Parallel()
	const names = `"flowId":"flow","imsOrgId":"` + org + `","sandboxName":"prod"`
	for payload, want := range map[string]event.Skip{
		`{"id":"r","metrics":{"statusSummary":{"status":"success"}},` + names + `}`: {
			Reason: event.RunSucceeded, RunID: "r", FlowID: "flow", OrgID: org, Sandbox: "prod",
		},
		`{"id":"alert","name":"sources_flow_run_delay_150","flowRunId":"r",` + names + `}`: {
			Reason: event.RunDelayedAlert, RunID: "r", FlowID: "flow", OrgID: org, Sandbox: "prod",
		},
		`{"id":"alert","status":"FIRING","eventCode":"source_flow_run_error",` + names + `}`: {
			Reason: event.ErrorRateAlert, FlowID: "flow", OrgID: org, Sandbox: "prod",
		},
	} {
		d, err := event.Decode([]byte(payload))
		if err != nil || len(d.Items) != 1 || d.Items[0].Skip == nil {
			t.Fatalf("%s: %+v, %v", payload, d, err)
		}
		got := *d.Items[0].Skip
		got.Detail = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", payload, diff)
		}
	}
}

// TestOwnNoticesArePassedOver: each, and in each wrapping in which a rule may send it back;
// none is a run, and none becomes a dead letter.
func TestOwnNoticesArePassedOver(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Dataflow Failing", "Dataflow Recovered", "Run Given Up", "Credential Refused"} {
		notice := `{"detail-type":"` + kind + `","source":"aep-retrigger","detail":{"runId":"` + runB + `","run":` + failed(runB, "") + `}}`
		for name, payload := range map[string]string{"by itself": notice, "by SNS": sns(notice), "in a list": `[` + notice + `,` + notice + `]`} {
			d, err := event.Decode([]byte(payload))
			if err != nil || len(d.Items) == 0 {
				t.Fatalf("%s %s: %+v, %v", kind, name, d, err)
			}
			for _, item := range d.Items {
				if item.Skip == nil || item.Skip.Reason != event.OwnNotice || !strings.Contains(item.Skip.Detail, kind) {
					t.Errorf("%s %s: %+v", kind, name, item)
				}
			}
		}
	}
	wants(t, map[string][2]string{
		"of another sender": {`{"detail-type":"Run Given Up","source":"com.example","detail":{"a":1}}`, "skip foreign_event"},
		"of no kind":        {`{"source":"aep-retrigger","detail":{"a":1}}`, "error own_output"},
	})
}

func TestSkippedEventIsCutToALimit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100_000)
	for _, payload := range []string{
		strings.Replace(failed(long, `,"flowId":"`+long+`","imsOrgId":"`+long+`","sandboxName":"`+long+`"`), `"failed"`, `"success"`, 1),
		`{"name":"sources_flow_run_delay","flowRunId":"` + long + `","flowId":"` + long + `"}`,
		sns(`{"status":"FIRING","flowId":"` + long + `","name":"sources_` + long + `","sandboxName":"` + long + `"}`),
	} {
		d, err := event.Decode([]byte(payload))
		if err != nil || d.Items[0].Skip == nil {
			t.Fatalf("%.60q: %v", payload, err)
		}
		if s := d.Items[0].Skip; len(s.RunID+s.FlowID+s.OrgID+s.Sandbox+s.Detail) > 4*event.MaxID+300 {
			t.Errorf("%.60q: the skip is not bounded", payload)
		}
	}
}
