package event_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

const foreignOrg = "FEDCBA0987654321@AdobeOrg"

func TestRunIsFoundWhereverAdobeMayPutIt(t *testing.T) {
	t.Parallel()
	run, other := failed(runA, ""), failed(runB, "")
	for name, payload := range map[string]string{
		"a layer that is not documented":         eventBridge(`{"payload":` + run + `}`),
		"several such layers":                    eventBridge(`{"a":{"b":[{"c":{"d":` + run + `}}]}}`),
		"the layer is a text":                    eventBridge(`{"payload":` + quote(run) + `}`),
		"a text in a text":                       eventBridge(`{"payload":` + quote(`{"x":`+quote(run)+`}`) + `}`),
		"the layer has the event's code":         eventBridge(`{"header":{"_adobeio":{"eventCode":"source_flow_run_error"}},"body":` + run + `}`),
		"the layer has the event's code, flat":   eventBridge(`{"eventCode":"source_flow_run_error","body":` + run + `}`),
		"the layer names the run":                eventBridge(`{"flowRunId":"` + runA + `","flowId":"flow","run":` + run + `}`),
		"the detail-type is not the usual one":   strings.Replace(eventBridge(`{"payload":`+run+`}`), "Platform notifications:source_flow_run_error", "Experience Platform:x", 1),
		"a batch delivery":                       `[{"eventid":"e","event":{"body":` + run + `},"recipientclientid":"c"}]`,
		"a batch delivery, a CloudEvent in it":   `[{"event_id":"e","event":{"header":{"msgType":"x"},"body":` + cloudEvent(run) + `}}]`,
		"a batch delivery, the body is a text":   `{"event_id":"e","event":{"body":` + quote(run) + `}}`,
		"an event id beside another name":        `{"event_id":"e","payload":` + run + `}`,
		"a page of the journal":                  `{"events":[{"position":"p","event":` + adobeEvent(run) + `}],"_page":{"last":"p","count":1}}`,
		"a page of the journal, bare":            `{"events":[{"position":"p","event":` + run + `}]}`,
		"an answer of GET /runs":                 `{"items":[` + run + `],"_links":{}}`,
		"an answer of GET /runs, counted":        `{"items":[` + run + `],"_links":{"next":{"href":"/runs?continuationToken=x"}},"count":1}`,
		"WITH_METADATA of a custom event bus":    `{"Data":` + eventBridge(run) + `,"Metadata":{"k":"v"},"SystemMetadata":{"EventId":"i"}}`,
		"a list of those":                        `[{"Data":` + eventBridge(run) + `,"SystemMetadata":{}}]`,
		"an event that was published raw":        `{"Data":` + run + `,"Metadata":{},"SystemMetadata":{}}`,
		"a record of SQS by itself":              `{"messageId":"m","receiptHandle":"h","eventSource":"aws:sqs","body":` + quote(run) + `}`,
		"an answer of ReceiveMessage":            `{"Messages":[{"MessageId":"m","ReceiptHandle":"h","Body":` + quote(run) + `}]}`,
		"an on-failure record by way of a bus":   `{"detail-type":"Lambda Function Invocation Result - Failure","source":"lambda","detail":` + onFailure(eventBridge(run)) + `}`,
		"an application that passes Adobe's on":  `{"detail-type":"relay","source":"com.example","detail":` + eventBridge(`{"payload":`+run+`}`) + `}`,
		"an application that passes the run on":  `{"detail-type":"relay","source":"com.example","detail":{"payload":` + run + `}}`,
		"a wrapping of a person's":               `{"payload":{"run":` + run + `}}`,
		"a byte order mark":                      "\uFEFF" + run,
		"a byte order mark in a text":            sns("\uFEFF" + run),
		"the success of a run beside no failure": `{"items":[` + run + `,` + ended(`"success"`) + `],"_links":{}}`,
	} {
		got := decoded(t, payload)
		if len(got) == 0 || got[0] != "retry "+runA {
			t.Errorf("%s: %v", name, got)
		}
	}
	for name, payload := range map[string]string{
		"a journal":        `{"events":[{"position":"1","event":` + adobeEvent(run) + `},{"position":"2","event":` + adobeEvent(other) + `}],"_page":{}}`,
		"a listing":        `{"items":[` + run + `,` + other + `],"_links":{}}`,
		"unknown":          eventBridge(`{"first":` + run + `,"second":` + other + `}`),
		"unknown, a list":  eventBridge(`{"runs":[` + run + `,` + other + `]}`),
		"a batch delivery": `[{"event_id":"1","event":{"body":` + run + `}},{"event_id":"2","event":{"body":` + other + `}}]`,
	} {
		if diff := cmp.Diff([]string{"retry " + runA, "retry " + runB}, decoded(t, payload)); diff != "" {
			t.Errorf("two runs in %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRunThatAnEventOnlyQuotesIsNotRetried(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	for name, payload := range map[string]string{
		"in the predecessors of a run":     strings.Replace(ended(`"success"`), "{", `{"predecessors":[`+run+`],`, 1),
		"in a run that succeeded":          strings.Replace(ended(`"success"`), "{", `{"replaces":`+run+`,`, 1),
		"in a run that is running":         eventBridge(strings.Replace(ended(`"inProgress"`), "{", `{"x":{"y":[`+run+`]},`, 1)),
		"in the predecessors of an event":  eventBridge(`{"predecessors":[` + run + `],"id":"x"}`),
		"as the previous run":              eventBridge(`{"previousRun":` + run + `,"run":` + ended(`"success"`) + `}`),
		"in an alert":                      eventBridge(`{"id":"a","name":"sources_flow_run_delay_150","status":"FIRING","run":` + run + `}`),
		"in an alert, as a text":           eventBridge(`{"id":"a","name":"sources_flow_run_error_rate","status":"FIRING","note":` + quote(run) + `}`),
		"in an event of our own":           `{"detail-type":"Run Given Up","source":"aep-retrigger","detail":{"run":` + run + `}}`,
		"in an answer of ours":             `{"results":[{"runId":"x","outcome":"retriggered","run":` + run + `}]}`,
		"in an event of an AWS service":    `{"detail-type":"Step Functions Execution Status Change","source":"aws.states","detail":{"input":` + quote(run) + `,"x":` + run + `}}`,
		"in a text of another application": `{"detail-type":"ticket","source":"com.example","detail":{"text":` + quote(run) + `}}`,
		"in the answer of another function": `{"version":"1.0","requestContext":{"condition":"RetriesExhausted","functionArn":"f"},"requestPayload":` + ended(`"success"`) +
			`,"responsePayload":` + run + `}`,
	} {
		for _, got := range decoded(t, payload) {
			if strings.HasPrefix(got, "retry") {
				t.Errorf("%s: %s", name, got)
			}
		}
	}
}

// TestFailedRunIsFoundBesideAnyDecoys draws layers that no document shows, with decoys
// beside the run, and expects the run and nothing else to be requested.
func TestFailedRunIsFoundBesideAnyDecoys(t *testing.T) {
	t.Parallel()
	decoys := []string{
		`"note":"failed"`, `"count":1`, `"tags":["a",{"b":null},[]]`, `"nothing":null`, `"empty":{}`, `"list":[]`,
		`"predecessors":[` + failed("decoy-1", "") + `]`, `"previousRuns":{"x":` + failed("decoy-2", "") + `}`,
		`"succeeded":` + strings.Replace(ended(`"success"`), "{", `{"inner":`+failed("decoy-3", "")+`,`, 1),
		`"text":"{ not JSON"`, `"status":"x"`, `"flow":{"id":"flow","lastRunDetails":{"id":"x","state":"failed"}}`,
	}
	names := []string{"payload", "data", "body", "content", "event", "value", "message", "notification", "Run", "d"}
	wrap := []func(t *rapid.T, inner string) string{
		func(t *rapid.T, inner string) string {
			parts := []string{quote(rapid.SampledFrom(names).Draw(t, "name")) + ":" + inner}
			parts = append(parts, rapid.SliceOfNDistinct(rapid.SampledFrom(decoys), 0, 4, rapid.ID).Draw(t, "decoys")...)
			return "{" + strings.Join(rapid.Permutation(parts).Draw(t, "order"), ",") + "}"
		},
		func(_ *rapid.T, inner string) string { return "[" + inner + "]" },
		func(_ *rapid.T, inner string) string {
			if len(inner) > 100_000 { // quotes in quotes double
				return inner
			}
			return `{"text":` + quote(inner) + `}`
		},
	}
	rapid.Check(t, func(t *rapid.T) {
		status := rapid.SampledFrom([]string{"failed", "Failed", "FAILED"}).Draw(t, "status")
		ms := rapid.Int64Range(1_600_000_000_000, 1_900_000_000_000).Draw(t, "created")
		at := func(ms int64) string {
			return rapid.SampledFrom([]string{
				strconv.FormatInt(ms, 10), strconv.FormatInt(ms/1000, 10), strconv.FormatInt(ms*1000, 10), quote(strconv.FormatInt(ms, 10)),
				quote(time.UnixMilli(ms).UTC().Format(time.RFC3339Nano)), "0", "1", "-5", "null", `"soon"`, "1e300",
			}).Draw(t, "time")
		}
		run := failed("the-run", `,"createdAt":`+at(ms)+`,"updatedAt":`+at(ms+60_000)+`,"predecessors":`+rapid.SampledFrom([]string{"[]", "null", "{}", `""`}).Draw(t, "predecessors")+
			`,"metrics":{"durationSummary":{"startedAtUTC":`+at(ms)+`,"completedAtUTC":`+at(ms+50_000)+`},"statusSummary":{"status":`+quote(status)+`}}`)
		payload := run
		for range rapid.IntRange(0, 4).Draw(t, "layers") {
			payload = rapid.SampledFrom(wrap).Draw(t, "layer")(t, payload)
		}
		payload = rapid.SampledFrom([]func(string) string{
			eventBridge, adobeEvent, cloudEvent, func(s string) string { return eventBridge(adobeEvent(s)) }, func(s string) string { return s },
		}).Draw(t, "envelope")(payload)
		d, err := event.Decode([]byte(payload))
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		requested := 0
		for _, item := range d.Items {
			if item.Err != nil || item.Skip != nil && item.Skip.RunID == "the-run" {
				t.Fatalf("%s: %+v", payload, item)
			}
			if item.Request == nil {
				continue
			}
			if requested++; item.Request.RunID != "the-run" {
				t.Fatalf("%s: run %s is requested, which the event merely quotes", payload, item.Request.RunID)
			}
			if failedAt := item.Request.FailedAt; !failedAt.IsZero() && (failedAt.Year() < 2019 || failedAt.Year() > 2199) {
				t.Fatalf("%s: it failed at %s", payload, failedAt)
			}
		}
		if requested != 1 {
			t.Fatalf("%s: %d requests, want 1", payload, requested)
		}
	})
}

func TestOrgOfARunIsFoundWhereverItIsNamed(t *testing.T) {
	t.Parallel()
	without := strings.Replace(failed(runA, ""), `"imsOrgId":"`+org+`",`, "", 1)
	for name, tt := range map[string]struct{ payload, org string }{
		"by the run":                       {failed(runA, `,"imsOrgId":"`+foreignOrg+`"`), foreignOrg},
		"by its header":                    {strings.Replace(without, "{", `{"header":{"_adobeio":{"imsOrgId":"`+foreignOrg+`"}},`, 1), foreignOrg},
		"by another spelling":              {strings.Replace(without, "{", `{"ims_org_id":"`+foreignOrg+`",`, 1), foreignOrg},
		"by another case":                  {strings.Replace(without, "{", `{"IMSORGID":"`+foreignOrg+`",`, 1), foreignOrg},
		"by a layer around it":             {eventBridge(`{"imsOrgId":"` + foreignOrg + `","payload":` + without + `}`), foreignOrg},
		"by the event around it":           {`{"event_id":"e","imsOrgId":"` + foreignOrg + `","event":` + without + `}`, foreignOrg},
		"by a batch's body":                {`{"event_id":"e","event":{"xdm:imsOrg":"` + foreignOrg + `","body":` + without + `}}`, foreignOrg},
		"by its pipeline message":          {strings.Replace(pipeline(without), org, foreignOrg, 1), foreignOrg},
		"by the layer and the run, agreed": {eventBridge(`{"imsOrgId":"` + org + `","payload":` + failed(runA, "") + `}`), org},
		"by nothing":                       {eventBridge(without), ""},
		"by null":                          {failed(runA, `,"imsOrgId":null`), ""},
	} {
		d, err := event.Decode([]byte(tt.payload))
		if err != nil || len(d.Items) != 1 || d.Items[0].Request == nil || d.Items[0].Request.OrgID != tt.org {
			t.Errorf("%s: %v, %v; want org %q", name, decoded(t, tt.payload), err, tt.org)
		}
	}
	for name, payload := range map[string]string{
		"twice":                       strings.Replace(failed(runA, ""), "{", `{"imsOrgId":"`+foreignOrg+`",`, 1),
		"twice, once null":            strings.Replace(failed(runA, ""), "{", `{"imsOrgId":null,`, 1),
		"in two cases":                strings.Replace(failed(runA, ""), "{", `{"IMSORGID":0,`, 1),
		"in two spellings":            strings.Replace(failed(runA, ""), "{", `{"ims_org_id":"`+foreignOrg+`",`, 1),
		"as a number":                 failed(runA, `,"imsOrgId":5`),
		"as an object":                failed(runA, `,"imsOrgId":{"id":"`+foreignOrg+`"}`),
		"in the header as a number":   strings.Replace(without, "{", `{"header":{"_adobeio":{"imsOrgId":5}},`, 1),
		"by a layer that differs":     eventBridge(`{"imsOrgId":"` + foreignOrg + `","payload":` + failed(runA, "") + `}`),
		"by a layer, as an object":    eventBridge(`{"imsOrgId":{"id":"x"},"payload":` + without + `}`),
		"by two layers":               eventBridge(`{"imsOrgId":"` + foreignOrg + `","a":{"imsOrgId":"` + org + `","b":` + without + `}}`),
		"by the event, in two cases":  `{"event_id":"e","Event_ID":"f","event":` + failed(runA, "") + `}`,
		"in EventBridge, two details": strings.Replace(eventBridge(failed(runA, "")), "{", `{"Detail":{},`, 1),
	} {
		for _, got := range decoded(t, payload) {
			if !strings.HasPrefix(got, "error") {
				t.Errorf("an org that is named %s: %s", name, got)
			}
		}
	}
}

func TestFieldInTwoSpellingsIsRefused(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	for name, payload := range map[string]string{
		"ID beside id":        strings.Replace(run, "{", `{"ID":"run-2",`, 1),
		"id twice":            strings.Replace(run, "{", `{"id":"run-2",`, 1),
		"long s":              strings.Replace(run, "{", `{"ſandboxName":"dev",`, 1),
		"another sandbox":     strings.Replace(strings.Replace(run, `"sandboxName":"prod",`, "", 1), "{", `{"sandbox_name":"dev",`, 1),
		"a status by case":    strings.Replace(run, `"status":"failed"`, `"status":"success","Status":"failed"`, 1),
		"a status twice":      strings.Replace(run, `"status":"failed"`, `"status":"success","status":"failed"`, 1),
		"summaries by case":   strings.Replace(run, `"statusSummary":`, `"StatusSummary":{"status":"success"},"statusSummary":`, 1),
		"metrics twice":       strings.Replace(run, "{", `{"Metrics":{},`, 1),
		"an escaped name":     strings.Replace(run, "{", `{"\u0069d":"run-2",`, 1),
		"predecessors twice":  strings.Replace(run, "{", `{"predecessors":[],"Predecessors":[1],`, 1),
		"in an unknown layer": eventBridge(`{"payload":` + strings.Replace(run, "{", `{"Id":"run-2",`, 1) + `}`),
	} {
		got := decoded(t, payload)
		if len(got) != 1 || got[0] != "error repeated_field" && got[0] != "error unknown_field" {
			t.Errorf("%s: %v", name, got)
		}
	}
	// Names that the decoder has no use for, and those of layers that it does not know,
	// may stand as they like.
	for _, payload := range []string{
		strings.Replace(run, "{", `{"color":1,"Color":2,`, 1),
		eventBridge(`{"payload":` + run + `,"Payload":{},"data":1,"Data":2}`),
	} {
		if got := decoded(t, payload); len(got) != 1 || got[0] != "retry "+runA {
			t.Errorf("%s: %v", payload, got)
		}
	}
}
