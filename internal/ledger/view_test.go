package ledger_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// view is a ledger as the tests read it, at the time of its clock.
type view struct {
	*testing.T

	*ledger.Ledger

	now   time.Time
	table *table
}

func (v *view) load(runID string) ledger.Entries {
	v.Helper()
	e, err := v.Load(v.Context(), ledger.Ref{OrgID: org, FlowID: flow, Sandbox: sandbox, RunID: runID})
	if err != nil {
		v.Fatal(err)
	}
	return e
}

// run is a run as a search finds it.
func (v *view) run(runID string) ledger.Run { return v.load(runID).Run }

// stored is everything that the table has, without revisions.
func (v *view) stored() map[string]store.Record {
	all := map[string]store.Record{}
	for _, r := range v.table.Records() {
		key := r[store.AttributeKey]
		all[key] = maps.Clone(r)
		delete(all[key], store.AttributeRev)
	}
	return all
}

// unchanged ends the test where the table has something else than before.
func (v *view) unchanged(before map[string]store.Record) {
	v.Helper()
	if diff := cmp.Diff(before, v.stored()); diff != "" {
		v.Errorf("the store has changed (-want +got):\n%s", diff)
	}
}

// stateOf is the run's state as it counts.
func (v *view) stateOf(runID string) ledger.State {
	v.Helper()
	run := v.load(runID).Run
	return run.StateAt(v.now)
}

// state compares a run's state as the ledger has it.
func (v *view) state(runID string, want ledger.State) ledger.Run {
	v.Helper()
	run := v.load(runID).Run
	if got := run.StateAt(v.now); got != want {
		v.Errorf("run %s is %q, want %q", runID, got, want)
	}
	return run
}

// slot compares whose call is in the slot; empty for none.
func (v *view) slot(want string) ledger.Flow {
	v.Helper()
	f := v.load("any").Flow
	got := ""
	if f.Slot != nil {
		got = f.Slot.RunID
	}
	if got != want {
		v.Errorf("the slot has the call of %q, want %q", got, want)
	}
	return f
}
