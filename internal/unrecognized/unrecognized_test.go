package unrecognized_test

import (
	"context"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/unrecognized"
)

func TestOneEventOfAShapeIsWrittenInAnHourAndAllAreCounted(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	c := unrecognized.New(memory.New(), func() time.Time { return now })
	event := func(shape string, count int, written bool) {
		t.Helper()
		seen, err := c.Seen(t.Context(), shape)
		if err != nil || seen.Count != count || seen.Written != written {
			t.Fatalf("%s at %s: %+v, %v; want count %d, written %t", shape, now, seen, err, count, written)
		}
		if err := c.Add(t.Context(), shape, !seen.Written); err != nil {
			t.Fatal(err)
		}
	}
	event("a", 1, false)
	event("a", 2, true)
	event("b", 1, false)
	now = now.Add(59 * time.Minute)
	event("a", 3, true)
	now = now.Add(time.Minute)
	event("a", 4, false)
	event("a", 5, true)
}

func TestTwoProcessesMayWriteTheSameShapeAtOnce(t *testing.T) {
	t.Parallel()
	table := memory.New()
	for range 2 {
		if err := unrecognized.New(table, time.Now).Add(t.Context(), "a", true); err != nil {
			t.Fatal(err)
		}
	}
	if seen, err := unrecognized.New(table, time.Now).Seen(t.Context(), "a"); err != nil || seen.Count != 3 || !seen.Written {
		t.Errorf("%+v, %v", seen, err)
	}
}

func TestStoreThatIsOutOfReachIsAnError(t *testing.T) {
	t.Parallel()
	c := unrecognized.New(memory.New(), time.Now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if seen, err := c.Seen(ctx, "a"); err == nil || seen.Written {
		t.Errorf("%+v, %v", seen, err)
	}
	if err := c.Add(ctx, "a", true); err == nil {
		t.Error("it is counted")
	}
}
