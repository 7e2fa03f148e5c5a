package retry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
)

// GiveUp makes a dead letter of a returned request that can't be delivered again.
func (e *Engine) GiveUp(ctx context.Context, r Result) Result {
	w := e.resume(ctx, r)
	defer w.cancel()
	if was := w.facts.Entries; r.facts.Entries.Run.RunID != "" && w.facts.Request.OrgID != "" { // what the delivery has read may be old by now
		if end := w.look(nil); end != nil {
			w.facts.Entries = was
		}
	}
	if step, is := w.ended(); is && step.Outcome != Returned {
		return w.end(step)
	}
	for range maxSteps {
		if end := (closer{w}).giveUp(Step{Do: DeadLetter, Reason: r.Reason, Rule: r.Reason.rule(), Detail: r.Message, answer: r.answer}); end != nil {
			end.Extra, end.Also = r.Extra, append(end.Also, r.Also...)
			return *end
		}
		if step, is := w.ended(); is {
			return w.end(step)
		}
	}
	return r
}

// ended reports whether another delivery has dealt with the request's run, or works on it.
func (w *attempt) ended() (step Step, is bool) {
	for _, ask := range []func(*Facts, *Rules, time.Time) (Step, bool){isItWorkedOn, isItAnsweredFor} {
		if step, is = ask(&w.facts, &w.Rules, w.Now()); is {
			return step, true
		}
	}
	return Step{}, false
}

// Requeue puts a returned request on the request queue, to be delivered after the delay.
// Where that fails the result says so and stays returned. A request that SQS refuses
// becomes a dead letter.
func (e *Engine) Requeue(ctx context.Context, r Result, delay time.Duration) Result {
	w := e.resume(ctx, r)
	defer w.cancel()
	if w.facts.dry() {
		return w.facts.wouldBeReturned(r)
	}
	if step, is := w.ended(); is && step.Outcome != Returned {
		return w.end(step)
	}
	w.why.is(&w.facts, Step{Reason: r.Reason, Detail: r.Message, answer: r.answer})
	due := e.Now().UTC().Truncate(time.Millisecond)  // it may be handled at any time, and SQS delays it
	if delay > requestqueue.MaxDelay || r.Released { // what a pause has kept goes in order
		due = due.Add(delay)
	}
	if w.facts.Entries.Run.State != ledger.InFlight && r.OrgID != "" {
		if step, is := (closer{w}).tryReserve(); is {
			return w.end(step)
		}
	}
	err := closer{w}.sendRequest(due, delay)
	switch {
	case errors.As(err, new(*requestqueue.RefusedError)):
		result := closer{w}.writeDeadLetter(Step{Reason: Unsendable, Detail: fmt.Sprintf("%s, and it can't wait: %v", r.Message, err)})
		result.Extra, result.Also = r.Extra, append(result.Also, r.Also...)
		return result
	case err != nil:
		closer{w}.unreserve(r.Reason)
		r.Message = fmt.Sprintf("%s (and it could not be deferred: %v)", r.Message, err)
		r.Also = append(r.Also, QueueUnavailable)
		return r
	}
	closer{w}.note(ledger.Outcome{State: ledger.Deferred, Reason: string(r.Reason), Due: due})
	r.Outcome = Deferred
	return r
}

// resume goes on with a returned request, with what was learned of its run.
func (e *Engine) resume(ctx context.Context, r Result) *attempt {
	w := e.attempt(ctx, r.facts.Request, Delivery{})
	if r.facts.Entries.Run.RunID != "" {
		w.facts = r.facts
	} else if r.facts.Request.OrgID != "" { // it was returned before anything was read
		w.look(nil)
	}
	return w
}

// Refuse settles input, or a part of it, that can't be read as a request. Input that is
// too large for a dead letter is returned as too_large: its sender must keep it.
func (e *Engine) Refuse(ctx context.Context, payload []byte, fault *event.Error) Result {
	result := Counted(fault)
	now := e.Now()
	w := e.attempt(ctx, event.Request{}, Delivery{})
	defer w.cancel()
	record, cancel := w.recording()
	defer cancel()
	err := e.writeLetter(record, false, deadletter.Message{
		Payload: payload, Reason: string(fault.Reason), Detail: fault.Message, FirstTime: now, LastTime: now,
	})
	switch {
	case errors.As(err, new(*deadletter.TooLargeError)):
		result = result.returned(Reason(event.TooLarge), fmt.Sprintf("%v (it was to be a dead letter: %s)", err, fault.Message))
	case err != nil:
		result = result.returned(DeadLetterQueueUnavailable, fmt.Sprintf("%v (was to be a dead letter: %s)", err, fault.Message))
		if fault.Reason == event.Unrecognized {
			result.Also = append(result.Also, Reason(event.Unrecognized))
		}
	}
	return result
}

// Counted is the result of input that can't be read, of which another dead letter tells.
func Counted(fault *event.Error) Result {
	return Result{
		RunID: fault.RunID, FlowID: fault.FlowID, OrgID: fault.OrgID,
		Outcome: DeadLettered, Reason: Reason(fault.Reason), Message: fault.Message,
	}
}

// rule is the number of the rule by which a message is given up for the reason.
func (r Reason) rule() int {
	switch r {
	case NeverFinished:
		return 22
	case WaitedTooLong:
		return 21
	}
	return 20
}
