package operate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// reasonRow is a row of docs/outcomes.md: of the section of an outcome, for a reason.
type reasonRow struct{ section, reason, why, next string }

// Words says what the state of a run and its reason mean, and what a person does about it, in
// the words of docs/outcomes.md. next is empty where there is nothing to do. A reason that is
// not in the document is returned as it is.
func Words(state, reason string) (why, next string) {
	row, known := rowOf(state, reason)
	switch {
	case ledger.State(state) == ledger.CannotTell: // its next delivery makes a dead letter of it
		row, _ = rowOf(string(ledger.DeadLettered), "outcome_unknown")
		return stateWords(ledger.CannotTell), row.next
	case reason == "" || !isOutcome(state):
		return stateWords(ledger.State(state)), ""
	case !known:
		return reason, ""
	}
	if next = row.next; next == "nothing" {
		next = ""
	}
	return row.why, next
}

// isOutcome reports whether a state is a word of outcomes, too. Only those have reasons of
// their own; others keep the reason of the state before.
func isOutcome(state string) bool {
	return slices.Contains(retry.Outcomes(), retry.Outcome(state))
}

// rowOf finds a reason in the section of the outcome, or else where the document sends the
// reader from there: a deferred or a given-up request may have a reason of returned ones.
func rowOf(state, reason string) (reasonRow, bool) {
	if strings.HasPrefix(reason, "sweep ") {
		reason = "sweep <id>"
	}
	rows := reasonRows()
	for _, section := range []string{state, string(ledger.Returned), string(ledger.DeadLettered), string(ledger.Deferred), "skipped", "sweeps"} {
		for _, row := range rows {
			if row.section == section && row.reason == reason {
				return row, true
			}
		}
	}
	return reasonRow{}, false
}

// stateWords says what a state means where there is no reason beside it.
func stateWords(s ledger.State) string {
	switch s {
	case ledger.NoEntry:
		return "the ledger knows nothing of it"
	case ledger.Made:
		return "a re-trigger made it, and its end is not known yet"
	case ledger.InFlight:
		return "its re-trigger is under way"
	case ledger.Unconfirmed:
		return "its re-trigger got no answer; the next delivery for the dataflow searches for the run that it made"
	case ledger.Searched:
		return "its re-trigger got no answer, and no run that it made was found; it is searched for again and then sent once more"
	case ledger.CannotTell:
		return "its re-trigger got no answer, and nobody can tell what it made; only a person can send the run again, with force"
	case ledger.Reserved:
		return "a dead letter or a message is being written for it"
	case ledger.Returned:
		return "its message comes again"
	case ledger.Deferred:
		return "it waits on the request queue"
	case ledger.Retriggered:
		return "Flow Service made a new run of it"
	case ledger.Succeeded:
		return "a re-trigger made it, and it succeeded"
	case ledger.Skipped:
		return "there was nothing to retry"
	case ledger.DeadLettered:
		return "it was given up"
	}
	return cmp.Or(string(s), "unknown")
}
