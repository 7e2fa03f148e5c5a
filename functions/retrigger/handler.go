package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/internal/unrecognized"
)

// Handler takes every payload that Lambda delivers: SQS batches, events of
// EventBridge and requests by hand. It is safe for concurrent use.
type Handler struct {
	service     *retrigger.Service
	sweeper     *sweep.Sweeper
	accounts    *credentials.Store
	throttle    *throttle.Throttle
	requests    *requestqueue.Queue // nil where none is configured
	shapes      *unrecognized.Counter
	firstOf     sync.Mutex // held while a shape's dead letter of the hour is written
	metrics     *telemetry.Metrics
	log         *slog.Logger
	concurrency int
}

// answerTime is kept back from Lambda's deadline for the answer. Lambda kills an
// invocation that passes the deadline and delivers its whole batch again, finished
// messages included.
const answerTime = 500 * time.Millisecond

// sweepTime is how much of an invocation a sweep from the queue may take, or more where
// calls may take longer. Few environments work on the queue, and a sweep keeps one of them
// from requests that become due.
const sweepTime = 30 * time.Second

// delivery is one payload, or one message of a batch, and what became of it: of its
// items, of a sweep, or of a pause or resume.
type delivery struct {
	payload []byte
	items   []event.Item
	results []retrigger.Result // one for each item

	sweep        *event.Sweep
	sweepResult  sweep.Result
	pauseCommand *event.PauseCommand
	pauses       []throttle.Pause // those in force after a pause or resume
	fault        error            // why the delivery is to come again, beside the results
	// reasons are what metrics count of a delivery, beside those of its results and of
	// its sweep.
	reasons []retrigger.Reason

	asked time.Time // when what it asks for was asked for

	wasDeadLetter bool // the message has been a dead letter

	answered bool // we have decided whether the delivery's message comes again
}

// Answer is what a direct invocation returns.
type Answer struct {
	// Results are in the order of the payload's requests.
	Results []retrigger.Result `json:"results,omitempty"`
	// Sweep is what a sweep has done so far.
	Sweep *sweep.Report `json:"sweep,omitempty"`
	// Pauses are those in force after a pause or resume.
	Pauses *[]throttle.Pause `json:"pauses,omitempty"`
}

// Invoke implements [lambda.Handler]. For an SQS batch the answer is a partial
// batch response and an error means that nothing was done. Otherwise the answer
// is an [Answer], and an error means that Lambda is to deliver the event again:
// it could not be handled and could not be put on the request queue. The error of an
// event that is too large for a dead letter is for its sender.
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
		deliveries[i] = decode([]byte(record.Body), "message-"+record.MessageID)
		deliveries[i].wasDeadLetter = record.IsDeadLetter()
		deliveries[i].onQueue()
		if at := record.SentAt(); !at.IsZero() {
			deliveries[i].sent(at)
		}
		if deliveries[i].poison(record.ReceiveCount()) {
			h.giveUpPoison(ctx, &deliveries[i])
		}
	}
	b := batch{Handler: h, ctx: ctx, records: records, deliveries: deliveries, named: map[string]bool{}, answer: events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{}}}
	// Answer finished messages first: a waiting message needs its visibility timeout set
	// before a slow call holds up the batch.
	h.begin(deliveries)
	b.answerFinished((*delivery).done)
	brief, cancel := context.WithTimeout(ctx, max(sweepTime, 2*h.service.CallTimeout+sweepTime/3))
	defer cancel()
	waitForControl := h.startControl(brief, deliveries)
	h.work(ctx, deliveries)
	b.answerFinished((*delivery).done)
	waitForControl()
	b.answerFinished(func(*delivery) bool { return true })
	h.report(ctx, deliveries)
	return json.Marshal(b.answer)
}

// batch is an SQS batch on its way.
type batch struct {
	*Handler
	ctx        context.Context
	records    []event.SQSRecord
	deliveries []delivery
	named      map[string]bool // a message id goes into the answer once
	answer     events.SQSEventResponse
}

// answerFinished decides for deliveries whose work is done whether their messages come
// again, and when.
func (b *batch) answerFinished(which func(*delivery) bool) {
	var postponed []requestqueue.Postponed
	for i := range b.deliveries {
		d := &b.deliveries[i]
		if d.answered || !which(d) {
			continue
		}
		d.answered = true
		receives := b.records[i].ReceiveCount()
		if d.mixed() {
			b.deferReturned(b.ctx, d)
			b.deadLetterReturned(b.ctx, d)
		}
		if d.spent(receives) {
			if d.waited(receives) {
				b.deferReturned(b.ctx, d)
			}
			b.deadLetterReturned(b.ctx, d)
		}
		b.requeueCopy(b.ctx, d, receives, b.records[i].SentAt())
		if id := b.records[i].MessageID; d.comesAgain() && !b.named[id] {
			b.named[id] = true
			b.answer.BatchItemFailures = append(b.answer.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: id})
			if b.requests != nil && b.requests.Is(b.records[i].EventSourceARN) {
				postponed = append(postponed, requestqueue.Postponed{
					ReceiptHandle: b.records[i].ReceiptHandle, Delay: d.backoff(receives),
				})
			}
		}
	}
	if len(postponed) > 0 {
		b.postpone(b.ctx, postponed)
	}
}

func (h *Handler) direct(ctx context.Context, payload []byte) ([]byte, error) {
	name := rand.Text()
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		name = invocation.AwsRequestID // Lambda's own retries have the same
	}
	deliveries := []delivery{decode(payload, "invocation-"+name)}
	d := &deliveries[0]
	if err := d.httpFault(); err != nil {
		return nil, err
	}
	h.begin(deliveries)
	waitForControl := h.startControl(ctx, deliveries)
	h.work(ctx, deliveries)
	waitForControl()
	h.deferReturned(ctx, d)
	if d.mixed() {
		h.deadLetterReturned(ctx, d)
	}
	h.continueLater(ctx, d)
	h.report(ctx, deliveries)
	if n := d.returned(); n > 0 {
		return nil, d.refusal(n)
	}
	if d.fault != nil {
		return nil, fmt.Errorf("%w; deliver the event again", d.fault)
	}
	answer := Answer{Results: d.results}
	switch {
	case d.sweep != nil:
		answer.Sweep = &d.sweepResult.Report
	case d.pauseCommand != nil && len(d.results) == 0:
		answer.Pauses = &d.pauses
	}
	return json.Marshal(answer)
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

// refusal is the error of an invocation with returned results, of which there are so
// many. It is a [RedeliverError] if another delivery can help. Otherwise each of them is
// an event that can't be read and is too large for a dead letter: its sender must keep it.
func (d *delivery) refusal(returned int) error {
	for _, r := range d.results {
		if r.Outcome == retrigger.Returned && r.Reason != retrigger.Reason(event.TooLarge) {
			return &RedeliverError{Runs: returned, First: r}
		}
	}
	return errors.New(d.firstReturned().Message)
}

// decode never fails: input that can't be read is an item of its own. The name is
// the same whenever the payload is delivered again.
func decode(payload []byte, name string) delivery {
	d := delivery{payload: payload, asked: time.Now()}
	decoded, err := event.Decode(payload)
	switch {
	case err != nil:
		fault, ok := errors.AsType[*event.Error](err)
		if !ok {
			fault = &event.Error{Reason: event.Unreadable, Message: err.Error()}
		}
		d.items = []event.Item{{Err: fault}}
	case decoded.Sweep != nil:
		d.sweep = decoded.Sweep
		d.sweep.ID = cmp.Or(d.sweep.ID, name)
	case decoded.PauseCommand != nil:
		d.pauseCommand = decoded.PauseCommand
	default:
		d.items = decoded.Items
	}
	for i := range d.items {
		if req := d.items[i].Request; req != nil && req.Due.After(d.asked.Add(maxDue)) {
			d.items[i] = event.Item{Raw: d.items[i].Raw, Err: &event.Error{
				Reason: event.InvalidField, RunID: req.RunID, FlowID: req.FlowID, OrgID: req.OrgID,
				Message: fmt.Sprintf("origin.due is %s, more than 14 days ahead: leave origin out, or send a dead letter's body unchanged", req.Due.Format(time.RFC3339)),
			}}
		}
	}
	d.results = make([]retrigger.Result, len(d.items))
	return d
}

// maxDue is how far ahead a due time may be: no message lives longer.
const maxDue = 14 * 24 * time.Hour

// onQueue refuses a pause or a resume that came as a message. Whoever may send to the
// queue may ask for retries; only those who may invoke the function can stop it.
func (d *delivery) onQueue() {
	if d.pauseCommand == nil {
		return
	}
	word := "resume"
	if d.pauseCommand.Pause {
		word = "pause"
	}
	d.pauseCommand, d.results = nil, make([]retrigger.Result, 1)
	d.items = []event.Item{{Err: &event.Error{Reason: event.NotDirect, Message: fmt.Sprintf(
		"a %s is taken from a direct invocation alone, not from a queue: sam remote invoke RetriggerFunction --event '{%q:{}}'", word, word,
	)}}}
}

// httpFault returns the error for an HTTP request, and nil for any other payload. Any
// answer would reach the sender with status 200, as if the run were retried.
func (d *delivery) httpFault() error {
	if len(d.items) == 1 && d.items[0].Err != nil && d.items[0].Err.Reason == event.HTTPEvent {
		return d.items[0].Err
	}
	return nil
}

// sent tells when what the delivery asks for was sent. A clock that is ahead of ours
// must not make it wait. What has waited for more than a day counts as sent now: nobody
// expects a sweep to look at the day before it was sent, so long after.
func (d *delivery) sent(at time.Time) {
	if at.After(d.asked) {
		return
	}
	if d.asked.Sub(at) <= 24*time.Hour {
		d.asked = at
	}
	for _, item := range d.items {
		if item.Request != nil {
			item.Request.SentAt = at
		}
	}
}

// begin gives those items a result for which nobody must be asked.
func (h *Handler) begin(deliveries []delivery) {
	for i := range deliveries {
		d := &deliveries[i]
		for j, item := range d.items {
			switch {
			case d.results[j].Outcome != "":
			case item.Skip != nil:
				d.results[j] = retrigger.Skip(*item.Skip)
			case item.Request != nil:
				if early, ok := h.service.Early(*item.Request); ok {
					d.results[j] = early
				}
			}
		}
	}
}

// ofItems reports whether the delivery is of items, and neither a sweep nor a pause or
// resume.
func (d *delivery) ofItems() bool { return d.sweep == nil && d.pauseCommand == nil }

// done reports whether each item of a delivery of items has its result.
func (d *delivery) done() bool {
	return d.ofItems() && !slices.ContainsFunc(d.results, func(r retrigger.Result) bool { return r.Outcome == "" })
}

// startControl begins the work of control deliveries: sweeps, pauses and resumes. A sweep
// takes long, and must not take the place of requests. The returned function waits for the
// end of the work.
func (h *Handler) startControl(ctx context.Context, deliveries []delivery) (wait func()) {
	var group errgroup.Group
	for i := range deliveries {
		if d := &deliveries[i]; !d.ofItems() {
			group.Go(func() error {
				h.control(ctx, d)
				return nil
			})
		}
	}
	return func() { _ = group.Wait() } // every fault is in the delivery
}

// work gives every item its result that has none yet, concurrently within the limit.
func (h *Handler) work(ctx context.Context, deliveries []delivery) {
	var group errgroup.Group
	group.SetLimit(h.concurrency)
	for i := range deliveries {
		d := &deliveries[i]
		if !d.ofItems() {
			continue
		}
		for j, item := range d.items {
			if d.results[j].Outcome != "" {
				continue
			}
			group.Go(func() error {
				if item.Err != nil {
					d.results[j] = h.refuse(ctx, d.part(j), item.Err, d.wasDeadLetter)
				} else {
					d.results[j] = h.retry(ctx, *item.Request)
				}
				return nil
			})
		}
	}
	_ = group.Wait() // every fault is in a result
}

// refuse makes a dead letter of input that can't be read. Of Adobe's events without a
// run only the first of each shape in an hour becomes a dead letter, and the handler counts
// the others. A dead letter that was sent again becomes a dead letter again: it may be the
// only one of its shape.
func (h *Handler) refuse(ctx context.Context, payload []byte, fault *event.Error, wasDeadLetter bool) retrigger.Result {
	if fault.Shape == "" || wasDeadLetter {
		return h.service.Refuse(ctx, payload, fault)
	}
	seen, err := h.shapes.Seen(ctx, fault.Shape)
	if err == nil && !seen.Written { // the invocation's other events of the shape wait
		h.firstOf.Lock()
		defer h.firstOf.Unlock()
		seen, err = h.shapes.Seen(ctx, fault.Shape)
	}
	if err != nil { // seen twice is better than never
		h.log.WarnContext(ctx, "events without a run can't be counted", "error", err.Error())
		return h.service.Refuse(ctx, payload, fault)
	}
	counted := *fault
	if seen.Written {
		counted.Message = fmt.Sprintf("%s. Events of this shape so far: %d; one of this hour is on the dead-letter queue", fault.Message, seen.Count)
		h.count(ctx, fault.Shape, false)
		return retrigger.Counted(&counted)
	}
	counted.Message = fmt.Sprintf("%s. Events of this shape so far: %d; further ones of this hour are counted and logged", fault.Message, seen.Count)
	result := h.service.Refuse(ctx, payload, &counted)
	if result.Outcome == retrigger.DeadLettered {
		h.count(ctx, fault.Shape, true)
	}
	return result
}

func (h *Handler) count(ctx context.Context, shape string, written bool) {
	if err := h.shapes.Add(ctx, shape, written); err != nil {
		h.log.WarnContext(ctx, "an event without a run was not counted", "error", err.Error())
	}
}

func (h *Handler) retry(ctx context.Context, req event.Request) retrigger.Result {
	if !h.service.TimeFor(ctx) {
		return retrigger.Return(req, retrigger.Deadline, "the invocation had no time left to start this run")
	}
	return h.service.Retry(ctx, req)
}
