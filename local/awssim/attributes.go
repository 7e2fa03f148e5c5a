package awssim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// attributes answers GetQueueAttributes. A message is visible, or invisible since it was
// received, or delayed since it was sent:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html.
func (s operations) attributes(in struct {
	QueueURL       string `json:"QueueUrl"`
	AttributeNames []string
},
) (any, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, err
	}
	visible, invisible, delayed := 0, 0, 0
	q.visible(s.now()) // it deletes what is too old
	for _, m := range q.messages {
		switch {
		case !m.VisibleAt.After(s.now()):
			visible++
		case m.Receives > 0:
			invisible++
		default:
			delayed++
		}
	}
	all := map[string]string{
		"QueueArn": QueueARN(q.Name), "ApproximateNumberOfMessages": strconv.Itoa(visible),
		"ApproximateNumberOfMessagesNotVisible": strconv.Itoa(invisible), "ApproximateNumberOfMessagesDelayed": strconv.Itoa(delayed),
		"VisibilityTimeout":      strconv.Itoa(int(q.VisibilityTimeout.Seconds())),
		"MaximumMessageSize":     strconv.Itoa(cmp.Or(q.MaximumMessageSize, maxMessage)),
		"MessageRetentionPeriod": strconv.Itoa(int(cmp.Or(q.Retention, 14*24*time.Hour).Seconds())),
		"DelaySeconds":           "0", "ReceiveMessageWaitTimeSeconds": "0",
	}
	if q.DeadLetterQueue != "" {
		policy, _ := json.Marshal(map[string]any{"deadLetterTargetArn": QueueARN(q.DeadLetterQueue), "maxReceiveCount": q.MaxReceives}) // it encodes
		all["RedrivePolicy"] = string(policy)
	}
	asked := map[string]string{}
	for _, name := range in.AttributeNames {
		if name == "All" {
			asked = all
			break
		}
		value, known := all[name]
		if !known && !slices.Contains([]string{"RedrivePolicy", "RedriveAllowPolicy", "Policy", "KmsMasterKeyId"}, name) {
			return nil, refuse("InvalidAttributeName", fmt.Sprintf("Unknown Attribute %s.", name))
		}
		if known {
			asked[name] = value
		}
	}
	return map[string]any{"Attributes": asked}, nil
}
