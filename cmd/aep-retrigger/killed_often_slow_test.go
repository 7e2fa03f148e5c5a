//go:build slow

package main

import (
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestARedriveThatIsKilledAtFiftyRandomPointsRetriesEachRunOnce kills at any call, of the
// ledger's table, too. The seed is fixed, so that a failure comes again.
func TestARedriveThatIsKilledAtFiftyRandomPointsRetriesEachRunOnce(t *testing.T) {
	t.Parallel()
	all := calls(t)[""] - 3 // what is left may make a call less
	const worlds, points = 5, 10
	for seed := range uint64(worlds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 14)) //nolint:gosec // it is to be repeatable
			w := newLetters(t)
			w.AWS.Shuffle(w.DeadLetterQueueURL, seed)
			p := newProxy(t, w)
			for range points {
				redriving(t, w, p, kill{nth: 1 + random.IntN(all), after: random.IntN(2) == 0}, random.IntN(2) == 0)
			}
		})
	}
}
