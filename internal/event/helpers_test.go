package event_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

const (
	org     = "1234567890ABCDEF@AdobeOrg"
	runA    = "0f6f6a60-31c5-4f7e-9a1c-0a1d7f8f0001"
	runB    = "0f6f6a60-31c5-4f7e-9a1c-0a1d7f8f0002"
	request = `{"runId":"` + runA + `","sandbox":"prod"}`
)

// failed is a failed run with more fields, each in place of its own of that name.
func failed(id, more string) string {
	fields := map[string]string{
		"id": quote(id), "flowId": `"flow"`, "imsOrgId": quote(org), "sandboxName": `"prod"`, "updatedAt": "1795413600000",
		"metrics": `{"statusSummary":{"status":"failed","errors":[{"code":"CONNECTOR-1001-500","message":"copy failed"}]}}`,
	}
	var own map[string]json.RawMessage
	if err := json.Unmarshal([]byte("{"+strings.TrimPrefix(more, ",")+"}"), &own); err != nil {
		panic(err)
	}
	var list []string
	for _, name := range []string{"id", "flowId", "imsOrgId", "sandboxName", "updatedAt", "metrics"} {
		if own[name] == nil {
			list = append(list, quote(name)+":"+fields[name])
		}
	}
	return "{" + strings.Join(list, ",") + more + "}"
}

func ended(status string) string {
	return `{"id":"` + runA + `","flowId":"flow","metrics":{"statusSummary":{"status":` + status + `}}}`
}

func quote(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func eventBridge(detail string) string {
	return `{"version":"0","id":"e","detail-type":"Platform notifications:source_flow_run_error","source":"aws.partner/developer.adobe.com/x","detail":` + detail + `}`
}

func sns(message string) string {
	return `{"Type":"Notification","TopicArn":"arn:aws:sns:us-east-1:123456789012:t","Message":` + quote(message) + `}`
}

func sqs(bodies ...string) string {
	records := make([]string, len(bodies))
	for i, body := range bodies {
		records[i] = `{"messageId":"m` + strconv.Itoa(i) + `","eventSource":"aws:sqs","body":` + quote(body) + `}`
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

func snsRecord(message string) string {
	return `{"Records":[{"EventSource":"aws:sns","Sns":` + sns(message) + `}]}`
}

func onFailure(payload string) string {
	return `{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":` + payload + `,"responsePayload":null}`
}

func cloudEvent(data string) string {
	return `{"specversion":"1.0","id":"c","type":"source_flow_run_error","data":` + data + `}`
}

func adobeEvent(run string) string { return `{"event_id":"e1","event":` + run + `}` }

func pipeline(runs ...string) string {
	list := make([]string, len(runs))
	for i, run := range runs {
		list[i] = `{"messages":[{"msgType":"eventNotification","imsOrgId":"` + org + `","value":` + run + `}]}`
	}
	return `[` + strings.Join(list, ",") + `]`
}

// told writes an item in one line: the run id of a request, or the reason.
func told(item event.Item) string {
	switch {
	case item.Request != nil && item.Skip == nil && item.Err == nil:
		return "retry " + item.Request.RunID
	case item.Skip != nil && item.Request == nil && item.Err == nil:
		return "skip " + string(item.Skip.Reason)
	case item.Err != nil && item.Request == nil && item.Skip == nil:
		return "error " + string(item.Err.Reason)
	default:
		return "not exactly one of Request, Skip and Err"
	}
}

// decoded is what Decode tells of a payload, item by item.
func decoded(t testing.TB, payload string) []string {
	t.Helper()
	d, err := event.Decode([]byte(payload))
	if err != nil {
		return []string{"error " + string(fault(t, err).Reason)}
	}
	if d.Sweep != nil {
		if len(d.Items) > 0 {
			t.Errorf("a sweep with %d items", len(d.Items))
		}
		return []string{"sweep"}
	}
	if d.PauseCommand != nil {
		word := "resume"
		if d.PauseCommand.Pause {
			word = "pause"
		}
		return []string{strings.Join(strings.Fields(strings.Join([]string{word, d.PauseCommand.OrgID, d.PauseCommand.FlowID}, " ")), " ")}
	}
	list := make([]string, len(d.Items))
	for i, item := range d.Items {
		list[i] = told(item)
	}
	return list
}

func fault(t testing.TB, err error) *event.Error {
	t.Helper()
	f, ok := errors.AsType[*event.Error](err)
	if !ok {
		t.Fatalf("error %v is no *event.Error", err)
	}
	if f.Message == "" || f.Error() != f.Message {
		t.Errorf("error %q has message %q", f.Error(), f.Message)
	}
	return f
}

// exampleFiles returns the files of events/ but for outcomes.json.
func exampleFiles(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("../../events/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no example events: %v", err)
	}
	files := map[string][]byte{}
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name := filepath.Base(path); name != "outcomes.json" {
			files[name] = content
		}
	}
	return files
}
