package retry

import (
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Action is what a step does.
type Action string

// The actions. The first five learn something, the next seven act, and the last one ends.
const (
	ReadRun      Action = "read the run"
	SearchCall   Action = "search for the run that a lost call made"
	ReadParent   Action = "read the entries of the lost call's run"
	AskSuccess   Action = "ask whether a run of the dataflow has succeeded"
	AskNewer     Action = "ask whether somebody has retried the run by hand"
	CloseBreaker Action = "close the breaker"
	LinkRun      Action = "link the run that was found"
	SettleCall   Action = "settle the lost call"
	Send         Action = "claim and re-trigger"
	Defer        Action = "put it on the request queue"
	SkipRun      Action = "skip"
	DeadLetter   Action = "write a dead letter"
	End          Action = "end"
)

// Step is what is to be done next.
type Step struct {
	Do Action
	// Outcome is the answer of an [End].
	Outcome Outcome
	Reason  Reason
	Detail  string
	// Rule is the number of the rule that makes the step, as docs/how-it-works.md has them; 0
	// where it is none of them.
	Rule int
	// Call is the lost call to search for, to link or to settle; To is the state that
	// settling leads to. FromRun links the request's own run as what the call has made.
	Call    ledger.Call
	To      ledger.State
	FromRun bool
	// Due is until when a deferred run waits, or when a returned message must come again.
	Due time.Time
	// After is the least time before a returned message is worth another delivery, and how
	// long a deferred one that is due already stays invisible.
	After time.Duration
	// Released means that a pause has kept the run, and that it is over.
	Released bool
	// By is the run by which a skipped one is superseded.
	By string
	// Extra means that the run is sent once more, since its first call left no trace.
	Extra bool
	// Exhausted means that the lineage has used up its attempts.
	Exhausted bool
	// Fault means that the delivery has failed, which is counted: ten faults are a dead
	// letter.
	Fault bool

	answer answer
}

// Acts reports whether the step has an effect outside of this delivery.
func (s Step) Acts() bool {
	switch s.Do {
	case CloseBreaker, LinkRun, SettleCall, Send, Defer, SkipRun, DeadLetter:
		return true
	}
	return false
}

// needsLock reports whether the step is taken by one run of the dataflow after the other: it
// acts, its answer serves the others as well, or it ends since another run is at work.
func (s Step) needsLock() bool {
	return s.Acts() || s.Do == SearchCall || s.Do == AskNewer || s.busy()
}

// Decide says what is to be done with a run. It is pure, and total: any facts lead to a
// step, and none is changed. The questions stand in the order in which a person would ask them, and the first
// one that has an answer decides. What is about to be sent asks one question more: has
// somebody done it by hand?
func Decide(f *Facts, r *Rules, now time.Time) Step {
	for _, ask := range []func(*Facts, *Rules, time.Time) (Step, bool){
		isItDealtWith,      // Has a sweep found a run that somebody has dealt with?
		isItWorkedOn,       // Does the run have a successor, or does a delivery work on it?
		isItAnsweredFor,    // Does another request stand for the run?
		wasItRefused,       // What did Adobe answer to this delivery's own call?
		isItPaused,         // Must everything, the org or the dataflow wait?
		isItUnderstood,     // Do we know what Adobe knows about the run?
		isTheSlotTaken,     // Is a call of the dataflow under way, or lost?
		whoMadeIt,          // Did a lost call of ours make the run?
		isItsLostCallFound, // Was the run itself sent, and what did its lost call make?
		mayItBeSentAgain,   // The lost call made nothing: may the run be sent once more?
		whatSaysThePolicy,  // Do the user's rules, the catalog and the limits allow it?
		isThereBudget,      // Does the dataflow, or the org, have a re-trigger left?
	} {
		if step, decided := ask(f, r, now); decided {
			return unlessByHand(f, step, now)
		}
	}
	return unlessByHand(f, Step{Do: Send, Rule: 4}, now)
}

func isItWorkedOn(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	run := &f.Entries.Run
	switch run.StateAt(now) {
	case ledger.Retriggered:
		return duplicate(Retriggered, run), true
	case ledger.Succeeded:
		return duplicate(Skipped, run), true
	case ledger.InFlight:
		return Step{Do: End, Outcome: Returned, Reason: InProgress, Rule: 4, Detail: "another delivery is working on this run"}, true
	case ledger.Reserved:
		return Step{Do: End, Outcome: Returned, Reason: InProgress, Rule: 18, Detail: "another delivery is working on this run"}, true
	}
	return Step{}, false
}

func isItAnsweredFor(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	run := &f.Entries.Run
	switch {
	case f.By == ledger.ASweep:
		return Step{}, false
	case run.Superseded && f.By != ledger.AtHand && f.By != ledger.AForce: // its data is being retried
		step := duplicate(Skipped, run)
		step.Rule = 12
		return step, true
	case f.otherSandbox():
		return Step{}, false
	}
	switch run.StateAt(now) {
	case ledger.Deferred:
		return doesItWait(f, now)
	case ledger.Skipped:
		return duplicate(Skipped, run), f.stale() && !hadNotFailed(run)
	case ledger.DeadLettered:
		return duplicate(DeadLettered, run), f.stale()
	}
	return Step{}, false
}

// doesItWait answers a request for a run of which a message waits on the request queue.
func doesItWait(f *Facts, now time.Time) (Step, bool) {
	run := &f.Entries.Run
	own := f.By == ledger.AMessage
	switch {
	case f.Request.Force:
		return Step{}, false
	case own && now.Before(run.Due):
		return Step{Do: End, Outcome: Returned, Reason: NotDue, Detail: "it waits until it is due", Due: run.Due}, true
	case !own && (now.Before(run.Due) || f.Pause.Wait > 0):
		return duplicate(Deferred, run), true
	}
	return Step{}, false
}

// hadNotFailed reports whether the run was skipped since it had not failed then.
func hadNotFailed(run *ledger.Run) bool {
	return Reason(run.Reason) == RunInProgress || Reason(run.Reason) == RunSucceeded
}

// duplicate answers with what became of the run by another request.
func duplicate(outcome Outcome, run *ledger.Run) Step {
	detail := "another request stands for this run"
	if run.Reason != "" {
		detail += ": " + run.Reason
	}
	return Step{Do: End, Outcome: outcome, Reason: ReasonDuplicate, Rule: 1, Detail: detail}
}

// lostAfter is how long after its last change an entry still stands for a message that
// will come. A sweep makes up for a message that was lost, if ever one is.
const lostAfter = 12 * time.Hour

// isItDealtWith tells a sweep whether somebody has dealt with the run, or will.
//
// Rule 19: a sweep also requests runs whose claim has ended, and searched and cannot_tell
// ones: nobody else may come for them.
func isItDealtWith(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	run := &f.Entries.Run
	if f.By != ledger.ASweep {
		return Step{}, false
	}
	reason, detail := Reason(""), ""
	switch run.StateAt(now) {
	case ledger.Retriggered:
		reason, detail = Superseded, "it was re-triggered as run "+run.Successor+", with which its lineage goes on"
	case ledger.Succeeded:
		reason, detail = RunSucceeded, "it has succeeded"
	case ledger.InFlight, ledger.Reserved:
		reason, detail = InProgress, "it is being re-triggered"
	case ledger.DeadLettered, ledger.Skipped:
		reason, detail = whyItEnded(f)
	case ledger.Deferred, ledger.Returned:
		reason, detail = whatItWaitsFor(f, now)
	}
	return Step{Do: End, Outcome: Skipped, Reason: reason, Rule: 19, Detail: detail}, reason != ""
}

// whyItEnded tells a sweep of the end that the ledger has; nothing where the run may be
// taken up again: by another sandbox, when its dataflow was switched on again, or when it
// had not failed yet.
func whyItEnded(f *Facts) (Reason, string) {
	run := &f.Entries.Run
	switch {
	case f.otherSandbox(), Reason(run.Reason) == FlowDisabled, run.State == ledger.Skipped && hadNotFailed(run):
		return "", ""
	case run.State == ledger.DeadLettered:
		return orReason(run.Reason, "dead_lettered"), "its dead letter was written"
	}
	return orReason(run.Reason, "skipped"), "an earlier request for it was skipped"
}

// whatItWaitsFor tells a sweep of the message that waits for the run; nothing where that
// was lost.
func whatItWaitsFor(f *Facts, now time.Time) (Reason, string) {
	run := &f.Entries.Run
	recent := now.Before(run.ChangedAt.Add(lostAfter)) || now.Before(run.Due.Add(lostAfter))
	switch {
	case f.otherSandbox():
		return "", ""
	case run.State == ledger.Deferred && (recent || f.Pause.Wait > 0):
		return Waiting, "a request for it waits: " + run.Reason
	case run.State == ledger.Returned && recent:
		return Waiting, "a request for it will be delivered again: " + run.Reason
	}
	return "", ""
}

func orReason(reason, otherwise string) Reason {
	if reason == "" {
		return Reason(otherwise)
	}
	return Reason(reason)
}

// notYetWait is the least time before a run is tried again that Adobe does not re-trigger
// yet. Ten faults bound how often that is done.
const notYetWait = 2 * time.Minute

func wasItRefused(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	no := f.Refusal
	if no == nil {
		return Step{}, false
	}
	give := Step{Do: DeadLetter, Reason: no.Reason, Detail: no.Detail, answer: no.answer}
	back := Step{Do: End, Outcome: Returned, Reason: no.Reason, Detail: no.Detail, After: no.RetryAfter, answer: no.answer}
	switch no.Kind {
	case flowclient.KindThrottled:
		return back, true
	case flowclient.KindNotYet:
		back.After, back.Fault, back.Rule = notYetWait, true, 20
		return back, true
	case flowclient.KindForbidden, flowclient.KindNotFound:
		return give, true
	case flowclient.KindRejected:
		switch {
		case no.Reason == FlowDisabled: // whatever the run's state is
			give.Detail += ". " + disabled(f, now)
			return give, true
		case !no.Read:
			return Step{Do: ReadRun}, true
		case f.Run != nil && needsNone(f.Run) != "":
			return Step{Do: SkipRun, Reason: needsNone(f.Run), Detail: no.Detail}, true
		}
		return give, true
	}
	back.Fault, back.Rule = !back.waits(), 20
	return back, true
}

func isItPaused(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	switch {
	case f.By == ledger.ASweep: // its request waits on the queue
		return Step{}, false
	case f.Pause.Wait > 0 && f.waitsOnQueue():
		return Step{Do: End, Outcome: Returned, Reason: Paused, Rule: 24, Detail: f.Pause.Detail, Due: now.Add(f.Pause.Wait), Released: f.Pause.Released}, true
	case f.Pause.Wait > 0 && !f.dry() && f.Entries.Run.StateAt(now) == ledger.Unconfirmed:
		// Nothing can be reserved for an unconfirmed run, so that its message waits where it is.
		return Step{Do: End, Outcome: Returned, Reason: Paused, Rule: 24, Detail: f.Pause.Detail, After: f.Pause.Wait}, true
	case f.Pause.Wait > 0 && !f.dry():
		return Step{Do: Defer, Reason: Paused, Rule: 24, Detail: f.Pause.Detail, Due: now, After: f.Pause.Wait}, true // its turn is by when it came
	case f.SlowDown > throttle.MaxWait:
		return Step{Do: End, Outcome: Returned, Reason: Throttled, Detail: "the calls of this org are slowed down; nothing was sent for this run", After: f.SlowDown}, true
	}
	return Step{}, false
}

// isItUnderstood reads the run, unless Adobe or the ledger vouches for what is known of it.
func isItUnderstood(f *Facts, r *Rules, now time.Time) (Step, bool) {
	if f.By == ledger.ASweep {
		return Step{}, false
	}
	needsErrors := f.By != ledger.AnEvent && r.Policy.NeedsErrors() && len(f.Request.Errors) == 0
	if f.Run == nil && (!f.believed() || f.Request.FlowID == "" || needsErrors || f.Request.DryRun) {
		return Step{Do: ReadRun}, true
	}
	if f.Run == nil {
		return Step{}, false
	}
	reason := needsNone(f.Run)
	// Adobe retries a run that succeeded without a record, too.
	empty := f.Run.Metrics.Records.Input == 0 && f.Run.Metrics.Records.Output == 0
	if reason == "" || reason == RunSucceeded && empty {
		return Step{}, false
	}
	if f.Entries.Run.StateAt(now) == ledger.Unconfirmed { // first, its own lost call is searched for
		return Step{}, false
	}
	return Step{Do: SkipRun, Reason: reason, Detail: fmt.Sprintf("its status is %q", f.Run.Status())}, true
}

// isTheSlotTaken waits for a call of the dataflow, or finds out what a lost one did.
//
// Rule 9: while a call is in flight, or unconfirmed for less than RECONCILE_AFTER, the
// message is returned; that is a wait and no fault.
//
// Rule 10: afterwards the next delivery for the dataflow, of any run, first searches for what
// the unconfirmed call did. A failed run that fits that call and no other is linked to it
// without a search, as soon as its lease has ended.
//
// Rule 13: a call for which the search finds nothing is settled as searched, and one of
// which no search can tell as cannot_tell.
func isTheSlotTaken(f *Facts, r *Rules, now time.Time) (Step, bool) {
	call := f.Entries.Flow.Slot
	if call == nil || f.By == ledger.ASweep {
		return Step{}, false
	}
	if f.Observed && call.RunID != f.Request.RunID { // what is only observed waits for no other run
		return Step{}, false
	}
	wait := Step{Do: End, Outcome: Returned, Reason: FlowBusy, Rule: 9, Detail: fmt.Sprintf("run %s of the same dataflow is being re-triggered", call.RunID)}
	if call.InFlight(now) {
		return wait, true
	}
	if f.isChildOf(call) {
		return linkTo(f, *call, now), true
	}
	if rest := call.Until.Add(r.ReconcileAfter).Sub(now); rest > 0 {
		wait.After = rest
		wait.Detail = fmt.Sprintf("what became of the re-trigger of run %s of the same dataflow is not known yet", call.RunID)
		if call.RunID == f.Request.RunID {
			wait.Reason, wait.Detail = OutcomeUnknown, "whether it was re-triggered is not known; Flow Service is given time to list a run that this made"
		}
		return wait, true
	}
	switch {
	case !f.searched(*call):
		return Step{Do: SearchCall, Call: *call, Rule: 10}, true
	case !f.parentKnown(*call):
		return Step{Do: ReadParent, Call: *call, Rule: 10}, true
	case f.Search.Found == FoundOne:
		return Step{Do: LinkRun, Call: *call, Rule: 12}, true
	case f.Search.Found == FoundNothing:
		return Step{Do: SettleCall, Call: *call, To: ledger.Searched, Reason: OutcomeUnknown, Rule: 13}, true
	}
	return Step{Do: SettleCall, Call: *call, To: ledger.CannotTell, Reason: OutcomeUnknown, Rule: 13, Detail: f.Search.Detail}, true
}

// whoMadeIt links a failed run that a lost call has made: its failure is the first that is
// heard of it.
//
// Rule 17: a failed run without parent and sends is compared with the kept calls and the
// cut mark; it is linked to the one call that fits, is a dead letter if several or the mark
// do, and is a root otherwise. Force passes the doubt alone: without the link, the search
// for the lost call would not find a run that was sent, and the parent would be sent again.
func whoMadeIt(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	run, flow := &f.Entries.Run, &f.Entries.Flow
	if f.By == ledger.ASweep || run.Parent != "" || run.Sends > 0 || len(flow.Kept) == 0 && flow.Cut == nil {
		return Step{}, false
	}
	if f.Run == nil && (f.Request.CreatedAt.IsZero() || f.Request.CreatedClient == "") {
		return Step{Do: ReadRun}, true
	}
	calls, cut := flow.Fits(run.RunID, f.Request.CreatedClient, f.Request.CreatedAt)
	switch {
	case len(calls) == 0 && !cut:
		return Step{}, false
	case cut, severalRuns(calls):
		if f.Request.Force { // a person has looked at the dataflow's runs
			return Step{}, false
		}
		return Step{Do: DeadLetter, Reason: MadeByUnknownCall, Rule: 17, Detail: "a re-trigger without an answer has made this run, and which one can't be told: its lineage, and how often that was retried, are not known. Look at the dataflow's runs, and send this one with force if it is to be retried"}, true
	}
	return linkTo(f, calls[0], now), true
}

// isChildOf reports whether the run is one that the slot's lost call has made, and that no
// other may have made. Its event says so before a search can.
func (f *Facts) isChildOf(call *ledger.Call) bool {
	run, req := &f.Entries.Run, &f.Request
	if run.Parent != "" || run.Sends > 0 || req.CreatedAt.IsZero() || !call.MayHaveMade(run.RunID, req.CreatedClient, req.CreatedAt) {
		return false
	}
	return !f.Entries.Flow.FitsOther(call.RunID, run.RunID, req.CreatedClient, req.CreatedAt)
}

// linkTo links the request's run to the call that made it.
func linkTo(f *Facts, call ledger.Call, now time.Time) Step {
	switch {
	case !f.parentKnown(call):
		return Step{Do: ReadParent, Call: call}
	case f.Parent.Run.StateAt(now) == ledger.Reserved:
		return Step{Do: End, Outcome: Returned, Reason: FlowBusy, Rule: 18, Detail: fmt.Sprintf("run %s, of which this one was made, is being written to a queue", call.RunID)}
	}
	return Step{Do: LinkRun, Call: call, Rule: 12, FromRun: true}
}

// severalRuns reports whether the calls are of more than one run.
func severalRuns(calls []ledger.Call) bool {
	return slices.ContainsFunc(calls, func(c ledger.Call) bool { return c.RunID != calls[0].RunID })
}

// isItsLostCallFound decides on a run whose own call got no answer, by what a search has
// found.
//
// Rule 12: a run that the search finds is linked; if another lost call may have made it as
// well, nobody can tell whose it is, and the run is a dead letter.
func isItsLostCallFound(f *Facts, _ *Rules, _ time.Time) (Step, bool) {
	run := &f.Entries.Run
	if run.Sends == 0 || f.By == ledger.ASweep || !f.searched(run.Lost) {
		return Step{}, false
	}
	switch {
	case f.Search.Found == FoundOne && !f.parentKnown(run.Lost):
		return Step{Do: ReadParent, Call: run.Lost}, true
	case f.Search.Found == FoundOne:
		return Step{Do: LinkRun, Call: run.Lost, Rule: 12}, true
	case f.Search.Found != FoundNothing && forcedAgain(f):
		return Step{Do: Send, Rule: 16, Extra: true}, true
	case f.Search.Found != FoundNothing:
		return lost("it was re-triggered without a clear answer, and whether this made a run can't be told (%s)", f.Search.Detail), true
	}
	return Step{}, false
}

// lost gives up a run whose call got no answer.
func lost(format string, args ...any) Step {
	return Step{Do: DeadLetter, Reason: OutcomeUnknown, Rule: 15, Detail: fmt.Sprintf(format, args...) + ". It is not sent again: look for a newer run of its dataflow first"}
}

// forcedAgain reports whether a person, who has looked, sends a run once more that was
// given up.
func forcedAgain(f *Facts) bool {
	run := &f.Entries.Run
	return f.Request.Force && (run.State == ledger.DeadLettered || run.State == ledger.Deferred && run.Before == ledger.DeadLettered)
}

// mayItBeSentAgain decides on a run whose lost call has made no run that can be found.
//
// Rule 15: cannot_tell is a dead letter at once; two sends, or no attempts left, are one
// after a second search.
//
// Rule 16: a searched run waits until EXTRA_SEND_AFTER after its lease, is searched for
// again, and with one send it is sent once more if there is still no run.
func mayItBeSentAgain(f *Facts, r *Rules, now time.Time) (Step, bool) {
	run := &f.Entries.Run
	if run.Sends == 0 || f.By == ledger.ASweep {
		return Step{}, false
	}
	again := forcedAgain(f)
	tooLate := now.After(run.Lost.Until.Add(ledger.LostCallRetention))
	wait := run.Lost.Until.Add(r.ExtraSendAfter).Sub(now)
	switch {
	case !again && cannotTell(run, now):
		return lost("it was re-triggered without a clear answer, and whether this made a run can't be told"), true
	case !again && tooLate:
		return lost("it was re-triggered at %s without a clear answer, too long ago to look for a run that this made", run.Lost.At.Format(time.RFC3339)), true
	case tooLate:
		return Step{Do: Send, Rule: 16, Extra: true}, true
	case wait > 0:
		return Step{Do: Defer, Reason: OutcomeUnknown, Rule: 16, Due: now.Add(wait), Detail: "an earlier re-trigger got no answer, and may still take effect; then it is looked for again"}, true
	case !f.searched(run.Lost):
		return Step{Do: SearchCall, Call: run.Lost, Rule: 16}, true
	case !again && (run.Sends >= 2 || r.NoExtraSend || outOfAttempts(f, r, now)):
		return lost("it was re-triggered %d times without a clear answer, and no run that this made is there", run.Sends), true
	}
	if step, spent := isThereBudget(f, r, now); spent {
		return step, true
	}
	return Step{Do: Send, Rule: 16, Extra: true}, true
}

// cannotTell reports whether no search can tell what the run's lost call has made, also
// where the run has waited on a queue since, or its dead letter was sent again.
func cannotTell(run *ledger.Run, now time.Time) bool {
	return run.Unclear() || run.StateAt(now) == ledger.CannotTell
}

// needsNone returns why a run in this state needs no retry, or nothing.
func needsNone(run *flowclient.Run) Reason {
	switch {
	case run.Status().Running():
		return RunInProgress
	case run.Status().Succeeded():
		return RunSucceeded
	default:
		return ""
	}
}

// busy reports whether the request ends since another delivery works on its dataflow.
func (s Step) busy() bool {
	return s.Do == End && s.Outcome == Returned && (s.Reason == InProgress || s.Reason == FlowBusy)
}

// waits reports whether a returned request waits its turn, or for a credential that is to
// be mended. There is no fault of the request in that, however long it takes.
func (s Step) waits() bool { return s.Reason.waits() }

// ErrorsOf returns the first [event.MaxErrors] errors of a run that Flow Service told of,
// as a request keeps them.
func ErrorsOf(run *flowclient.Run) []event.RunError {
	all := run.Errors()
	var kept []event.RunError
	for _, e := range all[:min(len(all), event.MaxErrors)] {
		kept = append(kept, event.NewRunError(e.Code, e.Message))
	}
	return kept
}
