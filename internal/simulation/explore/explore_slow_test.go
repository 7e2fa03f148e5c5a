//go:build slow

package explore_test

import (
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation/explore"
)

func TestAClaimedSendIsExhaustedWithTwoFaults(t *testing.T) {
	t.Parallel()
	s := setup(func(p simulation.Parts) simulation.Handler { return toy{Parts: p, claims: true} })
	s.Faults = 2
	if r := explore.Explore(t, s); r.Broken != nil || !r.Exhausted || r.States < 100 {
		t.Error(r, r.Broken)
	}
}
