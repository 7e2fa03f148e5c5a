package retry

import (
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// The questions of [Decide] about calls whose answer was lost.

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
// cut mark; it is linked to the one call that fits, and is a root where none does. Where calls
// of several runs fit, it is linked to the one that the data windows tell of ([ledger.Maker]).
// It is a dead letter where they tell of none, or where the mark fits. Force passes the doubt
// alone: without the link, the search for the lost call would not find a run that was sent,
// and the parent would be sent again.
func whoMadeIt(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	run, flow := &f.Entries.Run, &f.Entries.Flow
	if f.By == ledger.ASweep || run.Parent != "" || run.Sends > 0 || len(flow.Kept) == 0 && flow.Cut == nil {
		return Step{}, false
	}
	if f.Run == nil && (f.Request.CreatedAt.IsZero() || f.Request.CreatedClient == "") {
		return Step{Do: ReadRun}, true
	}
	own := f.OwnRun()
	calls, cut := flow.Fits(own.ID, own.Client, own.CreatedAt)
	call, known := ledger.Maker(calls, own.Window)
	switch {
	case len(calls) == 0 && !cut:
		return Step{}, false
	case cut || !known:
		if f.Request.Force { // a person has looked at the dataflow's runs
			return Step{}, false
		}
		return Step{Do: DeadLetter, Reason: MadeByUnknownCall, Rule: 17, Detail: "a re-trigger without an answer has made this run, and which one can't be told: its lineage, and how often that was retried, are not known. Look at the dataflow's runs, and send this one with force if it is to be retried"}, true
	}
	return linkTo(f, call, now), true
}

// isChildOf reports whether the run is one that the slot's lost call has made, and no other.
// Its event says so before a search can.
func (f *Facts) isChildOf(call *ledger.Call) bool {
	run, own := &f.Entries.Run, f.OwnRun()
	if run.Parent != "" || run.Sends > 0 || own.CreatedAt.IsZero() || !call.MayHaveMade(own.ID, own.Client, own.CreatedAt) {
		return false
	}
	return f.madeBy(own, *call)
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

// isItsLostCallFound decides on a run whose own call got no answer, by what a search has
// found.
//
// Rule 12: a run that the search finds is linked; if another lost call may have made it as
// well, and the data windows do not tell which, the run is a dead letter.
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
	return f.Request.Force && (run.State == ledger.DeadLettered || run.Ended() || run.State == ledger.Deferred && run.Before == ledger.DeadLettered)
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
