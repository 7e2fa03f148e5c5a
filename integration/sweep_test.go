package integration

import (
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/scenario"
)

// TestSweepsFindRunsWithoutEvents: This holds for scheduled sweeps and sweeps by hand,
// also with pauses.
func TestSweepsFindRunsWithoutEvents(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b, env(scenario.Env()...))
		for _, step := range scenario.Sweeps() {
			if _, err := step.Play(t.Context(), s); err != nil {
				t.Errorf("%s: %v", step.Name, err)
			}
		}
	})
}
