package retry

import (
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Facts are what a decision rests on: the request, what the ledger has, and answers to
// questions. A question that was not asked yet has no answer, and [Decide] says when one
// is needed.
type Facts struct {
	// Request is completed by what Flow Service tells of the run.
	Request event.Request
	// By is who asks.
	By ledger.Asker
	// Observed means that the function only observes (MODE=observe), and Again that the
	// request's message was delivered before, or was a dead letter of ours.
	Observed, Again bool
	// Entries are the ledger's, of the run and its dataflow.
	Entries ledger.Entries
	// Pause is why the run must wait, if a pause says so. SlowDown is for how long Adobe
	// has asked the org's calls to wait.
	Pause    Pause
	SlowDown time.Duration

	// Run is the run as Flow Service tells of it; nil as long as it was not asked.
	Run *flowclient.Run
	// Search is what a search for the run that a lost call made has found.
	Search Search
	// Parent are the entries of the run whose lost call is to be linked or settled; nil as
	// long as they were not read.
	Parent *ledger.Entries
	// Succeeded tells whether a run of the dataflow has succeeded since the breaker began
	// to count.
	Succeeded Answer
	// Newer tells whether somebody has retried the run by hand.
	Newer Newer
	// BudgetSpent is until when the org has had its re-triggers; zero where it has some left.
	BudgetSpent time.Time
	// Refusal is Adobe's answer to the re-trigger that this delivery has sent, if it took
	// no effect.
	Refusal *Refusal
}

// Pause is why a run may not be sent for now.
type Pause struct {
	// Wait is how long until it is worth asking again; zero if nothing is paused.
	Wait time.Duration
	// Released means that the pause is over, and that the run's turn is after Wait.
	Released bool
	Detail   string
}

// Answer is the answer to a question.
type Answer int

// The answers.
const (
	NotAsked Answer = iota
	No
	Yes
)

// Found is what a search has found.
type Found int

// What a search can find.
const (
	// FoundNothing means that the listing is complete, and no run fits.
	FoundNothing Found = iota
	// FoundOne means that the call has made the run of the search's Child.
	FoundOne
	// FoundAmbiguous means that nobody can tell whether this or another lost call has made
	// the run that was found, or that a person has forced that run on as the beginning of a
	// lineage.
	FoundAmbiguous
	// FoundNoWay means that the search can't be made: Adobe refuses it, there are too many
	// runs, or it has failed for a day.
	FoundNoWay
)

// Search is the answer to a search for the run that a lost call made.
type Search struct {
	// CallID is the call's; empty as long as nothing was searched for.
	CallID string
	Found  Found
	// Child is the entry of the run that was found, and Listed what Flow Service tells of it.
	Child  ledger.Run
	Listed ListedRun
	// Detail says why there is no way.
	Detail string
}

// Refusal is an answer of Adobe's to a re-trigger that took no effect.
type Refusal struct {
	Kind       flowclient.Kind
	Reason     Reason
	Detail     string
	RetryAfter time.Duration
	// Read means that the run was read since.
	Read bool

	answer answer
}

// Rules are the settings that decisions depend on.
type Rules struct {
	Policy *policy.Policy
	// ReconcileAfter is how long after the end of a call's lease the run that it made is
	// searched for: the time that Flow Service may take to list it.
	ReconcileAfter time.Duration
	// ExtraSendAfter is how long after the end of its lease a lost call is searched for a
	// second time, before the run is sent once more.
	ExtraSendAfter time.Duration
	// NoExtraSend makes a dead letter of a run whose lost call has left no trace. Otherwise
	// it is sent once more.
	NoExtraSend bool
	// Breaker counts lineages that used up their attempts.
	Breaker ledger.Breaker
	// FlowBudget is how many re-triggers of a dataflow are sent in a BudgetWindow; 0 for
	// any number.
	FlowBudget   int
	BudgetWindow time.Duration
}

// believed reports whether what the request tells of its run is Adobe's own word: an
// event's, a listing's, or that of a message of ours that the ledger knows. A person may have
// named another dataflow, and whoever may send to the queue can write an origin.
func (f *Facts) believed() bool {
	switch f.By {
	case ledger.AnEvent, ledger.ASweep:
		return true
	case ledger.AMessage:
		return f.Request.WasTold() && f.Entries.Run.State != ledger.NoEntry && f.Entries.Run.Fingerprint == f.Request.Fingerprint()
	}
	return f.Run != nil
}

// stale reports whether nobody asks anew for a run that has come to an end: the request is
// an event as it came, or a message of ours or a forced request that is older than the end.
func (f *Facts) stale() bool {
	run := &f.Entries.Run
	ended := run.ChangedAt
	if run.Ended() { // a person has ended it: only who asks anew is asking
		return f.By != ledger.AtHand && f.By != ledger.AForce || !f.Request.SentAt.IsZero() && ended.After(f.Request.SentAt)
	}
	switch f.By {
	case ledger.AnEvent:
		return true
	case ledger.AMessage:
		return ended.After(f.Request.Due)
	case ledger.AForce: // whoever sent it did not know of the end; a redrive does
		return ended.After(f.Request.FirstSeen) && ended.After(f.Request.SentAt) && !passedByForce(Reason(f.Entries.Run.Reason))
	}
	return false
}

// passedByForce reports whether force passes over what a run has ended for: then another
// request has ended it, and the forced one is still to be done.
func passedByForce(r Reason) bool {
	return slices.Contains([]Reason{AttemptsExhausted, BreakerOpen, TooOld, WaitedTooLong, ByPolicy, DataError, DuplicateBatch}, r)
}

// waitsOnQueue reports whether a message of the request queue brings the request, so that
// the request can wait where it is. A forced one can, too.
func (f *Facts) waitsOnQueue() bool {
	return f.By == ledger.AMessage || f.By == ledger.AForce && f.Request.Source == event.FromQueue && !f.Request.Due.IsZero()
}

// otherSandbox reports whether an earlier request named another sandbox for the run. One of
// the two has no such run, so that the end of one says nothing of the other.
func (f *Facts) otherSandbox() bool {
	run := &f.Entries.Run
	return run.Sandbox != f.Request.Sandbox && slices.Contains([]ledger.State{ledger.Deferred, ledger.Skipped, ledger.DeadLettered}, run.State)
}

// searched reports whether the call was searched for.
func (f *Facts) searched(c ledger.Call) bool { return c.ID != "" && f.Search.CallID == c.ID }

// compare makes the search's answer ambiguous if another lost call may have made the run
// that was found, as the dataflow's entry has its kept calls now.
func (f *Facts) compare(c ledger.Call) {
	s := &f.Search
	if f.searched(c) && s.Found == FoundOne && !f.madeBy(s.Listed, c) {
		s.Found, s.Detail = FoundAmbiguous, byAnother(s.Listed)
	}
}

// madeBy reports whether the call, which may have made the run, is the one that has: as the
// dataflow's entry has its kept calls now, no call of another run has made it.
func (f *Facts) madeBy(run ListedRun, call ledger.Call) bool {
	calls, cut := f.Entries.Flow.Fits(run.ID, run.Client, run.CreatedAt)
	maker, known := ledger.Maker(append(calls, call), run.Window)
	return known && !cut && maker.RunID == call.RunID
}

// parentKnown reports whether the entries of the call's run were read.
func (f *Facts) parentKnown(c ledger.Call) bool {
	return f.Parent != nil && f.Parent.Run.RunID == c.RunID
}

func (f *Facts) policyRun() policy.Run {
	run := policy.Run{ID: f.Request.RunID, FlowID: f.Request.FlowID, Sandbox: f.Request.Sandbox, FailedAt: f.Request.FailedAt}
	for _, e := range f.Request.Errors {
		run.Errors = append(run.Errors, policy.Error{Code: e.Code, Message: e.Message})
	}
	return run
}
