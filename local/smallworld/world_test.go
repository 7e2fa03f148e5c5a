package smallworld_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/smallworld"
)

// play plays a world without a function for some minutes, and returns what it did.
func play(t *testing.T, seed uint64, minutes int) (done []string, adobe *flowsim.Server) {
	t.Helper()
	now := time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)
	adobe = flowsim.New(flowsim.Options{Now: func() time.Time { return now }})
	record := func(_ context.Context, text string) error {
		done = append(done, now.Format(time.TimeOnly)+" "+text)
		return nil
	}
	w := smallworld.New(smallworld.Parts{Adobe: adobe, OrgID: "A@AdobeOrg", Sandbox: "prod", Send: record, Invoke: record, Undelivered: record, Seed: seed}, now)
	for second := range minutes * 60 {
		if err := w.Step(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		if second%60 == 0 {
			w.Forget(now.Add(-10 * time.Minute))
		}
		now = now.Add(time.Second)
	}
	return done, adobe
}

func TestTwoWorldsOfOneSeedDoTheSame(t *testing.T) {
	t.Parallel()
	first, _ := play(t, 1, 20)
	second, _ := play(t, 1, 20)
	other, _ := play(t, 2, 20)
	if len(first) < 300 || !slices.Equal(first, second) || slices.Equal(first, other) {
		t.Errorf("%d, %d and %d messages", len(first), len(second), len(other))
	}
}

// TestWorldKeepsOnlyWhatIsNew: `make up` may run for hours.
func TestWorldKeepsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	_, early := play(t, 1, 30)
	_, late := play(t, 1, 180)
	if a, b := len(early.Runs()), len(late.Runs()); a < 100 || b > a+a/5 {
		t.Errorf("Adobe keeps %d runs after half an hour and %d after three", a, b)
	}
}

func TestWorldGoesOnAfterAFault(t *testing.T) {
	t.Parallel()
	now := time.Now()
	adobe := flowsim.New(flowsim.Options{Now: func() time.Time { return now }})
	down, sent := true, 0
	send := func(context.Context, string) error {
		if down {
			return errors.New("the queue is down")
		}
		sent++
		return nil
	}
	w := smallworld.New(smallworld.Parts{Adobe: adobe, OrgID: "A@AdobeOrg", Sandbox: "prod", Send: send, Invoke: send, Undelivered: send}, now)
	failed := 0
	for range 120 {
		for w.Step(t.Context(), now) != nil {
			failed++
		}
		now = now.Add(time.Second)
	}
	down = false
	for range 60 {
		if err := w.Step(t.Context(), now); err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Second)
	}
	if failed == 0 || sent == 0 {
		t.Errorf("%d faults, then %d messages", failed, sent)
	}
}

func TestFunctionTakesTheSettings(t *testing.T) {
	t.Parallel()
	_, strays, err := config.Load(append(smallworld.Settings(), "SECRET_ID=a", "DEAD_LETTER_QUEUE_URL=http://127.0.0.1/d", "LEDGER_TABLE=t"))
	if err != nil || len(strays) > 0 {
		t.Error(strays, err)
	}
}
