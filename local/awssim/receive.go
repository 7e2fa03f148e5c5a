package awssim

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// receiveIn asks for messages. A parameter that is not given has SQS's default.
type receiveIn struct {
	QueueURL            string `json:"QueueUrl"`
	MaxNumberOfMessages *int
	WaitTimeSeconds     int
	VisibilityTimeout   *int
	// The attributes that the receiver wants; SQS hands over no others.
	AttributeNames, MessageSystemAttributeNames []string
	MessageAttributeNames                       []string
}

// check refuses what SQS refuses:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html.
func (in *receiveIn) check() error {
	outside := func(name string, value, least, most int) error {
		if value < least || value > most {
			return refuse("InvalidParameterValue", fmt.Sprintf("Value %d for parameter %s is invalid. Reason: Must be between %d and %d, if provided.", value, name, least, most))
		}
		return nil
	}
	if in.MaxNumberOfMessages != nil {
		if err := outside("MaxNumberOfMessages", *in.MaxNumberOfMessages, 1, maxBatch); err != nil {
			return err
		}
	}
	if in.VisibilityTimeout != nil {
		if err := outside("VisibilityTimeout", *in.VisibilityTimeout, 0, int(maxInvisible.Seconds())); err != nil {
			return err
		}
	}
	return outside("WaitTimeSeconds", in.WaitTimeSeconds, 0, int(maxWait.Seconds()))
}

// system are the attributes that SQS itself gives a message, as far as they are asked for.
func (in *receiveIn) system(m *Message) map[string]string {
	all := map[string]string{
		"ApproximateReceiveCount": strconv.Itoa(m.Receives), "SentTimestamp": strconv.FormatInt(m.sentAt.UnixMilli(), 10),
	}
	if m.trace != "" {
		all["AWSTraceHeader"] = m.trace
	}
	if m.source != "" {
		all["DeadLetterQueueSourceArn"] = QueueARN(m.source)
	}
	for name := range all {
		if !asked(slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames), name) {
			delete(all, name)
		}
	}
	return all
}

// attributes are those of the sender, as far as they are asked for.
func (in *receiveIn) attributes(m *Message) map[string]Attribute {
	all := map[string]Attribute{}
	for name, a := range m.Attributes {
		if asked(in.MessageAttributeNames, name) {
			all[name] = a
		}
	}
	return all
}

// asked reports whether an attribute is among the names, of which one may be All.
func asked(names []string, name string) bool {
	return slices.Contains(names, name) || slices.Contains(names, "All") || slices.Contains(names, ".*")
}

type receiptIn struct {
	ID                string `json:"Id"`
	QueueURL          string `json:"QueueUrl"`
	ReceiptHandle     string
	VisibilityTimeout int
}

func (in receiptIn) name() string                 { return in.ID }
func (in receiptIn) on(queueURL string) receiptIn { in.QueueURL = queueURL; return in }
func (in receiptIn) has(text string) bool         { return strings.Contains(in.ReceiptHandle, text) }

// receipt makes a handle for one receive of a message.
func (s operations) receipt(q *queue, m *Message) string {
	return s.mark + "." + q.Name + "." + m.ID + "." + rand.Text()
}

// received returns the message of a handle. It is nil where the message was deleted, or
// was received again since: a handle is of one receive.
func (s operations) received(in receiptIn) (*queue, *Message, error) {
	q, err := s.queue(in.QueueURL)
	if err != nil {
		return nil, nil, err
	}
	if !strings.HasPrefix(in.ReceiptHandle, s.mark+"."+q.Name+".") {
		return nil, nil, refuse("com.amazonaws.sqs#ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	for _, m := range q.messages {
		if m.receipt == in.ReceiptHandle {
			return q, m, nil
		}
	}
	return q, nil, nil
}

// remove deletes a message. With the handle of an earlier receive, and of a message that is
// deleted, the call succeeds and does nothing:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html.
func (s operations) remove(in receiptIn) (any, error) {
	q, m, err := s.received(in)
	if err != nil {
		return nil, err
	}
	if m != nil {
		q.drop(m)
	}
	return map[string]string{}, nil
}

func (s operations) changeVisibility(in receiptIn) (any, error) {
	_, m, err := s.received(in)
	if err != nil {
		return nil, err
	}
	now := s.now()
	at := now.Add(time.Duration(in.VisibilityTimeout) * time.Second)
	switch {
	case m == nil:
		return nil, refuse("InvalidParameterValue", "Value "+in.ReceiptHandle+" for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.")
	case !m.VisibleAt.After(now):
		return nil, refuse("com.amazonaws.sqs#MessageNotInflight", "The specified message isn't in flight.")
	case in.VisibilityTimeout < 0 || at.Sub(m.receivedAt) > maxInvisible:
		return nil, refuse("InvalidParameterValue", "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].")
	}
	m.VisibleAt = at
	m.Changes++
	s.wake()
	return map[string]string{}, nil
}
