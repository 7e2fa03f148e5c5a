package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

// Handler takes every payload that Lambda delivers: SQS batches, events of
// EventBridge and requests by hand. It is safe for concurrent use.
type Handler struct {
	service     *retrigger.Service
	requests    *requestqueue.Queue // nil where none is configured
	metrics     *telemetry.Metrics
	log         *slog.Logger
	concurrency int
}

// answerTime is kept back from Lambda's deadline for the answer. An invocation
// that passes the deadline is killed and its whole batch delivered again, what was
// done with it included.
const answerTime = 500 * time.Millisecond

// delivery is one payload, or one message of a batch, and what became of its
// items.
type delivery struct {
	payload []byte
	items   []event.Item
	results []retrigger.Result // one for each item
}

// Answer is what a direct invocation returns.
type Answer struct {
	// Results are in the order of the payload's requests.
	Results []retrigger.Result `json:"results"`
}

// Invoke implements [lambda.Handler]. For an SQS batch the answer is a partial
// batch response and an error means that nothing was done. Otherwise the answer
// is an [Answer], and an error means that Lambda is to deliver the event again:
// it could not be handled and could not be put on the request queue.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerTime))
		defer cancel()
	}
	records, isBatch, err := event.SQSRecords(payload)
	switch {
	case err != nil:
		return nil, err
	case isBatch:
		return h.batch(ctx, records)
	default:
		return h.direct(ctx, payload)
	}
}

func (h *Handler) batch(ctx context.Context, records []event.SQSRecord) ([]byte, error) {
	deliveries := make([]delivery, len(records))
	for i, record := range records {
		deliveries[i] = decode([]byte(record.Body))
	}
	h.work(ctx, deliveries)

	answer := events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}
	var postponed []requestqueue.Postponed
	named := map[string]bool{} // a message id goes into the answer once
	for i := range deliveries {
		d := &deliveries[i]
		receives := records[i].ReceiveCount()
		if d.mixed() {
			h.deferReturned(ctx, d)
			h.deadLetterReturned(ctx, d)
		}
		if d.spent(receives) {
			h.deadLetterReturned(ctx, d)
		}
		if id := records[i].MessageID; d.returned() > 0 && !named[id] {
			named[id] = true
			answer.BatchItemFailures = append(answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
			if h.requests != nil && h.requests.Is(records[i].EventSourceARN) {
				postponed = append(postponed, requestqueue.Postponed{
					ReceiptHandle: records[i].ReceiptHandle, Delay: d.backoff(receives),
				})
			}
		}
	}
	if err := h.postpone(ctx, postponed); err != nil {
		h.log.WarnContext(ctx, "returned messages come back after the queue's own visibility timeout", "error", err.Error())
	}
	h.report(ctx, deliveries)
	return json.Marshal(answer)
}

func (h *Handler) postpone(ctx context.Context, messages []requestqueue.Postponed) error {
	if len(messages) == 0 {
		return nil
	}
	return h.requests.Postpone(ctx, messages)
}

func (h *Handler) direct(ctx context.Context, payload []byte) ([]byte, error) {
	deliveries := []delivery{decode(payload)}
	d := &deliveries[0]
	h.work(ctx, deliveries)
	h.deferReturned(ctx, d)
	if d.mixed() {
		h.deadLetterReturned(ctx, d)
	}
	h.report(ctx, deliveries)
	if n := d.returned(); n > 0 {
		return nil, &RedeliverError{Runs: n, First: d.firstReturned()}
	}
	return json.Marshal(Answer{Results: d.results})
}

// RedeliverError asks Lambda to deliver the event again. Lambda does so twice
// for EventBridge and then hands the event to the on-failure destination; a
// person who invoked by hand sees it as it is.
type RedeliverError struct {
	// Runs is how many of the event's runs could not be handled.
	Runs int
	// First is the result of the first of them.
	First retrigger.Result
}

// Error says which run, why, and what happens next.
func (e *RedeliverError) Error() string {
	return fmt.Sprintf("run %q (%d in all) could not be handled now (%s): %s; deliver the event again", e.First.RunID, e.Runs, e.First.Reason, e.First.Message)
}

// decode never fails: input that can't be read is an item of its own.
func decode(payload []byte) delivery {
	d := delivery{payload: payload}
	decoded, err := event.Decode(payload)
	switch {
	case err != nil:
		fault, ok := errors.AsType[*event.Error](err)
		if !ok {
			fault = &event.Error{Reason: event.Unreadable, Message: err.Error()}
		}
		d.items = []event.Item{{Err: fault}}
	case decoded.Sweep != nil:
		d.items = []event.Item{{Skip: &event.Skip{
			Reason: event.SweepUnsupported, Detail: "this version retries the runs it is told of and can't look for failed runs yet",
		}}}
	default:
		d.items = decoded.Items
	}
	d.results = make([]retrigger.Result, len(d.items))
	return d
}

// work gives every item its result, concurrently within the limit.
func (h *Handler) work(ctx context.Context, deliveries []delivery) {
	var group errgroup.Group
	group.SetLimit(h.concurrency)
	for i := range deliveries {
		d := &deliveries[i]
		for j, item := range d.items {
			if item.Skip != nil {
				d.results[j] = retrigger.Skip(*item.Skip)
				continue
			}
			group.Go(func() error {
				if item.Err != nil {
					d.results[j] = h.service.Refuse(ctx, d.part(j), item.Err)
				} else {
					d.results[j] = h.retry(ctx, *item.Request)
				}
				return nil
			})
		}
	}
	_ = group.Wait() // every fault is in a result
}

func (h *Handler) retry(ctx context.Context, req event.Request) retrigger.Result {
	if !h.service.TimeFor(ctx) {
		return retrigger.Return(req, retrigger.Deadline, "the invocation had no time left to start this run")
	}
	return h.service.Retry(ctx, req)
}
