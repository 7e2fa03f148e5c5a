package awssim_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
)

func TestQueueTellsHowManyMessagesAreVisibleInvisibleAndDelayed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 12 {
		w.send(t, "now", 0)
	}
	w.send(t, "later", 60)
	received := w.receive(t, w.queue)
	get := func(names ...types.QueueAttributeName) map[string]string {
		out, err := w.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &w.queue, AttributeNames: names})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes
	}
	for name, want := range map[string]string{
		"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "10", "ApproximateNumberOfMessagesDelayed": "1",
		"QueueArn": awssim.QueueARN("queue"), "VisibilityTimeout": "60", "RedrivePolicy": `{"deadLetterTargetArn":"` + awssim.QueueARN("dead") + `","maxReceiveCount":2}`,
	} {
		if got := get("All")[name]; got != want || len(received) != 10 {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := get(types.QueueAttributeNameQueueArn, types.QueueAttributeNamePolicy); len(got) != 1 {
		t.Errorf("a queue without a policy has %v", got)
	}
	if _, err := w.sqs.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &w.queue, AttributeNames: []types.QueueAttributeName{"Color"}}); err == nil {
		t.Error("an attribute that SQS has not was answered")
	}
	w.sim.Advance(2 * time.Minute)
	if got := get("All")["ApproximateNumberOfMessages"]; got != "13" {
		t.Errorf("%s messages are visible at the end, want 13", got)
	}
}
