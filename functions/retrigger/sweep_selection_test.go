package main

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func sweepSelects(t *testing.T, w *world, missed []string) {
	t.Helper()
	for _, f := range []string{"good", "other", "downstream", "paused"} {
		w.Flow(f, worldOrg)
	}
	w.Adobe.AddFlow(flowsim.Flow{ID: "stream", Name: "stream", OrgID: worldOrg, Sandbox: worldSandbox, Streaming: true})
	now := time.Now()
	add := func(id, flow, status, code string, ago time.Duration, more ...func(*flowsim.Run)) {
		r := flowsim.Run{ID: id, FlowID: flow, Status: status, CreatedAt: now.Add(-ago), CompletedAt: now.Add(-ago), Errors: []flowsim.RunError{{Code: code}}}
		for _, change := range more {
			change(&r)
		}
		w.Adobe.AddRun(r)
	}
	const code = "CONNECTOR-1001-500"
	add("plain", "good", "failed", code, time.Hour)
	add("capital", "good", "FAILED", code, time.Hour)
	add("long", "good", "Failed", code, 30*time.Hour, func(r *flowsim.Run) { r.CompletedAt = now.Add(-time.Hour) })
	add("very-long", "good", "failed", code, 90*time.Hour, func(r *flowsim.Run) { r.CompletedAt = now.Add(-time.Hour) })
	add("never-started", "good", "failed", code, time.Hour, func(r *flowsim.Run) { r.NeverStarted = true })
	add("old", "good", "failed", code, 50*time.Hour)
	add("fresh", "good", "failed", code, time.Minute)
	add("succeeded", "good", "success", code, time.Hour)
	add("running", "good", "inProgress", code, time.Hour)
	add("of-another", "other", "failed", code, time.Hour)
	add("other-code", "good", "failed", "MAPPER-3700-400", time.Hour)
	add("follows", "downstream", "failed", code, time.Hour, func(r *flowsim.Run) { r.Downstream = true })
	add("streams", "stream", "failed", code, time.Hour)
	add("waits", "paused", "failed", code, time.Hour)
	add("retried", "good", "failed", code, time.Hour)
	w.Told("retried")
	w.Drain(time.Hour)
	w.invoke(w.Start(-1, false), `{"pause":{"orgId":"`+worldOrg+`","flowId":"paused"}}`)
	now = time.Now()
	const query = `"sandbox":"prod","orgId":"W@AdobeOrg","flowId":["good","downstream","stream","paused"],"code":"connector-*","since":"26h","until":"20m"`
	dry := w.sweep(`{"sweep":{` + query + `,"dryRun":true}}`)
	entries := len(w.Memory.Records())
	want := map[string]string{
		"plain": "requested", "capital": "requested", "long": "requested", "very-long": "requested", "never-started": "requested", "follows": "skipped downstream_run", "streams": "skipped streaming_run",
		"waits": "requested", "retried": "skipped superseded",
	}
	for _, id := range missed {
		delete(want, id)
	}
	got := map[string]string{}
	for _, r := range dry.Runs {
		got[r.RunID] = strings.TrimSpace(r.Decision + " " + string(r.Reason))
		if r.Decision == "skipped" && r.Detail == "" || r.RunID == "waits" && !strings.Contains(r.Detail, "is paused since") {
			t.Errorf("the dry run says of run %s: %+v", r.RunID, r)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the dry run (-want +got):\n%s", diff)
	}
	for id, f := range dry.Flows {
		if f.Failed > 0 && f.Name != id {
			t.Errorf("the report calls dataflow %s %q", id, f.Name)
		}
	}
	if n := len(w.Memory.Records()); n != entries || len(w.AWS.Messages(w.Requests)) != 0 || !dry.DryRun || dry.State != sweep.Finished {
		t.Errorf("the dry run changed something: %+v", dry)
	}
	r := w.sweep(`{"sweep":{` + query + `}}`)
	if r.Requested != 6-len(missed) || r.Failed != dry.Failed || !maps.Equal(r.Skipped, dry.Skipped) {
		t.Errorf("the sweep's report is %+v, that of the dry run %+v", r, dry)
	}
	w.Drain(time.Hour)
	w.wantOnce(t, []string{"plain", "capital", "long", "retried"})
	for _, id := range []string{"old", "fresh", "of-another", "other-code", "follows", "streams", "waits"} {
		if n := w.Adobe.Retriggers(id); n != 0 {
			t.Errorf("run %s was re-triggered %d times", id, n)
		}
	}
	// What waits for the end of the pause is not requested again, and lost by nobody.
	for range 3 {
		pass(12 * time.Hour)
		w.Drain(time.Second)
		again := w.sweep(`{"sweep":{` + strings.ReplaceAll(query, "26h", "100h") + `}}`)
		if again.Skipped[sweep.Waiting] != 1 {
			t.Errorf("in the pause the sweep's report is %+v", again)
		}
	}
	w.invoke(w.Start(-1, false), `{"resume":{"orgId":"`+worldOrg+`","flowId":"paused"}}`)
	w.Drain(12 * time.Hour)
	w.wantOnce(t, []string{"waits", "plain"})
}

func TestRunListedTwiceOnAPageIsRequestedOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if !listsRuns(r) || r.Header.Get("X-Gw-Ims-Org-Id") != worldOrg {
				w.Adobe.ServeHTTP(answer, r)
				return
			}
			run := `{"id":"` + id + `","flowId":"f","createdAt":` + strconv.FormatInt(time.Now().Add(-time.Minute).UnixMilli(), 10) + `,"metrics":{"statusSummary":{"status":"failed"}}}`
			_, _ = answer.Write([]byte(`{"items":[` + run + `,` + run + `],"_links":{}}`))
		})
		if r := w.sweep(`{"sweep":{}}`); r.Seen != 2 || r.Failed != 1 || r.Requested != 1 {
			t.Errorf("the report is %+v", r)
		}
	})
}

// TestRefusedFilterAffectsOneSandboxOnly: Another sandbox is still listed by the last
// change of its runs.
func TestRefusedFilterAffectsOneSandboxOnly(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.SweepSandboxes = []string{"dev", worldSandbox}
		answering(w, http.StatusBadRequest, nil, `{"type":"https://ns.adobe.com/aep/errors/FLOW-2000-400","title":"Invalid org","status":400}`, func(r *http.Request) bool {
			return listsRuns(r) && r.Header.Get("X-Sandbox-Name") == "dev"
		})
		at := time.Now().Add(-time.Hour)
		w.Adobe.AddRun(flowsim.Run{ID: "never", FlowID: "f", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at, NeverStarted: true})
		if r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`); r.Requested != 1 || len(r.Failures) != 1 {
			t.Errorf("the report is %+v", r)
		}
	})
}

// TestInvalidSweepIsRefused: who invokes the function directly is told, and a message becomes
// a dead letter.
func TestInvalidSweepIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for payload, want := range map[string]string{
			`{"sweep":{"orgId":"X@AdobeOrg"}}`:           "no configured secret is of org X@AdobeOrg",
			`{"sweep":{"since":"1h","until":"2h"}}`:      "can't begin at",
			`{"sweep":{"since":"2999-01-01T00:00:00Z"}}`: "can't begin at",
		} {
			before := len(w.AWS.Messages(w.DeadLetterQueue))
			response, err := w.Start(-1, false).Invoke(t.Context(), []byte(payload))
			if err != nil || !strings.Contains(response.FunctionError, want) || len(w.AWS.Messages(w.DeadLetterQueue)) != before {
				t.Errorf("%s: who invokes it directly is told %q, %v", payload, response.FunctionError, err)
			}
			w.Send(payload)
			w.Poll(w.Start(-1, false))
			letters := w.AWS.Messages(w.DeadLetterQueue)[before:]
			if len(letters) != 1 || !strings.Contains(letters[0].Attributes["error"].StringValue, want) {
				t.Errorf("%s: the dead letters are %+v", payload, letters)
			}
		}
	})
}

// lose deletes a message of the request queue.
func lose(w *world, t *testing.T) {
	t.Helper()
	out, err := w.SQS().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.Requests})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("received %+v, %v", out, err)
	}
	if _, err := w.SQS().DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(w.Requests), ReceiptHandle: out.Messages[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
}
