package retry_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	ourClient    = "our-client"
	reconcile    = 30 * time.Second
	secondSearch = 30 * time.Minute
)

// noon is the present of the rows.
func noon() time.Time { return time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) }

func rules() Rules {
	return Rules{
		Policy:         &policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge},
		ReconcileAfter: reconcile, ExtraSendAfter: secondSearch, Breaker: ledger.Breaker{Threshold: 3, Cooldown: 24 * time.Hour}, BudgetWindow: time.Hour,
	}
}

// facts are those of an event that tells of a failed run, which nobody knows. The run failed
// a minute ago, and neither a pause nor another run is in its way.
func facts() Facts {
	now := noon()
	return Facts{
		Request: event.Request{
			RunID: "run", FlowID: "flow", OrgID: "org", Sandbox: "prod", Source: event.FromAdobe,
			Origin: event.Origin{FailedAt: now.Add(-time.Minute), FirstSeen: now, CreatedAt: now.Add(-time.Hour), CreatedClient: "a-schedule"},
		},
		By: ledger.AnEvent,
		Entries: ledger.Entries{
			Run:  ledger.NewRun("org", "flow", "prod", "run"),
			Flow: ledger.Flow{OrgID: "org", FlowID: "flow"},
		},
	}
}

// given changes the facts, or the rules, of a row.
type given func(*Facts, *Rules)

func askedBy(by ledger.Asker) given {
	return func(f *Facts, _ *Rules) {
		f.By, f.Request.Force = by, by == ledger.AForce
		if by == ledger.AMessage {
			f.Request.Due = noon().Add(-time.Minute)
			f.Entries.Run.Fingerprint = f.Request.Fingerprint()
		}
	}
}

func in(state ledger.State) given {
	return func(f *Facts, _ *Rules) {
		run := &f.Entries.Run
		run.State, run.FirstSeen, run.ChangedAt = state, noon(), noon()
		if state == ledger.Reserved {
			run.Before, run.ReservedUntil = ledger.Returned, noon().Add(time.Minute)
		}
	}
}

func because(reason Reason) given {
	return func(f *Facts, _ *Rules) { f.Entries.Run.Reason = string(reason) }
}

func dueIn(d time.Duration) given {
	return func(f *Facts, _ *Rules) { f.Entries.Run.Due = noon().Add(d) }
}

func changed(ago time.Duration) given {
	return func(f *Facts, _ *Rules) { f.Entries.Run.ChangedAt = noon().Add(-ago) }
}

// callOf is a call of a run whose lease has ended some time ago.
func callOf(runID string, ended time.Duration) ledger.Call {
	return ledger.Call{ID: "call-" + runID, RunID: runID, ClientID: ourClient, Sandbox: "prod", At: noon().Add(-ended - time.Minute), Until: noon().Add(-ended)}
}

// slot puts a call of a run into the dataflow's slot. Its lease has ended some time ago; a
// negative time is yet to come.
func slot(runID string, ended time.Duration) given {
	return func(f *Facts, _ *Rules) {
		call := callOf(runID, ended)
		f.Entries.Flow.Slot = &call
		if runID == "run" {
			f.Entries.Run.State, f.Entries.Run.Sends, f.Entries.Run.Call = ledger.InFlight, 1, call
		}
	}
}

// lostCall makes the run's call one that a search found nothing for.
func lostCall(ended time.Duration, sends int) given {
	return func(f *Facts, _ *Rules) {
		f.Entries.Run.State, f.Entries.Run.Sends, f.Entries.Run.Lost = ledger.Searched, sends, callOf("run", ended)
		f.Entries.Run.ChangedAt = noon()
	}
}

func unclear(f *Facts, _ *Rules) {
	f.Entries.Run.State, f.Entries.Run.Settled = ledger.CannotTell, ledger.CannotTell
}

// searchedFor is what the search for a run's call has found.
func searchedFor(runID string, found Found) given {
	return func(f *Facts, _ *Rules) {
		f.Search = Search{CallID: "call-" + runID, Found: found, Child: ledger.NewRun("org", "flow", "prod", "child")}
	}
}

// parentRead means that the entries of the call's run were read.
func parentRead(runID string, state ledger.State) given {
	return func(f *Facts, _ *Rules) {
		f.Parent = &ledger.Entries{Run: ledger.NewRun("org", "flow", "prod", runID), Flow: f.Entries.Flow}
		f.Parent.Run.State, f.Parent.Run.ReservedUntil = state, noon().Add(time.Minute)
	}
}

// madeByUs means that our client made the run while the kept calls might have.
func madeByUs(f *Facts, _ *Rules) {
	f.Request.CreatedClient, f.Request.CreatedAt = ourClient, noon().Add(-10*time.Minute)
}

func kept(runIDs ...string) given {
	return func(f *Facts, _ *Rules) {
		for _, id := range runIDs {
			f.Entries.Flow.Kept = append(f.Entries.Flow.Kept, callOf(id, 10*time.Minute))
		}
	}
}

// from is the data window of one hour from the full hour on, before the present day.
func from(hour int) flowclient.Window {
	start := noon().Add(-36 * time.Hour).Add(time.Duration(hour) * time.Hour)
	return flowclient.Window{Start: start, End: start.Add(time.Hour)}
}

func worksOn(w flowclient.Window) given {
	return func(f *Facts, _ *Rules) { f.Request.Window = w }
}

// keptOf keeps a call of a run of the data window.
func keptOf(runID string, w flowclient.Window) given {
	return func(f *Facts, _ *Rules) {
		call := callOf(runID, 10*time.Minute)
		call.Window = w
		f.Entries.Flow.Kept = append(f.Entries.Flow.Kept, call)
	}
}

func slotOf(w flowclient.Window) given {
	return func(f *Facts, _ *Rules) { f.Entries.Flow.Slot.Window = w }
}

func cut(f *Facts, _ *Rules) {
	f.Entries.Flow.Cut = &ledger.CutMark{ClientIDs: []string{ourClient}, Until: noon()}
}

func adobeSays(status flowclient.Status) given {
	return func(f *Facts, _ *Rules) {
		f.Run = &flowclient.Run{ID: "run", FlowID: "flow"}
		f.Run.Metrics.Status.Status, f.Run.Metrics.Records.Input = status, 7
	}
}

func refused(kind flowclient.Kind, reason Reason) given {
	return func(f *Facts, _ *Rules) {
		f.Refusal = &Refusal{Kind: kind, Reason: reason, RetryAfter: time.Minute}
		f.Entries.Run.State = ledger.Returned
	}
}

func readSince(f *Facts, _ *Rules) { f.Refusal.Read = true }

func superseded(f *Facts, _ *Rules) { f.Entries.Run.Superseded = true }

func used(attempts int) given {
	return func(f *Facts, _ *Rules) { f.Entries.Run.Attempt, f.Entries.Run.Parent = attempts, "parent" }
}

func failed(ago, firstSeenAgo time.Duration) given {
	return func(f *Facts, _ *Rules) {
		f.Request.FailedAt, f.Request.FirstSeen = noon().Add(-ago), noon().Add(-firstSeenAgo)
	}
}

func firstSeen(ago time.Duration) given { return failed(ago+time.Minute, ago) }

func breakerOpen(f *Facts, _ *Rules) { f.Entries.Flow.BlockedUntil = noon().Add(time.Hour) }

func almostOpen(f *Facts, _ *Rules) { f.Entries.Flow.Exhausted = 2 }

func success(a Answer) given { return func(f *Facts, _ *Rules) { f.Succeeded = a } }

func newer(a Answer) given {
	return func(f *Facts, _ *Rules) {
		f.Newer = Newer{Answer: a, By: ListedRun{ID: "by-hand", Status: "success"}}
	}
}

// entryFirstSeen is when the ledger first heard of the run: of a run that our re-trigger
// made, that was when it was made.
func entryFirstSeen(ago time.Duration) given {
	return func(f *Facts, _ *Rules) { f.Entries.Run.FirstSeen = noon().Add(-ago) }
}

func paused(f *Facts, _ *Rules) { f.Pause = Pause{Wait: time.Hour, Detail: "paused"} }

func slowedDown(f *Facts, _ *Rules) { f.SlowDown = time.Hour }

func orgBudgetSpent(f *Facts, _ *Rules) { f.BudgetSpent = noon().Add(time.Hour) }

func flowBudgetSpent(f *Facts, r *Rules) {
	r.FlowBudget, f.Entries.Flow.Sent, f.Entries.Flow.Window = 5, 5, noon()
}

func noExtraSend(_ *Facts, r *Rules) { r.NoExtraSend = true }

func dryRun(f *Facts, _ *Rules) { f.Request.DryRun = true }

func observed(f *Facts, _ *Rules) { f.Observed, f.Request.SentAt = true, noon() }

func before(state ledger.State) given {
	return func(f *Facts, _ *Rules) { f.Entries.Run.Before = state }
}

func elsewhere(f *Facts, _ *Rules) { f.Entries.Run.Sandbox = "dev" }

const (
	day = 24 * time.Hour
)

func ends(outcome Outcome, reason Reason) Step {
	return Step{Do: End, Outcome: outcome, Reason: reason}
}

func gives(reason Reason) Step { return Step{Do: DeadLetter, Reason: reason} }

func fault(s Step) Step {
	s.Fault = true
	return s
}

func after(d time.Duration, s Step) Step {
	s.After = d
	return s
}

func at(d time.Duration, s Step) Step {
	s.Due = noon().Add(d)
	return s
}

// TestDecide is the specification of the decision: a row is a sentence.
func TestDecide(t *testing.T) {
	t.Parallel()
	byMessage, atHand, forced, bySweep := askedBy(ledger.AMessage), askedBy(ledger.AtHand), askedBy(ledger.AForce), askedBy(ledger.ASweep)
	failedAtAdobe, unknown := adobeSays("failed"), flowclient.Window{}
	for _, row := range []struct {
		name  string
		given []given
		want  Step
	}{
		{"a failed run that nobody knows is claimed and sent", nil, Step{Do: Send}},
		{"a run that our re-trigger made is sent when its delay is over", []given{in(ledger.Made), used(1), firstSeen(6 * time.Minute)}, Step{Do: Send}},

		{"a run with a successor is a duplicate", []given{in(ledger.Retriggered)}, ends(Retriggered, ReasonDuplicate)},
		{"force does not send a run twice that has a successor", []given{in(ledger.Retriggered), forced, failedAtAdobe}, ends(Retriggered, ReasonDuplicate)},
		{"a run that has succeeded is a duplicate", []given{in(ledger.Succeeded)}, ends(Skipped, ReasonDuplicate)},
		{"a run whose own call is in flight waits", []given{slot("run", -time.Minute)}, ends(Returned, InProgress)},
		{"a run that another delivery writes to a queue waits", []given{in(ledger.Reserved)}, ends(Returned, InProgress)},
		{"a second event for a dead letter is a duplicate", []given{in(ledger.DeadLettered)}, ends(DeadLettered, ReasonDuplicate)},
		{"a force that was sent before the dead letter is a duplicate", []given{in(ledger.DeadLettered), forced, firstSeen(time.Hour), failedAtAdobe}, ends(DeadLettered, ReasonDuplicate)},
		{"a force that was sent before an end that force passes over is sent", []given{in(ledger.DeadLettered), because(AttemptsExhausted), forced, firstSeen(time.Hour), failedAtAdobe}, Step{Do: Send}},
		{"the failure of a superseded run is skipped: its data is being retried", []given{in(ledger.Skipped), superseded}, ends(Skipped, ReasonDuplicate)},
		{"a message that waits for a superseded run is skipped, however late it is due", []given{in(ledger.Returned), superseded, byMessage}, ends(Skipped, ReasonDuplicate)},
		{"a superseded run that a person sends is sent", []given{in(ledger.Skipped), superseded, atHand, failedAtAdobe}, Step{Do: Send}},
		{"a dead letter that a person sends again is sent", []given{in(ledger.DeadLettered), atHand, failedAtAdobe}, Step{Do: Send}},
		{"the end of a run in another sandbox says nothing of this one", []given{in(ledger.DeadLettered), elsewhere}, Step{Do: Send}},
		{"a run that was skipped while it ran is sent when it has failed", []given{in(ledger.Skipped), because(RunInProgress)}, Step{Do: Send}},
		{"a second event for a run that waits is a duplicate", []given{in(ledger.Deferred), dueIn(time.Minute)}, ends(Deferred, ReasonDuplicate)},
		{"a message that comes early is returned until it is due", []given{in(ledger.Deferred), byMessage, dueIn(time.Minute)}, at(time.Minute, ends(Returned, NotDue))},
		{"a message that is due, and that the ledger knows, is sent unread", []given{in(ledger.Deferred), byMessage}, Step{Do: Send}},

		{"a refusal for now is a fault, and tried again", []given{refused(flowclient.KindNotYet, NotYet)}, after(2*time.Minute, fault(ends(Returned, NotYet)))},
		{"a throttled call only waits", []given{refused(flowclient.KindThrottled, Throttled)}, after(time.Minute, ends(Returned, Throttled))},
		{"a forbidden call makes a dead letter", []given{refused(flowclient.KindForbidden, Forbidden)}, gives(Forbidden)},
		{"a run that was rejected is read", []given{refused(flowclient.KindRejected, Rejected)}, Step{Do: ReadRun}},
		{"a rejected run that has succeeded meanwhile is skipped", []given{refused(flowclient.KindRejected, Rejected), readSince, adobeSays("success")}, Step{Do: SkipRun, Reason: RunSucceeded}},
		{"a rejected run that has failed is a dead letter", []given{refused(flowclient.KindRejected, Rejected), readSince, failedAtAdobe}, gives(Rejected)},
		{"a switched-off dataflow makes a dead letter, whatever its run's state", []given{refused(flowclient.KindRejected, FlowDisabled)}, gives(FlowDisabled)},
		{"a fault of Adobe's is counted", []given{refused(flowclient.KindTransient, AdobeUnavailable)}, after(time.Minute, fault(ends(Returned, AdobeUnavailable)))},

		{"an event waits on the queue while all is paused", []given{paused}, after(time.Hour, at(0, Step{Do: Defer, Reason: Paused}))},
		{"a message stays on the queue while all is paused", []given{paused, in(ledger.Deferred), byMessage}, at(time.Hour, ends(Returned, Paused))},
		{"an event of an unconfirmed run is returned while all is paused", []given{paused, slot("run", time.Minute)}, after(time.Hour, ends(Returned, Paused))},
		{"a run of an org that is slowed down waits", []given{slowedDown}, after(time.Hour, ends(Returned, Throttled))},

		{"an event is decided on as ever while the function only observes", []given{observed}, Step{Do: Send}},
		{"and so is one while all is paused: it can't wait", []given{observed, paused}, Step{Do: Send}},
		{"another run's call delays nothing that is only observed", []given{observed, slot("other", time.Minute)}, Step{Do: Send}},
		{"a request by hand for a dead letter does not wait", []given{observed, in(ledger.DeadLettered), atHand, failedAtAdobe}, Step{Do: Send}},

		{"a person's request is read first", []given{atHand}, Step{Do: ReadRun}},
		{"a dry run is read first", []given{dryRun}, Step{Do: ReadRun}},
		{"a message that the ledger does not know is read first", []given{in(ledger.Deferred), byMessage, madeByUs}, Step{Do: ReadRun}},
		{"a run in progress is skipped", []given{atHand, adobeSays("inProgress")}, Step{Do: SkipRun, Reason: RunInProgress}},
		{"an unconfirmed run that Adobe now runs is searched for first", []given{slot("run", time.Hour), atHand, adobeSays("inProgress")}, Step{Do: SearchCall}},

		{"another run's call in flight is waited for", []given{slot("other", -time.Minute)}, ends(Returned, FlowBusy)},
		{"another run's unconfirmed call is waited for at first", []given{slot("other", 10*time.Second)}, after(20*time.Second, ends(Returned, FlowBusy))},
		{"a run's own unconfirmed call is waited for at first", []given{slot("run", 10*time.Second)}, after(20*time.Second, ends(Returned, OutcomeUnknown))},
		{"an unconfirmed call is searched for by the next delivery of any run", []given{slot("other", time.Minute)}, Step{Do: SearchCall}},
		{"the lost call's run is read after the search", []given{slot("other", time.Minute), searchedFor("other", FoundOne)}, Step{Do: ReadParent}},
		{"a run that was found is linked", []given{slot("other", time.Minute), searchedFor("other", FoundOne), parentRead("other", ledger.InFlight)}, Step{Do: LinkRun}},
		{"a call that made nothing is settled as searched", []given{slot("other", time.Minute), searchedFor("other", FoundNothing), parentRead("other", ledger.InFlight)}, Step{Do: SettleCall, Reason: OutcomeUnknown, To: ledger.Searched}},
		{"a call of which a search can't tell is settled as cannot_tell", []given{slot("other", time.Minute), searchedFor("other", FoundNoWay), parentRead("other", ledger.InFlight)}, Step{Do: SettleCall, Reason: OutcomeUnknown, To: ledger.CannotTell}},
		{"so is one whose run may be another call's", []given{slot("other", time.Minute), searchedFor("other", FoundAmbiguous), parentRead("other", ledger.InFlight)}, Step{Do: SettleCall, Reason: OutcomeUnknown, To: ledger.CannotTell}},

		{"the run of a kept call: the parent is read", []given{madeByUs, kept("other")}, Step{Do: ReadParent}},
		{"the run of a kept call is linked to its parent", []given{madeByUs, kept("other"), parentRead("other", ledger.Searched)}, Step{Do: LinkRun, FromRun: true}},
		{"a link waits for a reserved parent", []given{madeByUs, kept("other"), parentRead("other", ledger.Reserved)}, ends(Returned, FlowBusy)},
		{"the run of one of two kept calls is a dead letter", []given{madeByUs, kept("other", "third")}, gives(MadeByUnknownCall)},
		{"the run of a call that was cut is a dead letter", []given{madeByUs, cut}, gives(MadeByUnknownCall)},
		{"the run of one of two kept calls is linked to the one of the same data window", []given{madeByUs, worksOn(from(6)), keptOf("other", from(5)), keptOf("third", from(6)), parentRead("third", ledger.Searched)}, Step{Do: LinkRun, FromRun: true}},
		{"not if the other call's window is not known", []given{madeByUs, worksOn(from(6)), keptOf("other", unknown), keptOf("third", from(6))}, gives(MadeByUnknownCall)},
		{"not if its own window is not known", []given{madeByUs, keptOf("other", from(5)), keptOf("third", from(6))}, gives(MadeByUnknownCall)},
		{"not if both calls have its window", []given{madeByUs, worksOn(from(6)), keptOf("other", from(6)), keptOf("third", from(6))}, gives(MadeByUnknownCall)},
		{"not if a call was cut", []given{madeByUs, worksOn(from(6)), keptOf("other", from(5)), keptOf("third", from(6)), cut}, gives(MadeByUnknownCall)},
		{"a window that neither call has does not make it a root", []given{madeByUs, worksOn(from(7)), keptOf("other", from(5)), keptOf("third", from(6))}, gives(MadeByUnknownCall)},
		{"another window than the one kept call's does not make it a root", []given{madeByUs, worksOn(from(7)), keptOf("other", from(5)), parentRead("other", ledger.Searched)}, Step{Do: LinkRun, FromRun: true}},
		{"a failed run that the slot's call made is linked without a search", []given{madeByUs, slot("other", 9*time.Minute)}, Step{Do: ReadParent}},
		{"and searched for where it may be another call's", []given{madeByUs, slot("other", 9*time.Minute), kept("third")}, Step{Do: SearchCall}},
		{"but linked at once where the data window tells whose it is", []given{madeByUs, worksOn(from(6)), slot("other", 9*time.Minute), slotOf(from(6)), keptOf("third", from(5))}, Step{Do: ReadParent}},
		{"and searched for where the window is that of a kept call", []given{madeByUs, worksOn(from(5)), slot("other", 9*time.Minute), slotOf(from(6)), keptOf("third", from(5))}, Step{Do: SearchCall}},
		{"force links the run of a kept call, too", []given{forced, failedAtAdobe, madeByUs, kept("other"), parentRead("other", ledger.Searched)}, Step{Do: LinkRun, FromRun: true}},
		{"force sends the run of one of two kept calls", []given{forced, failedAtAdobe, madeByUs, kept("other", "third")}, Step{Do: Send}},
		{"a run of another client is a root, whatever is kept", []given{kept("other", "third"), cut}, Step{Do: Send}},

		{"a lost call is searched for again after half an hour", []given{lostCall(10*time.Minute, 1)}, at(20*time.Minute, Step{Do: Defer, Reason: OutcomeUnknown})},
		{"half an hour later it is searched for", []given{lostCall(time.Hour, 1)}, Step{Do: SearchCall}},
		{"a lost call that made nothing is sent once more", []given{lostCall(time.Hour, 1), searchedFor("run", FoundNothing)}, Step{Do: Send, Extra: true}},
		{"one more re-trigger keeps to the dataflow's budget", []given{lostCall(time.Hour, 1), searchedFor("run", FoundNothing), flowBudgetSpent}, Step{Do: Defer, Reason: BudgetSpent}},
		{"one more re-trigger keeps to the org's budget", []given{lostCall(time.Hour, 1), searchedFor("run", FoundNothing), orgBudgetSpent}, Step{Do: Defer, Reason: BudgetSpent}},
		{"EXTRA_SEND=false makes it a dead letter", []given{lostCall(time.Hour, 1), noExtraSend, searchedFor("run", FoundNothing)}, gives(OutcomeUnknown)},
		{"two sends are a dead letter", []given{lostCall(time.Hour, 2), searchedFor("run", FoundNothing)}, gives(OutcomeUnknown)},
		{"a call of which a search can't tell is a dead letter", []given{lostCall(time.Hour, 1), unclear}, gives(OutcomeUnknown)},
		{"it is one, too, when it has waited", []given{lostCall(time.Hour, 1), unclear, in(ledger.Deferred), before(ledger.CannotTell)}, gives(OutcomeUnknown)},
		{"a lost call from a week ago is a dead letter", []given{lostCall(8*day, 1)}, gives(OutcomeUnknown)},
		{"no attempts left is a dead letter", []given{lostCall(time.Hour, 1), used(2), searchedFor("run", FoundNothing)}, gives(OutcomeUnknown)},
		{"but not before a second search: its run may be listed late", []given{lostCall(time.Hour, 1), used(2)}, Step{Do: SearchCall}},
		{"a second search that can't be made is a dead letter", []given{lostCall(time.Hour, 1), searchedFor("run", FoundNoWay)}, gives(OutcomeUnknown)},
		{"a second search that finds the run: the parent is read", []given{lostCall(time.Hour, 1), searchedFor("run", FoundOne)}, Step{Do: ReadParent}},
		{"and it is linked", []given{lostCall(time.Hour, 1), searchedFor("run", FoundOne), parentRead("run", ledger.Searched)}, Step{Do: LinkRun}},
		{"a person who has looked may force one more", []given{lostCall(8*day, 2), in(ledger.DeadLettered), forced, failedAtAdobe}, Step{Do: Send, Extra: true}},

		{"a run that was too old when it was first seen is skipped", []given{failed(8*day, 0)}, Step{Do: SkipRun, Reason: TooOld}},
		{"a message that grew too old while it waited is a dead letter", []given{in(ledger.Deferred), failed(8*day, 7*day+23*time.Hour), byMessage}, gives(WaitedTooLong)},
		{"so is an event that was returned for so long", []given{in(ledger.Returned), failed(8*day, 7*day+23*time.Hour)}, gives(WaitedTooLong)},
		{"the second attempt waits for its delay", []given{in(ledger.Made), used(1)}, Step{Do: Defer, Reason: RetryDelay}},
		{"a lineage without attempts left is a dead letter", []given{in(ledger.Made), used(3)}, Step{Do: DeadLetter, Reason: AttemptsExhausted, Exhausted: true}},
		{"before the breaker opens, a success is asked for", []given{in(ledger.Made), used(3), almostOpen}, Step{Do: AskSuccess}},
		{"a success makes the breaker count anew", []given{in(ledger.Made), used(3), almostOpen, success(Yes)}, Step{Do: CloseBreaker, Reason: AttemptsExhausted}},
		{"then the lineage is the first that counts", []given{in(ledger.Made), used(3), success(Yes)}, Step{Do: DeadLetter, Reason: AttemptsExhausted, Exhausted: true}},
		{"an open breaker asks for a success", []given{breakerOpen}, Step{Do: AskSuccess}},
		{"an open breaker makes a dead letter", []given{breakerOpen, success(No)}, gives(BreakerOpen)},
		{"a success closes the breaker", []given{breakerOpen, success(Yes)}, Step{Do: CloseBreaker, Reason: BreakerOpen}},
		{"force passes over the attempts and the breaker", []given{in(ledger.Made), used(9), breakerOpen, forced, failedAtAdobe}, Step{Do: Send}},

		{"a run beyond its dataflow's budget waits for the next window", []given{flowBudgetSpent}, Step{Do: Defer, Reason: BudgetSpent}},
		{"a run beyond its org's budget waits for the next window", []given{orgBudgetSpent}, Step{Do: Defer, Reason: BudgetSpent}},
		{"force passes over the budgets", []given{flowBudgetSpent, orgBudgetSpent, forced, failedAtAdobe}, Step{Do: Send}},

		{"an attempt within ten minutes of the failure does not ask for a retry by hand", []given{failed(10*time.Minute, 0)}, Step{Do: Send}},
		{"a later one asks", []given{failed(11*time.Minute, 0)}, Step{Do: AskNewer}},
		{"so does a run of ours that has just failed, and was made more than ten minutes ago", []given{in(ledger.Made), used(1), firstSeen(6 * time.Minute), entryFirstSeen(11 * time.Minute)}, Step{Do: AskNewer}},
		{"so does a person's request for a run that failed long ago", []given{atHand, failedAtAdobe, in(ledger.DeadLettered), firstSeen(time.Hour)}, Step{Do: AskNewer}},
		{"so does one more re-trigger of a run whose call was lost", []given{lostCall(time.Hour, 1), searchedFor("run", FoundNothing), firstSeen(2 * time.Hour)}, Step{Do: AskNewer}},
		{"a run that was not retried by hand, as far as can be told, is sent", []given{firstSeen(time.Hour), newer(No)}, Step{Do: Send}},
		{"a run that somebody has retried by hand is skipped", []given{firstSeen(time.Hour), newer(Yes)}, Step{Do: SkipRun, Reason: SupersededByHand}},
		{"so is one more re-trigger of it", []given{lostCall(time.Hour, 1), searchedFor("run", FoundNothing), firstSeen(2 * time.Hour), newer(Yes)}, Step{Do: SkipRun, Reason: SupersededByHand}},
		{"force does not ask", []given{forced, failedAtAdobe, firstSeen(time.Hour)}, Step{Do: Send}},
		{"what is not sent does not ask", []given{firstSeen(time.Hour), flowBudgetSpent}, Step{Do: Defer, Reason: BudgetSpent}},
		{"a later event of a run that was retried by hand is a duplicate", []given{in(ledger.Skipped), because(SupersededByHand)}, ends(Skipped, ReasonDuplicate)},

		{"a sweep requests a run that nobody knows", []given{bySweep}, Step{Do: Send}},
		{"a sweep asks for a retry by hand, too", []given{bySweep, firstSeen(time.Hour)}, Step{Do: AskNewer}},
		{"a sweep skips a run that somebody has retried by hand", []given{bySweep, firstSeen(time.Hour), newer(Yes)}, Step{Do: SkipRun, Reason: SupersededByHand}},
		{"a sweep leaves a run that was skipped for that", []given{bySweep, in(ledger.Skipped), because(SupersededByHand)}, ends(Skipped, SupersededByHand)},
		{"a sweep requests a searched run", []given{bySweep, lostCall(time.Hour, 1), firstSeen(time.Hour), newer(No)}, Step{Do: Send}},
		{"a sweep requests a run whose claim has ended", []given{bySweep, slot("run", time.Hour), firstSeen(time.Hour)}, Step{Do: Send}},
		{"a sweep leaves a run that waits", []given{bySweep, in(ledger.Deferred)}, ends(Skipped, Waiting)},
		{"a sweep makes up for a message that was lost", []given{bySweep, in(ledger.Deferred), changed(13 * time.Hour), dueIn(-13 * time.Hour)}, Step{Do: Send}},
		{"a sweep leaves a dead letter", []given{bySweep, in(ledger.DeadLettered), because(Forbidden)}, ends(Skipped, Forbidden)},
		{"a sweep takes a dead letter up whose dataflow was switched off", []given{bySweep, in(ledger.DeadLettered), because(FlowDisabled)}, Step{Do: Send}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			f, r := facts(), rules()
			for _, change := range row.given {
				change(&f, &r)
			}
			got := Decide(&f, &r, noon())
			short := Step{Do: got.Do, Outcome: got.Outcome, Reason: got.Reason, To: got.To, FromRun: got.FromRun, Due: got.Due, After: got.After, Extra: got.Extra, Exhausted: got.Exhausted, Fault: got.Fault}
			if row.want.Do == Defer && row.want.Due.IsZero() && got.Due.After(noon()) { // a jitter is in it
				short.Due = time.Time{}
			}
			if diff := cmp.Diff(row.want, short, cmpopts.IgnoreUnexported(Step{})); diff != "" {
				t.Errorf("(-want +got)\n%s%s", diff, got.Detail)
			}
		})
	}
}
