package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// link records the run that a lost call has made.
//
// Rule 12: linking empties the slot or drops the kept call, makes the parent retriggered,
// and gives the child its place in the lineage.
func (w closer) link(s Step) *Result {
	child := w.facts.Search.Child
	if s.FromRun {
		child = w.facts.Entries.Run
	}
	ctx, cancel := w.recording()
	defer cancel()
	parent, err := w.ledger.Link(ctx, w.why.of(*w.facts.Parent), child, s.Call)
	switch {
	case conflicts(err):
		if conflict, ok := errors.AsType[*store.ConflictError](err); ok && !s.FromRun {
			if _, changed := conflict.Current[ledger.RunKey(child.OrgID, child.RunID)]; changed {
				w.facts.Search = Search{} // its entry is no longer as the search has read it
			}
		}
		return w.look(nil)
	case err != nil:
		return new(w.unavailable(err))
	}
	w.Log.InfoContext(w.ctx, "a run was linked to the re-trigger that made it", "runId", child.RunID, "root", parent.Run.Root, "parent", parent.Run.RunID)
	if s.Call.RunID == w.facts.Request.RunID { // it is what became of this request's run
		w.facts.Entries = parent
		return new(w.retriggered(parent.Run.Successor, Reconciled, "an earlier re-trigger without an answer had made this run"))
	}
	return w.look(nil)
}

// settle empties the slot of a lost call.
//
// Rule 14: settling neither deletes the message of the call's run nor writes its dead
// letter; the run's own delivery does.
func (w closer) settle(s Step) *Result {
	ctx, cancel := w.recording()
	defer cancel()
	_, err := w.ledger.Settle(ctx, w.why.of(*w.facts.Parent), s.To, string(s.Reason))
	if err != nil && !conflicts(err) {
		return new(w.unavailable(err))
	}
	w.Log.WarnContext(w.ctx, "a re-trigger without an answer has left no run that can be found", "runId", s.Call.RunID, "flowId", w.facts.Request.FlowID, "state", string(s.To), "detail", s.Detail)
	return w.look(nil)
}

// closeBreaker closes the breaker of the dataflow, whose failing episode ends with that. From
// then on the breaker counts anew, so that the answer of Flow Service counts no more.
func (w closer) closeBreaker() *Result {
	before := w.facts.Entries.Flow
	done, end := w.change(func(ctx context.Context) (ledger.Entries, error) { return w.ledger.CloseBreaker(ctx, w.facts.Entries) })
	if done {
		w.facts.Succeeded = NotAsked
		w.tell(before)
	}
	return end
}

// skip ends a request for which there is nothing to do, unless the ledger knows better.
func (w closer) skip(s Step) *Result {
	w.takeOver()
	done, end := w.change(func(ctx context.Context) (ledger.Entries, error) {
		return w.ledger.Note(ctx, w.why.of(w.facts.Entries), w.facts.By, ledger.Outcome{State: ledger.Skipped, Reason: string(s.Reason), SupersededBy: s.By})
	})
	if !done {
		return end
	}
	return new(w.result().skipped(s.Reason, s.Detail))
}

// wait puts the request on the request queue until it is due. A request that came from
// there does not go there a second time: its message is made to wait.
func (w closer) wait(s Step) *Result {
	f := &w.facts
	if f.Request.Now { // its message waits, and goes on waiting
		return new(w.result().became(Deferred, s.Reason, s.Detail+"; it goes on waiting"))
	}
	due := s.Due.UTC().Truncate(time.Millisecond)
	if f.waitsOnQueue() {
		done, end := w.change(func(ctx context.Context) (ledger.Entries, error) {
			return w.ledger.Note(ctx, w.why.of(w.facts.Entries), f.By, ledger.Outcome{State: ledger.Deferred, Reason: string(s.Reason), Due: due})
		})
		if !done {
			return end
		}
		result := w.result().returned(NotDue, s.Detail)
		result.Due = due
		return &result
	}
	if end := w.reserve(); end != nil || !w.reserved {
		return end
	}
	return new(w.enqueue(s, due, max(s.Due.Sub(w.Now()), s.After)))
}

// reserve makes the run's entry ours before a dead letter or a message is written for it:
// others wait. After a conflict the entry is not reserved, and the decision is made anew.
//
// Rule 18: reserve before a dead letter or a message is written, and note it afterwards.
func (w closer) reserve() (end *Result) {
	w.takeOver()
	w.reserved, end = w.change(func(ctx context.Context) (ledger.Entries, error) {
		return w.ledger.Reserve(ctx, w.facts.Entries, w.facts.By, w.until)
	})
	return end
}

// takeOver lets the run's entry have the sandbox of this request: an earlier one may have
// named another.
func (w closer) takeOver() { w.facts.Entries.Run.Sandbox = w.facts.Request.Sandbox }

// note ends a reservation. What can't be written is logged: the outcome itself is durable.
func (w closer) note(o ledger.Outcome) {
	if !w.reserved {
		return
	}
	w.reserved = false
	ctx, cancel := w.recording()
	defer cancel()
	var before ledger.Flow
	err := w.insist(ctx, func(e ledger.Entries) (ledger.Entries, error) {
		before = e.Flow
		return w.ledger.Note(ctx, e, w.facts.By, o)
	})
	if err != nil {
		w.Log.WarnContext(w.ctx, "the ledger does not have the outcome of a run", "runId", w.facts.Request.RunID, "state", string(o.State), "error", err.Error())
		return
	}
	w.tell(before)
}

// unreserve ends a reservation under which nothing could be written.
func (w closer) unreserve(reason Reason) {
	if !w.reserved {
		return
	}
	w.reserved = false
	ctx, cancel := w.recording()
	defer cancel()
	err := w.insist(ctx, func(e ledger.Entries) (ledger.Entries, error) {
		return w.ledger.Unreserve(ctx, e, w.facts.By, string(reason))
	})
	if err != nil {
		w.Log.WarnContext(w.ctx, "a reservation stands until it ends", "runId", w.facts.Request.RunID, "error", err.Error())
	}
}

// insist does an operation on a reserved run, again as long as only its dataflow's entry
// has changed meanwhile.
func (w closer) insist(ctx context.Context, op func(ledger.Entries) (ledger.Entries, error)) error {
	mine := w.facts.Entries.Run.ReservedBy
	for try := 0; ; try++ {
		after, err := op(w.why.of(w.facts.Entries))
		if err == nil {
			w.facts.Entries = after
			return nil
		}
		if !conflicts(err) || try == maxSteps {
			return err
		}
		fresh, failed := w.ledger.Load(ctx, w.ref())
		if failed != nil {
			return failed
		}
		if fresh.Run.ReservedBy != mine {
			return err // it ended, and another delivery took the run over
		}
		w.facts.Entries = fresh
	}
}

// errNoQueue means that nothing can wait.
var errNoQueue = errors.New("QUEUE_URL is not set")

// enqueue sends the reserved request to the request queue with its due time, to be
// delivered after the delay.
func (w closer) enqueue(s Step, due time.Time, delay time.Duration) Result {
	err := w.sendRequest(due, delay)
	switch {
	case errors.As(err, new(*requestqueue.RefusedError)):
		return w.writeDeadLetter(Step{Reason: Unsendable, Detail: fmt.Sprintf("%s, and it can't wait: %v", s.Detail, err)})
	case err != nil:
		w.unreserve(QueueUnavailable)
		return w.end(Step{Do: End, Outcome: Returned, Reason: QueueUnavailable, Detail: fmt.Sprintf("%s, and it could not be made to wait: %v", s.Detail, err), Fault: true})
	}
	w.note(ledger.Outcome{State: ledger.Deferred, Reason: string(s.Reason), Due: due})
	return w.result().became(Deferred, s.Reason, s.Detail)
}

func (w closer) sendRequest(due time.Time, delay time.Duration) error {
	if w.requests == nil {
		return errNoQueue
	}
	req := w.facts.Request
	req.Due, req.Requeues = due, req.Requeues+1
	ctx, cancel := w.recording()
	defer cancel()
	return w.requests.Send(ctx, []requestqueue.Waiting{{Request: req, Delay: delay}})[0]
}

// giveUp makes a dead letter of the request: reserve, write, note.
func (w closer) giveUp(s Step) *Result {
	f := &w.facts
	w.why.is(&w.facts, s)
	if f.dry() {
		return new(w.end(s))
	}
	state := f.Entries.Run.StateAt(w.Now())
	// Without an org there is no entry. A request without a sandbox says nothing of the run.
	// What becomes of a call that is under way or lost is recorded by whoever finds it out.
	if f.Request.OrgID != "" && f.Request.Sandbox != "" && state != ledger.InFlight && state != ledger.Unconfirmed {
		if end := w.reserve(); end != nil || !w.reserved {
			return end
		}
	}
	return new(w.writeDeadLetter(s))
}

func (w closer) writeDeadLetter(s Step) Result {
	w.why.is(&w.facts, s)
	run := &w.facts.Entries.Run
	req := w.facts.Request
	req.Due, req.Root, req.Parent, req.Attempts, req.Requeues = time.Time{}, rootOf(&w.facts), run.Parent, run.Used(), 0
	if req.Window.IsZero() {
		req.Window = run.Window
	}
	ctx, cancel := w.recording()
	err := w.writeLetter(ctx, w.reserved, deadletter.Message{
		Request: req, Reason: string(s.Reason), Detail: s.Detail, FirstTime: req.FirstSeen, LastTime: w.Now(),
		Code: cmp.Or(s.answer.code, req.Cause().Code), HTTPStatus: s.answer.status, AdobeRequestID: s.answer.requestID,
	})
	cancel()
	if err != nil {
		w.unreserve(DeadLetterQueueUnavailable)
		result := w.end(Step{Do: End, Outcome: Returned, Reason: DeadLetterQueueUnavailable, Detail: fmt.Sprintf("%v (was to be a dead letter: %s)", err, s.Detail)})
		if s.Reason == InternalError || s.Reason == QueueUnavailable {
			result.Also = append(result.Also, s.Reason)
		}
		return result
	}
	w.note(ledger.Outcome{State: ledger.DeadLettered, Reason: string(s.Reason), Exhausted: s.Exhausted, GivenUp: s.Reason.givesUp(), Breaker: w.Breaker})
	if flow := &w.facts.Entries.Flow; s.Exhausted && flow.BlockedUntil.After(w.Now()) {
		w.Log.WarnContext(w.ctx, "the breaker of a dataflow is open", "flowId", req.FlowID, "orgId", req.OrgID, "exhausted", flow.Exhausted, "until", flow.BlockedUntil)
	}
	result := w.result().became(DeadLettered, s.Reason, s.Detail)
	result.Attempt = req.Attempts
	return result
}

// countFault counts a failed delivery in the run's entry. Where the ledger can't be
// written, the queue's count of receives stands in.
//
// Rule 20: a delivery counts one fault at most, under its own name, and ten are a dead
// letter; waiting costs nothing.
func (w closer) countFault(s Step) int {
	f := &w.facts
	if f.Request.OrgID == "" || w.delivery.Name == "" {
		return 0
	}
	ctx, cancel := w.recording()
	defer cancel()
	for range 3 {
		after, err := w.ledger.CountFault(ctx, w.why.of(w.facts.Entries), f.By, w.delivery.Name, string(s.Reason))
		if err == nil {
			f.Entries = after
			return after.Run.Faults
		}
		if !conflicts(err) {
			return 0
		}
		if f.Entries, err = w.ledger.Load(ctx, w.ref()); err != nil {
			return 0
		}
	}
	return 0
}

// tryReserve reserves the run if nobody else has it: a message that is put on the queue
// without is one more delivery, which the ledger's entries decide on. is means that the run
// has come to its end meanwhile. A message that is put on the queue after that would ask for
// it anew.
func (w closer) tryReserve() (step Step, is bool) {
	ctx, cancel := w.recording()
	defer cancel()
	for range 3 {
		after, err := w.ledger.Reserve(ctx, w.facts.Entries, w.facts.By, w.until)
		if err == nil {
			w.facts.Entries, w.reserved = after, true
			return Step{}, false
		}
		if !conflicts(err) || w.look(nil) != nil {
			return Step{}, false
		}
		if step, is = w.ended(); is {
			return step, step.Outcome != Returned && step.Outcome != Deferred
		}
	}
	return Step{}, false
}
