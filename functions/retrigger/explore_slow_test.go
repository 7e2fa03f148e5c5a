//go:build slow

package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation/explore"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// TestTheExplorerFindsMutants is the test of the test: each mutant is found within small
// bounds.
func TestTheExplorerFindsMutants(t *testing.T) {
	t.Parallel()
	type parts = simulation.Parts
	engine := func(name string) func(parts) simulation.Handler {
		return func(p parts) simulation.Handler {
			p.Store = mutants()[name](p.Store)
			return function(p)
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
		{"the slot is ignored", engine("the slot is ignored"), "once, bounded"},
		{"the slot has no client id", engine("the slot has no client id"), "once, bounded"},
		{"the store drops conditions", func(p parts) simulation.Handler {
			p.Store = careless{p.Store}
			return function(p)
		}, "once"},
		{"one more is sent without a second search", func(p parts) simulation.Handler {
			p.Config.ExtraSendAfter = 0
			return function(p)
		}, "once"},
		{"faults are not counted", func(p parts) simulation.Handler {
			p.Store = changedCommits{p.Store, withoutFaults}
			return function(p)
		}, "it ends"},
		{"untold news is not listed", engine("untold news is not listed"), "told or listed"},
		{"a run is given up without news", func(p parts) simulation.Handler {
			p.Store = changedCommits{p.Store, withoutEpisodes}
			return function(p)
		}, "told or listed"},
		{"the org's budget has no limit", func(p parts) simulation.Handler {
			p.Store = limitless{p.Store}
			return function(p)
		}, "within the budget"},
		{"a record counts twice", func(p parts) simulation.Handler {
			p.Store = changedCommits{p.Store, countedTwice}
			return function(p)
		}, "counted once"},
	} {
		t.Run(tt.mutant, func(t *testing.T) {
			t.Parallel()
			setup := explore.Setup{Wire: tt.wire, Runs: []string{"f"}, Messages: []int{0, 0}, Attempts: 2, Faults: 1, Together: 2, Hurry: true, Late: true, Quick: !everything()}
			switch tt.invariants {
			case "it ends":
				setup.Messages, setup.Refuse = []int{0}, notYet()
			case "told or listed":
				setup.Messages, setup.Attempts, setup.Configure = []int{0}, 1, withNotices
			case "within the budget":
				setup.Runs, setup.Messages, setup.Attempts, setup.Configure = []string{"f", "g"}, []int{0, 1}, 1, withBudgetOfOne
			}
			r := explore.Explore(t, setup)
			if r.Broken == nil || !strings.Contains(tt.invariants, r.Broken.Invariant) {
				t.Fatalf("%s: %v, want one of %q to be broken", r, r.Broken, tt.invariants)
			}
			t.Logf("%s; a history that shows it:\n%s", r, r.Broken)
		})
	}
}

// limitless is a store whose counters have no limit.
type limitless struct{ store.Table }

func (s limitless) Add(ctx context.Context, key string, n, _ int, ttl time.Time) (bool, error) {
	return s.Table.Add(ctx, key, n, 0, ttl)
}

// countedTwice adds twice what is added to a sum.
func countedTwice(writes []store.Write) []store.Write {
	for i := range writes {
		for name := range writes[i].Sums {
			writes[i].Sums[name] *= 2
		}
	}
	return writes
}

// withoutFaults counts no fault.
func withoutFaults(writes []store.Write) []store.Write {
	for _, w := range writes {
		delete(w.New, "faults")
	}
	return writes
}

// withoutEpisodes keeps no failing episode.
func withoutEpisodes(writes []store.Write) []store.Write {
	for _, w := range writes {
		delete(w.New, "episodes")
	}
	return withoutLists(writes)
}

// TestExplored explores the small bounds. `make explore` sets EXPLORE: then all are
// explored, and the shortest histories are looked for. EXPLORE_FAULTS is how many faults each has then.
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
			b.Wire, b.Accepted, b.Quick = function, restful, !all
			if faults > 0 {
				b.Faults = faults
			}
			r := explore.Explore(t, b.Setup)
			t.Logf("explored: %s: %s", b.name, r)
			switch {
			case r.Broken != nil:
				t.Errorf("%s is broken by\n%s", r.Broken.Invariant, r.Broken)
			case !r.Exhausted:
				t.Error("the bounds are not exhausted")
			}
		})
	}
}
