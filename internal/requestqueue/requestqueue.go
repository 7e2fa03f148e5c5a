// Package requestqueue is the SQS queue on which requests wait: those that
// can't be handled now and did not come from the queue are put there, and the
// messages of the queue itself are made to wait by their visibility timeout.
package requestqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
)

// MaxDelay is the longest DelaySeconds of SQS.
const MaxDelay = 15 * time.Minute

// MaxVisibility is the longest visibility timeout of SQS, less a margin for the
// time since the message was received: the limit counts from then.
const MaxVisibility = 12*time.Hour - 15*time.Minute

const (
	batchSize         = 10 // entries in one call, SQS's limit
	concurrentBatches = 5
)

// SQS is the part of the AWS client that a Queue uses.
type SQS interface {
	SendMessageBatch(context.Context, *sqs.SendMessageBatchInput, ...func(*sqs.Options)) (*sqs.SendMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(context.Context, *sqs.ChangeMessageVisibilityBatchInput, ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
}

// Queue is the request queue.
type Queue struct {
	sqs SQS
	url string
}

// New returns the Queue with the given URL.
func New(client SQS, url string) *Queue { return &Queue{sqs: client, url: url} }

// Is reports whether the queue has the given ARN, as far as the URL tells: its
// last path segment is the queue's name.
func (q *Queue) Is(arn string) bool {
	return arn[strings.LastIndex(arn, ":")+1:] == q.url[strings.LastIndex(q.url, "/")+1:]
}

// Waiting is a request and how long it is to wait, at most [MaxDelay].
type Waiting struct {
	Request event.Request
	Delay   time.Duration
}

// Send puts requests on the queue. The result has an error for each request
// that is not there, in the order of the requests; nil means durable. The error is a
// [*RefusedError] for a request that SQS will never take, and an [*UnavailableError] for
// one that may be sent again.
func (q *Queue) Send(ctx context.Context, requests []Waiting) []error {
	errs := make([]error, len(requests))
	entries := make([]types.SendMessageBatchRequestEntry, 0, len(requests))
	for i, w := range requests {
		body, err := json.Marshal(w.Request)
		if err != nil {
			errs[i] = &RefusedError{Message: err.Error()}
			continue
		}
		entry, err := message(i, body, w.Delay)
		if err != nil {
			errs[i] = err
			continue
		}
		entries = append(entries, entry)
	}
	var group errgroup.Group
	group.SetLimit(concurrentBatches)
	for batch := range batches(entries) {
		group.Go(func() error {
			q.sendAll(ctx, batch, errs)
			return nil
		})
	}
	_ = group.Wait() // each request carries its own error
	return errs
}

// SendSweep puts a sweep on the queue, to be delivered after the delay. Its errors are
// those of [Queue.Send].
func (q *Queue) SendSweep(ctx context.Context, sweep event.Sweep, delay time.Duration) error {
	body, err := json.Marshal(sweep)
	if err != nil {
		return err
	}
	entry, err := message(0, body, delay)
	if err != nil {
		return err
	}
	errs := make([]error, 1)
	q.sendAll(ctx, []types.SendMessageBatchRequestEntry{entry}, errs)
	return errs[0]
}

// message makes the message of a body, or a [*RefusedError] where the body is too long.
func message(place int, body []byte, delay time.Duration) (types.SendMessageBatchRequestEntry, error) {
	text := sqstext.JSON(body)
	if len(text) > sqstext.MaxRequest {
		return types.SendMessageBatchRequestEntry{}, &RefusedError{Message: fmt.Sprintf("it has %d bytes, more than %d", len(text), sqstext.MaxRequest)}
	}
	return types.SendMessageBatchRequestEntry{
		Id: new(strconv.Itoa(place)), MessageBody: &text, DelaySeconds: seconds(min(delay, MaxDelay)),
	}, nil
}

// batches cuts the entries so that each batch is within SQS's limits of count
// and size. The function's messages have no attributes, which would count, too.
func batches(entries []types.SendMessageBatchRequestEntry) func(func([]types.SendMessageBatchRequestEntry) bool) {
	return func(yield func([]types.SendMessageBatchRequestEntry) bool) {
		for len(entries) > 0 {
			n, size := 0, 0
			for n < min(batchSize, len(entries)) {
				size += len(*entries[n].MessageBody)
				if n > 0 && size > sqstext.MaxMessage {
					break
				}
				n++
			}
			if !yield(entries[:n]) {
				return
			}
			entries = entries[n:]
		}
	}
}

// sendAll sends one batch. Where SQS refuses the whole call for the content of its
// messages, each message is sent once more by itself, so that one bad message keeps no
// other from the queue. SQS has taken nothing of a call that it refuses.
func (q *Queue) sendAll(ctx context.Context, batch []types.SendMessageBatchRequestEntry, errs []error) {
	if refused := q.sendBatch(ctx, batch, errs); !refused || len(batch) == 1 {
		return
	}
	for i := range batch {
		q.sendBatch(ctx, batch[i:i+1], errs)
	}
}

// sendBatch sends one batch and writes the errors of its requests to their
// places in errs. An entry that the answer does not mention was not sent. The result
// reports whether SQS refused the whole call for its content.
func (q *Queue) sendBatch(ctx context.Context, batch []types.SendMessageBatchRequestEntry, errs []error) (refused bool) {
	out, err := q.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &q.url, Entries: batch})
	failure := refusedCall(err)
	refused = failure != nil
	switch {
	case refused:
	case err != nil:
		failure = &UnavailableError{err}
	default:
		failure = &UnavailableError{errors.New("the answer does not mention the message")}
	}
	failures := map[string]error{}
	for _, entry := range batch {
		failures[*entry.Id] = failure
	}
	if out != nil {
		for _, sent := range out.Successful {
			delete(failures, value(sent.Id))
		}
		for _, failed := range out.Failed {
			failures[value(failed.Id)] = failedEntry(failed)
		}
	}
	for _, entry := range batch {
		i, _ := strconv.Atoi(*entry.Id) // it is the request's place
		errs[i] = failures[*entry.Id]
	}
	return refused
}

// failedEntry returns the error of one message of a batch.
func failedEntry(failed types.BatchResultErrorEntry) error {
	if failed.SenderFault {
		if err := refusal(value(failed.Code), value(failed.Message)); err != nil {
			return err
		}
	}
	return &UnavailableError{fmt.Errorf("%s: %s", value(failed.Code), value(failed.Message))}
}

// Postponed is a received message and how long it is to stay invisible, at most
// [MaxVisibility].
type Postponed struct {
	ReceiptHandle string
	Delay         time.Duration
}

// Postpone sets the visibility timeout of received messages. A message whose
// time-out could not be set comes back when the queue's own has passed, so the
// error is for the log.
func (q *Queue) Postpone(ctx context.Context, messages []Postponed) error {
	var errs []error
	for batch := range slices.Chunk(messages, batchSize) {
		entries := make([]types.ChangeMessageVisibilityBatchRequestEntry, len(batch))
		for i, m := range batch {
			entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
				Id: new(strconv.Itoa(i)), ReceiptHandle: &m.ReceiptHandle,
				VisibilityTimeout: seconds(min(m.Delay, MaxVisibility)),
			}
		}
		out, err := q.sqs.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &q.url, Entries: entries})
		if err != nil {
			errs = append(errs, fmt.Errorf("change message visibility: %w", err))
			continue
		}
		for _, failed := range out.Failed {
			errs = append(errs, fmt.Errorf("change message visibility: %s: %s", value(failed.Code), value(failed.Message)))
		}
	}
	return errors.Join(errs...)
}

// seconds rounds up: a message must not come before its time.
func seconds(d time.Duration) int32 {
	return int32((max(d, 0) + time.Second - 1) / time.Second) //nolint:gosec // at most 12 hours
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
