package event_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

func TestASandboxThatIsNamedAroundARunCountsWhereTheRunNamesNone(t *testing.T) {
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

func TestARecordOfAStreamIsOpened(t *testing.T) {
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

func TestAnEventOfAdobesThatAnApplicationHandsOnInATextIsRead(t *testing.T) {
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

func TestAnApplicationWhoseNameHasAdobesInItMayAsk(t *testing.T) {
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
