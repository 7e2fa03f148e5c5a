package event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// TestTextKeepsItsLength: A text in the records of SNS and SQS keeps its length, whatever
// is written in it.
func TestTextKeepsItsLength(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{
		`{"Records":[{"Sns":{"Message":"{\"runId\":\"a\"}"}},{"Sns":{"Message":"<&>"}}]}`,
		`{"Messages":[{"Body":"{\"runId\":\"a\"}"},{"Body":"<&>"}]}`,
	} {
		decoded, err := event.Decode([]byte(payload))
		if err != nil || len(decoded.Items) != 2 || string(decoded.Items[1].Raw) != `"<&>"` {
			t.Errorf("%s: the parts are %+v, %v", payload, decoded.Items, err)
		}
	}
}

// TestLongTimeInASweepIsRefused: The function writes the sweep again to go on with it, so
// its times must be short.
func TestLongTimeInASweepIsRefused(t *testing.T) {
	t.Parallel()
	for _, since := range []string{strings.Repeat("0h", 500_000) + "24h", "2026-11-23T06:00:00." + strings.Repeat("0", 500_000) + "Z"} {
		_, err := event.Decode([]byte(`{"sweep":{"since":"` + since + `"}}`))
		if fault, ok := errors.AsType[*event.Error](err); !ok || fault.Reason != event.InvalidField || len(fault.Message) > 300 {
			t.Errorf("error = %.300v, want a short one", err)
		}
	}
}

// TestUnfilledPlaceholderIsNoSweepID: A rule of EventBridge passes the placeholder on
// where EventBridge Scheduler would fill in its execution's id.
func TestUnfilledPlaceholderIsNoSweepID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"<aws.scheduler.execution-id>", "nightly-<aws.scheduler.scheduled-time>", "<aws.events.event.id>"} {
		_, err := event.Decode([]byte(`{"sweep":{"id":"` + id + `","since":"24h"}}`))
		fault, ok := errors.AsType[*event.Error](err)
		if !ok || fault.Reason != event.InvalidField || !strings.Contains(fault.Message, id) || !strings.Contains(fault.Message, "leave id out") {
			t.Errorf("%s: %v", id, err)
		}
	}
	for _, id := range []string{"<aws.events.event.id>", "9d1de2a0>c", strings.Repeat("x", event.MaxID)} {
		d, err := event.Decode([]byte(`{"id":"` + id + `","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`))
		if err != nil || d.Sweep == nil || d.Sweep.ID != "" {
			t.Errorf("a schedule's event %s asks for the sweep %+v, %v", id, d.Sweep, err)
		}
	}
	if d, err := event.Decode([]byte(`{"sweep":{"id":"d32c5kddcf5bb8c3"}}`)); err != nil || d.Sweep.ID != "d32c5kddcf5bb8c3" {
		t.Errorf("the id of an execution: %v", err)
	}
}
