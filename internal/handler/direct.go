package handler

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/aep-retrigger/aep-retrigger/internal/dataflow"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// Answer is what a direct invocation returns.
type Answer struct {
	// Results are in the order of the payload's requests.
	Results []retry.Result `json:"results,omitempty"`
	// Sweep is what a sweep has done so far.
	Sweep *sweep.Report `json:"sweep,omitempty"`
	// Pauses are those in force after a pause or resume, and the answer to {"pauses":{}}.
	Pauses *[]throttle.Pause `json:"pauses,omitempty"`
	// Status is the answer to {"status":{}}.
	Status *status.Report `json:"status,omitempty"`
	// Connection is the answer to {"connections":{…}}.
	Connection *dataflow.Connection `json:"connection,omitempty"`
	// Message says what could not be checked. For example, whether Adobe knows a dataflow
	// that is paused.
	Message string `json:"message,omitempty"`
}

// direct answers an event or a request that did not come from a queue.
func (h *Handler) direct(ctx context.Context, payload []byte) ([]byte, error) {
	name := rand.Text()
	if invocation, ok := lambdacontext.FromContext(ctx); ok {
		name = invocation.AwsRequestID // Lambda's own retries have the same
	}
	deliveries := []delivery{decode(payload, "invocation-"+name)}
	d := &deliveries[0]
	d.name, d.byHand = name, true
	if err := d.httpFault(); err != nil {
		return nil, err
	}
	if err := d.misread(); err != nil { // who has written it is there to read it
		h.control.log.WarnContext(ctx, "a direct invocation has a mistake in it, and nothing was done", "error", err.Error())
		return nil, err
	}
	if err := h.control.unknownOrgs(ctx, d); err != nil {
		h.control.log.WarnContext(ctx, "a direct invocation names an org that has no secret, and nothing was done", "error", err.Error())
		return nil, err
	}
	h.worker.begin(deliveries)
	read := h.worker.read(ctx, deliveries) // before a pause or a sweep adds results of its own
	waitForControl := h.control.start(ctx, deliveries)
	h.worker.work(ctx, deliveries, read)
	waitForControl()
	if d.ofItems() {
		h.returns.requeue(ctx, d)
		if d.results.mixed() {
			h.returns.giveUp(ctx, d)
		}
	}
	h.control.continueLater(ctx, d)
	h.finish(ctx, deliveries)
	if d.mistake != nil {
		return nil, d.mistake
	}
	if n := d.results.returned(); n > 0 && d.command == nil {
		return nil, d.refusal(n)
	}
	if d.fault != nil {
		return nil, fmt.Errorf("%w; deliver the event again", d.fault)
	}
	return json.Marshal(d.answerOf())
}

// answerOf is what the invocation returns.
func (d *delivery) answerOf() Answer {
	answer := d.answer
	switch {
	case d.sweep != nil:
		answer.Sweep = &d.sweepResult.Report
	case d.pauseCommand != nil, d.command != nil && d.command.Name == event.ListPauses:
		if d.pauses == nil {
			d.pauses = []throttle.Pause{}
		}
		answer.Pauses = &d.pauses
	case d.command == nil:
		answer.Results = d.results
	}
	return answer
}

// RedeliverError asks Lambda to deliver the event again. Lambda does so twice
// for EventBridge and then hands the event to the on-failure destination; a
// person who invoked by hand sees it as it is.
type RedeliverError struct {
	// Runs is how many of the event's runs could not be handled.
	Runs int
	// First is the result of the first of them.
	First retry.Result
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
		if r.Outcome == retry.Returned && r.Reason != retry.Reason(event.TooLarge) {
			return &RedeliverError{Runs: returned, First: r}
		}
	}
	return errors.New(d.results.firstReturned().Message)
}
