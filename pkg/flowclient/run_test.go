package flowclient_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// failedRun has the fields that Adobe's samples have, and some that nobody
// promised.
const failedRun = `{
	"id": "run-1", "flowId": "flow-1", "flowSpec": {"id": "spec", "version": 1.0},
	"createdAt": 1651349160000, "updatedAt": "1651349164733", "createdBy": "user@AdobeID", "updatedBy": "x", "createdClient": "client-1",
	"sandboxId": "uuid", "sandboxName": "prod", "imsOrgId": "org@AdobeOrg", "providerRefId": "ref", "eTag": "\"v1\"", "new": [{}],
	"metrics": {
		"durationSummary": {"startedAtUTC": 1651349161000.0, "completedAtUTC": 1.651349163e12},
		"sizeSummary": {"inputBytes": 5}, "fileSummary": null,
		"recordSummary": {"inputRecordCount": 10, "createdRecordCount": "9", "outputRecordCount": 9.0, "failedRecordCount": null},
		"statusSummary": {"status": "FAILED", "errors": [{"code": "CONNECTOR-2001-500", "message": "processing failed"}, {"code": 2200}, null, "odd"],
			"activityRefs": [], "extensions": {"errorDetail": "host.internal", "errors": [{"code": "INGEST-1", "message": "nested"}]}}
	},
	"activities": [
		{"id": "promotion", "name": "Promotion", "statusSummary": {"status": "failed",
			"errors": [{"code": "CONNECTOR-2001-500", "message": "processing failed"}],
			"extensions": {"errors": [{"code": "MAPPER-3700-400", "message": "mapping"}]}}},
		{"id": 7, "statusSummary": "odd"}
	]
}`

func clientAnswering(t *testing.T, body string) *flowclient.Client {
	t.Helper()
	return newClient(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, body) })
}

func TestRun(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"bare": failedRun, "list": `{"items":[` + failedRun + `],"_links":{}}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run, err := clientAnswering(t, body).Run(t.Context(), sandbox, "run-1")
			if err != nil {
				t.Fatal(err)
			}
			want := flowclient.Run{
				ID: "run-1", FlowID: "flow-1", OrgID: "org@AdobeOrg", SandboxID: "uuid", SandboxName: "prod", ProviderRefID: "ref",
				CreatedBy: "user@AdobeID", CreatedClient: "client-1", ETag: `"v1"`,
				CreatedAt: 1651349160000, UpdatedAt: 1651349164733,
				Metrics: run.Metrics, Activities: run.Activities,
			}
			if diff := cmp.Diff(&want, run); diff != "" {
				t.Errorf("run (-want +got):\n%s", diff)
			}
			records := flowclient.RecordSummary{Input: 10, Created: 9, Output: 9}
			if run.Metrics.Records != records {
				t.Errorf("records: got %+v, want %+v", run.Metrics.Records, records)
			}
			times := []time.Time{run.CreatedAt.Time(), run.StartedAt(), run.CompletedAt()}
			started := time.Date(2022, time.April, 30, 20, 6, 1, 0, time.UTC)
			if diff := cmp.Diff([]time.Time{started.Add(-time.Second), started, started.Add(2 * time.Second)}, times); diff != "" {
				t.Errorf("times (-want +got):\n%s", diff)
			}
			if !run.Status().Failed() || run.Downstream() {
				t.Errorf("status %q, downstream %v", run.Status(), run.Downstream())
			}
			reasons := []flowclient.RunError{
				{Code: "CONNECTOR-2001-500", Message: "processing failed"}, {Code: "2200"}, {Code: "INGEST-1", Message: "nested"}, {Code: "MAPPER-3700-400", Message: "mapping"},
			}
			if diff := cmp.Diff(reasons, run.Errors()); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if len(run.Activities) != 2 || run.Activities[0].Name != "Promotion" || !run.Activities[0].Status.Status.Failed() {
				t.Errorf("activities: got %+v", run.Activities)
			}
		})
	}
}

// TestTimesAreReadInEveryUnit has one time as Adobe's samples write it, in a run that
// is asked for, in a listed run and in a dataflow.
func TestTimesAreReadInEveryUnit(t *testing.T) {
	t.Parallel()
	want := time.Date(2026, time.November, 23, 6, 0, 0, 0, time.UTC)
	for _, text := range []string{"1795413600", "1795413600000", "1795413600000000", `"1795413600"`, "1795413600.0", `"2026-11-23T06:00:00Z"`, `"2026-11-23T07:00:00+01:00"`} {
		body := `{"id":"x","createdAt":` + text + `,"updatedAt":` + text + `,"metrics":{"durationSummary":{"startedAtUTC":` + text + `,"completedAtUTC":` + text + `}},
			"lastRunDetails":{"id":"r","startedAtUTC":` + text + `,"completedAtUTC":` + text + `}}`
		run, err := clientAnswering(t, body).Run(t.Context(), sandbox, "x")
		if err != nil {
			t.Fatal(err)
		}
		flow, err := clientAnswering(t, body).Flow(t.Context(), sandbox, "x")
		if err != nil {
			t.Fatal(err)
		}
		runs := []flowclient.Run{*run}
		for listed, err := range clientAnswering(t, `{"items":[`+body+`]}`).Runs(t.Context(), sandbox, flowclient.RunQuery{}) {
			if err != nil {
				t.Fatal(err)
			}
			runs = append(runs, listed)
		}
		for _, r := range runs {
			for _, got := range []time.Time{
				r.CreatedAt.Time(), r.UpdatedAt.Time(), r.StartedAt(), r.CompletedAt(), r.Ended(), flow.LastRun.StartedAt.Time(), flow.LastRun.CompletedAt.Time(),
			} {
				if !got.Equal(want) {
					t.Errorf("%s: got %v, want %v", text, got, want)
				}
			}
		}
	}
}

func TestEndOfARunIsTheBestTimeThatCanBeTrue(t *testing.T) {
	t.Parallel()
	const created, later = "1795413600000", "1795413660"
	for name, test := range map[string]struct {
		body string
		want int64
	}{
		"completed":               {`"createdAt":` + created + `,"updatedAt":1,"metrics":{"durationSummary":{"completedAtUTC":` + later + `}}`, 1795413660},
		"completed before it was": {`"createdAt":` + created + `,"updatedAt":` + later + `,"metrics":{"durationSummary":{"completedAtUTC":1595413600}}`, 1795413660},
		"nonsense":                {`"createdAt":` + created + `,"updatedAt":-5,"metrics":{"durationSummary":{"completedAtUTC":1e300,"startedAtUTC":"soon"}}`, 1795413600},
		"not completed":           {`"createdAt":` + created + `,"metrics":{"durationSummary":{"completedAtUTC":0,"startedAtUTC":` + later + `}}`, 1795413660},
	} {
		run, err := clientAnswering(t, `{"id":"x",`+test.body+`}`).Run(t.Context(), sandbox, "x")
		if err != nil || run.Ended().Unix() != test.want {
			t.Errorf("%s: got %v, %v, want %d", name, run.Ended(), err, test.want)
		}
	}
	if run, err := clientAnswering(t, `{"id":"x"}`).Run(t.Context(), sandbox, "x"); err != nil || !run.Ended().IsZero() {
		t.Errorf("got %v, %v, want no time", run.Ended(), err)
	}
}

func TestEmptyRun(t *testing.T) {
	t.Parallel()
	run, err := clientAnswering(t, `{"id":"x"}`).Run(t.Context(), sandbox, "x")
	if err != nil {
		t.Fatal(err)
	}
	if run.Status() != "" || run.Status().Failed() || !run.StartedAt().IsZero() || len(run.Errors()) != 0 || run.Downstream() {
		t.Errorf("got %+v", run)
	}
}

func TestDownstream(t *testing.T) {
	t.Parallel()
	for predecessors, want := range map[string]bool{`[]`: false, `null`: false, `[{"id":"x"}]`: true, `["x"]`: true, `{"id":"x"}`: true} {
		run, err := clientAnswering(t, `{"id":"x","predecessors":`+predecessors+`}`).Run(t.Context(), sandbox, "x")
		if err != nil || run.Downstream() != want {
			t.Errorf("%s: got %v, %v, want %v", predecessors, run.Downstream(), err, want)
		}
	}
}

func TestUnreadableRun(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no id": `{}`, "id of a number": `{"id":5}`, "no item": `{"items":[]}`, "two items": `{"items":[{"id":"a"},{"id":"b"}]}`,
		"item of a number": `{"items":[5]}`, "null": `null`, "text": `"x"`, "list": `[{"id":"a"}]`, "trailing": `{"id":"a"}{}`, "no JSON": `no`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run, err := clientAnswering(t, body).Run(t.Context(), sandbox, "x")
			if run != nil || !errors.Is(err, flowclient.KindMalformed) {
				t.Errorf("got %+v, %v", run, err)
			}
		})
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	const failed, succeeded, running, none = "failed", "succeeded", "running", ""
	for status, want := range map[flowclient.Status]string{
		"failed": failed, "Failed": failed, "FAILED": failed,
		"success": succeeded, "SUCCESS": succeeded, "COMPLETED": succeeded,
		"inProgress": running, "IN_PROGRESS": running, "QUEUED": running, "SCHEDULED": running,
		"PARTIAL_SUCCESS": none, "PARTIAL_FAILURE": none, "": none, "FIRING": none,
	} {
		got := map[string]bool{failed: status.Failed(), succeeded: status.Succeeded(), running: status.Running()}
		if diff := cmp.Diff(map[string]bool{failed: want == failed, succeeded: want == succeeded, running: want == running}, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", status, diff)
		}
	}
}

func TestFlow(t *testing.T) {
	t.Parallel()
	const body = `{"id":"flow-1","name":"Orders","imsOrgId":"org","sandboxName":"prod","state":"Enabled",
		"scheduleParams":{"startTime":"1612310466","frequency":"minute","interval":"15","backfill":"true"},
		"lastRunDetails":{"id":"run-9","state":"success","startedAtUTC":1612310466000,"completedAtUTC":1612310466001}}`
	for name, body := range map[string]string{"bare": body, "list": `{"items":[` + body + `]}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flow, err := clientAnswering(t, body).Flow(t.Context(), sandbox, "flow-1")
			if err != nil {
				t.Fatal(err)
			}
			want := flowclient.Flow{
				ID: "flow-1", Name: "Orders", OrgID: "org", SandboxName: "prod", State: "Enabled",
				Schedule: flowclient.Schedule{StartTime: 1612310466, Frequency: "minute", Interval: 15}, LastRun: flow.LastRun,
			}
			if diff := cmp.Diff(&want, flow); diff != "" {
				t.Errorf("flow (-want +got):\n%s", diff)
			}
			start := time.Date(2021, time.February, 3, 0, 1, 6, 0, time.UTC)
			if !flow.Enabled() || flow.LastRun.ID != "run-9" || !flow.LastRun.State.Succeeded() || !flow.LastRun.StartedAt.Time().Equal(start) || !flow.Schedule.Start().Equal(start) {
				t.Errorf("got %+v", flow)
			}
		})
	}
	flow, err := clientAnswering(t, `{"id":"x","state":"disabled"}`).Flow(t.Context(), sandbox, "x")
	if err != nil || flow.Enabled() || !flow.Schedule.Start().IsZero() {
		t.Errorf("got %+v, %v", flow, err)
	}
}

// TestFlowsRefusesBadInputAndAnswers: This holds for input that Flows can't ask for, and
// for answers that are no list of dataflows.
func TestFlowsRefusesBadInputAndAnswers(t *testing.T) {
	t.Parallel()
	for name, ids := range map[string][]string{"none": nil, "too many": slices.Repeat([]string{"f"}, flowclient.MaxFlows+1), "a comma": {"f", "g,h"}, "a path": {"f/g"}, "nothing": {""}} {
		if flows, err := clientAnswering(t, `{"items":[]}`).Flows(t.Context(), sandbox, ids...); !errors.Is(err, flowclient.KindRejected) {
			t.Errorf("%s: Flows() = %+v, %v", name, flows, err)
		}
	}
	for _, body := range []string{`{}`, `[]`, `{"items":[{"name":"x"}]}`, `{"items":`, ``} {
		if flows, err := clientAnswering(t, body).Flows(t.Context(), sandbox, "f"); err == nil {
			t.Errorf("%s: Flows() = %+v", body, flows)
		}
	}
	odd := `{"items":[{"id":"f","name":5,"scheduleParams":{"frequency":"day"}},{"id":"g","scheduleParams":"none"}]}`
	flows, err := clientAnswering(t, odd).Flows(t.Context(), sandbox, "f", "g")
	if err != nil || len(flows) != 2 || !flows[0].Batch() || flows[1].Batch() {
		t.Errorf("Flows() = %+v, %v", flows, err)
	}
}

// FuzzRun checks that no run makes its methods panic, and that what was read
// can be written and read again.
func FuzzRun(f *testing.F) {
	for _, seed := range []string{failedRun, `{"id":"x"}`, `{"id":"x","createdAt":-1e300,"predecessors":{}}`, `{"metrics":{"statusSummary":{"errors":[5,null,{"code":{}}]}}}`, `null`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var run flowclient.Run
		if json.Unmarshal(body, &run) != nil {
			return
		}
		_, _, _, _ = run.StartedAt(), run.CompletedAt(), run.Downstream(), run.Status().Failed()
		if len(run.Errors()) != len(setOf(run.Errors())) {
			t.Errorf("errors are there twice: %v", run.Errors())
		}
		written, err := json.Marshal(run)
		if err != nil {
			t.Fatal(err)
		}
		var again flowclient.Run
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatal(err)
		}
		// A time in the first months of 1970, which no run has, is written as a number
		// that reads as seconds.
		created := run.CreatedAt == again.CreatedAt || run.CreatedAt.Time().Year() == 1970
		if diff := cmp.Diff(run.Errors(), again.Errors()); diff != "" || !created || run.Metrics.Records != again.Metrics.Records {
			t.Errorf("written and read again: %s\n%s", written, diff)
		}
	})
}

func setOf[T comparable](list []T) map[T]bool {
	set := map[T]bool{}
	for _, element := range list {
		set[element] = true
	}
	return set
}

// TestDataWindowIsReadInEveryShape has the window of a run in one activity, in several, and
// beside what is none.
func TestDataWindowIsReadInEveryShape(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, time.November, 23, 6, 0, 0, 0, time.UTC)
	want := flowclient.Window{Start: end.Add(-time.Hour), End: end}
	summary := func(extensions string) string { return `{"durationSummary":{"extensions":` + extensions + `}}` }
	hour := summary(`{"windowStart":1795410000000,"windowEnd":1795413600000}`)
	for name, tt := range map[string]struct {
		body string
		want flowclient.Window
	}{
		"milliseconds":                {`"activities":[` + hour + `]`, want},
		"numbers as text, in seconds": {`"activities":[` + summary(`{"windowStart":"1795410000","windowEnd":"1795413600000"}`) + `]`, want},
		"RFC 3339":                    {`"activities":[` + summary(`{"windowStart":"2026-11-23T05:00:00Z","windowEnd":"2026-11-23T07:00:00+01:00"}`) + `]`, want},
		"a second activity without":   {`"activities":[` + hour + `,` + summary(`null`) + `,{"durationSummary":"odd"},7]`, want},
		"two activities":              {`"activities":[` + summary(`{"windowStart":1795412000000,"windowEnd":1795413600000}`) + `,` + summary(`{"windowStart":1795410000000,"windowEnd":1795412000000}`) + `]`, want},
		"of the run itself":           {`"metrics":` + hour, want},
		"none":                        {`"activities":[]`, flowclient.Window{}},
		"no end":                      {`"activities":[` + summary(`{"windowStart":1795410000000,"windowEnd":0}`) + `]`, flowclient.Window{}},
		"an end before the start":     {`"activities":[` + summary(`{"windowStart":1795413600000,"windowEnd":1795410000000}`) + `]`, flowclient.Window{}},
	} {
		run, err := clientAnswering(t, `{"id":"x",`+tt.body+`}`).Run(t.Context(), sandbox, "x")
		if err != nil {
			t.Fatal(err)
		}
		if got := run.Window(); got != tt.want {
			t.Errorf("%s: the window is %s, want %s", name, got, tt.want)
		}
	}
}
