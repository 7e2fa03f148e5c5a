package awssim

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // SQS names message bodies by MD5
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Limits of SQS.
const (
	maxBatch     = 10
	maxDelay     = 15 * time.Minute
	maxInvisible = 12 * time.Hour
	maxWait      = 20 * time.Second
)

// Queue is how a queue is set up.
type Queue struct {
	Name              string
	VisibilityTimeout time.Duration
	// DeadLetterQueue is the name of the queue to which SQS moves a message that
	// was received MaxReceives times; empty for none.
	DeadLetterQueue string
	MaxReceives     int
	// Retention is for how long SQS keeps a message; 0 for ever.
	Retention time.Duration
	// MaximumMessageSize is the most bytes that a message may have, its attributes
	// included; 0 means 1 MiB.
	MaximumMessageSize int
}

// Message is a message on a queue.
type Message struct {
	ID         string
	Body       string
	Attributes map[string]Attribute
	// Receives counts how often it was received.
	Receives int
	// VisibleAt is when it can be received next.
	VisibleAt time.Time
	// Changes counts how often VisibleAt was set since the message was sent.
	Changes int

	sentAt, receivedAt time.Time
	receipt            string
	trace              string // the sender's trace header
	source             string // the queue from which SQS moved it to its dead-letter queue
}

type queue struct {
	Queue
	messages []*Message
	shuffle  func(n int, swap func(i, j int)) // nil for the order in which they were sent
}

// AddQueue makes a queue and returns its URL. Call it after Listen.
func (s *Server) AddQueue(q Queue) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[q.Name] = &queue{Queue: q}
	return s.base + "/" + Account + "/" + q.Name
}

// Shuffle makes a queue deliver its messages in any order, as a standard queue may; the
// seed says which.
func (s *Server) Shuffle(queueURL string, seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[queueURL[strings.LastIndex(queueURL, "/")+1:]].shuffle = mathrand.New(mathrand.NewPCG(seed, seed)).Shuffle //nolint:gosec // it is to be repeatable
}

// QueueARN returns the ARN of the queue with the given name.
func QueueARN(name string) string { return "arn:aws:sqs:" + Region + ":" + Account + ":" + name }

// Messages returns what is on a queue, visible or not.
func (s *Server) Messages(queueURL string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[queueURL[strings.LastIndex(queueURL, "/")+1:]]
	messages := make([]Message, len(q.messages))
	for i, m := range q.messages {
		messages[i] = *m
	}
	return messages
}

type batchIn[Entry any] struct {
	QueueURL string `json:"QueueUrl"`
	Entries  []Entry
}

// entry is what a batch needs of its entries.
type entry[E any] interface {
	name() string
	on(queueURL string) E
	has(text string) bool // in what the fault looks at
}

// batch runs the operation on each entry, as SQS answers batches.
func batch[E entry[E]](entries []E, fault *Fault, run func(E) (any, error), queueURL string) (any, error) {
	switch {
	case len(entries) == 0:
		return nil, refuse("com.amazonaws.sqs#EmptyBatchRequest", "there is no entry")
	case len(entries) > maxBatch:
		return nil, refuse("com.amazonaws.sqs#TooManyEntriesInBatchRequest", "there are more than 10 entries")
	}
	seen := map[string]bool{}
	for _, e := range entries {
		if seen[e.name()] || e.name() == "" {
			return nil, refuse("com.amazonaws.sqs#BatchEntryIdsNotDistinct", "id "+e.name()+" stands twice or is empty")
		}
		seen[e.name()] = true
	}
	successful, failed := []any{}, []any{}
	for _, e := range entries {
		var out any
		var err error
		senders := fault == nil || fault.Of != ""
		if fault != nil && e.has(fault.Of) {
			err = refuse(cmp.Or(fault.Code, "InternalError"), "an injected fault")
		} else {
			out, err = run(e.on(queueURL))
		}
		if refused, ok := errors.AsType[*refusal](err); ok {
			code := strings.TrimPrefix(refused.code, "com.amazonaws.sqs#")
			failed = append(failed, map[string]any{"Id": e.name(), "Code": code, "Message": refused.message, "SenderFault": senders})
			continue
		}
		result := map[string]any{"Id": e.name()}
		if fields, ok := out.(map[string]string); ok {
			for name, value := range fields {
				result[name] = value
			}
		}
		successful = append(successful, result)
	}
	return map[string]any{"Successful": successful, "Failed": failed}, nil
}

func (s *Server) queue(queueURL string) (*queue, error) {
	if q := s.queues[queueURL[strings.LastIndex(queueURL, "/")+1:]]; q != nil {
		return q, nil
	}
	return nil, refuse("com.amazonaws.sqs#QueueDoesNotExist", "The specified queue does not exist.")
}

type sendIn struct {
	ID                string `json:"Id"`
	QueueURL          string `json:"QueueUrl"`
	MessageBody       string
	DelaySeconds      int
	MessageAttributes map[string]Attribute
}

func (in sendIn) name() string              { return in.ID }
func (in sendIn) on(queueURL string) sendIn { in.QueueURL = queueURL; return in }
func (in sendIn) has(text string) bool      { return strings.Contains(in.MessageBody, text) }

// operations are those of SQS.
type operations struct{ *Server }

func (s operations) send(in sendIn, trace string) (any, error) {
	q, err := s.queue(in.QueueURL)
	if err == nil {
		err = in.check(q)
	}
	if err != nil {
		return nil, err
	}
	delay := time.Duration(in.DelaySeconds) * time.Second
	m := &Message{ID: uuid(), Body: in.MessageBody, Attributes: in.MessageAttributes, trace: trace, sentAt: s.now(), VisibleAt: s.now().Add(delay)}
	q.messages = append(q.messages, m)
	s.wake()
	return map[string]string{"MessageId": m.ID, "MD5OfMessageBody": digest(m.Body)}, nil
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:]
}

func digest(body string) string {
	sum := md5.Sum([]byte(body)) //nolint:gosec // as SQS
	return hex.EncodeToString(sum[:])
}

// receive waits for messages as long poll does.
func (s operations) receive(ctx context.Context, body []byte) (any, error) {
	var in receiveIn
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	wait := time.Duration(in.WaitTimeSeconds) * time.Second
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		q, err := s.queue(in.QueueURL)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		taken, next := s.take(q, in)
		changed := s.changed
		s.mu.Unlock()
		if len(taken) > 0 || wait == 0 {
			return map[string]any{"Messages": taken}, nil
		}
		visible := time.NewTimer(next)
		select {
		case <-ctx.Done():
			visible.Stop()
			return nil, ctx.Err()
		case <-timeout.C:
			visible.Stop()
			return map[string]any{}, nil
		case <-changed:
		case <-visible.C:
		}
		visible.Stop()
	}
}

// visible returns the messages that can be received, and how long it is until the
// next becomes visible. A message that is too old is deleted.
func (q *queue) visible(now time.Time) ([]*Message, time.Duration) {
	next := time.Hour
	for q.Retention > 0 && len(q.messages) > 0 && now.Sub(q.messages[0].sentAt) > q.Retention {
		q.messages = q.messages[1:] // they stand in the order in which they were sent
	}
	var visible []*Message
	for _, m := range q.messages {
		if m.VisibleAt.After(now) {
			next = min(next, m.VisibleAt.Sub(now))
		} else {
			visible = append(visible, m)
		}
	}
	if q.shuffle != nil {
		q.shuffle(len(visible), func(i, j int) { visible[i], visible[j] = visible[j], visible[i] })
	}
	return visible, next
}

// take receives messages, and returns how long it is until the next becomes
// visible. A message that was received too often goes to the dead-letter queue.
func (s operations) take(q *queue, in receiveIn) ([]any, time.Duration) {
	now, most, invisible := s.now(), 1, q.VisibilityTimeout
	if in.MaxNumberOfMessages != nil {
		most = *in.MaxNumberOfMessages
	}
	if in.VisibilityTimeout != nil {
		invisible = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	var taken []any
	visible, next := q.visible(now)
	for _, m := range visible {
		if len(taken) == most {
			break
		}
		if dead := s.queues[q.DeadLetterQueue]; dead != nil && m.Receives >= q.MaxReceives {
			q.drop(m)
			m.Receives, m.source = 0, q.Name
			dead.messages = append(dead.messages, m)
			continue
		}
		m.Receives++
		m.Changes++
		m.receipt, m.receivedAt, m.VisibleAt = s.receipt(q, m), now, now.Add(invisible)
		taken = append(taken, map[string]any{
			"MessageId": m.ID, "ReceiptHandle": m.receipt, "Body": m.Body, "MD5OfBody": digest(m.Body),
			"Attributes": in.system(m), "MessageAttributes": in.attributes(m),
		})
	}
	return taken, next
}

func (q *queue) drop(m *Message) {
	q.messages = slices.DeleteFunc(q.messages, func(other *Message) bool { return other == m })
}

// move is a redrive, which takes a message's attributes along. It ends at the first
// message that its destination would refuse for its size: AWS does not say what a real
// task does with such a message, so the function must not make one. Without a
// destination a message goes back to the queue from which SQS moved it, and the task ends
// at the first message that was sent to the dead-letter queue instead:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/troubleshooting-dlq-redrive.html.
func (s operations) move(in struct {
	SourceArn      string
	DestinationArn string
},
) (any, error) {
	source, destination := s.byARN(in.SourceArn), s.byARN(in.DestinationArn)
	if source == nil || in.DestinationArn != "" && destination == nil {
		return nil, refuse("com.amazonaws.sqs#ResourceNotFoundException", "A queue of the task does not exist.")
	}
	for _, m := range slices.Clone(source.messages) {
		target := destination
		if target == nil {
			target = s.queues[m.source]
		}
		if target == nil {
			break // the task has failed: CouldNotDetermineMessageSource
		}
		if (sendIn{MessageBody: m.Body, MessageAttributes: m.Attributes}).check(target) != nil {
			break
		}
		source.drop(m)
		m.Receives, m.receipt, m.VisibleAt, m.sentAt = 0, "", s.now(), s.now()
		m.Changes, m.source = 0, ""
		target.messages = append(target.messages, m)
	}
	s.wake()
	return map[string]string{"TaskHandle": rand.Text()}, nil
}

func (s *Server) byARN(arn string) *queue { return s.queues[arn[strings.LastIndex(arn, ":")+1:]] }
