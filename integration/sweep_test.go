package integration

import (
	"slices"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/scenario"
)

// TestSweepsFindRunsWithoutEvents: This holds for scheduled sweeps and sweeps by hand,
// also with pauses.
func TestSweepsFindRunsWithoutEvents(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b, env(scenario.Env()...))
		for _, step := range slices.Concat(scenario.Sweeps(), scenario.Recoveries(), scenario.Births()) {
			if _, err := step.Play(t.Context(), s); err != nil {
				t.Errorf("%s: %v", step.Name, err)
			}
		}
	})
}

// TestSweepsCountRecoveries: No event tells of the success of a run that a re-trigger made.
func TestSweepsCountRecoveries(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b, env(scenario.LineageDelays()...))
		for _, step := range slices.Concat(scenario.Lineages(), scenario.Recoveries()) {
			if _, err := step.Play(t.Context(), s); err != nil {
				t.Errorf("%s: %v", step.Name, err)
			}
		}
	})
}
