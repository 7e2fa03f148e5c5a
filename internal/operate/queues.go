package operate

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Queue counts the messages of a queue, as SQS tells them: approximately.
type Queue struct {
	// Visible can be received now, Invisible were received and not deleted, and Delayed become
	// visible later.
	Visible   int `json:"visible"`
	Invisible int `json:"invisible"`
	Delayed   int `json:"delayed"`
}

// All counts all messages.
func (q Queue) All() int { return q.Visible + q.Invisible + q.Delayed }

// queueOf asks SQS for the counts of a queue. It receives nothing: that would hide messages.
func queueOf(ctx context.Context, o *Operator, url string) (Queue, error) {
	out, err := o.Queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}})
	if err != nil {
		return Queue{}, o.fault(err)
	}
	n := func(name types.QueueAttributeName) int {
		n, _ := strconv.Atoi(out.Attributes[string(name)]) // SQS's own number
		return n
	}
	return Queue{
		Visible:   n(types.QueueAttributeNameApproximateNumberOfMessages),
		Invisible: n(types.QueueAttributeNameApproximateNumberOfMessagesNotVisible),
		Delayed:   n(types.QueueAttributeNameApproximateNumberOfMessagesDelayed),
	}, nil
}
