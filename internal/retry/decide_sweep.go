package retry

import (
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

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
	case run.Ended():
		return Reason(run.Reason), "a person has ended it"
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
