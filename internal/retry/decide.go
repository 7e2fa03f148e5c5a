package retry

import (
	"fmt"
	"strings"
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
	case run.Ended() && f.stale(): // whatever sandbox it names
		return duplicate(Skipped, run), true
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
	case own && now.Before(run.Due) && !f.Request.Now:
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
			give.Detail = strings.TrimSuffix(give.Detail, ".") + ". " + disabled(f, now)
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
