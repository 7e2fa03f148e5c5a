package requestqueue_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
)

// client answers as SQS may, entry by entry, which no emulator does on demand:
// by the number in the run id, entries succeed, fail or are not mentioned.
type client struct {
	requestqueue.SQS

	mu      sync.Mutex
	batches []*sqs.SendMessageBatchInput
	changes []*sqs.ChangeMessageVisibilityBatchInput
	err     error
}

func (c *client) SendMessageBatch(_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.batches = append(c.batches, in)
	if c.err != nil {
		return nil, c.err
	}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		switch {
		case strings.Contains(*e.MessageBody, "refused"):
			out.Failed = append(out.Failed, types.BatchResultErrorEntry{Id: e.Id, Code: new("Refused"), Message: new("no")})
		case !strings.Contains(*e.MessageBody, "unmentioned"):
			out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
		}
	}
	return out, nil
}

func (c *client) ChangeMessageVisibilityBatch(_ context.Context, in *sqs.ChangeMessageVisibilityBatchInput, _ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes = append(c.changes, in)
	return &sqs.ChangeMessageVisibilityBatchOutput{Failed: []types.BatchResultErrorEntry{{Id: new("0"), Code: new("ReceiptHandleIsInvalid")}}}, c.err
}

func waiting(ids ...string) []requestqueue.Waiting {
	list := make([]requestqueue.Waiting, len(ids))
	for i, id := range ids {
		list[i] = requestqueue.Waiting{Request: event.Request{RunID: id}, Delay: 1500 * time.Millisecond}
	}
	return list
}

func TestSendTellsOfEachRequest(t *testing.T) {
	t.Parallel()
	c := &client{}
	errs := requestqueue.New(c, "https://sqs.example/1/q").Send(t.Context(), waiting("a", "refused", "unmentioned", "b"))
	for i, want := range []string{"", "Refused: no", "does not mention", ""} {
		if got := fmt.Sprint(errs[i]); (errs[i] == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("error %d = %v, want %q", i, errs[i], want)
		}
	}
	if got := c.batches[0].Entries[0].DelaySeconds; got != 2 {
		t.Errorf("a delay of 1.5 s is sent as %d s, want 2: a request must not come early", got)
	}
	if decoded, err := event.Decode([]byte(*c.batches[0].Entries[0].MessageBody)); err != nil || decoded.Items[0].Request.RunID != "a" {
		t.Errorf("the body reads as %+v, %v", decoded, err)
	}
}

func TestSendFailsWhole(t *testing.T) {
	t.Parallel()
	for i, err := range requestqueue.New(&client{err: errors.New("down")}, "https://sqs.example/1/q").Send(t.Context(), waiting("a", "b")) {
		if err == nil || !strings.Contains(err.Error(), "down") {
			t.Errorf("error %d = %v", i, err)
		}
	}
}

func TestBatchesKeepTheLimits(t *testing.T) {
	t.Parallel()
	c := &client{}
	list := waiting(strings.Split(strings.Repeat("run,", 24)+"run", ",")...)
	for i := range 5 { // five large ones of 300 KiB
		list[i].Request.Reason = strings.Repeat("x", 300<<10)
	}
	list[9].Delay = time.Hour
	for i, err := range requestqueue.New(c, "https://sqs.example/1/q").Send(t.Context(), list) {
		if err != nil {
			t.Errorf("request %d: %v", i, err)
		}
	}
	sent := 0
	for _, b := range c.batches {
		size := 0
		for _, e := range b.Entries {
			size += len(*e.MessageBody)
			if e.DelaySeconds > 900 {
				t.Errorf("a delay of %d s is more than SQS allows", e.DelaySeconds)
			}
		}
		sent += len(b.Entries)
		if len(b.Entries) > 10 || size > 1<<20 {
			t.Errorf("a batch has %d entries and %d bytes", len(b.Entries), size)
		}
	}
	if sent != 25 {
		t.Errorf("%d sent, want 25", sent)
	}
}

func TestPostponeInBatches(t *testing.T) {
	t.Parallel()
	c := &client{}
	messages := make([]requestqueue.Postponed, 12)
	for i := range messages {
		messages[i] = requestqueue.Postponed{ReceiptHandle: strconv.Itoa(i), Delay: 100 * time.Hour}
	}
	err := requestqueue.New(c, "https://sqs.example/1/q").Postpone(t.Context(), messages)
	if err == nil || !strings.Contains(err.Error(), "ReceiptHandleIsInvalid") {
		t.Errorf("error = %v, want that of the entry", err)
	}
	if len(c.changes) != 2 || len(c.changes[0].Entries) != 10 || len(c.changes[1].Entries) != 2 {
		t.Errorf("%d calls", len(c.changes))
	}
	// SQS counts its 12 hours from the receipt, which may be as long ago as a function
	// may take.
	if v := time.Duration(c.changes[0].Entries[0].VisibilityTimeout) * time.Second; v > 12*time.Hour-15*time.Minute || v < 11*time.Hour {
		t.Errorf("a visibility timeout of %s may be more than SQS allows, or is too short", v)
	}
}

func TestIsComparesTheName(t *testing.T) {
	t.Parallel()
	q := requestqueue.New(nil, "https://sqs.us-east-1.amazonaws.com/123456789012/requests")
	if !q.Is("arn:aws:sqs:us-east-1:123456789012:requests") || q.Is("arn:aws:sqs:us-east-1:123456789012:other-requests") {
		t.Error("Is() does not tell the queue by its name")
	}
}

func TestRequestsSurviveTheQueue(t *testing.T) {
	t.Parallel()
	want := event.Request{RunID: "a", Sandbox: "prod", Origin: event.Origin{EventID: "e", Attempts: 2}}
	body, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := event.Decode(body)
	if err != nil || decoded.Items[0].Request.Attempts != 2 || decoded.Items[0].Request.Sandbox != "prod" {
		t.Errorf("%s reads as %+v, %v", body, decoded, err)
	}
}
