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

func TestLayerWithTheNameOrCodeOfAnAlertHidesNoRun(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	wants(t, map[string][2]string{
		"the name is the event's type":      {eventBridge(`{"name":"sources_flow_run_failed","value":` + run + `}`), retried},
		"beside an event id":                {`{"event_id":"e","name":"sources_flow_run_failure","event":` + run + `}`, retried},
		"a delivery's status":               {eventBridge(`{"eventCode":"source_flow_run_error","status":"delivered","payload":` + run + `}`), retried},
		"the failure's status":              {eventBridge(`{"header":{"_adobeio":{"eventCode":"source_flow_run_error"}},"status":"failed","payload":` + run + `}`), retried},
		"the run's id, too":                 {eventBridge(`{"flowRunId":"` + runA + `","eventCode":"source_flow_run_error","status":"failed","run":` + run + `}`), retried},
		"the layer is a text":               {eventBridge(`{"name":"sources_flow_run_failed","value":` + quote(cloudEvent(run)) + `}`), retried},
		"an ingestion id":                   {eventBridge(`{"xdm:ingestionId":"i","run":` + run + `}`), retried},
		"an alert that quotes the run":      {eventBridge(`{"name":"sources_flow_run_error_rate","status":"FIRING","run":` + run + `}`), "skip error_rate_alert"},
		"a delay that quotes the run":       {eventBridge(`{"name":"sources_flow_run_delay_150","run":` + run + `}`), "skip run_delayed_alert"},
		"a failure in an unknown shape":     {eventBridge(`{"eventCode":"source_flow_run_error","status":"failed","run":"r","flowId":"f"}`), "error unrecognized"},
		"a failure in another, with the id": {eventBridge(`{"flowRunId":"r","flowId":"f","eventCode":"source_flow_run_error","status":"FAILED"}`), "error unrecognized"},
	})
}

func TestScheduledEventOfAnotherSenderIsNoSweep(t *testing.T) {
	t.Parallel()
	from := func(source, detail string) string {
		return `{"detail-type":"Scheduled Event","source":"` + source + `","detail":` + detail + `}`
	}
	wants(t, map[string][2]string{
		"an application's run":     {from("com.example", failed(runA, "")), retried},
		"an application's request": {from("com.example", request), retried},
		"Adobe's run":              {from("aws.partner/developer.adobe.com/x", failed(runA, "")), retried},
		"Adobe's, without a run":   {from("aws.partner/developer.adobe.com/x", `{"a":1}`), "error unrecognized"},
		"an application's, empty":  {from("com.example", `{}`), "skip foreign_event"},
		"a rule's":                 {from("aws.events", `{}`), "sweep"},
		"inside another's":         {ofApplication(from("aws.events", `{}`)), "skip foreign_event"},
	})
}

func TestForwardedAdobeEventStaysAnAdobeEvent(t *testing.T) {
	t.Parallel()
	const flat = `{"header":{"_adobeio":{"imsOrgId":"` + org + `","eventCode":"source_flow_run_error"}},"flowRun":"r"}`
	for name, payload := range map[string]string{
		"by a relay's own event":             ofApplication(flat),
		"by a queue, without an envelope":    flat,
		"as a CloudEvent of a provider":      `{"specversion":"1.0","id":"x","source":"urn:uuid:1","type":"run.failed","eventid":"e","recipient_client_id":"c","data":{"run":"r"}}`,
		"by a transformer, without source":   `{"detail-type":"Platform notifications:source_flow_run_error","detail":{"run":"r"}}`,
		"with an empty listing in it":        eventBridge(`{"items":[],"_links":{}}`),
		"with an empty page of a journal":    eventBridge(`{"events":[],"_page":{}}`),
		"with an empty list as a CloudEvent": cloudEvent(`[]`),
	} {
		if got := onlyFault(t, payload); got == nil || got.Reason != "unrecognized" || got.Shape == "" {
			t.Errorf("%s: %s: %v", name, payload, decoded(t, payload))
		}
	}
	wants(t, map[string][2]string{
		"with a run":            {ofApplication(strings.Replace(flat, `"r"`, failed(runA, ""), 1)), retried},
		"a request by hand":     {`{"specversion":"1.0","id":"x","source":"com.example","type":"retry","data":` + request + `}`, retried},
		"an empty list by hand": {`[]`, "error unreadable"},
	})
}

func TestFlatAdobeEventIsSkippedOnlyIfItIsADocumentedAlert(t *testing.T) {
	t.Parallel()
	const header = `"header":{"_adobeio":{"eventCode":"source_flow_run_error"}}`
	wants(t, map[string][2]string{
		"a run's id and a state":            {eventBridge(`{"flowRunId":"r","flowId":"f","state":"failed","error":"x"}`), "error unrecognized"},
		"a code and a run":                  {eventBridge(`{` + header + `,"flowId":"f","runId":"r","state":"FAILED"}`), "error unrecognized"},
		"a run's id alone":                  {adobeEvent(`{` + header + `,"flowRunId":"r"}`), "error unrecognized"},
		"the name of a failure":             {adobeEvent(`{"name":"sources_flow_run_failed","flowId":"f"}`), "error unrecognized"},
		"an alert of a failure":             {eventBridge(`{` + header + `,"id":"a","name":"sources_flow_run_failure","status":"FIRING","flowRunId":"r","flowId":"f"}`), "error unrecognized"},
		"an alert of a failure, with a run": {eventBridge(`{"name":"sources_flow_run_failure","status":"FIRING","run":` + failed(runA, "") + `}`), retried},
		"an alert of a failure in words":    {eventBridge(`{` + header + `,"name":"Sources Dataflow Run Failure","status":"FIRING","flowRunId":"r"}`), "error unrecognized"},
		"an alert of an error":              {eventBridge(`{"name":"sources_flow_run_error","status":"FIRING","flowRunId":"r"}`), "error unrecognized"},
		"an alert with a failure's code":    {eventBridge(`{"eventCode":"sources_flow_run_failed","status":"FIRING","flowRunId":"r"}`), "error unrecognized"},
		"an alert of a state, on a run":     {eventBridge(`{` + header + `,"name":"sources_flow_run_state","status":"FIRING","flowRunId":"r"}`), "error unrecognized"},
		"a delay in words":                  {eventBridge(`{` + header + `,"name":"Sources Flow Run Delayed","status":"FIRING","flowRunId":"r"}`), "skip run_delayed_alert"},
		"an error rate in words":            {eventBridge(`{"name":"Sources Error Rate","status":"FIRING"}`), "skip error_rate_alert"},
		"an alert's status, with a run":     {eventBridge(`{` + header + `,"status":"triggered","run":` + failed(runA, "") + `}`), retried},
		"by hand, a misspelled run id":      {`{"flowRunId":"r"}`, "error unrecognized"},
		"a delay, as Adobe documents it":    {eventBridge(`{` + header + `,"id":"a","status":"FIRING","name":"sources_flow_run_delay_e2e_va7_prod","flowId":"f","flowRunId":"r","value":"1"}`), "skip run_delayed_alert"},
		"an error rate, likewise":           {eventBridge(`{` + header + `,"id":"a","status":"INACTIVE","name":"sources_ingestion_error_rate_exceeded","flowId":"f","value":"2"}`), "skip error_rate_alert"},
	})
}

func TestOrgBesideTheRunIsUsed(t *testing.T) {
	t.Parallel()
	without := strings.Replace(failed(runA, ""), `"imsOrgId":"`+org+`",`, "", 1)
	for name, payload := range map[string]string{
		"in the header of Adobe I/O beside it": eventBridge(`{"header":{"_adobeio":{"imsOrgId":"` + foreignOrg + `"}},"body":` + without + `}`),
		"in metadata behind it":                eventBridge(`{"body":` + without + `,"metadata":{"x":{"imsOrgId":"` + foreignOrg + `"}}}`),
		"in a batch delivery's header":         `[{"event_id":"e","event":{"header":{"imsOrgId":"` + foreignOrg + `"},"body":` + without + `}}]`,
		"in a pipeline message's meta":         `[{"messages":[{"_eventNotificationMeta":{"imsOrgId":"` + foreignOrg + `"},"value":` + without + `}]}]`,
		"by a field org":                       eventBridge(`{"org":"` + foreignOrg + `","body":` + without + `}`),
		"in the run, by another name":          strings.Replace(without, "{", `{"organizationId":"`+foreignOrg+`",`, 1),
		"in the run's header":                  strings.Replace(without, "{", `{"header":{"imsOrgId":"`+foreignOrg+`"},`, 1),
		"in a list of headers":                 eventBridge(`{"headers":[{"name":"x-gw-ims-org-id","value":"` + foreignOrg + `"}],"body":` + without + `}`),
		"in a list of orgs":                    adobeEvent(`{"recipients":["` + foreignOrg + `"],"run":` + without + `}`),
		"by a field of any name":               eventBridge(`{"tenant":"` + foreignOrg + `","body":` + without + `}`),
		"in a header that is a text":           eventBridge(`{"header":` + quote(`{"_adobeio":{"imsOrgId":"`+foreignOrg+`"}}`) + `,"body":` + without + `}`),
		"in a list in the run's header":        strings.Replace(without, "{", `{"header":{"orgs":["`+foreignOrg+`"]},`, 1),
		"beside an address that ends with one": eventBridge(`{"url":"https://experience.adobe.com/#/@` + org + `","org":"` + foreignOrg + `","body":` + without + `}`),
		"beside a run of another org":          eventBridge(`{"first":` + without + `,"header":{"orgId":"` + foreignOrg + `"},"previous":` + failed(runB, "") + `}`),
	} {
		if got := only(t, []byte(payload)).OrgID; got != foreignOrg {
			t.Errorf("an org that is named %s is %q", name, got)
		}
	}
	wants(t, map[string][2]string{
		"two orgs":               {eventBridge(`{"header":{"_adobeio":{"imsOrgId":"` + foreignOrg + `"}},"body":` + failed(runA, "") + `}`), "error org_mismatch"},
		"an org that made a run": {failed(runA, `,"createdBy":"`+foreignOrg+`"`), retried},
		"an org that is no text": {eventBridge(`{"header":{"_adobeio":{"imsOrgId":5}},"body":` + without + `}`), "error wrong_type"},
		"runs of two orgs":       {eventBridge(`{"a":{"imsOrgId":"` + org + `","run":` + failed(runA, "") + `},"b":{"imsOrgId":"` + foreignOrg + `","run":` + without + `}}`), "retry " + runA + ", retry " + runA},
	})
}

func TestRunBesideTheContentOfAKnownWrappingIsFound(t *testing.T) {
	t.Parallel()
	run, done := failed(runA, ""), ended(`"success"`)
	wants(t, map[string][2]string{
		"beside records of nothing":         {eventBridge(`{"Records":[{"x":1}],"run":` + run + `}`), retried},
		"the same, an application's":        {ofApplication(`{"Records":[{"x":1}],"run":` + run + `}`), retried},
		"beside records that are none":      {ofApplication(`{"Records":5,"run":` + run + `}`), retried},
		"beside a pipeline's messages":      {eventBridge(`{"messages":[{"value":` + done + `}],"run":` + run + `}`), "skip run_succeeded, " + retried},
		"beside a journal's events":         {eventBridge(`{"events":[{"position":1,"event":` + done + `}],"run":` + run + `}`), "skip run_succeeded, " + retried},
		"beside a listing's items":          {eventBridge(`{"items":[` + done + `],"_links":{},"run":` + run + `}`), "skip run_succeeded, " + retried},
		"beside a type and a topic":         {eventBridge(`{"Type":"a","TopicArn":"b","run":` + run + `}`), retried},
		"beside data that are unknown":      {`{"specversion":"1.0","id":"c","type":"source_flow_run_error","data":{"x":1},"run":` + run + `}`, retried},
		"in a CloudEvent without data":      {`{"specversion":"1.0","id":"c","type":"x","source":"com.example","body":` + run + `}`, retried},
		"in an envelope without detail":     {`{"detail-type":"x","source":"com.example","run":` + run + `}`, retried},
		"in Adobe's without detail":         {`{"detail-type":"x","source":"aws.partner/developer.adobe.com/x","run":` + run + `}`, retried},
		"in a message without a value":      {`[{"messages":[{"value":` + done + `},{"payload":` + run + `}]}]`, "skip run_succeeded, " + retried},
		"beside a request that is faulty":   {ofApplication(`{"specversion":"1.0","data":{"runId":""},"run":` + run + `}`), retried + ", error invalid_run_id"},
		"in an event of an AWS service":     {`{"detail-type":"x","source":"aws.states","detail":{},"run":` + run + `}`, "skip foreign_event"},
		"in the answer beside a record":     {`{"requestContext":{},"requestPayload":` + done + `,"responsePayload":` + run + `}`, "skip run_succeeded"},
		"in the predecessors of a wrapping": {`{"specversion":"1.0","data":` + done + `,"predecessors":[` + run + `]}`, "skip run_succeeded"},
		"as a text beside a detail":         {`{"detail-type":"x","source":"com.example","detail":{},"note":` + quote(run) + `}`, "skip foreign_event"},
	})
}

func TestOrgOfAKnownWrappingIsUsed(t *testing.T) {
	t.Parallel()
	without := strings.Replace(failed(runA, ""), `"imsOrgId":"`+org+`",`, "", 1)
	names := func(payload string) string { return strings.Replace(payload, "{", `{"imsOrgId":"`+foreignOrg+`",`, 1) }
	for name, payload := range map[string]string{
		"EventBridge's envelope":    names(eventBridge(without)),
		"a notification of SNS":     names(sns(without)),
		"what Lambda gets of SNS":   names(snsRecord(without)),
		"an answer of SQS":          names(`{"Messages":[{"Body":` + quote(without) + `}]}`),
		"an entry of a journal":     `{"events":[` + names(`{"position":"p","event":`+without+`}`) + `],"_page":{}}`,
		"a list of messages":        `[` + names(`{"messages":[{"value":`+without+`}]}`) + `]`,
		"a listing":                 names(`{"items":[` + without + `],"_links":{}}`),
		"the metadata of a new bus": `{"Data":` + without + `,"Metadata":` + names(`{"x":1}`) + `,"SystemMetadata":{}}`,
	} {
		if got := only(t, []byte(payload)).OrgID; got != foreignOrg {
			t.Errorf("an org that is named by %s is %q", name, got)
		}
	}
}

func TestPartOfAnAdobeEventIsNotReadAsAnotherSendersEvent(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"a topic":        `{"a":{"Type":"x","TopicArn":"y"}}`,
		"records":        `{"Records":[{"eventSource":"x"}]}`,
		"empty records":  `{"Records":[]}`,
		"an AWS service": `{"detail-type":"x","source":"aws.s3","detail":{}}`,
		"a test event":   `{"Event":"s3:TestEvent"}`,
		"a challenge":    `{"challenge":"x"}`,
		"a schedule":     `{"x":{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}}`,
	} {
		for _, payload := range []string{
			eventBridge(content), adobeEvent(content), cloudEvent(content), `{"source":"aws.partner/developer.adobe.com/x","detail":` + content + `}`,
		} {
			if got := onlyFault(t, payload); got == nil || got.Reason != "unrecognized" || got.Shape == "" {
				t.Errorf("%s: %s: %v", name, payload, decoded(t, payload))
			}
		}
	}
}

func TestEmptyPredecessorsAreIgnored(t *testing.T) {
	t.Parallel()
	for value, follows := range map[string]bool{
		`[null]`: false, `[{}]`: false, `[""]`: false, `{"runs":[]}`: false, `[[],{"id":null}]`: false, `0`: false, `false`: false,
		`["r"]`: true, `[{"id":"r"}]`: true, `{"runs":[{"id":"r"}]}`: true, `"r"`: true, `[5]`: true,
		strings.Repeat("[", 5000) + strings.Repeat("]", 5000): true,
	} {
		want := []string{retried}
		if follows {
			want = []string{"skip downstream_run"}
		}
		if diff := cmp.Diff(want, decoded(t, failed(runA, `,"predecessors":`+value))); diff != "" {
			t.Errorf("predecessors %.40s (-want +got):\n%s", value, diff)
		}
	}
}

func TestNestedTextInAFieldIsOpened(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	wants(t, map[string][2]string{
		"twice":            {eventBridge(`{"payload":` + quote(quote(run)) + `}`), retried},
		"three times":      {eventBridge(`{"payload":` + quote(quote(quote(run))) + `}`), retried},
		"a quoted word":    {eventBridge(`{"payload":` + quote(quote("failed")) + `,"run":` + run + `}`), retried},
		"an application's": {ofApplication(`{"payload":` + quote(quote(run)) + `}`), "skip foreign_event"},
	})
}

func TestLayerOfAnAdobeEventIsNotRefusedForItsFieldNames(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	for name, content := range map[string]string{
		"headers and a body":            `{"headers":{"a":"b"},"body":` + run + `}`,
		"headers and a body, as a text": `{"headers":{"a":"b"},"body":` + quote(run) + `}`,
		"pauses":                        `{"pauses":[],"run":` + run + `}`,
		"failed messages":               `{"busArn":"b","failedMessages":[],"run":` + run + `}`,
		"an object in S3":               `{"s3BucketName":"b","s3Key":"k","run":` + run + `}`,
		"results with an outcome":       `{"results":[{"outcome":"failure","run":` + run + `}]}`,
	} {
		for _, payload := range []string{eventBridge(content), adobeEvent(content), `{"events":[{"position":"p","event":` + content + `}],"_page":{}}`} {
			if diff := cmp.Diff([]string{retried}, decoded(t, payload)); diff != "" {
				t.Errorf("%s: %s (-want +got):\n%s", name, payload, diff)
			}
		}
	}
}

func TestOutputOfTheFunctionIsNotRetriedWhereverItIs(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	own := `{"detail-type":"Run Given Up","source":"aep-retrigger","detail":{"runId":"` + runB + `"}}`
	answer := `{"results":[{"runId":"` + runB + `","outcome":"dead_lettered","run":` + failed(runB, "") + `}]}`
	succeeded := func(payload, answer string) string {
		return `{"version":"1.0","requestContext":{"condition":"Success"},"requestPayload":` + payload + `,"responsePayload":` + answer + `}`
	}
	wants(t, map[string][2]string{
		"a CloudEvent":                          {`{"specversion":"1.0","id":"c","type":"t","source":"aep-retrigger","data":` + run + `}`, "error own_output"},
		"what a transformer leaves":             {`{"source":"aep-retrigger","detail":` + run + `}`, "error own_output"},
		"in a layer of an application":          {ofApplication(`{"forwarded":` + own + `}`), "skip foreign_event"},
		"in a layer of Adobe's":                 {eventBridge(`{"forwarded":` + own + `}`), "error unrecognized"},
		"beside a run":                          {eventBridge(`{"told":` + answer + `,"run":` + run + `}`), retried},
		"the destination of a success":          {succeeded(request, answer), "error own_output"},
		"the destination of a sweep's success":  {succeeded(`{"sweep":{}}`, `{"sweep":{"id":"x","state":"finished","seen":1}}`), "error own_output"},
		"the same by way of a bus":              {ofApplication(succeeded(`{"sweep":{}}`, `{"sweep":{"id":"x","state":"finished","seen":1}}`)), "error own_output"},
		"the success of another function":       {succeeded(run, `{"ok":true}`), retried},
		"an on-failure record without response": {onFailure(request), retried},
	})
}

func TestStatusBehindARepeatedFieldIsNotIgnored(t *testing.T) {
	t.Parallel()
	for _, metrics := range []string{
		`"metrics":{},"metrics":{"statusSummary":{"status":"failed"}}`,
		`"metrics":5,"Metrics":{"statusSummary":{"status":"failed"}}`,
		`"metrics":{"statusSummary":{},"StatusSummary":{"status":"failed"}}`,
		`"metrics":{"statusSummary":{"status":null,"status":"failed"}}`,
		`"metrics":{"statusSummary":{"status":"","Status":"failed"}}`,
	} {
		run := `{"id":"r","flowId":"f",` + metrics + `}`
		for _, payload := range []string{run, eventBridge(run), ofApplication(run), ofApplication(`{"x":` + run + `}`)} {
			if diff := cmp.Diff([]string{"error repeated_field"}, decoded(t, payload)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", payload, diff)
			}
		}
	}
	wants(t, map[string][2]string{"of an application's own": {ofApplication(`{"id":5,"metrics":1,"Metrics":2}`), "skip foreign_event"}})
}

func TestLayerWithAStatusIsNoRun(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	layer := func(more, status string) string {
		return `{` + more + `"metrics":{"statusSummary":{"status":"` + status + `"}},"run":` + run + `}`
	}
	wants(t, map[string][2]string{
		"with the event's id":           {eventBridge(layer(`"id":"the-event",`, "failed")), retried},
		"with a success of its own":     {eventBridge(layer(`"id":"the-event",`, "success")), retried},
		"with the dataflow":             {eventBridge(layer(`"flowId":"flow",`, "failed")), retried},
		"two of them":                   {eventBridge(`{"x":` + strings.Replace(layer(`"id":"e",`, "failed"), run, layer(`"id":"f",`, "success"), 1) + `}`), retried},
		"a whole run, which counts":     {eventBridge(layer(`"id":"b","flowId":"f",`, "success")), "skip run_succeeded"},
		"with a failed run of no id":    {`{"id":"a","metrics":{"statusSummary":{"status":"success"}},"run":` + failed(runA, `,"id":null`) + `}`, "error missing_run_id"},
		"with a failed run, refused":    {eventBridge(`{"id":"a","metrics":{"statusSummary":{"status":"success"}},"run":` + failed(runA, `,"sandboxName":5`) + `}`), "error wrong_type"},
		"failed, with a refused run":    {`{"id":"a","metrics":{"statusSummary":{"status":"failed"}},"run":` + failed(runA, `,"id":null`) + `}`, "retry a"},
		"without another run in it":     {`{"id":"a","metrics":{"statusSummary":{"status":"failed"}}}`, "retry a"},
		"with a run among predecessors": {`{"id":"a","metrics":{"statusSummary":{"status":"success"}},"predecessors":[` + run + `]}`, "skip run_succeeded"},
	})
}

func TestEmptyWrappingOrHeaderBesideARunDoesNotRefuseIt(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	wants(t, map[string][2]string{
		"empty records":         {`{"payload":` + run + `,"Records":[]}`, retried},
		"an empty journal":      {`{"payload":` + run + `,"events":[],"_page":{}}`, retried},
		"an empty listing":      {`{"payload":` + run + `,"items":[],"_links":{}}`, retried},
		"headers and a path":    {`{"payload":` + run + `,"headers":{"a":"b"},"path":"/x"}`, retried},
		"headers, not of HTTP":  {`{"body":` + run + `,"headers":{"a":"b"}}`, retried},
		"headers, and a text":   {`{"body":` + quote(run) + `,"headers":{"a":"b"}}`, "error http_event"},
		"headers of a request":  {`{"body":` + request + `,"headers":{"a":"b"}}`, "error http_event"},
		"Lambda@Edge":           {`{"Records":[{"cf":{"request":{"uri":"/"}}}]}`, "error http_event"},
		"a method and no body":  {`{"httpMethod":"GET","headers":{"a":"b"},"path":"/x"}`, "error http_event"},
		"nothing in it but one": {`{"Records":[]}`, "error unreadable"},
	})
}
