package main

import (
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
)

// A world is a [simulation.World] of this function. The tests' own ways to use it are
// methods beside their tests.
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
	return &world{simulation.New(tb, handler, skew, lag)}
}

// handler is the function, made of what a world has.
func handler(parts simulation.Parts) simulation.Handler {
	entries := retrigger.Ledger(newLedger(parts.Config, parts.Store))
	if parts.Mutate != nil {
		entries = parts.Mutate(entries)
	}
	return wire(parts.Config, parts.Amazon, parts.Store, entries, parts.Out, parts.Adobe...)
}

// pass lets the bubble's time pass.
func pass(d time.Duration) { simulation.Pass(d) }
