package event_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// requests draws requests as the function makes them.
func requests() *rapid.Generator[event.Request] {
	name := rapid.StringMatching(`[A-Za-z0-9@_.:é-]{0,40}`)
	short := rapid.StringN(0, 60, 200)
	at := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.Bool().Draw(t, "unknown") {
			return time.Time{}
		}
		return time.UnixMilli(rapid.Int64Range(0, 253402300799999).Draw(t, "ms")).UTC()
	})
	return rapid.Custom(func(t *rapid.T) event.Request {
		r := event.Request{
			RunID:  rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9-]{0,40}`).Draw(t, "runId"),
			Source: event.FromPerson,
			FlowID: name.Draw(t, "flowId"), OrgID: name.Draw(t, "orgId"), Sandbox: name.Draw(t, "sandbox"),
			DryRun: rapid.Bool().Draw(t, "dryRun"), Force: rapid.Bool().Draw(t, "force"), Reason: short.Draw(t, "reason"),
		}
		if rapid.Bool().Draw(t, "origin") {
			r.Origin = event.Origin{
				EventID: short.Draw(t, "eventId"), FlowName: short.Draw(t, "flowName"), CreatedClient: short.Draw(t, "createdClient"),
				FailedAt: at.Draw(t, "failedAt"), FirstSeen: at.Draw(t, "firstSeen"), CreatedAt: at.Draw(t, "createdAt"), Due: at.Draw(t, "due"),
				Root: short.Draw(t, "root"), Parent: short.Draw(t, "parent"), Forgiven: rapid.IntRange(0, 1<<40).Draw(t, "forgiven"), Requeues: rapid.IntRange(0, 20).Draw(t, "requeues"),
				Attempts: rapid.IntRange(0, 1<<40).Draw(t, "attempts"), LastError: short.Draw(t, "error"),
			}
			for range rapid.IntRange(0, event.MaxErrors).Draw(t, "errors") {
				r.Errors = append(r.Errors, event.RunError{Code: short.Draw(t, "code"), Message: short.Draw(t, "message")})
			}
		}
		return r
	})
}

func only(t rapid.TB, payload []byte) event.Request {
	t.Helper()
	d, err := event.Decode(payload)
	if err != nil {
		t.Fatalf("Decode(%s): %v", payload, err)
	}
	if len(d.Items) != 1 || d.Items[0].Request == nil {
		t.Fatalf("Decode(%s): %+v", payload, d)
	}
	return *d.Items[0].Request
}

func TestPropertyRequestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := requests().Draw(t, "request")
		payload, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		again := only(t, payload)
		if strings.Contains(string(payload), `"origin":`) {
			r.Source = event.FromQueue
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Fatalf("%s: -sent +read\n%s", payload, diff)
		}
	})
}

// TestPropertyWrapping wraps a request or an event at random, as deep as is
// allowed, and expects the same request.
func TestPropertyWrapping(t *testing.T) {
	t.Parallel()
	type wrapper struct {
		name string
		wrap func(string) string
		cost int // of MaxDepth
	}
	transport := []wrapper{
		{"SNS", sns, 1},
		{"SNS records", snsRecord, 2},
		{"SQS records", func(s string) string { return sqs(s) }, 2},
		{"on-failure", onFailure, 1},
		{"text", quote, 1},
		{"list", func(s string) string { return "[" + s + "]" }, 1},
	}
	carrier := []wrapper{
		{"EventBridge", eventBridge, 1},
		{"CloudEvent", cloudEvent, 1},
		{"CloudEvent in base64", func(s string) string {
			return `{"specversion":"1.0","data_base64":"` + base64.StdEncoding.EncodeToString([]byte(s)) + `"}`
		}, 1},
	}
	rapid.Check(t, func(t *rapid.T) {
		var payload string
		wrappers := transport
		isEvent := rapid.Bool().Draw(t, "event")
		if isEvent {
			payload = failed(rapid.StringMatching(`[a-z0-9-]{1,40}`).Filter(func(s string) bool { return s != "" }).Draw(t, "runId"), `,"flowName":`+quote(rapid.String().Draw(t, "flowName")))
			wrappers = slices.Concat(wrappers, carrier)
		} else {
			r := requests().Draw(t, "request")
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			payload = string(b)
		}
		want := only(t, []byte(payload))
		var names []string
		for left := rapid.IntRange(0, event.MaxDepth).Draw(t, "depth"); left > 0; {
			w := rapid.SampledFrom(wrappers).Draw(t, "wrapper")
			if w.cost > left {
				break
			}
			left -= w.cost
			payload = w.wrap(payload)
			names = append(names, w.name)
			if len(payload) > 20_000 { // quotes in quotes double
				break
			}
		}
		got := only(t, []byte(payload))
		if isEvent {
			got.EventID = "" // the CloudEvent's
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("wrapped in %s: -want +got\n%s", strings.Join(names, ", "), diff)
		}
	})
}

// TestRequestIsWritable checks that what was read can be written again,
// however long or odd its origin.
func TestRequestIsWritable(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("<", 100_000)
	for name, payload := range map[string]string{
		"late":      `{"runId":"a","origin":{"failedAt":"9999-12-31T23:59:59-23:59","firstSeen":"0000-01-01T00:00:00+23:59"}}`,
		"long":      `{"runId":"a","origin":{"eventId":"` + long + `","flowName":"` + long + `","createdClient":"` + long + `","error":"` + long + `"}}`,
		"errors":    `{"runId":"a","origin":{"errors":[` + strings.Repeat(`{"code":"x"},`, 1000) + `{}]}}`,
		"no errors": `{"runId":"a","origin":{"errors":[],"attempts":-1}}`,
		"precise":   `{"runId":"a","origin":{"failedAt":"2026-11-23T06:00:00.123456789+01:00"}}`,
	} {
		check(t, only(t, []byte(payload)))
		if t.Failed() {
			t.Fatal(name)
		}
	}
}
