package event_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

func TestAdobeEventWithoutARunIsNeverSkipped(t *testing.T) {
	t.Parallel()
	const partner = `{"detail-type":"Platform notifications:source_flow_run_error","source":"aws.partner/developer.adobe.com/x","detail":`
	shapes := map[string]string{}
	for name, payload := range map[string]string{
		"an unknown content":           partner + `{"runIdentifier":"r","state":"FAILED"}}`,
		"an empty detail":              partner + `{}}`,
		"no detail":                    `{"detail-type":"Platform notifications:source_flow_run_error","source":"aws.partner/developer.adobe.com/x"}`,
		"a detail that is no object":   partner + `5}`,
		"a text":                       partner + `"the run has failed"}`,
		"an unknown code":              partner + `{"header":{"_adobeio":{"eventCode":"source_flow_run_broken"}},"x":{"y":1}}}`,
		"a run without its status":     partner + `{"id":"r","flowId":"f","metrics":{}}}`,
		"another of Adobe's providers": `{"detail-type":"Assets:asset_created","source":"aws.partner/developer.adobe.com.test/x","detail":{"a":1}}`,
		"by its event id":              `{"event_id":"e","event":{"a":1}}`,
		"by its eventid":               `{"eventid":"e","x":5}`,
		"nothing in it":                `{"event_id":"e","event":null}`,
		"a text in it":                 `{"event_id":"e","event":"the run has failed"}`,
		"a CloudEvent":                 `{"specversion":"1.0","id":"c","type":"com.adobe.platform.x","source":"urn:x","data":{"a":1}}`,
		"a CloudEvent without data":    `{"specversion":"1.0","id":"c","type":"source_flow_run_error"}`,
		"a pipeline message":           `[{"messages":[{"imsOrgId":"` + org + `","value":{"a":1}}]}]`,
		"in a text on a queue":         sns(partner + `{"a":{"b":1}}}`),
		"a request of a person's":      partner + request + `}`,
	} {
		got := onlyFault(t, payload)
		if got == nil || got.Reason != event.Unrecognized || got.Shape == "" {
			t.Errorf("%s: %+v, want it to be unrecognized, with its shape", name, got)
			continue
		}
		shapes[got.Shape] = name
	}
	if len(shapes) < 8 {
		t.Errorf("%d shapes are told apart: %v", len(shapes), shapes)
	}
}

func TestEventsOfOneShapeHaveOneName(t *testing.T) {
	t.Parallel()
	shape := func(payload string) string {
		got := onlyFault(t, payload)
		if got == nil {
			t.Fatalf("%s is read", payload)
		}
		return got.Shape
	}
	first := shape(eventBridge(`{"b":{"x":1,"y":"z"},"a":5}`))
	for payload, same := range map[string]bool{
		eventBridge(`{"a":"other","b":{"y":null,"x":[]}}`):                                               true,
		eventBridge(`{"a":5,"b":{"x":1}}`):                                                               false,
		eventBridge(`{"a":5,"b":{"x":1,"y":1},"c":1}`):                                                   false,
		strings.Replace(eventBridge(`{"b":{"x":1,"y":"z"},"a":5}`), "source_flow_run_error", "other", 1): false,
	} {
		if got := shape(payload); (got == first) != same {
			t.Errorf("%s has the shape %q, want the same as %q: %t", payload, got, first, same)
		}
	}
	if long := shape(eventBridge(`{"` + strings.Repeat("k", 5000) + `":1}`)); len(long) > 1024 {
		t.Errorf("a shape has %d bytes", len(long))
	}
}

func TestKnownPayloadThatCannotBeHandledIsRefusedByName(t *testing.T) {
	t.Parallel()
	body := quote(request)
	for name, tt := range map[string]struct {
		payload string
		reason  event.Reason
		says    string
	}{
		"an empty object":                       {`{}`, event.EmptyObject, `{"sweep":{}}`},
		"an empty object on a queue":            {sns(`{}`), event.EmptyObject, `{"sweep":{}}`},
		"a message in S3":                       {`["software.amazon.payloadoffloading.PayloadS3Pointer",{"s3BucketName":"b","s3Key":"k"}]`, event.StoredInS3, "S3"},
		"a message in S3, of an older client":   {`["com.amazon.sqs.javamessaging.MessageS3Pointer",{"s3BucketName":"b","s3Key":"k"}]`, event.StoredInS3, "S3"},
		"a message in S3, a client of Python's": {`{"s3BucketName":"b","s3Key":"k"}`, event.StoredInS3, "S3"},
		"a record of a custom event bus": {
			`{"version":"1.0","busArn":"b","subscriberArn":"s","targetArn":"t","errorCode":"ACCESS_DENIED","failedMessages":[{"eventId":"e"}]}`, event.EventIDsOnly, "sweep",
		},
		"a Function URL":             {`{"version":"2.0","routeKey":"$default","headers":{},"requestContext":{"http":{"method":"POST"}},"body":` + body + `}`, event.HTTPEvent, "HTTP"},
		"a REST API":                 {`{"resource":"/","path":"/","httpMethod":"POST","headers":null,"requestContext":{"apiId":"a","httpMethod":"POST"},"body":` + body + `}`, event.HTTPEvent, "HTTP"},
		"a load balancer":            {`{"requestContext":{"elb":{"targetGroupArn":"t"}},"httpMethod":"POST","path":"/","headers":{},"body":` + body + `}`, event.HTTPEvent, "HTTP"},
		"a WebSocket":                {`{"requestContext":{"connectionId":"c","eventType":"MESSAGE"},"body":` + body + `}`, event.HTTPEvent, "HTTP"},
		"VPC Lattice":                {`{"version":"2.0","path":"/","method":"POST","headers":{},"requestContext":{"serviceNetworkArn":"n"},"body":` + body + `}`, event.HTTPEvent, "HTTP"},
		"a webhook's request":        {`{"headers":{"x-adobe-event-id":"1"},"body":` + quote(adobeEvent(failed(runA, ""))) + `}`, event.HTTPEvent, "HTTP"},
		"an event of our own":        {`{"detail-type":"Something Newer","source":"aep-retrigger","detail":{}}`, event.OwnOutput, "itself"},
		"an answer of ours":          {`{"results":[{"runId":"a","outcome":"retriggered"}]}`, event.OwnOutput, "itself"},
		"a result of ours":           {`{"runId":"a","outcome":"skipped","reason":"dry_run"}`, event.OwnOutput, "itself"},
		"an answer to a batch":       {`{"batchItemFailures":[]}`, event.OwnOutput, "itself"},
		"a sweep's report":           {`{"sweep":{"id":"x","state":"finished","seen":1}}`, event.OwnOutput, "itself"},
		"an answer to a pause":       {`{"pauses":[]}`, event.OwnOutput, "itself"},
		"a pause on a queue":         {sns(`{"pause":{}}`), event.NotDirect, `{"pause":{}}`},
		"a resume of an application": {`{"detail-type":"x","source":"com.example","detail":{"resume":{}}}`, event.NotDirect, `{"resume":{}}`},
		"a status of a new kind":     {ended(`"ABORTED"`), event.RunStatusUnknown, "ABORTED"},
		"a listing without runs":     {`{"items":[],"_links":{}}`, event.Unreadable, "empty list"},
		"a journal without events":   {`{"events":[],"_page":{}}`, event.Unreadable, "empty list"},
	} {
		if got := onlyFault(t, tt.payload); got == nil || got.Reason != tt.reason || !strings.Contains(got.Message, tt.says) {
			t.Errorf("%s: %+v, want %s with %q", name, got, tt.reason, tt.says)
		}
	}
}

func TestApplicationMayRequestARetryByItsOwnEvent(t *testing.T) {
	t.Parallel()
	own := func(detail string) string {
		return `{"detail-type":"retry","source":"com.example.tool","detail":` + detail + `}`
	}
	for payload, want := range map[string]string{
		own(request):                          "retry " + runA,
		own(`{"requests":[` + request + `]}`): "retry " + runA,
		own(`{"sweep":{"since":"1h"}}`):       "sweep",
		own(`{"runid":"x"}`):                  "skip foreign_event",
		own(`{"runId":""}`):                   "error invalid_run_id",
		own(`{"runId":"a","color":"red"}`):    "error unknown_field",
		own(`{"color":"red"}`):                "skip foreign_event",
		own(`"text"`):                         "skip foreign_event",
		own(sns(request)):                     "retry " + runA,
		`{"specversion":"1.0","id":"c","type":"retry","source":"com.example","data":` + request + `}`: "retry " + runA,
		onFailure(request): "retry " + runA,
		`{"detail-type":"Lambda Function Invocation Result - Failure","source":"lambda","detail":` + onFailure(request) + `}`:           "retry " + runA,
		`{"detail-type":"Lambda Function Invocation Result - Failure","source":"lambda","detail":` + onFailure(`{"sweep":{}}`) + `}`:    "sweep",
		`{"detail-type":"Lambda Function Invocation Result - Failure","source":"lambda","detail":` + onFailure(sqs(request, "x")) + `}`: "retry " + runA,
		`{"detail-type":"Step Functions Execution Status Change","source":"aws.states","detail":` + request + `}`:                       "skip foreign_event",
		`{"detail-type":"x","source":"com.example","detail":{"requestContext":1,"requestPayload":{"runId":"x","force":true}}}`:          "skip foreign_event",
	} {
		if got := decoded(t, payload); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %v, want %s", payload, got, want)
		}
	}
}

func TestUnreadableListIsOneDeadLetter(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string][]string{
		`[1,2,3]`:             {"error wrong_type"},
		`["a","b"]`:           {"error unreadable"},
		`[1,"b",{"c":1}]`:     {"error unreadable"},
		`{"requests":[5,{}]}`: {"error unreadable"},
		sqs("x", "y"):         {"error unreadable"},
		`[1,` + request + `]`: {"error wrong_type", "retry " + runA},
		`[1]`:                 {"error wrong_type"},
		`[` + failed("", "") + `,` + failed("a/b", "") + `]`: {"error missing_run_id", "error invalid_run_id"}, // each names its dataflow
		`[1,` + ended(`"success"`) + `]`:                     {"error wrong_type", "skip run_succeeded"},
	} {
		if diff := cmp.Diff(want, decoded(t, payload)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", payload, diff)
		}
	}
	if _, err := event.Decode([]byte(`[1,"b"]`)); err == nil || !strings.Contains(err.Error(), "none of the 2 elements") {
		t.Errorf("the error is %v", err)
	}
}

func TestUnreadablePageHasTheShapesOfItsEvents(t *testing.T) {
	t.Parallel()
	page := func(events ...string) string {
		return `{"events":[` + strings.Join(events, ",") + `],"_page":{}}`
	}
	one, other := `{"position":"1","event":`+adobeEvent(`{"a":1}`)+`}`, `{"position":"2","event":`+adobeEvent(`{"b":1}`)+`}`
	shapeOf := func(payload string) string { return onlyFault(t, payload).Shape }
	if both := shapeOf(page(one, other)); both == "" || both != shapeOf(page(other, one, one)) {
		t.Errorf("the shape of a page with two shapes is %q", both)
	}
	if shapeOf(page(one, one)) != shapeOf(page(one)) {
		t.Error("a page with one shape has another one than its event")
	}
	if got := shapeOf(`[1,` + adobeEvent(`{"a":1}`) + `]`); got != "" {
		t.Errorf("a list with other elements has the shape %q", got)
	}
}

func TestBareListOfSQSRecordsIsABatch(t *testing.T) {
	t.Parallel()
	const one = `{"messageId":"m","receiptHandle":"h","eventSource":"aws:sqs","body":"b","attributes":{"ApproximateReceiveCount":"3"}}`
	for name, tt := range map[string]struct {
		payload string
		records int
		batch   bool
		fails   bool
	}{
		"one":                {`[` + one + `]`, 1, true, false},
		"two, white space":   {"\n [" + one + "," + one + "]", 2, true, false},
		"no id":              {`[` + one + `,{"eventSource":"aws:sqs","body":"b"}]`, 0, true, true},
		"another's record":   {`[` + one + `,{"eventSource":"aws:s3"}]`, 0, true, true},
		"a list of others":   {`[{"eventSource":"aws:s3"}]`, 0, false, false},
		"a list of anything": {`[1,2]`, 0, false, false},
		"an empty list":      {`[]`, 0, false, false},
		"odd attributes": {
			`[{"messageId":"m","eventSource":"aws:sqs","body":"b","attributes":{"SentTimestamp":1795413604000,"x":{"y":1},"z":null}}]`, 1, true, false,
		},
	} {
		records, batch, err := event.SQSRecords([]byte(tt.payload))
		if len(records) != tt.records || batch != tt.batch || (err != nil) != tt.fails {
			t.Errorf("%s: %d records, batch %t, error %v", name, len(records), batch, err)
		}
		if name == "odd attributes" && (len(records) != 1 || records[0].SentAt().UnixMilli() != 1795413604000) {
			t.Errorf("%s: %+v", name, records)
		}
	}
}

func TestBodyThatAPipeMadeAnObjectIsRead(t *testing.T) {
	t.Parallel()
	records, batch, err := event.SQSRecords([]byte(`[{"messageId":"m","eventSource":"aws:sqs","body":` + request + `},{"messageId":"n","eventSource":"aws:sqs","body":5},{"messageId":"o","eventSource":"aws:sqs"}]`))
	if err != nil || !batch || len(records) != 3 || records[2].Body != "" {
		t.Fatalf("%d records, batch %t, error %v", len(records), batch, err)
	}
	for i, want := range []string{"retry " + runA, "error wrong_type", "error unreadable"} {
		if got := decoded(t, records[i].Body); len(got) != 1 || got[0] != want {
			t.Errorf("record %d: %v, want %s", i, got, want)
		}
	}
}

func TestRequestNamesItsSource(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]event.Source{
		request:                          event.FromPerson,
		sns(request):                     event.FromPerson,
		`{"requests":[` + request + `]}`: event.FromPerson,
		failed(runA, ""):                 event.FromAdobe,
		eventBridge(adobeEvent(failed(runA, ""))):                                                      event.FromAdobe,
		`{"runId":"a","origin":{"failedAt":"2026-11-23T06:00:00Z","eventId":"e","createdClient":"c"}}`: event.FromQueue,
		`{"runId":"a","origin":{}}`:                                                                    event.FromQueue,
	} {
		r := only(t, []byte(payload))
		if r.Source != want {
			t.Errorf("%s is from %s, want %s", payload, r.Source, want)
		}
		if text, err := json.Marshal(r); err != nil || strings.Contains(string(text), `"source"`) || strings.Contains(string(text), `"Source"`) {
			t.Errorf("%s, %v", text, err)
		}
	}
}

// onlyFault is why a payload can't be read; nil if some of it can.
func onlyFault(t *testing.T, payload string) *event.Error {
	t.Helper()
	d, err := event.Decode([]byte(payload))
	if err != nil {
		return fault(t, err)
	}
	if len(d.Items) != 1 {
		return nil
	}
	return d.Items[0].Err
}
