//go:build slow

package main

import (
	"testing"

	"pgregory.net/rapid"
)

// TestInvariantsCatchABrokenLedger: Each mutant breaks the ledger in one way, and a
// random history must show it.
func TestInvariantsCatchABrokenLedger(t *testing.T) {
	t.Parallel()
	for name, mutate := range mutants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := map[string]int{}
			const courses = 400
			for seed := range courses {
				var b *broken
				rapid.Custom(func(r *rapid.T) bool {
					b = play(t, r, mutate)
					return true
				}).Example(seed)
				if b != nil {
					found[b.invariant]++
					if found[b.invariant] == 1 {
						t.Logf("course %d: %s: %s", seed, b.invariant, b.what)
					}
					return
				}
			}
			t.Errorf("none of %d courses broke an invariant", courses)
		})
	}
}
