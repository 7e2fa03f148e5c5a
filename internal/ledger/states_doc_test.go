package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/local/golden"
)

const docPath = "../../docs/states.md"

const docIntroduction = `# The states of a run

<!-- Made from internal/ledger. Change states.go or states_doc_test.go there, then run: go test ./internal/ledger -update -->

The ledger has an entry for each run that the function has dealt with, and the entry's state says how far that came. This page has the states, and every operation that leads from one to another. The function refuses to write anything that is not in the last table, and a test does each operation in each state to see that it does.

The diagram has the usual ways. It leaves out reservations, and operations that change no state.

`

// sentence says in plain English what a state means.
func sentence(s ledger.State) string {
	return map[ledger.State]string{
		ledger.NoEntry:      "The ledger knows nothing of the run.",
		ledger.Made:         "One of our re-triggers made the run, and nothing has been heard of it since. The entry is on its org's list of open runs, and scheduled sweeps ask how the run ended.",
		ledger.Returned:     "Nothing was sent, and the message that asked for it will be delivered again.",
		ledger.Deferred:     "A message waits on the request queue until the run is due, for example for the delay before its next attempt.",
		ledger.InFlight:     "A re-trigger of the run may be on its way. The dataflow's slot has its call, until the lease of the call ends.",
		ledger.Unconfirmed:  "The lease has ended, and nobody has recorded an answer of Adobe's. The next delivery for the dataflow searches for the run that the call has made. (This state is never stored: it is `in_flight` after the lease.)",
		ledger.Searched:     "The call got no answer, and a search found no run that it made. After half an hour the function searches again, and then sends the run once more.",
		ledger.CannotTell:   "The call got no answer, and no search can tell whether it made a run. Only a person can send the run again, with `force`.",
		ledger.Reserved:     "One delivery is writing a dead letter or a message for the run, and others wait. If the delivery dies, the state before counts again when the reservation ends.",
		ledger.Skipped:      "There was nothing to do for the run, for example since it was too old, or a person has cancelled it. A person can ask for it again.",
		ledger.DeadLettered: "The function gave the run up, and a dead letter says why. A person can send the dead letter again.",
		ledger.Retriggered:  "A re-trigger of the run made another run, its successor, with which the lineage goes on. This is an end.",
		ledger.Succeeded:    "One of our re-triggers made the run, and it succeeded. This is an end.",
	}[s]
}

func TestTheStatesDocumentIsMadeFromTheTable(t *testing.T) {
	t.Parallel()
	for _, s := range ledger.States() {
		if sentence(s) == "" {
			t.Errorf("no sentence says what %q means", s)
		}
	}
	for _, row := range ledger.Transitions() {
		if !slices.Contains(ledger.Operations(), row.Op) {
			t.Errorf("%s is in the table and not among the operations", row.Op)
		}
	}
	golden.Check(t, docPath, document())
}

// document writes docs/states.md.
func document() string {
	var doc strings.Builder
	doc.WriteString(docIntroduction + "```mermaid\nstateDiagram-v2\n" + diagram() + "```\n\n| state | what it means |\n| --- | --- |\n")
	for _, s := range ledger.States() {
		fmt.Fprintf(&doc, "| %s | %s |\n", stateName(s), sentence(s))
	}
	doc.WriteString("\n## The operations\n\nEach operation is a method of `ledger.Ledger`; `ledger.People` has those that only a person asks for. One transaction writes it, on condition that nobody else has changed the entries since they were read.\n\n| operation | from | to | who asks | |\n| --- | --- | --- | --- | --- |\n")
	for _, op := range ledger.Operations() {
		for _, row := range ledger.Transitions() {
			if row.Op == op {
				fmt.Fprintf(&doc, "| %s | %s | %s | %s | %s |\n", op, stateNames(row.From), target(row), askers(row), row.Note)
			}
		}
	}
	return doc.String()
}

// diagram has an arrow for each pair of states, with the operations that lead from one to
// the other.
func diagram() string {
	var arrows strings.Builder
	node := func(s ledger.State) string {
		if s == ledger.NoEntry {
			return "[*]"
		}
		return string(s)
	}
	drawn := []ledger.Operation{ledger.OpClaim, ledger.OpConfirm, ledger.OpRelease, ledger.OpMarkUnconfirmed, ledger.OpLink, ledger.OpLinkChild, ledger.OpSettle, ledger.OpSucceed}
	usual := []ledger.State{ledger.NoEntry, ledger.Made, ledger.Returned, ledger.Deferred, ledger.InFlight, ledger.Unconfirmed, ledger.Searched, ledger.CannotTell, ledger.Retriggered, ledger.Succeeded}
	for _, from := range usual {
		for _, to := range usual {
			var ops []string
			for _, op := range drawn {
				late := from == ledger.Unconfirmed && op != ledger.OpLink && op != ledger.OpSettle || op == ledger.OpLink && from != ledger.Unconfirmed && from != ledger.Searched
				if from != to && !late && ledger.Allowed(from, op, ledger.AnEvent, to) {
					ops = append(ops, string(op))
				}
			}
			if len(ops) > 0 {
				fmt.Fprintf(&arrows, "    %s --> %s: %s\n", node(from), node(to), strings.Join(ops, ", "))
			}
		}
	}
	for _, s := range []ledger.State{ledger.Deferred, ledger.Skipped, ledger.DeadLettered} {
		fmt.Fprintf(&arrows, "    [*] --> %s: Reserve and Note\n", s)
	}
	fmt.Fprintf(&arrows, "    %s --> %s: Claim by a person\n    %s --> [*]\n    %s --> [*]\n", ledger.DeadLettered, ledger.InFlight, ledger.Retriggered, ledger.Succeeded)
	return arrows.String()
}

func stateName(s ledger.State) string {
	if s == ledger.NoEntry {
		return "new"
	}
	return "`" + string(s) + "`"
}

func stateNames(all []ledger.State) string {
	if slices.Equal(all, ledger.States()) {
		return "any"
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = stateName(s)
	}
	return strings.Join(names, ", ")
}

func target(row ledger.Transition) string {
	if row.Keeps {
		return "the same"
	}
	return stateNames(row.To)
}

// askers says who asks for the operations of a row.
func askers(row ledger.Transition) string {
	switch row.Op {
	case ledger.OpConfirm, ledger.OpRelease, ledger.OpMarkUnconfirmed, ledger.OpChangeClient:
		return "the delivery that claimed it"
	case ledger.OpLink, ledger.OpLinkChild, ledger.OpSettle:
		return "any delivery for the dataflow"
	case ledger.OpNote, ledger.OpUnreserve:
		if slices.Equal(row.From, []ledger.State{ledger.Reserved}) {
			return "the delivery that reserved it"
		}
	}
	if len(row.Only) == 0 {
		return "anybody"
	}
	names := make([]string, len(row.Only))
	for i, by := range row.Only {
		names[i] = string(by)
	}
	return strings.Join(names, ", ")
}
