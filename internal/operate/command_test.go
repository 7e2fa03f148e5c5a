package operate_test

import (
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// TestIDThatIsAShellsCommandOrAFlagIsQuoted: whoever can send an event chooses the run's id.
func TestIDThatIsAShellsCommandOrAFlagIsQuoted(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"5a6b2c9e-1": "aep-retrigger retry 5a6b2c9e-1",
		"$(reboot)":  "aep-retrigger retry '$(reboot)'",
		"it's":       `aep-retrigger retry 'it'\''s'`,
		"--yes":      "aep-retrigger retry -- --yes",
		"-a;b":       "aep-retrigger retry -- '-a;b'",
	} {
		if got := (&operate.DeadLetter{RunID: id}).RetryCommand(); got != want {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if _, err := operate.Explain(t.Context(), newWorld(t).Operator, "", "--yes"); !strings.HasSuffix(err.Error(), "aep-retrigger explain --ask -- --yes") {
		t.Errorf("the next step for a run that begins with a dash: %v", err)
	}
}
