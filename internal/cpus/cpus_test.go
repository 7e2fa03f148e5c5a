package cpus_test

import (
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/cpus"
)

func TestAPartOfACPUIsOne(t *testing.T) {
	t.Parallel()
	for memory, want := range map[string]int{
		"128": 1, "256": 1, "1769": 1, "1770": 2, "3008": 2, "10240": 6, // Lambda's most
		"": 0, "0": 0, "-256": 0, "256 MB": 0,
	} {
		if got := cpus.Of(memory); got != want {
			t.Errorf("a function with %q MB has %d CPUs, want %d", memory, got, want)
		}
	}
}
