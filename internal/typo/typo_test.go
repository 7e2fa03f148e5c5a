package typo_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/typo"
)

func TestDistanceCountsSlipsOfThePen(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"client", "client", 0},
		{"client", "clietn", 1},
		{"client", "clint", 1},
		{"client", "clientt", 1},
		{"client", "cliemt", 1},
		{"client", "Client", 1},
		{"scopes", "socpse", 2},
		{"ab", "abcdef", 4},
		{"größe", "grösse", 2},
	} {
		if got := typo.Distance(tt.a, tt.b); got != tt.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestDistanceIsTheSameBothWays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[ab_]{0,8}`)
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		d := typo.Distance(a, b)
		if d != typo.Distance(b, a) || (d == 0) != (a == b) {
			t.Fatalf("Distance(%q, %q) = %d and %d", a, b, d, typo.Distance(b, a))
		}
	})
}
