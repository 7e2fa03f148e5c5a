package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
)

// A world is a [simulation.World] of this function: its script says what Adobe does, its driver
// starts the function and gives it work, and its results are compared. Its own methods are
// courses of events that take more than one of these.
type world struct {
	*simulation.World
	script
	driver
	results
}

type (
	fataler     = simulation.Fataler
	process     = simulation.Process
	record      = simulation.Record
	sweepRecord = simulation.SweepRecord
)

const (
	worldOrg     = simulation.Org
	worldOther   = simulation.OtherOrg
	worldSandbox = simulation.Sandbox
	worldTimeout = simulation.DefaultTimeout
)

// newWorld returns a world in which Adobe's clock is ahead of the function's by skew, and
// Flow Service lists a new run after lag.
func newWorld(tb fataler, skew, lag time.Duration) *world {
	w := simulation.New(tb, function, skew, lag)
	return &world{w, script{w}, driver{w}, results{w}}
}

// function returns the function, built from the parts of a world.
func function(parts simulation.Parts) simulation.Handler {
	entries := newLedger(parts.Config, parts.Store)
	function, _ := wire(parts.Config, parts.Amazon, parts.Store, entries, parts.Out, parts.Adobe...)
	return function
}

// pass lets the bubble's time pass.
func pass(d time.Duration) { simulation.Pass(d) }

// inWorld runs a test in a world of its own.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 0, 0)
		w.Flow("f", worldOrg)
		test(t, w)
	})
}
