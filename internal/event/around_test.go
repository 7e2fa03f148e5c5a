package event_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

func TestRunWithoutASandboxTakesThatOfItsWrapping(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	without := strings.Replace(run, `"sandboxName":"prod",`, "", 1)
	for name, tt := range map[string]struct{ payload, sandbox string }{
		"by a layer":                {eventBridge(`{"sandboxName":"dev","run":` + without + `}`), "dev"},
		"by a header beside it":     {eventBridge(`{"run":` + without + `,"header":{"sandboxName":"dev"}}`), "dev"},
		"by two layers that agree":  {eventBridge(`{"sandboxName":"dev","a":{"sandboxName":"dev","run":` + without + `}}`), "dev"},
		"by a message of pipelines": {`[{"messages":[{"sandboxName":"dev","value":` + without + `}]}]`, "dev"},
		"by the run itself":         {eventBridge(`{"sandboxName":"dev","run":` + run + `}`), "prod"},
		"by another run":            {eventBridge(`{"run":` + without + `,"previousRun":` + run + `}`), ""},
	} {
		if got := only(t, []byte(tt.payload)).Sandbox; got != tt.sandbox {
			t.Errorf("named %s, the sandbox is %q, want %q", name, got, tt.sandbox)
		}
	}
	wants(t, map[string][2]string{
		"two":      {eventBridge(`{"sandboxName":"dev","a":{"sandboxName":"test","run":` + without + `}}`), "error invalid_field"},
		"no name":  {eventBridge(`{"sandboxName":"a b","run":` + without + `}`), "error invalid_field"},
		"no text":  {eventBridge(`{"sandboxName":5,"run":` + without + `}`), retried},
		"two orgs": {eventBridge(`{"sandboxName":"dev","imsOrgId":"` + foreignOrg + `","run":` + without + `}`), "error org_mismatch"},
	})
}

func TestStreamRecordIsOpened(t *testing.T) {
	t.Parallel()
	record := func(data string) string {
		return `{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"` + base64.StdEncoding.EncodeToString([]byte(data)) + `"}}]}`
	}
	wants(t, map[string][2]string{
		"an event of Adobe's": {record(eventBridge(failed(runA, ""))), retried},
		"a request":           {record(request), retried},
		"what is unknown":     {record(eventBridge(`{"a":1}`)), "error unrecognized"},
		"no JSON":             {record("a line of a log"), "skip foreign_event"},
	})
}

func TestAdobeEventThatAnApplicationForwardsAsTextIsRead(t *testing.T) {
	t.Parallel()
	relayed := func(event string) string {
		return `{"detail-type":"relayed","source":"com.example","detail":{"body":` + quote(event) + `}}`
	}
	wants(t, map[string][2]string{
		"as Adobe sends it":      {relayed(`{"event_id":"e","event":` + failed(runA, "") + `}`), retried},
		"as EventBridge sent it": {relayed(eventBridge(failed(runA, ""))), retried},
		"without a run":          {relayed(`{"event_id":"e","event":{"a":1}}`), "error unrecognized"},
		"another's own":          {relayed(`{"ticket":` + failed(runA, "") + `}`), "skip foreign_event"},
	})
}

func TestApplicationWithAdobeInItsNameMayRequestARetry(t *testing.T) {
	t.Parallel()
	from := func(source, detail string) string {
		return `{"detail-type":"retry","source":"` + source + `","detail":` + detail + `}`
	}
	wants(t, map[string][2]string{
		"a request":            {from("com.example.adobe-tools", request), retried},
		"a sweep":              {from("adobe-sweeper", `{"sweep":{}}`), "sweep"},
		"a misspelled request": {from("com.example.adobe-tools", `{"runId":5}`), "error wrong_type"},
		"a run":                {from("com.example.adobe-tools", `{"x":`+failed(runA, "")+`}`), retried},
		"something else":       {from("com.example.adobe-tools", `{"a":1}`), "error unrecognized"},
		"Adobe's own source":   {from("aws.partner/developer.adobe.com/x", request), "error unrecognized"},
	})
}

func TestRunThatNamesItsOrgIsNotRefusedForAnotherOrgInIt(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	wants(t, map[string][2]string{
		"an input of another org":          {failed(runA, `,"inputs":[{"params":{"imsOrgId":"`+foreignOrg+`"}}]`), retried},
		"a transformation of another":      {failed(runA, `,"transformations":[{"params":{"org":"`+foreignOrg+`"}}]`), retried},
		"whom it is shared with":           {failed(runA, `,"sharedWith":["`+foreignOrg+`"]`), retried},
		"who changed it":                   {failed(runA, `,"updatedClient":"`+foreignOrg+`"`), retried},
		"beside it, by its form alone":     {eventBridge(`{"recipients":["` + foreignOrg + `"],"run":` + run + `}`), retried},
		"an org of a number in an input":   {failed(runA, `,"inputs":[{"imsOrg":5}]`), retried},
		"an org in an object beside it":    {eventBridge(`{"imsOrg":{"id":"` + org + `"},"run":` + run + `}`), retried},
		"an attribute of its message":      {ofApplication(`{"messageId":"m","receiptHandle":"r","body":` + quote(run) + `,"messageAttributes":{"imsOrgId":{"stringValue":"` + org + `","dataType":"String"}}}`), retried},
		"in its header":                    {failed(runA, `,"header":{"_adobeio":{"imsOrgId":"`+foreignOrg+`"}}`), "error org_mismatch"},
		"in its header, which is a text":   {failed(runA, `,"header":`+quote(`{"_adobeio":{"imsOrgId":"`+foreignOrg+`"}}`)), "error org_mismatch"},
		"in a second spelling of its name": {failed(runA, `,"ims_org":"`+foreignOrg+`"`), "error org_mismatch"},
		"by name beside it":                {eventBridge(`{"imsOrgId":"` + foreignOrg + `","run":` + run + `}`), "error org_mismatch"},
	})
	faulty := failed(runA, `,"imsOrgId":"","id":""`)
	d, err := event.Decode([]byte(eventBridge(`{"tenant":"` + foreignOrg + `","runs":[` + faulty + `,` + run + `]}`)))
	if err != nil || len(d.Items) != 2 || d.Items[0].Err == nil {
		t.Fatalf("%+v, %v", d.Items, err)
	}
	if got := onlyFault(t, string(d.Items[0].Raw)); got == nil || got.OrgID != foreignOrg {
		t.Errorf("the part %s no longer names the org", d.Items[0].Raw)
	}
}

func TestOrgBesideLambdasFailureRecordIsUsed(t *testing.T) {
	t.Parallel()
	record := onFailure(strings.Replace(failed(runA, ""), `"imsOrgId":"`+org+`",`, "", 1))
	names := func(payload string) string { return strings.Replace(payload, "{", `{"imsOrgId":"`+foreignOrg+`",`, 1) }
	for name, payload := range map[string]string{
		"in the record":          names(record),
		"in a layer around it":   eventBridge(names(`{"x":` + record + `}`)),
		"in the bus's envelope":  names(`{"detail-type":"Lambda Function Invocation Result - Failure","source":"lambda","detail":` + record + `}`),
		"in a message around it": names(sns(record)),
	} {
		if got := only(t, []byte(payload)).OrgID; got != foreignOrg {
			t.Errorf("an org that is named %s is %q", name, got)
		}
	}
}

func TestMessageThatATransformerMadeAnObjectIsRead(t *testing.T) {
	t.Parallel()
	around := func(message string) []string {
		return []string{
			`{"Type":"Notification","TopicArn":"t","Message":` + message + `}`,
			`{"Records":[{"EventSource":"aws:sns","Sns":{"Type":"Notification","Message":` + message + `}}]}`,
			`{"Messages":[{"MessageId":"m","Body":` + message + `}]}`,
		}
	}
	for _, payload := range around(eventBridge(failed(runA, ""))) {
		wants(t, map[string][2]string{"a run": {payload, retried}})
	}
	for _, payload := range around(`{"pause":{}}`) { // a wrapping is no direct invocation
		wants(t, map[string][2]string{"a pause": {payload, "error not_direct"}})
	}
}

func TestTwoSchedulesAreOneSweepButAScheduleAndASweepAreRefused(t *testing.T) {
	t.Parallel()
	const schedule, sweep = `{"detail-type":"Scheduled Event","source":"aws.events","id":"x","detail":{}}`, `{"sweep":{"sandbox":"dev"}}`
	wants(t, map[string][2]string{
		"two schedules":        {`[` + schedule + `,` + schedule + `]`, "sweep"},
		"a schedule, a sweep":  {`[` + schedule + `,` + sweep + `]`, "error unreadable"},
		"a sweep, a schedule":  {`[` + sweep + `,` + schedule + `]`, "error unreadable"},
		"a schedule and a run": {`[` + schedule + `,` + request + `]`, "error unreadable"},
	})
}

// TestEventOfAnotherPartnerIsReadAsAnApplicationsEvent: Such partners relay webhooks,
// also those of Adobe I/O Events.
func TestEventOfAnotherPartnerIsReadAsAnApplicationsEvent(t *testing.T) {
	t.Parallel()
	from := func(detail string) string {
		return `{"detail-type":"webhook","source":"aws.partner/example.com/x","detail":` + detail + `}`
	}
	wants(t, map[string][2]string{
		"a run":            {from(`{"body":` + adobeEvent(failed(runA, "")) + `}`), retried},
		"a run in a text":  {from(`{"body":` + quote(adobeEvent(failed(runA, ""))) + `}`), retried},
		"without a run":    {from(`{"body":{"event_id":"e","event":{"a":1}}}`), "error unrecognized"},
		"something else":   {from(`{"a":1}`), "skip foreign_event"},
		"a request":        {from(request), retried},
		"an AWS service's": {strings.Replace(from(adobeEvent(failed(runA, ""))), "aws.partner/example.com/x", "aws.states", 1), "skip foreign_event"},
	})
}
