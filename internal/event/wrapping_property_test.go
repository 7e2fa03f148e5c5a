package event_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// decoyFields are fields that may stand beside anything in an event, each of another name.
// None of them asks for a retry, and the runs in them are only quoted.
func decoyFields() []string {
	run := func(id string) string { return failed(id, "") }
	return []string{
		`"note":"failed"`, `"tags":["a",{"b":null},[]]`, `"status":"failed"`, `"text":"{ not JSON"`, `"id":"some"`, `"eventid":"e9"`, `"metrics":{"a":1}`,
		`"Records":[]`, `"items":[]`, `"_links":{}`, `"messages":[]`, `"events":[]`, `"_page":{}`, `"Type":"x"`, `"TopicArn":"y"`, `"challenge":"x"`,
		`"eventCode":"source_flow_run_error"`, `"name":"sources_flow_run_failed"`, `"requestContext":{"x":1}`, `"path":"/x"`, `"pauses":[]`, `"s3BucketName":"x"`,
		`"flowRunId":"x"`, `"createdBy":"Z@AdobeOrg"`, `"url":"https://experience.adobe.com/#/@Z@AdobeOrg"`, `"recipients":["` + org + `"]`, `"severity":"high"`,
		`"imsOrgId":"` + org + `"`, `"header":{"_adobeio":{"imsOrgId":"` + org + `","eventCode":"source_flow_run_error"}}`,
		`"predecessors":[` + run("decoy-1") + `]`, `"previousRuns":{"x":` + run("decoy-2") + `}`,
		`"succeeded":` + strings.Replace(ended(`"success"`), "{", `{"inner":`+run("decoy-3")+`,`, 1),
		`"alert":{"name":"sources_flow_run_delay","status":"FIRING","run":` + run("decoy-4") + `}`,
		`"own":{"results":[{"runId":"x","outcome":"skipped","run":` + run("decoy-5") + `}]}`,
		`"ownEvent":{"source":"aep-retrigger","detail-type":"x","detail":{"runId":"decoy-6"}}`,
		`"aws":{"source":"aws.states","detail-type":"x","detail":{"input":` + quote(run("decoy-7")) + `,"x":` + run("decoy-7") + `}}`,
		`"request":{"runId":"decoy-8"}`, `"flow":{"id":"flow","lastRunDetails":{"id":"x","state":"failed"}}`,
	}
}

// wrapped draws up to five layers around content: wrappings that the decoder knows, and
// others with decoys.
func wrapped(t *rapid.T, content string) string {
	around := func(before, behind string) func(string) string {
		return func(s string) string { return before + s + behind }
	}
	unknown := func(s string) string {
		fields := []string{quote(rapid.SampledFrom([]string{"payload", "data", "body", "event", "value", "message", "detail", "input", "Payload", "xdmEntity"}).Draw(t, "name")) + ":" + s}
		fields = append(fields, rapid.SliceOfNDistinct(rapid.SampledFrom(decoyFields()), 0, 4, rapid.ID).Draw(t, "decoys")...)
		return "{" + strings.Join(rapid.Permutation(fields).Draw(t, "order"), ",") + "}"
	}
	layers := []func(string) string{
		unknown, unknown, unknown, quote, cloudEvent, adobeEvent, eventBridge, sns, onFailure,
		around("[", "]"), func(s string) string { return `{"text":` + quote(s) + `}` }, func(s string) string { return pipeline(s) }, func(s string) string { return sqs(s) },
		around(`{"events":[{"position":"p","event":`, `}],"_page":{}}`), around(`{"items":[`, `],"_links":{}}`), around(`{"Data":`, `,"Metadata":{},"SystemMetadata":{}}`),
		func(s string) string {
			return `{"specversion":"1.0","type":"source_flow_run_error","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"}`
		},
	}
	for range rapid.IntRange(0, 5).Draw(t, "layers") {
		if len(content) < 60_000 { // quotes in quotes double
			content = rapid.SampledFrom(layers).Draw(t, "layer")(content)
		}
	}
	return content
}

func TestFailedRunIsRequestedUnderAnyWrappingAndItsDecoysAreNot(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		payload := wrapped(t, failed("the-run", ""))
		d, err := event.Decode([]byte(payload))
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		requested := 0
		for _, item := range d.Items {
			if item.Request == nil {
				continue
			}
			if requested++; item.Request.RunID != "the-run" || item.Request.OrgID != org {
				t.Fatalf("%s: run %s of org %s is requested", payload, item.Request.RunID, item.Request.OrgID)
			}
		}
		if requested != 1 {
			t.Fatalf("%s: %d requests, want 1", payload, requested)
		}
	})
}

// TestKeptPartReadsToTheSameErrorAgain: a redrive of its dead letter makes the same
// letter.
func TestKeptPartReadsToTheSameErrorAgain(t *testing.T) {
	t.Parallel()
	faulty := rapid.SampledFrom([]string{
		failed("", ""), failed("a/b", ""), failed("x", `,"imsOrgId":5`), failed("x", `,"sandboxName":"a b"`), failed("x", `,"imsOrgId":"Z@AdobeOrg"`),
		ended(`"odd"`), `{"z":1}`, `{"runId":5}`, `{"event_id":"q","event":{"z":1}}`, `{"pause":{}}`, `"x"`, `5`, `{"Type":"x","TopicArn":"y"}`,
	})
	rapid.Check(t, func(t *rapid.T) {
		payload := wrapped(t, `[`+faulty.Draw(t, "first")+`,`+faulty.Draw(t, "second")+`,`+failed("the-run", "")+`]`)
		d, err := event.Decode([]byte(payload))
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		for _, item := range d.Items {
			if item.Err == nil {
				continue
			}
			again, err := event.Decode(item.Raw)
			got, _ := errors.AsType[*event.Error](err)
			if err == nil && len(again.Items) == 1 {
				got = again.Items[0].Err
			}
			if got == nil || got.Reason != item.Err.Reason {
				t.Fatalf("%s: %s of %s is %v when it is read again", payload, item.Err.Reason, item.Raw, got)
			}
		}
	})
}
