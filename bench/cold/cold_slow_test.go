//go:build slow

package cold

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/quota"
	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// TestEverythingIsMeasuredOnce with a short freeze, and the floor in place of the Python
// function, which `make bench` installs.
func TestEverythingIsMeasuredOnce(t *testing.T) {
	t.Parallel()
	dir, p := t.TempDir(), Programs{}
	for of, command := range map[string]*world.Command{"functions/retrigger": &p.Function, "bench/floor": &p.Floor} {
		var err error
		if command.Path, err = world.Build(t.Context(), "../..", of, dir); err != nil {
			t.Fatal(err)
		}
	}
	p.Rival = p.Floor
	const least = 10 * time.Millisecond
	r, err := measure(t.Context(), p, 1, time.Millisecond, world.Latency{FlowService: least})
	if unavailable := new(quota.UnavailableError); errors.As(err, &unavailable) && os.Getenv("CI") == "" {
		t.Log("not measured here:", err)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, took := range map[string]time.Duration{
		"first": r.First.Wall, "warm": r.Warm.Wall, "thawed": r.Thawed.Wall, "function": r.Function - r.Starts.Function, "floor": r.Floor - r.Starts.Floor, "rival": r.Rival - r.Starts.Rival,
	} {
		if took < least {
			t.Errorf("%s took %s, and Flow Service alone %s", name, took, least)
		}
	}
	if world.CPUIsMeasured && (r.First.CPU <= 0 || r.Warm.CPU <= 0 || r.Thawed.CPU <= 0) {
		t.Errorf("CPU times: %+v", r)
	}
}

func TestTheMedianIsTheMiddleOne(t *testing.T) {
	t.Parallel()
	for want, all := range map[time.Duration][]time.Duration{0: nil, 2: {3, 1, 2}, 4: {7, 1, 3, 5}} {
		if got := Median(all); got != want {
			t.Errorf("the median of %v is %d, want %d", all, got, want)
		}
	}
}

func TestPythonMayWriteSpacesIntoItsAnswer(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]bool{`{"batchItemFailures": []}`: true, world.Done: true, `{"batchItemFailures":[{}]}`: false, `no`: false} {
		if done([]byte(payload)) != want {
			t.Errorf("%s: done is %t", payload, !want)
		}
	}
}
