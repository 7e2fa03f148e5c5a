package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation/explore"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// The explorer plays every history within these bounds against the function. The model
// test goes further and plays a few of many.

// bound is what is explored under a name.
type bound struct {
	name string
	explore.Setup
	// small bounds take seconds and are part of `make test-all`. The others are for
	// `make explore`.
	small bool
}

func bounds() []bound {
	one, duplicates, three, two := []int{0}, []int{0, 0}, []int{0, 0, 0}, []int{0, 1}
	run, runs := []string{"f"}, []string{"f", "f"}
	return []bound{
		{"two deliveries of a run, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 1, Faults: 1, Together: 2}, true},
		{"a run that is given up, with notices, two faults", explore.Setup{Runs: run, Messages: one, Attempts: 1, Faults: 2, Together: 1, Configure: withNotices}, true},
		{"two runs of a dataflow, with notices and an open breaker, one fault", explore.Setup{Runs: runs, Messages: two, Attempts: 1, Faults: 1, Together: 2, Configure: withNotices}, false},
		{"one attempt and another client id, one fault", explore.Setup{Runs: run, Messages: one, Attempts: 1, Faults: 1, Together: 1, Rotate: true}, false},
		{"two attempts and another client id, one fault", explore.Setup{Runs: run, Messages: one, Attempts: 2, Faults: 1, Together: 1, Rotate: true}, false},
		{"two deliveries of a run, two faults", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 2, Together: 2}, false},
		{"two deliveries of a run, whose further deliveries overlap, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 1}, false},
		{"two deliveries of a run, made runs fail early, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 1, Together: 3, Hurry: true}, false},
		{"two deliveries of a run, made runs fail or succeed, one fault", explore.Setup{Runs: run, Messages: duplicates, Attempts: 2, Faults: 1, Together: 2, Succeed: true}, false},
		{"two runs of a dataflow, two faults", explore.Setup{Runs: runs, Messages: two, Attempts: 1, Faults: 2, Together: 2}, false},
		{"two runs of a dataflow without data windows, one after the other, two faults", explore.Setup{Runs: runs, Messages: two, Attempts: 1, Faults: 2, Together: 1, AtOnce: 1, Windows: flowsim.WindowsHidden}, false},
		{"one delivery whose call may arrive late, one fault", explore.Setup{Runs: run, Messages: one, Attempts: 2, Faults: 1, Together: 1, Late: true}, false},
		{"one delivery of a run that Adobe does not re-trigger yet, one fault", explore.Setup{Runs: run, Messages: one, Attempts: 1, Faults: 1, Together: 1, Refuse: notYet()}, true},
		{"two runs of two dataflows and a budget of one, one fault", explore.Setup{Runs: []string{"f", "g"}, Messages: two, Attempts: 1, Faults: 1, Together: 2, Configure: withBudgetOfOne}, false},
		{"three deliveries of a run, one fault", explore.Setup{Runs: run, Messages: three, Attempts: 2, Faults: 1, Together: 3}, false},
		{"one delivery and two weeks, two faults", explore.Setup{Runs: run, Messages: one, Attempts: 2, Faults: 2, Together: 1, Weeks: 2}, false},
		{"two runs of a dataflow and a week, one fault", explore.Setup{Runs: runs, Messages: two, Attempts: 2, Faults: 1, Together: 1, Weeks: 1}, false},
	}
}

// withNotices lets the function send notices, and its breaker open with the second lineage.
func withNotices(c *config.Config) { c.NoticeBus, c.BreakerThreshold = simulation.NoticeBus, 2 }

// withBudgetOfOne lets the org have one re-trigger in an hour.
func withBudgetOfOne(c *config.Config) { c.OrgBudget, c.BudgetWindow = 1, time.Hour }

// notYet is Adobe's answer to a re-trigger that came too early.
func notYet() *flowsim.Fault {
	return &flowsim.Fault{Status: http.StatusBadRequest, Body: `{"message":"The flow run is not in a state that allows it.","error_code":"FLOW-1387-400"}`}
}

// restful reports whether a failed run may rest with what the log says of it. One that was
// skipped since it was running or had succeeded may not: it has failed.
func restful(one record) bool {
	return one.Reason != string(retry.RunInProgress) && one.Reason != string(retry.RunSucceeded)
}

// everything reports whether `make explore` runs the tests.
func everything() bool { return os.Getenv("EXPLORE") != "" }

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
