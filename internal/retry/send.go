package retry

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// send claims the run, calls Flow Service and records the answer. It is the only caller of
// [flowclient.Client.Retrigger], and each answer is recorded: the call has made a run
// (Confirm), had no effect (Release), or nobody knows (MarkUnconfirmed).
//
// Rule 4: the run is claimed only with an empty slot, with attempts left and with the
// credential at hand; the claim lasts until the invocation's deadline.
func (w caller) send() *Result {
	f := &w.facts
	account, fault := w.authorized()
	switch {
	case fault != nil:
		return w.apply(unsent(fault))
	case !w.timeToCall():
		return w.apply(Step{Do: End, Outcome: Returned, Reason: Deadline, Detail: flowclient.ErrNoTime.Error(), Fault: true})
	}
	if end := w.claimInBudget(account.ClientID); end != nil || !w.claimed.Valid() {
		return end
	}
	if f.Entries.Run.Parent != "" && f.Request.CreatedClient != "" && f.Request.CreatedClient != account.ClientID {
		w.Log.WarnContext(w.ctx, "Adobe names another client than ours as the creator of a run that our re-trigger made: the runs that lost re-triggers made can't be found",
			"runId", f.Request.RunID, "createdClient", f.Request.CreatedClient)
	}
	if w.extra {
		w.Log.WarnContext(w.ctx, "an earlier re-trigger of this run left no trace: one more is sent", "runId", f.Request.RunID, "flowId", f.Request.FlowID, "sends", f.Entries.Run.Sends)
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	beside.Go(w.pulse)
	made, err := w.retrigger(account)
	return w.record(made, err)
}

// retrigger makes the call, and once more with a renewed credential if the first one is
// refused.
//
// Rule 6: a credential that was renewed after the claim first writes its client id into the
// slot and the run; if that fails, the claim is released and nothing is sent.
func (w caller) retrigger(account *credentials.Account) (flowclient.Retriggered, error) {
	for renewed := false; ; renewed = true {
		if !w.timeToCall() {
			return flowclient.Retriggered{}, flowclient.ErrNoTime
		}
		made, err := w.post(w.claimed, account.Client)
		if !refused(err) {
			return made, err
		}
		next, failed := w.accounts.Renew(w.ctx, account, err)
		switch {
		case failed != nil:
			return flowclient.Retriggered{}, &accountError{failed}
		case renewed:
			return flowclient.Retriggered{}, refusedAgain(err)
		}
		if next.ClientID != account.ClientID {
			ctx, cancel := w.asking()
			claimed, after, err := w.ledger.ChangeClient(ctx, w.claimed, w.facts.Entries, next.ClientID)
			cancel()
			if err != nil {
				return flowclient.Retriggered{}, &unclaimedError{err}
			}
			w.claimed, w.facts.Entries = claimed, after
		}
		account = next
		w.account = func() (*credentials.Account, error) { return next, nil }
		if err := account.Client.Authorize(w.ctx); err != nil {
			return flowclient.Retriggered{}, err
		}
	}
}

// unclaimedError means that nothing was sent with a renewed credential, since the ledger
// did not take its client id.
type unclaimedError struct{ err error }

func (e *unclaimedError) Error() string { return e.err.Error() + "; nothing was sent" }

// errUnclaimed means a defect: a call without a claim.
var errUnclaimed = errors.New("a re-trigger without a claim was not sent")

// post sends the one call that can't be repeated, for a claim.
func (w caller) post(claim ledger.Claim, client *flowclient.Client) (flowclient.Retriggered, error) {
	if !claim.Valid() {
		return flowclient.Retriggered{}, errUnclaimed
	}
	w.sending = true
	return client.Retrigger(w.ctx, claim.Call().Sandbox, claim.Call().RunID)
}

// claimInBudget claims the run and takes one re-trigger of the org's budget, both at once: each
// is a call of the table. Without an end and without a claim the decision is made anew.
//
// Rule 23: the look knows whether the budget is spent. Where another process, or another run of
// the batch, has taken the last of it meanwhile, the claim is released before anything is sent. A
// request without a batch, such as that of a person for a run that waits, was not looked at so:
// it takes the budget first, and where there is none the run's entry stays as it is.
func (w caller) claimInBudget(clientID string) *Result {
	take := sync.OnceValues(w.takeBudget)
	if w.delivery.Batch == nil {
		switch got, err := take(); {
		case err != nil:
			return new(w.unavailable(err))
		case !got.spent.IsZero():
			w.facts.BudgetSpent = got.spent
			return nil
		}
	}
	var beside sync.WaitGroup
	defer beside.Wait() // also where the claim panics: the batch must not be closed before
	beside.Go(func() { _, _ = take() })
	end := w.claim(clientID)
	beside.Wait()
	got, err := take()
	switch {
	case err != nil:
	case got.spent.IsZero():
		w.taken = got.begin
	default:
		w.facts.BudgetSpent = got.spent
	}
	switch claimed := end == nil && w.claimed.Valid(); {
	case claimed && err == nil && got.spent.IsZero():
		return nil
	case !claimed:
		w.returnBudget()
		return end
	case err != nil:
		if end := w.releaseUnsent(LedgerUnavailable, err.Error()); end != nil {
			return end
		}
		return new(w.unavailable(err))
	}
	return w.releaseUnsent(BudgetSpent, "the org has had its re-triggers")
}

// takeBudget takes one re-trigger of the org's budget; after an error none was taken. It is
// called beside the claim and reads of the attempt only what that leaves alone.
func (w caller) takeBudget() (got taken, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.ErrorContext(w.ctx, "panic while taking a part of an org's budget", "runId", w.facts.Request.RunID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: %v", errPanic, p)
		}
	}()
	r := &w.facts.Request
	if !w.budgets.bound() || r.Force {
		return taken{}, nil
	}
	part := &share{}
	if b := w.delivery.Batch; b != nil {
		part = w.budgetOf(b, r.OrgID)
	}
	ctx, cancel := w.asking()
	defer cancel()
	return w.budgets.take(ctx, part, r.OrgID)
}

// errPanic means that the function itself failed while it took a part of a budget.
var errPanic = errors.New("the function failed")

// releaseUnsent releases a claim under which nothing was sent.
func (w caller) releaseUnsent(reason Reason, detail string) *Result {
	w.why.is(&w.facts, Step{Rule: 23, Detail: detail + "; nothing was sent"})
	return w.unclaim(reason)
}

// returnBudget returns a re-trigger that was not sent, or took no effect, to the window of which
// it was taken.
func (w caller) returnBudget() {
	begin := w.taken
	if begin.IsZero() {
		return
	}
	w.taken = time.Time{}
	orgID := w.facts.Request.OrgID
	if b := w.delivery.Batch; b != nil {
		w.budgetOf(b, orgID).putBack(begin)
		return
	}
	w.budgets.giveBack(w.ctx, w.Log, orgID, begin, 1)
}

// claim claims the run.
//
// Rule 5: if the answer to the claim itself is lost, the engine reads the slot and sends
// only if this claim is in it.
func (w caller) claim(clientID string) *Result {
	ctx, cancel := w.asking()
	defer cancel()
	f := &w.facts
	closer(w).takeOver()
	claimed, after, err := w.ledger.Claim(ctx, w.why.of(w.facts.Entries), ledger.ClaimOptions{
		By: f.By, ClientID: clientID, Until: w.until, Forgive: f.Request.Force, Window: w.BudgetWindow,
	})
	switch {
	case err == nil:
		w.claimed, f.Entries = claimed, after
		return nil
	case conflicts(err):
		return w.look(nil)
	case !errors.As(err, new(*store.UnavailableError)):
		return new(w.unavailable(err))
	}
	again, cancelAgain := w.recording()
	defer cancelAgain()
	fresh, failed := w.ledger.Load(again, w.ref())
	switch {
	case failed != nil: // if it is written, its lease ends, and a search finds nothing
		return new(w.unavailable(err))
	case !claimed.Holds(fresh.Flow):
		f.Entries = fresh
		if w.unclaimed { // twice
			return new(w.unavailable(err))
		}
		w.unclaimed = true
		return nil
	}
	w.claimed, f.Entries = claimed, fresh
	return nil
}

// record writes what came of the call.
func (w caller) record(made flowclient.Retriggered, err error) *Result {
	fault, known := errors.AsType[*flowclient.Error](err)
	switch {
	case err == nil:
		w.sent = true
		return new(w.confirm(made.RunID))
	case known && fault.Kind == flowclient.KindUnknownOutcome:
		w.sent = true
		lost := refusalOf(fault)
		w.why.is(&w.facts, Step{Rule: 8, Detail: lost.Detail, answer: lost.answer})
		return new(w.unconfirmed(lost.Detail))
	case known && !refused(err):
		w.facts.Refusal = refusalOf(fault)
		w.why.is(&w.facts, Step{Rule: 8, Detail: w.facts.Refusal.Detail, answer: w.facts.Refusal.answer})
		if fault.Kind == flowclient.KindThrottled {
			w.publishSlowDown()
		}
		return w.release(w.facts.Refusal.Reason)
	}
	step := unsent(err)
	w.why.is(&w.facts, Step{Rule: 8, Detail: step.Detail, answer: step.answer})
	if end := w.release(step.Reason); end != nil {
		return end
	}
	return w.apply(step)
}

// confirm records the new run. Where the claim's lease has ended meanwhile and its slot is
// closed, the run is linked as one that was found. Where nothing can be written, it is
// searched for when the request comes again.
func (w caller) confirm(newRunID string) Result {
	ctx, cancel := w.recording()
	defer cancel()
	f := &w.facts
	after, err := w.ledger.Confirm(ctx, w.claimed, w.why.of(w.facts.Entries), newRunID)
	if errors.Is(err, ledger.ErrSlotLost) {
		w.Log.ErrorContext(w.ctx, "a re-trigger was answered after its claim had ended", "runId", f.Request.RunID, "newRunId", newRunID, "state", string(after.Run.State))
		after, err = w.linkLate(ctx, newRunID)
	}
	call := w.claimed.Call()
	w.claimed = ledger.Claim{}
	if err != nil {
		result := w.end(Step{Do: End, Outcome: Returned, Reason: LedgerUnavailable, Detail: fmt.Sprintf("it was re-triggered as run %s, which could not be recorded: %v", newRunID, err)})
		result.RetryAfter = call.Until.Add(w.ReconcileAfter).Sub(w.Now())
		return result
	}
	f.Entries = after
	return w.retriggered(newRunID, "", "")
}

// linkPause is how long a link waits for another delivery's write.
const linkPause = 100 * time.Millisecond

// linkLate links the answered run after another delivery has closed the claim's slot
// (rule 7).
//
// Rule 18: it waits for a reserved parent, whose dead letter is being written.
func (w caller) linkLate(ctx context.Context, newRunID string) (ledger.Entries, error) {
	for {
		after, err := w.linkAnswered(ctx, newRunID)
		not, ok := errors.AsType[*ledger.TransitionError](err)
		if reserved := ok && not.From == ledger.Reserved; !reserved && !conflicts(err) {
			return after, err
		}
		select {
		case <-time.After(linkPause):
		case <-ctx.Done():
			return after, err
		}
	}
}

func (w caller) linkAnswered(ctx context.Context, newRunID string) (ledger.Entries, error) {
	parent, err := w.ledger.Load(ctx, w.ref())
	if err != nil {
		return parent, err
	}
	child := ledger.NewRun(parent.Run.OrgID, parent.Flow.FlowID, parent.Run.Sandbox, newRunID)
	known, err := w.ledger.Runs(ctx, parent.Run.OrgID, newRunID)
	if err != nil {
		return parent, err
	}
	if run, ok := known[newRunID]; ok {
		child = run
	}
	if child.Parent == parent.Run.RunID {
		return parent, nil // the other delivery has found it
	}
	return w.ledger.Link(ctx, w.why.of(parent), child, w.claimed.Call())
}

// retriggered answers that the run was re-triggered, as the new run.
func (w *attempt) retriggered(newRunID string, reason Reason, message string) Result {
	result := w.result().became(Retriggered, reason, message)
	result.NewRunID, result.Attempt = newRunID, w.facts.Entries.Run.Used()
	return result
}

// release records that the call took no effect.
func (w caller) release(reason Reason) *Result {
	w.returnBudget()
	return w.unclaim(reason)
}

// unclaim releases the claim.
func (w caller) unclaim(reason Reason) *Result {
	ctx, cancel := w.recording()
	defer cancel()
	after, err := w.ledger.Release(ctx, w.claimed, w.why.of(w.facts.Entries), string(reason), w.BudgetWindow)
	w.claimed, w.sending, w.extra = ledger.Claim{}, false, false
	switch {
	case err == nil:
		w.facts.Entries = after
		return nil
	case errors.Is(err, ledger.ErrSlotLost):
		return w.look(nil)
	}
	return new(w.unavailable(err))
}

// unconfirmed returns a request whose call got no clear answer. If that can't be written,
// the lease ends by itself.
func (w caller) unconfirmed(message string) Result {
	message += ". The run may have been re-triggered: before anything is sent again, a run that it made is looked for"
	ctx, cancel := w.recording()
	defer cancel()
	wait := w.claimed.Call().Until.Add(w.ReconcileAfter).Sub(w.Now())
	after, err := w.ledger.MarkUnconfirmed(ctx, w.claimed, w.why.of(w.facts.Entries))
	if err == nil {
		w.facts.Entries, wait = after, w.ReconcileAfter
	}
	w.claimed = ledger.Claim{}
	return w.end(Step{Do: End, Outcome: Returned, Reason: OutcomeUnknown, Detail: message, After: wait})
}

// closeClaim closes the claim of a call after a panic: nothing was sent under it, or
// nobody knows.
func (w caller) closeClaim() {
	ctx, cancel := w.recording()
	defer cancel()
	claim := w.claimed
	w.claimed = ledger.Claim{}
	w.why.is(&w.facts, Step{Rule: 8, Detail: "the function failed while it worked on this run"})
	var err error
	if w.sending {
		w.facts.Entries, err = w.ledger.MarkUnconfirmed(ctx, claim, w.why.of(w.facts.Entries))
	} else {
		w.facts.Entries, err = w.ledger.Release(ctx, claim, w.why.of(w.facts.Entries), string(InternalError), w.BudgetWindow)
	}
	if err != nil {
		w.Log.WarnContext(w.ctx, "a claim stands until its lease ends", "runId", w.facts.Request.RunID, "error", err.Error())
	}
}

// panicked ends a request in which the function itself failed.
func (w caller) panicked() (result Result) {
	const message = "the function failed while it worked on this run; its log has the details. Whether the run was re-triggered is not known"
	w.sent = w.sent || w.sending
	if w.claimed.Valid() {
		w.closeClaim()
	}
	if w.sending { // the next delivery searches for what the call has made
		result := w.end(Step{Do: End, Outcome: Returned, Reason: OutcomeUnknown, Detail: message, After: w.ReconcileAfter, Fault: true})
		result.Also = append(result.Also, InternalError)
		return result
	}
	step := Step{Do: DeadLetter, Reason: InternalError, Detail: message}
	defer func() {
		if recover() != nil { // the ledger itself fails: the dead letter stands alone
			result = closer(w).writeDeadLetter(step)
		}
	}()
	if end := closer(w).giveUp(step); end != nil {
		return *end
	}
	return w.result().returned(InternalError, message)
}
