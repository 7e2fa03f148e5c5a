package operate

import (
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// MaxRows is how many rows of a list are read. A list that is longer says so.
const MaxRows = 10_000

// Run is a run as the ledger has it, with words for people.
type Run struct {
	OrgID   string `json:"orgId"`
	Sandbox string `json:"sandbox,omitempty"`
	FlowID  string `json:"flowId,omitempty"`
	// FlowName is the dataflow's name; empty where it is not known.
	FlowName string `json:"flowName,omitempty"`
	RunID    string `json:"runId"`
	// State is a word of docs/states.md, Reason one of docs/outcomes.md, and Why says both in
	// a sentence.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why"`
	// Until is when the run is due, or when the lease of its re-trigger ends; it is left out
	// where nothing is known.
	Until time.Time `json:"until,omitzero"`
	// Attempts counts the re-triggers of the run's lineage so far.
	Attempts int `json:"attempts"`
	// ErrorCode and ErrorText say why the run failed, as its source says.
	ErrorCode string `json:"errorCode,omitempty"`
	ErrorText string `json:"errorText,omitempty"`
	// FirstSeen is when the failure was first seen, ChangedAt when the entry was last written.
	FirstSeen time.Time `json:"firstSeen,omitzero"`
	ChangedAt time.Time `json:"changedAt,omitzero"`
	// Root is the first run of the lineage, Parent the run whose re-trigger made this one, and
	// NewRunID the run that a re-trigger of this one made.
	Root     string `json:"root,omitempty"`
	Parent   string `json:"parent,omitempty"`
	NewRunID string `json:"newRunId,omitempty"`
	// SupersededBy is the run with which somebody has retried this one by hand.
	SupersededBy string `json:"supersededBy,omitempty"`
}

// RunOf is a run of the ledger at a time.
func RunOf(r *ledger.Run, now time.Time) Run {
	state := r.StateAt(now)
	run := Run{
		OrgID: r.OrgID, Sandbox: r.Sandbox, FlowID: r.FlowID, FlowName: r.FlowName, RunID: r.RunID,
		State: string(state), Reason: r.Reason, Attempts: r.Used(), ErrorCode: r.ErrorCode, ErrorText: r.ErrorText,
		FirstSeen: r.FirstSeen, ChangedAt: r.ChangedAt, Root: r.Root, Parent: r.Parent, NewRunID: r.Successor, SupersededBy: r.SupersededBy,
	}
	run.Why, _ = Words(run.State, run.Reason)
	switch state {
	case ledger.Deferred:
		run.Until = r.Due
	case ledger.InFlight:
		run.Until = r.Call.Until
	case ledger.Reserved:
		run.Until = r.ReservedUntil
	case ledger.Searched:
		run.Until = r.Lost.Until.Add(ledger.LostCallWindow)
	}
	return run
}

func runsOf(all []ledger.Run, now time.Time) []Run {
	runs := make([]Run, len(all))
	for i := range all {
		runs[i] = RunOf(&all[i], now)
	}
	return runs
}

// cutToMax cuts a list to [MaxRows], and reports whether it was longer.
func cutToMax[T any](rows []T) (cut []T, more bool) {
	return rows[:min(len(rows), MaxRows)], len(rows) > MaxRows
}

// sortByFirstSeen puts runs in the order in which their failures were seen.
func sortByFirstSeen(runs []ledger.Run) {
	slices.SortStableFunc(runs, func(a, b ledger.Run) int { return a.FirstSeen.Compare(b.FirstSeen) })
}
