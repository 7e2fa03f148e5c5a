package retry

import (
	"fmt"
	"time"
)

// observeWait is the least time before a message that is kept while the function only
// observes is delivered again. SQS gives a message up after 1000 receives: in 13 days it has
// about 600.
const observeWait = 30 * time.Minute

// dry reports whether nothing is to be changed: the request is a dry run, or the function
// only observes and the request's message was not there before.
func (f *Facts) dry() bool { return f.Request.DryRun || f.Observed && !f.kept() }

// kept reports whether the request's message stays on the queue while the function only
// observes. A function that only observes answers each message when it is delivered for the
// first time. So one that is delivered again, or that the function has put there, is from
// before. For example, run A was deferred for five minutes, and MODE=observe was deployed
// after two: the message for A waits until MODE is retry.
func (f *Facts) kept() bool {
	onQueue := !f.Request.SentAt.IsZero()
	return f.Observed && onQueue && !f.Request.DryRun && (f.Again || f.waitsOnQueue())
}

// keptStep lets a message wait that is kept. Nobody is asked for it.
func keptStep() Step {
	return Step{Do: End, Outcome: Returned, Reason: Observing, After: observeWait, Detail: "the function only observes (MODE=observe), and this message was there before: it waits until MODE is retry"}
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
