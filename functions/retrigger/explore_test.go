package main

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation/explore"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// The explorer plays every history within these bounds against the function. The model
// test goes further and plays a few of many.

// defects are the invariants that the engine is known to break, by the name of the bounds
// in which the explorer finds that. With an engine that has none, this is empty.
//
// Another client id: a lost re-trigger is looked for under the client id of the secret as
// it is now, so the run that it made is not found. The run is sent again, and the failure
// of the run that was made begins a lineage of its own.
//
// A week: the engine forgets a lost re-trigger after seven days, and its request may be
// delivered later.
func defects() map[string]string {
	return map[string]string{
		"one attempt and another client id, one fault":  "bounded",
		"two attempts and another client id, one fault": "once",
		"two runs of a dataflow and a week, one fault":  "once",
	}
}

// bound is what is explored under a name.
type bound struct {
	name string
	explore.Setup
	// small bounds take seconds and are part of every test run. The others are for
	// `make explore`.
	small bool
}

func bounds() []bound {
	one, duplicates, three, two := []int{0}, []int{0, 0}, []int{0, 0, 0}, []int{0, 1}
	run, runs := []string{"f"}, []string{"f", "f"}
	return []bound{
		{"two deliveries of a run, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 1, Faults: 1, Together: 2}, true},
		{"one attempt and another client id, one fault", explore.Setup{Runs: run, Messages: one, Attempts: 1, Faults: 1, Together: 1, Rotate: true}, true},
		{"two attempts and another client id, one fault", explore.Setup{Runs: run, Messages: one, Attempts: 2, Faults: 1, Together: 1, Rotate: true}, false},
		{"two deliveries of a run, two faults", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 2, Together: 2}, false},
		{"two deliveries of a run, whose further deliveries overlap, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 1}, false},
		{"two deliveries of a run, made runs fail early, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 1, Together: 3, Hurry: true}, false},
		{"two deliveries of a run, made runs fail or succeed, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 1, Together: 2, Succeed: true}, false},
		{"two runs of a dataflow, two faults", explore.Setup{Runs: runs, Messages: two, Attempts: 1, Faults: 2, Together: 2}, false},
		{"three deliveries of a run, one fault", explore.Setup{Runs: run, Messages: three, Attempts: 2, Faults: 1, Together: 3}, false},
		{"one delivery and two weeks, two faults", explore.Setup{Runs: run, Messages: one, Attempts: 2, Faults: 2, Together: 1, Weeks: 2}, false},
		{"two runs of a dataflow and a week, one fault", explore.Setup{Runs: runs, Messages: two, Attempts: 2, Faults: 1, Together: 1, Weeks: 1}, false},
	}
}

// restful reports whether a failed run may rest with what the log says of it. One that was
// skipped since it was running or had succeeded may not: it has failed.
func restful(one record) bool {
	return one.Reason != string(retrigger.RunInProgress) && one.Reason != string(retrigger.RunSucceeded)
}

// everything reports whether `make explore` runs the tests.
func everything() bool { return os.Getenv("EXPLORE") != "" }

// TestExplored explores the small bounds. `make explore` sets EXPLORE: then all are
// explored, and the shortest histories are looked for. EXPLORE_FAULTS is how many faults those without a known defect have then.
func TestExplored(t *testing.T) {
	t.Parallel()
	all := everything()
	faults, _ := strconv.Atoi(os.Getenv("EXPLORE_FAULTS")) // 0 for those of the bound
	for _, b := range bounds() {
		if !b.small && !all {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			if !all {
				t.Parallel()
			}
			defect := defects()[b.name]
			b.Wire, b.Accepted, b.Quick = handler, restful, !all
			if defect == "" && faults > 0 {
				b.Faults = faults
			}
			r := explore.Explore(t, b.Setup)
			t.Logf("explored: %s: %s", b.name, r)
			switch {
			case r.Broken != nil:
				t.Logf("a history that breaks it:\n%s", r.Broken)
				if r.Broken.Invariant != defect {
					t.Errorf("%s: %s is broken, want %q", b.name, r.Broken.Invariant, defect)
				}
			case defect != "":
				t.Errorf("%s is broken no longer: take it off the known defects", defect)
			case !r.Exhausted:
				t.Error("the bounds are not exhausted")
			}
		})
	}
}

// TestTheExplorerFindsMutants is the test of the test: each mutant is found within small
// bounds.
func TestTheExplorerFindsMutants(t *testing.T) {
	t.Parallel()
	type parts = simulation.Parts
	engine := func(name string) func(parts) simulation.Handler {
		return func(p parts) simulation.Handler {
			p.Mutate = mutants()[name]
			return handler(p)
		}
	}
	for _, tt := range []struct {
		mutant     string
		wire       func(parts) simulation.Handler
		invariants string // any of which may be the first to break
	}{
		{"the claim is dropped", engine("the claim is dropped"), "once"},
		{"attempts are counted per run", engine("attempts are counted per run"), "bounded"},
		{"recorded before the call", engine("recorded before the call"), "bounded, nothing vanishes"},
		{"nothing is reconciled", engine("nothing is reconciled"), "once, bounded"},
		{"overtaking is not seen", engine("overtaking is not seen"), "bounded, once"},
		{"the store drops conditions", func(p parts) simulation.Handler {
			p.Store = careless{p.Store}
			return handler(p)
		}, "once"},
	} {
		t.Run(tt.mutant, func(t *testing.T) {
			t.Parallel()
			r := explore.Explore(t, explore.Setup{Wire: tt.wire, Runs: []string{"f"}, Messages: []int{0, 0}, Attempts: 2, Faults: 1, Together: 2, Hurry: true, Quick: !everything()})
			if r.Broken == nil || !strings.Contains(tt.invariants, r.Broken.Invariant) {
				t.Fatalf("%s: %v, want one of %q to be broken", r, r.Broken, tt.invariants)
			}
			t.Logf("%s; a history that shows it:\n%s", r, r.Broken)
		})
	}
}

// careless is a store that drops the conditions of writes.
type careless struct{ store.Table }

func (s careless) Commit(ctx context.Context, writes ...store.Write) error {
	writes = slices.Clone(writes)
	for {
		err := s.Table.Commit(ctx, writes...)
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok {
			return err
		}
		for i, w := range writes {
			if current, listed := conflict.Current[w.Key]; listed {
				writes[i].Old = current[store.AttributeRev]
			}
		}
	}
}
