package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
)

// A world is a [simulation.World] of this function. The files world_*_test.go have methods
// that several tests use: they set Adobe up, drive the function and read the results.
type world struct{ *simulation.World }

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
	return &world{simulation.New(tb, function, skew, lag)}
}

// function returns the function, built from the parts of a world.
func function(parts simulation.Parts) simulation.Handler {
	entries := newLedger(parts.Config, parts.Store)
	return wire(parts.Config, parts.Amazon, parts.Store, entries, parts.Out, parts.Adobe...)
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
