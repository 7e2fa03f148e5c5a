package awssim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

// newBuses is the simulator with a bus called notices, behind the real SDK.
func newBuses(t *testing.T) (*awssim.Server, *eventbridge.Client) {
	t.Helper()
	w := newWorld(t)
	w.sim.EventBuses.Add("notices")
	keys := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, nil
	})
	return w.sim, eventbridge.New(eventbridge.Options{Region: awssim.Region, BaseEndpoint: &w.base, Credentials: keys, RetryMaxAttempts: 1})
}

// entry is one for a bus.
func entry(bus, source, kind, detail string) types.PutEventsRequestEntry {
	return types.PutEventsRequestEntry{EventBusName: &bus, Source: &source, DetailType: &kind, Detail: &detail}
}

func TestABusTakesEventsByNameAndByARN(t *testing.T) {
	t.Parallel()
	sim, client := newBuses(t)
	at := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	first := entry("notices", "me", "A", `{"a":1}`)
	first.Time = &at
	out, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{
		first, entry("arn:aws:events:us-east-1:123456789012:event-bus/notices", "me", "B", `{}`),
	}})
	if err != nil || out.FailedEntryCount != 0 || len(out.Entries) != 2 || *out.Entries[0].EventId == *out.Entries[1].EventId {
		t.Fatalf("%+v, %v", out, err)
	}
	sent := sim.EventBuses.Sent("notices")
	if len(sent) != 2 || sent[0].DetailType != "A" || sent[0].Detail != `{"a":1}` || sent[0].Source != "me" || !sent[0].Time.Equal(at) || sent[1].DetailType != "B" {
		t.Errorf("%+v", sent)
	}
	if out, err := client.DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: aws.String("notices")}); err != nil || *out.Name != "notices" {
		t.Errorf("%+v, %v", out, err)
	}
}

// TestABusThatDoesNotExistTakesEventsAndDropsThem: as EventBridge does; only
// DescribeEventBus tells.
func TestABusThatDoesNotExistTakesEventsAndDropsThem(t *testing.T) {
	t.Parallel()
	sim, client := newBuses(t)
	sim.EventBuses.Remove("notices")
	out, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry("notices", "me", "A", `{}`)}})
	if err != nil || out.FailedEntryCount != 0 || len(sim.EventBuses.Sent("notices")) != 0 {
		t.Errorf("%+v, %v", out, err)
	}
	_, err = client.DescribeEventBus(t.Context(), &eventbridge.DescribeEventBusInput{Name: aws.String("notices")})
	wants(t, "a bus that is not there", err, "ResourceNotFoundException")
}

func TestEventsAreRefusedAsEventBridgeDoes(t *testing.T) {
	t.Parallel()
	sim, client := newBuses(t)
	put := func(entries ...types.PutEventsRequestEntry) (*eventbridge.PutEventsOutput, error) {
		return client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: entries})
	}
	good := entry("notices", "me", "A", `{}`)
	many := make([]types.PutEventsRequestEntry, 11)
	for i := range many {
		many[i] = good
	}
	large := entry("notices", "me", "A", `{"x":"`+strings.Repeat("x", 1<<20)+`"}`)
	for name, entries := range map[string][]types.PutEventsRequestEntry{
		"none": {}, "eleven": many, "more than 1 MB": {large}, "nothing complete": {entry("notices", "", "A", `{}`), entry("notices", "me", "", `{}`)},
	} {
		_, err := put(entries...)
		wants(t, name, err, "ValidationException")
	}
	for name, tt := range map[string]struct {
		entry types.PutEventsRequestEntry
		code  string
	}{
		"no source":           {entry("notices", "", "A", `{}`), "InvalidArgument"},
		"no kind":             {entry("notices", "me", "", `{}`), "InvalidArgument"},
		"a long kind":         {entry("notices", "me", strings.Repeat("x", 129), `{}`), "InvalidArgument"},
		"no detail":           {entry("notices", "me", "A", ""), "InvalidArgument"},
		"a detail of no JSON": {entry("notices", "me", "A", "{"), "MalformedDetail"},
		"a list":              {entry("notices", "me", "A", "[]"), "MalformedDetail"},
		"a source of AWS":     {entry("notices", "aws.s3", "A", `{}`), "NotAuthorizedForSourceException"},
	} {
		out, err := put(tt.entry, good)
		if err != nil || out.FailedEntryCount != 1 || *out.Entries[0].ErrorCode != tt.code || out.Entries[1].EventId == nil {
			t.Errorf("%s: %+v, %v", name, out, err)
		}
	}
	sim.Inject(awssim.Fault{Op: "PutEvents", EntriesOnly: true, Code: "InternalFailure", Of: "this"})
	if out, err := put(good, entry("notices", "me", "A", `{"this":1}`)); err != nil || out.FailedEntryCount != 1 || *out.Entries[1].ErrorCode != "InternalFailure" {
		t.Errorf("a fault of one entry: %+v, %v", out, err)
	}
}

func TestBusForgetsOldEvents(t *testing.T) {
	t.Parallel()
	sim, client := newBuses(t)
	if _, err := client.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry("notices", "me", "A", "{}")}}); err != nil {
		t.Fatal(err)
	}
	if sim.EventBuses.Forget("notices", time.Now().Add(-time.Hour)); len(sim.EventBuses.Sent("notices")) != 1 {
		t.Errorf("%v", sim.EventBuses.Sent("notices"))
	}
	if sim.EventBuses.Forget("notices", time.Now().Add(time.Hour)); len(sim.EventBuses.Sent("notices")) != 0 {
		t.Errorf("%v", sim.EventBuses.Sent("notices"))
	}
}
