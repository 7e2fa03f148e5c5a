package integration

import (
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/scenario"
)

// TestSweeps finds what no event told of, by the schedule and by hand, and pauses.
func TestSweeps(t *testing.T) {
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
