package ledger

import (
	"fmt"
	"slices"
)

// State says what a run's entry knows of the run. The words of outcomes are those of
// package retry.
type State string

// The states. docs/states.md shows how one leads to another.
const (
	// NoEntry is the state of a run that has no entry.
	NoEntry State = ""
	// Made means that one of our re-triggers made the run, and no more is known.
	Made State = "made"
	// InFlight means that a re-trigger of the run may be on its way, until the lease of
	// its call ends.
	InFlight State = "in_flight"
	// Unconfirmed is what becomes of InFlight when the lease ends without a record of the
	// answer. It is never stored: see [Run.StateAt].
	Unconfirmed State = "unconfirmed"
	// Searched means that the run's call got no answer, and that a search found no run
	// that the call made.
	Searched State = "searched"
	// CannotTell means that the run's call got no answer, and that no search can tell
	// whether it made a run.
	CannotTell State = "cannot_tell"
	// Reserved means that one delivery writes a dead letter or a message for the run.
	// When the reservation ends without a note, the state before it counts again.
	Reserved State = "reserved"
	// Returned means that nothing was sent and that a message will come again.
	Returned State = "returned"
	// Deferred means that a message on the request queue waits until Due.
	Deferred State = "deferred"
	// Skipped and DeadLettered are ends that a person can take up again.
	Skipped      State = "skipped"
	DeadLettered State = "dead_lettered"
	// Retriggered is an end: the run has a successor.
	Retriggered State = "retriggered"
	// Succeeded is an end: one of our re-triggers made the run, and it succeeded.
	Succeeded State = "succeeded"
)

// States returns every state, in the order in which a run usually meets them.
func States() []State {
	return []State{NoEntry, Made, Returned, Deferred, InFlight, Unconfirmed, Searched, CannotTell, Reserved, Skipped, DeadLettered, Retriggered, Succeeded}
}

// Operation is a kind of write to a run's entry.
type Operation string

// The operations; each is a method of [Ledger], those of people are methods of [People].
const (
	OpClaim           Operation = "Claim"
	OpConfirm         Operation = "Confirm"
	OpRelease         Operation = "Release"
	OpMarkUnconfirmed Operation = "MarkUnconfirmed"
	OpChangeClient    Operation = "ChangeClient"
	OpLink            Operation = "Link"
	OpLinkChild       Operation = "Link (as the child)"
	OpSettle          Operation = "Settle"
	OpReserve         Operation = "Reserve"
	OpNote            Operation = "Note"
	OpUnreserve       Operation = "Unreserve"
	OpSucceed         Operation = "Succeed"
	OpCountFault      Operation = "CountFault"
	OpCloseBreaker    Operation = "CloseBreaker"
	OpCancel          Operation = "Cancel"
	OpDrop            Operation = "Drop"
)

// Operations returns every operation.
func Operations() []Operation {
	return []Operation{OpClaim, OpConfirm, OpRelease, OpMarkUnconfirmed, OpChangeClient, OpLink, OpLinkChild, OpSettle, OpReserve, OpNote, OpUnreserve, OpSucceed, OpCountFault, OpCloseBreaker, OpCancel, OpDrop}
}

// Asker says who asks for an operation.
type Asker string

// The askers.
const (
	// AnEvent is an event of Adobe's, as it came.
	AnEvent Asker = "an event"
	// AMessage is a message of ours that waited on the request queue.
	AMessage Asker = "a waiting message"
	// AtHand is a request by hand, or a dead letter that was sent again.
	AtHand Asker = "a request by hand"
	// AForce is a request by hand with "force".
	AForce Asker = "force"
	// ASweep is a sweep that has found the run in Flow Service's listing.
	ASweep Asker = "a sweep"
)

// Askers returns every asker.
func Askers() []Asker { return []Asker{AnEvent, AMessage, AtHand, AForce, ASweep} }

// Transition is a row of the states' table: the operation leads from any of the states
// From to one of the states To.
type Transition struct {
	From []State
	Op   Operation
	// Only are the askers that may do it; none for all.
	Only []Asker
	To   []State
	// Keeps means that the run stays in its state; there is no To.
	Keeps bool
	// Note says more, for people.
	Note string
}

// table is the states' table.
var table = transitions()

// Transitions returns the states' table. A write that is not in it is a defect.
func Transitions() []Transition { return slices.Clone(table) }

func transitions() []Transition {
	open := []State{NoEntry, Made, Returned, Deferred}
	undecided := append(slices.Clone(open), Searched, CannotTell)
	unclaimed := append(slices.Clone(undecided), Skipped, DeadLettered)
	claimed := []State{InFlight, Unconfirmed}
	senders := []Asker{AnEvent, AMessage, AtHand, AForce} // what a sweep finds goes by the queue
	return []Transition{
		{From: open, Op: OpClaim, Only: senders, To: []State{InFlight}, Note: "until the lease ends"},
		{From: []State{Searched}, Op: OpClaim, Only: senders, To: []State{InFlight}, Note: "once, after a second search"},
		{From: []State{CannotTell}, Op: OpClaim, Only: []Asker{AForce}, To: []State{InFlight}},
		{From: []State{Skipped, DeadLettered}, Op: OpClaim, Only: []Asker{AtHand, AForce}, To: []State{InFlight}, Note: "also by a redrive"},
		{From: []State{Skipped}, Op: OpClaim, Only: []Asker{AnEvent, AMessage}, To: []State{InFlight}, Note: "if the run had not failed when it was skipped, or if the request names another sandbox"},
		{From: []State{DeadLettered}, Op: OpClaim, Only: []Asker{AnEvent, AMessage}, To: []State{InFlight}, Note: "if a sweep found it after its dataflow was enabled again, or if the request names another sandbox"},
		{From: claimed, Op: OpConfirm, To: []State{Retriggered}, Note: "the child becomes made"},
		{From: claimed, Op: OpRelease, To: []State{Returned, Searched, CannotTell}, Note: "searched or cannot_tell if an earlier call of the run was lost"},
		{From: claimed, Op: OpMarkUnconfirmed, To: []State{Unconfirmed}},
		{From: []State{InFlight}, Op: OpChangeClient, Keeps: true, Note: "a 401 renewed the credential: the slot has the new client id before the second call"},
		{From: []State{Unconfirmed, Searched, CannotTell, Returned, Deferred, DeadLettered, Skipped, Retriggered}, Op: OpLink, To: []State{Retriggered}, Note: "a run that a lost call made was found"},
		{From: []State{NoEntry}, Op: OpLinkChild, To: []State{Made}},
		{From: []State{Made, Returned, Deferred, Searched, CannotTell, DeadLettered, Skipped, Reserved, Retriggered, Succeeded}, Op: OpLinkChild, Keeps: true},
		{From: undecided, Op: OpLinkChild, To: []State{Skipped}, Note: "superseded: its parent has a successor already"},
		{From: []State{Unconfirmed}, Op: OpSettle, To: []State{Searched, CannotTell}},
		{From: unclaimed, Op: OpReserve, To: []State{Reserved}, Note: "the state before it is stored beside it"},
		{From: []State{Reserved}, Op: OpNote, To: []State{Deferred, DeadLettered, Skipped}, Note: "the message or the dead letter is written"},
		{From: unclaimed, Op: OpNote, To: []State{Skipped, Deferred}, Note: "nothing is written elsewhere: a skip, another due time, a sweep's request"},
		{From: []State{Reserved}, Op: OpUnreserve, To: []State{Made, Returned, Searched, CannotTell}, Note: "nothing could be written: the state before it, or returned"},
		{From: []State{Made}, Op: OpSucceed, To: []State{Succeeded}},
		{From: []State{NoEntry}, Op: OpCountFault, To: []State{Returned}},
		{From: slices.Concat(unclaimed[1:], claimed, []State{Reserved}), Op: OpCountFault, Keeps: true},
		{From: States(), Op: OpCloseBreaker, Keeps: true, Note: "it changes the dataflow's entry only"},
		{From: []State{Returned, Deferred, Searched, CannotTell}, Op: OpCancel, Only: []Asker{AtHand}, To: []State{Skipped}, Note: "its message is skipped when it comes; a call under way, or lost and not yet searched for, is not cancelled"},
		{From: []State{DeadLettered}, Op: OpDrop, Only: []Asker{AtHand}, To: []State{Skipped}, Note: "a person has deleted the dead letter"},
	}
}

// Allowed reports whether the table has the transition.
func Allowed(from State, op Operation, by Asker, to State) bool {
	return slices.ContainsFunc(table, func(t Transition) bool {
		leads := slices.Contains(t.To, to) || t.Keeps && from == to
		return leads && t.Op == op && slices.Contains(t.From, from) && (len(t.Only) == 0 || slices.Contains(t.Only, by))
	})
}

// TransitionError means that nothing was written, since the states' table does not have
// the transition. It is a defect of the caller.
type TransitionError struct {
	RunID    string
	From, To State
	Op       Operation
	By       Asker
}

// Error names the transition.
func (e *TransitionError) Error() string {
	return fmt.Sprintf("%s by %s must not lead run %s from %q to %q", e.Op, e.By, e.RunID, e.From, e.To)
}
