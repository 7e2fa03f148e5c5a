package retry

import (
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// observeWait is the least time before a message that is kept while the function only
// observes is delivered again. SQS gives a message up after 1000 receives: in 13 days it has
// about 600.
const observeWait = 30 * time.Minute

// dry reports whether nothing is to be changed: the request is a dry run, or the function
// only observes and had not begun with the run before.
func (f *Facts) dry(now time.Time) bool {
	return f.Request.DryRun || f.Observed && !f.kept(now)
}

// kept reports whether the request's message stays on the queue while the function only
// observes: the function had begun with its run, and nothing else may stand for it. For
// example, run A was deferred for five minutes, and MODE=observe was deployed after two: the
// message for A waits until MODE is retry again.
func (f *Facts) kept(now time.Time) bool {
	if !f.Observed || f.Request.DryRun || f.Request.SentAt.IsZero() { // a direct invocation has no message
		return false
	}
	begun := []ledger.State{ledger.Returned, ledger.Reserved, ledger.InFlight, ledger.Unconfirmed, ledger.Searched, ledger.CannotTell}
	return f.Redriven || f.waitsOnQueue() || slices.Contains(begun, f.Entries.Run.StateAt(now))
}

// isItKept lets a message wait that is kept while the function only observes.
func isItKept(f *Facts, _ *Rules, now time.Time) (Step, bool) {
	if f.By == ledger.ASweep || !f.kept(now) {
		return Step{}, false
	}
	return Step{Do: End, Outcome: Returned, Reason: Observing, Detail: "the function only observes (MODE=observe), and had begun with this run before: the request waits until MODE is retry", After: observeWait}, true
}

// onlyObserves ends what is said of a run while the function only observes.
const onlyObserves = "; the function only observes (MODE=observe) and changes nothing"

// observed completes the answer of a dry run where the function only observes. The reason is
// the request's own unless it asked for a dry run.
func (f *Facts) observed(r Result, reason Reason) Result {
	if !f.Observed {
		return r
	}
	r.Message += onlyObserves
	if !f.Request.DryRun {
		r.Reason = reason
	}
	return r
}

// observedReason is the reason of an answer of a function that only observes: that the run
// would be re-triggered, now or later, or the reason for which it would not be.
func observedReason(f *Facts, s Step) Reason {
	switch s.Do {
	case Send, Defer, CloseBreaker:
		return WouldRetrigger
	case LinkRun:
		if s.Call.RunID == f.Request.RunID {
			return Reconciled
		}
		return OutcomeUnknown // what becomes of this run is decided after the link
	}
	return s.Reason
}

// wouldBeReturned is the answer of a dry run that would come again.
func (f *Facts) wouldBeReturned(r Result) Result {
	reason := r.Reason
	return f.observed(r.skipped(DryRun, fmt.Sprintf("would be returned (%s): %s", reason, r.Message)), reason)
}
