package operate

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
)

// Message is a message that was received from the dead-letter queue.
type Message struct {
	MessageID string `json:"messageId"`
	// SentAt is when the message was first sent to a queue, Receives how often it was received.
	SentAt   time.Time `json:"sentAt,omitzero"`
	Receives int       `json:"receives"`
	// Attributes are those of the sender.
	Attributes map[string]string `json:"attributes"`
	Body       string            `json:"body"`

	raw    types.Message
	source string // the queue from which SQS has moved it; empty for none
}

// messageOf reads what SQS hands over.
func messageOf(m types.Message) Message {
	number := func(name types.MessageSystemAttributeName) int64 {
		n, _ := strconv.ParseInt(m.Attributes[string(name)], 10, 64) // SQS's own number; 0 where there is none
		return n
	}
	message := Message{
		MessageID: aws.ToString(m.MessageId), Body: aws.ToString(m.Body), Attributes: map[string]string{}, raw: m,
		Receives: int(number(types.MessageSystemAttributeNameApproximateReceiveCount)),
		source:   m.Attributes[string(types.MessageSystemAttributeNameDeadLetterQueueSourceArn)],
	}
	if ms := number(types.MessageSystemAttributeNameSentTimestamp); ms > 0 {
		message.SentAt = time.UnixMilli(ms).UTC()
	}
	for name, a := range m.MessageAttributes {
		message.Attributes[name] = cmp.Or(aws.ToString(a.StringValue), string(a.BinaryValue))
	}
	return message
}

// id is what the ledger lists the message under: a run's id, or a letter's. Where the body has
// left no room for the attribute, the body has the run's id. It is empty for a message that
// the function has not written.
func (m *Message) id() string {
	if m.Attributes[deadletter.AttributeReason] == "" {
		return ""
	}
	var body struct {
		RunID string `json:"runId"`
	}
	_ = json.Unmarshal([]byte(m.Body), &body) // it need not be a request
	return cmp.Or(m.Attributes[deadletter.AttributeLetterID], m.Attributes[deadletter.AttributeRunID], body.RunID)
}

// orgID is the org of the request in the body; empty where it is none, or names none.
func (m *Message) orgID() string {
	var body struct {
		OrgID string `json:"orgId"`
	}
	_ = json.Unmarshal([]byte(m.Body), &body) // it need not be a request
	return body.OrgID
}

// From says who has put the message on the dead-letter queue.
func (m *Message) From() string {
	var lambda struct {
		RequestContext *struct {
			FunctionARN string `json:"functionArn"`
		} `json:"requestContext"`
	}
	switch {
	case m.source != "":
		return "SQS, from the queue " + m.source[strings.LastIndex(m.source, ":")+1:]
	case m.Attributes[deadletter.AttributeReason] != "":
		return "the function"
	case m.Attributes["RULE_ARN"] != "" || m.Attributes["TARGET_ARN"] != "": // https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
		return "EventBridge"
	case json.Unmarshal([]byte(m.Body), &lambda) == nil && lambda.RequestContext != nil && lambda.RequestContext.FunctionARN != "":
		return "Lambda"
	}
	return "unknown"
}

// pass receives the messages of the dead-letter queue, each once. SQS has no way to read a
// queue: a received message is hidden until its visibility timeout ends, or until it is given
// back. If a message was given back at once, SQS would deliver it again before it delivers
// those behind it. So a pass keeps hidden what it has no use for, and gives all of it back at its
// end.
type pass struct {
	o      *Operator
	hidden time.Duration // the visibility timeout
	seen   map[string]bool
	held   map[string]string // receipt handles of what is to be given back, by message id
	idle   int               // receives without any message since the last new one
	// repeats counts receives of messages that the pass has seen, since the last new one.
	repeats int
	waits   time.Duration // for how long the pass waits for messages that are hidden by others
	until   time.Time     // when that ends; zero while there are new messages
	// sawAll says at its end that the queue has no message that the pass has not seen.
	sawAll bool
}

// newPass returns a pass that takes about so long; its messages come back by themselves soon
// after, should the process die.
func newPass(o *Operator, long time.Duration) *pass {
	hidden := min(max(leastHidden, long+long/2), mostHidden)
	return &pass{o: o, hidden: hidden, waits: min(hidden+5*time.Second, longestWait), seen: map[string]bool{}, held: map[string]string{}}
}

const (
	// leastHidden and mostHidden bound for how long a message that was received is hidden.
	leastHidden = 30 * time.Second
	mostHidden  = time.Hour
	// maxIdle is how many receives may bring no message before the pass ends. The first one
	// asks some of SQS's servers, one that waits asks all.
	maxIdle = 3
	// longestWait bounds how long a pass waits for hidden messages.
	longestWait = time.Minute
	// maxHeld is how many messages a pass keeps hidden: SQS allows 120,000 in flight.
	maxHeld = 100_000
)

// next receives up to ten messages that the pass has not seen; none at its end. When the context
// ends, its error is returned after the receive that is under way.
func (p *pass) next(ctx context.Context) ([]Message, error) {
	for len(p.held) < maxHeld {
		if err := ctx.Err(); err != nil {
			return nil, p.o.fault(err)
		}
		in := sqs.ReceiveMessageInput{
			QueueUrl: &p.o.Stack.DeadLetterQueueURL, MaxNumberOfMessages: batchSize, VisibilityTimeout: int32(p.hidden.Seconds()),
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		}
		if p.idle > 0 {
			in.WaitTimeSeconds = 1
		}
		out, err := p.receive(ctx, &in)
		if err != nil {
			return nil, p.o.fault(err)
		}
		if fresh := p.fresh(out.Messages); len(fresh) > 0 {
			p.idle, p.repeats, p.until = 0, 0, time.Time{}
			return fresh, nil
		}
		if len(out.Messages) > 0 { // the timeouts of all have ended; others may be behind them
			if p.repeats++; p.repeats > maxIdle+len(p.seen) {
				return nil, nil
			}
			continue
		}
		p.idle++
		if p.idle < maxIdle {
			continue
		}
		if over, err := p.over(ctx); err != nil || over {
			return nil, err
		}
	}
	return nil, nil
}

// receive asks SQS for messages. It goes on when the context ends: SQS hides what it hands over,
// and nobody could give back the messages of an answer that was not read.
func (p *pass) receive(ctx context.Context, in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
	defer cancel()
	return p.o.Queues.ReceiveMessage(ctx, in)
}

// fresh are the messages that the pass has not seen. The timeout of the others has ended, and
// their newest handle counts.
func (p *pass) fresh(received []types.Message) (fresh []Message) {
	for _, m := range received {
		message := messageOf(m)
		if p.seen[message.MessageID] {
			p.hold(&message)
			continue
		}
		p.seen[message.MessageID] = true
		fresh = append(fresh, message)
	}
	return fresh
}

// over reports whether the pass has seen what it can: it holds all that the queue has. Others may
// be hidden: somebody else has received them, or the answer of a receive was lost on its way and
// the AWS client has asked again. Or they were hidden at the last receive, and no longer are. It
// waits for them as long as its own receives hide.
func (p *pass) over(ctx context.Context) (bool, error) {
	if p.until.IsZero() {
		p.until = p.o.Now().Add(p.waits)
	}
	if !p.o.Now().Before(p.until) {
		return true, nil
	}
	queue, err := queueOf(ctx, p.o, p.o.Stack.DeadLetterQueueURL)
	p.sawAll = err == nil && queue.All() <= len(p.held)
	return p.sawAll, err
}

// batchSize is the most that SQS hands over, or takes, in one call.
const batchSize = 10

// hold keeps a message hidden until [pass.giveBack].
func (p *pass) hold(m *Message) { p.held[m.MessageID] = aws.ToString(m.raw.ReceiptHandle) }

// remove deletes a message from the dead-letter queue.
func (p *pass) remove(ctx context.Context, m *Message) error {
	_, err := p.o.Queues.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &p.o.Stack.DeadLetterQueueURL, ReceiptHandle: m.raw.ReceiptHandle})
	return p.o.fault(err)
}

// giveBackTime bounds giving messages back. What is left comes back by itself.
const giveBackTime = 20 * time.Second

// giveBack makes all messages visible that the pass holds, also when the context has ended. A
// message that can't be given back comes back by itself.
func (p *pass) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(p.held)), batchSize) {
		in := sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &p.o.Stack.DeadLetterQueueURL}
		for i, id := range ids {
			in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(p.held[id]), VisibilityTimeout: 0})
		}
		_, _ = p.o.Queues.ChangeMessageVisibilityBatch(ctx, &in) // see above
	}
	clear(p.held)
}
