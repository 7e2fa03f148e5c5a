package retrigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// asking bounds a call of the ledger before anything is sent.
func (w *work) asking() (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.ctx, ledgerTime)
}

// settling bounds what records an outcome: it has the time that is kept back for
// it, even where the time for the work is over.
func (w *work) settling() (context.Context, context.CancelFunc) {
	end := w.Now().Add(writeTime)
	if last := w.until.Add(-time.Second / 4); last.Before(end) {
		end = last
	}
	return context.WithDeadline(context.WithoutCancel(w.ctx), end)
}

// change runs an operation of the ledger before anything is sent. It returns a
// result where the ledger can't be asked. After a conflict there is no result,
// and the view is what the ledger has.
func (w *work) change(got holding, op func(context.Context, ledger.View) (ledger.View, error)) *Result {
	ctx, cancel := w.asking()
	defer cancel()
	v, err := op(ctx, w.view)
	w.held = nothing
	switch {
	case err == nil:
		w.view, w.held = v, got
	case conflicts(err):
		w.view = v
	default:
		return new(w.result().returned(LedgerUnavailable, err.Error()+"; nothing was sent"))
	}
	return nil
}

// insist runs an operation on the claimed run, again as long as nothing but what
// the run shares with others of its dataflow has changed.
func (w *work) insist(ctx context.Context, op func(context.Context, ledger.View) (ledger.View, error)) (ledger.View, error) {
	mine := w.view.Run.ClaimID
	v, err := op(ctx, w.view)
	for range maxRounds {
		if !conflicts(err) || v.Run.ClaimID != mine {
			break
		}
		v, err = op(ctx, v)
	}
	return v, err
}

// conflicts reports whether the ledger has something else than was believed.
func conflicts(err error) bool { return errors.As(err, new(*store.ConflictError)) }

// claim claims the run for a re-trigger, or makes the request wait where a budget
// is used up.
func (w *work) claim() *Result {
	var v ledger.View
	var failed error
	end := w.change(claim, func(ctx context.Context, believed ledger.View) (ledger.View, error) {
		v, failed = w.ledger.Claim(ctx, believed, w.until, w.req.Force)
		return v, failed
	})
	spent, overspent := errors.AsType[*ledger.BudgetError](failed)
	switch {
	case overspent:
		due := spent.Next(w.req.RunID, w.req.FirstSeen)
		return w.wait(due, due.Sub(w.Now()), BudgetSpent, spent.Error())
	case errors.Is(failed, ledger.ErrFlowFull):
		return new(w.result().returned(FlowBusy, failed.Error()))
	case errors.As(failed, new(*store.UnavailableError)):
		w.unclaim(v)
	}
	return end
}

// unclaim takes back a claim of which it is not known whether it was written: nothing
// is sent under it. Where that fails, too, it expires, and its attempt counts.
func (w *work) unclaim(v ledger.View) {
	ctx, cancel := w.settling()
	defer cancel()
	if _, err := w.ledger.Release(ctx, v, ledger.Returned, string(LedgerUnavailable)); err != nil && !conflicts(err) {
		w.Log.WarnContext(ctx, "a claim may stand under which nothing was sent", "runId", w.req.RunID, "error", err.Error())
	}
}

// hold makes the run's entry ours while something else than a re-trigger is done.
func (w *work) hold() *Result {
	return w.change(hold, func(ctx context.Context, v ledger.View) (ledger.View, error) {
		return w.ledger.Hold(ctx, v, w.until)
	})
}

// note writes an outcome to the ledger, where the entry is ours to write. What
// can't be written is logged: the outcome itself is durable.
func (w *work) note(state ledger.State, reason Reason, due time.Time) {
	if w.view.Run.OrgID == "" || w.othersEntry(state) {
		return
	}
	ctx, cancel := w.settling()
	defer cancel()
	err := w.settle(ctx, state, reason, due)
	w.held = nothing
	if err != nil {
		w.Log.WarnContext(w.ctx, "the ledger does not have the outcome of a run", "runId", w.req.RunID, "state", string(state), "error", err.Error())
	}
}

// othersEntry reports whether the entry must stay as it is: another delivery has
// claimed the run, or what was sent is yet to be looked up. A run that is given up
// is noted as soon as nobody works on it.
func (w *work) othersEntry(state ledger.State) bool {
	run := &w.view.Run
	if w.held == claim || w.held == hold || run.State != ledger.Claimed && run.State != ledger.Held {
		return false
	}
	return state != ledger.DeadLettered || w.held == nothing && w.Now().Before(run.ClaimUntil)
}

func (w *work) settle(ctx context.Context, state ledger.State, reason Reason, due time.Time) (err error) {
	mine := w.view.Run.ClaimID
	for range maxRounds {
		if w.held == claim {
			w.view, err = w.ledger.Release(ctx, w.view, state, string(reason))
		} else {
			w.view, err = w.noteOnce(ctx, state, reason, due)
		}
		if !conflicts(err) {
			return err
		}
		run := &w.view.Run
		switch {
		case w.held != nothing && run.ClaimID == mine: // only lineage or dataflow differ
		case w.held != nothing:
			return err // it ran out, and another delivery took the run over
		case run.State == ledger.Retriggered, run.State == ledger.Claimed, run.State == ledger.Held, run.State == ledger.Deferred && due.IsZero():
			return nil // another delivery stands for the run
		}
	}
	return err
}

// noteOnce writes an outcome, and counts an exhausted lineage for the breaker.
func (w *work) noteOnce(ctx context.Context, state ledger.State, reason Reason, due time.Time) (ledger.View, error) {
	w.describe()
	if state != ledger.DeadLettered || reason != AttemptsExhausted {
		return w.ledger.Note(ctx, w.view, state, string(reason), due)
	}
	var restart bool
	var blocked time.Time
	if count := w.view.Flow.Exhausted + 1; w.BreakerThreshold > 0 && count >= w.BreakerThreshold && !w.view.Lineage.Exhausted {
		if count > 1 {
			restart, _ = w.succeededSince(w.view.Flow.Since) // the letter is written: what can't be found out has not been
		}
		if !restart {
			blocked = w.Now().Add(w.BreakerCooldown)
			w.Log.WarnContext(ctx, "the breaker of a dataflow opens", "flowId", w.req.FlowID, "orgId", w.req.OrgID, "exhausted", count, "until", blocked)
		}
	}
	return w.ledger.Exhausted(ctx, w.view, string(reason), restart, blocked)
}

// skip ends a request for which there is nothing to do, unless the ledger knows
// better.
func (w *work) skip(reason Reason, message string) *Result {
	end := w.change(hold, func(ctx context.Context, v ledger.View) (ledger.View, error) {
		return w.ledger.Note(ctx, v, ledger.Skipped, string(reason), time.Time{})
	})
	if end != nil || w.held == nothing {
		return end
	}
	w.held = nothing
	return new(w.result().skipped(reason, message))
}

// end notes an outcome for which nothing else is to be done.
func (w *work) end(state ledger.State, reason Reason, message string) *Result {
	w.note(state, reason, time.Time{})
	return new(w.result().became(Outcome(state), reason, message))
}

// back returns the request: nothing was sent, or nothing took effect.
func (w *work) back(reason Reason, message string) Result {
	if w.held == claim || w.held == hold {
		w.note(ledger.Returned, reason, time.Time{})
	}
	return w.result().returned(reason, message)
}

// expiring returns a request whose claim must stand until it expires.
func (w *work) expiring(reason Reason, message string) Result {
	result := w.result().returned(reason, message)
	result.RetryAfter = w.view.Run.ClaimUntil.Add(w.ReconcileAfter).Sub(w.Now())
	return result
}

// wait puts the request on the request queue until it is due, to be delivered after
// the delay. A request that came from there does not go there a second time: its
// message is made to wait.
func (w *work) wait(due time.Time, delay time.Duration, reason Reason, message string) *Result {
	due = due.UTC().Truncate(time.Millisecond)
	if !w.req.Due.IsZero() {
		if end := w.change(nothing, func(ctx context.Context, v ledger.View) (ledger.View, error) {
			return w.ledger.Note(ctx, v, ledger.Deferred, string(reason), due)
		}); end != nil || !w.view.Run.Due.Equal(due) {
			return end
		}
		return new(w.waiting(due, NotDue, message))
	}
	if end := w.hold(); end != nil || w.held == nothing {
		return end
	}
	err := w.enqueue(due, delay)
	switch {
	case errors.As(err, new(*requestqueue.RefusedError)):
		return new(w.giveUp(unsendable(message, err)))
	case err != nil:
		return new(w.back(QueueUnavailable, fmt.Sprintf("%s, and it could not be made to wait: %v", message, err)))
	}
	w.note(ledger.Deferred, reason, due)
	return new(w.result().became(Deferred, reason, message))
}

// unsendable is why a request is given up that must wait and can't, as SQS refuses its
// content on the request queue.
func unsendable(message string, err error) verdict {
	return verdict{reason: Unsendable, message: fmt.Sprintf("%s, and it can't wait: %v", message, err)}
}

// waiting returns a message of our own that is to wait on.
func (w *work) waiting(due time.Time, reason Reason, message string) Result {
	result := w.result().returned(reason, message)
	result.Due = due
	return result
}

// errNoQueue means that nothing can wait.
var errNoQueue = errors.New("QUEUE_URL is not set")

// enqueue sends the request to the request queue with its due time, to be
// delivered after the delay.
func (w *work) enqueue(due time.Time, delay time.Duration) error {
	if w.requests == nil {
		return errNoQueue
	}
	req := w.req
	req.Due, req.Root, req.Parent = due, w.view.Run.Root, w.view.Run.Parent
	req.Attempts, req.Forgiven, req.Requeues = w.view.Run.Attempt, w.view.Run.Forgiven, req.Requeues+1
	ctx, cancel := w.settling()
	defer cancel()
	return w.requests.Send(ctx, []requestqueue.Waiting{{Request: req, Delay: delay}})[0]
}

// giveUp makes a dead letter of the request.
func (w *work) giveUp(v verdict) Result {
	if w.req.DryRun {
		return w.result().skipped(DryRun, fmt.Sprintf("would be dead-lettered (%s): %s", v.reason, v.message))
	}
	req := w.req
	req.Due, req.Root, req.Parent = time.Time{}, w.root(), w.view.Run.Parent
	req.Attempts, req.Forgiven, req.Requeues = w.view.Lineage.Attempts, 0, 0
	if w.held == claim {
		req.Attempts-- // it took no effect
	}
	err := w.send(deadletter.Message{
		Request: req, Reason: string(v.reason), Detail: v.message, FirstTime: req.FirstSeen, LastTime: w.Now(),
		Code: cmp.Or(v.answer.code, req.Cause().Code), HTTPStatus: v.answer.status, AdobeRequestID: v.answer.requestID,
	})
	if err != nil {
		result := w.back(DeadLetterQueueUnavailable, fmt.Sprintf("%v (was to be a dead letter: %s)", err, v.message))
		if v.reason == InternalError || v.reason == QueueUnavailable {
			result.Also = append(result.Also, v.reason)
		}
		return result
	}
	w.note(ledger.DeadLettered, v.reason, time.Time{})
	result := w.result().became(DeadLettered, v.reason, v.message)
	result.Attempt = req.Attempts
	return result
}

func (w *work) send(l deadletter.Message) error {
	ctx, cancel := w.settling()
	defer cancel()
	return w.deadLetters.Send(ctx, l)
}

// result names the request.
func (w *work) result() Result {
	result := newResult(w.req)
	result.Root, result.view, result.held = w.root(), w.view, w.held
	if result.FlowName == "" {
		result.FlowName = w.view.Run.FlowName
	}
	if result.ErrorCode == "" && result.ErrorText == "" {
		result.ErrorCode, result.ErrorText = w.view.Run.ErrorCode, w.view.Run.ErrorText
	}
	return result
}

// describe puts into the run's entry what people want to know of it.
func (w *work) describe() {
	run, cause := &w.view.Run, w.req.Cause()
	if w.raw || w.run != nil { // otherwise it is a message's origin, which may be forged
		run.Told = w.req.Fingerprint()
	}
	if w.req.FlowName != "" {
		run.FlowName = w.req.FlowName
	}
	if cause != (event.RunError{}) {
		run.ErrorCode, run.ErrorText = cause.Code, cause.Message
	}
}

// root is the lineage's first run where the ledger knows the run.
func (w *work) root() string {
	if w.view.Run.State == ledger.Unknown {
		return ""
	}
	return w.view.Run.Root
}

// remade answers that the view's run was re-triggered, as the new run.
func (w *work) remade(newRunID string, reason Reason, message string) Result {
	result := w.result().became(Retriggered, reason, message)
	result.NewRunID, result.Attempt = newRunID, w.view.Lineage.Attempts
	return result
}

// duplicate answers with what became of the run by another request.
func (w *work) duplicate(outcome Outcome) Result {
	run := &w.view.Run
	result := w.result().became(outcome, ReasonDuplicate, "another request stands for this run")
	result.NewRunID = run.NewRunID
	if run.Reason != "" {
		result.Message += ": " + run.Reason
	}
	if outcome == Retriggered {
		result.Attempt = run.Attempt + run.Sends
	}
	return result
}
