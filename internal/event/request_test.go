package event_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

func TestRequestHasTheFactsOfItsEvent(t *testing.T) {
	t.Parallel()
	payload := adobeEvent(failed(runA, `,"flowName":"hourly","createdClient":"exc_app","createdAt":1795413000456,
		"metrics":{"durationSummary":{"completedAtUTC":1795413500123},"statusSummary":{"status":"failed",
			"errors":[{"code":"CONNECTOR-1001-500","message":"copy failed"}],
			"extensions":{"errorDetail":"secret-host","errors":[{"code":"CONNECTOR-1001-500","message":"copy failed"},{"code":2200,"message":"nested"}]}}},
		"activities":[{"statusSummary":{"errors":[{"code":"MAPPER-3700-400"},{}]}}]`))
	d, err := event.Decode([]byte(payload))
	if err != nil || len(d.Items) != 1 {
		t.Fatalf("Decode: %v, %d items", err, len(d.Items))
	}
	want := &event.Request{
		RunID: runA, FlowID: "flow", OrgID: org, Sandbox: "prod", Source: event.FromAdobe,
		Origin: event.Origin{
			EventID: "e1", FlowName: "hourly", CreatedClient: "exc_app", FailedAt: time.UnixMilli(1795413500123).UTC(), CreatedAt: time.UnixMilli(1795413000456).UTC(),
			Errors: []event.RunError{{Code: "CONNECTOR-1001-500", Message: "copy failed"}, {Code: "2200", Message: "nested"}, {Code: "MAPPER-3700-400"}},
		},
	}
	if diff := cmp.Diff(want, d.Items[0].Request); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestEventIDIsThatOfAdobe(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	for payload, want := range map[string]string{
		run:                                    "",
		adobeEvent(run):                        "e1",
		adobeEvent(quote(run)):                 "e1",
		`{"eventid":"e2","event":` + run + `}`: "e2",
		`{"event_id":"old","eventid":"e3","event":` + run + `}`: "e3",
		cloudEvent(run):              "c",
		eventBridge(adobeEvent(run)): "e1",
		eventBridge(run):             "", // EventBridge's own id is not Adobe's
	} {
		if got := only(t, []byte(payload)).EventID; got != want {
			t.Errorf("event id %q of %.80s…, want %q", got, payload, want)
		}
	}
}

func TestFailureTimeIsReadInEachSpelling(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1795413600000).UTC()
	for updated, want := range map[string]time.Time{
		`1795413600000`: at, `"1795413600000"`: at, `"2026-11-23T06:00:00Z"`: at, `"2026-11-23T07:00:00+01:00"`: at,
		`null`: {}, `"soon"`: {}, `-5`: {}, `1e300`: {}, `{}`: {}, `"9999-12-31T23:59:59-01:00"`: {},
	} {
		d, err := event.Decode([]byte(failed(runA, `,"updatedAt":`+updated)))
		if err != nil || d.Items[0].Request == nil {
			t.Errorf("%s: %v", updated, err)
		} else if got := d.Items[0].Request.FailedAt; !got.Equal(want) {
			t.Errorf("%s: failed at %s, want %s", updated, got, want)
		}
	}
}

func TestErrorsOfARunAreCutToALimit(t *testing.T) {
	t.Parallel()
	var list []string
	for i := range 50 {
		list = append(list, `{"code":`+quote(strings.Repeat("ü", 300+i))+`,"message":`+quote(strings.Repeat("é", 1000+i)+"x")+`}`)
		list = append(list, `{"message":"`+strings.Repeat("x", i+1)+`"}`)
	}
	d, err := event.Decode([]byte(failed(runA, `,"metrics":{"statusSummary":{"status":"failed","errors":[`+strings.Join(list, ",")+`]}}`)))
	if err != nil {
		t.Fatal(err)
	}
	errs := d.Items[0].Request.Errors
	if len(errs) != event.MaxErrors {
		t.Errorf("%d errors are kept, want %d", len(errs), event.MaxErrors)
	}
	for _, e := range errs {
		if len(e.Code) > event.MaxID || len(e.Message) > 500 || strings.ContainsRune(e.Code+e.Message, '\uFFFD') {
			t.Errorf("error is not cut well: %d and %d bytes", len(e.Code), len(e.Message))
		}
	}
}

func TestInvalidRunIDIsRefused(t *testing.T) {
	t.Parallel()
	for id, valid := range map[string]bool{
		runA: true, "a": true, "run:1@x": true, "é": true, strings.Repeat("x", event.MaxID): true,
		"": false, " ": false, "a b": false, "a\n": false, "a\x00": false, "\u00a0": false, "\u200b": false, "\u2028": false,
		"a/b": false, `a\b`: false, ".": false, "..": false, "../runs": false, "\uFFFD": false, "a\xff": false,
		strings.Repeat("x", event.MaxID+1): false,
	} {
		if err := event.ValidRunID(id); (err == nil) != valid {
			t.Errorf("ValidRunID(%.40q) = %v, want valid %t", id, err, valid)
		}
		want := []string{"retry " + id}
		if !valid {
			want = []string{"error invalid_run_id"}
		}
		if got := decoded(t, `{"runId":`+quote(id)+`}`); !slices.Equal(got, want) {
			t.Errorf("a request for %.40q: %.80q", id, got)
		}
	}
}
