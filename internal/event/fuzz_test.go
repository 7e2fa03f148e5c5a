package event_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

func FuzzDecode(f *testing.F) {
	for _, content := range exampleFiles(f) {
		f.Add(content)
		if records, _, err := event.SQSRecords(content); err == nil {
			for _, record := range records {
				f.Add([]byte(record.Body))
			}
		}
	}
	f.Add([]byte(`{"sweep":{"id":"i","since":"48h","until":"2026-11-23T06:00:00Z","orgId":["o"],"sandbox":"s","flowId":["f","g"],"code":"c*","limit":1,"dryRun":true,"requeues":2}}`))
	f.Add([]byte(`{"pause":{"orgId":"o","flowId":"f","reason":"r"}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		d, err := event.Decode(payload)
		again, errAgain := event.Decode(payload)
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatalf("not the same twice: -first +second\n%s", diff)
		}
		if err != nil {
			if len(d.Items) > 0 || d.Sweep != nil || d.PauseCommand != nil {
				t.Fatal("an error with content")
			}
			if first, second := fault(t, err), fault(t, errAgain); *first != *second || len(first.Message) > 2000 {
				t.Fatalf("errors %.2000q, then %.2000q", first.Message, second.Message)
			}
			return
		}
		kinds := 0
		for _, is := range []bool{len(d.Items) > 0, d.Sweep != nil, d.PauseCommand != nil, d.Command != nil} {
			if is {
				kinds++
			}
		}
		if errAgain != nil || kinds != 1 || len(d.Items) > event.MaxItems {
			t.Fatalf("%d items, sweep %v, pause command %v, error of the second time %v", len(d.Items), d.Sweep, d.PauseCommand, errAgain)
		}
		if d.Sweep != nil {
			checkSweep(t, *d.Sweep)
		}
		for _, item := range d.Items {
			set := 0
			if item.Skip != nil {
				set++
			}
			if item.Err != nil {
				set++
				if item.Raw != nil {
					if got := decoded(t, string(item.Raw)); len(got) != 1 || got[0] != told(item) {
						t.Fatalf("%s of %s is %v when it is read again", told(item), item.Raw, got)
					}
				}
			}
			if item.Request != nil {
				set++
				check(t, *item.Request)
			}
			if set != 1 {
				t.Fatalf("%d of Request, Skip and Err are set", set)
			}
		}
	})
}

// check holds what is true of every request that was read.
func check(t *testing.T, r event.Request) {
	t.Helper()
	if err := event.ValidRunID(r.RunID); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	again := only(t, body)
	if r.Source = again.Source; r.Source == event.FromAdobe {
		t.Fatalf("%s is read as an event of Adobe's", body)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Fatalf("%s: -first +again\n%s", body, diff)
	}
}

// checkSweep holds that a sweep is read again as it was written.
func checkSweep(t *testing.T, s event.Sweep) {
	t.Helper()
	body, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	again, err := event.Decode(body)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if diff := cmp.Diff(&s, again.Sweep); diff != "" {
		t.Fatalf("%s: -first +again\n%s", body, diff)
	}
}

func FuzzSQSRecords(f *testing.F) {
	for _, content := range exampleFiles(f) {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		records, batch, err := event.SQSRecords(payload)
		if len(records) > 0 && (!batch || err != nil) || err != nil && !batch {
			t.Fatalf("%d records, batch %t, error %v", len(records), batch, err)
		}
		for _, r := range records {
			if r.MessageID == "" || r.EventSource != "aws:sqs" {
				t.Fatalf("record %+v", r)
			}
			_ = r.ReceiveCount()
			_, _ = event.Decode([]byte(r.Body))
		}
	})
}
