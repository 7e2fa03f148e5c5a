package retrigger

import (
	"context"
	"strconv"
	"testing"
)

func TestTheMemoryIsBounded(t *testing.T) {
	t.Parallel()
	m := newMemory()
	calls := 0
	retry := func(i int, outcome Outcome) Result {
		result, err := m.once(t.Context(), runKey{runID: strconv.Itoa(i)}, func() Result {
			calls++
			return Result{Outcome: outcome}
		})
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
	for i := range maxRemembered + 1 {
		retry(i, Retriggered)
	}
	if len(m.done) != maxRemembered || len(m.order) != maxRemembered || len(m.working) != 0 {
		t.Errorf("%d remembered, %d in order, %d working", len(m.done), len(m.order), len(m.working))
	}
	calls = 0
	if got := retry(maxRemembered, Retriggered); got.Reason != ReasonDuplicate || calls != 0 {
		t.Errorf("the last run = %+v after %d calls, want a duplicate", got, calls)
	}
	if got := retry(0, DeadLettered); got.Outcome != DeadLettered || calls != 1 {
		t.Errorf("the first run = %+v after %d calls, want it forgotten", got, calls)
	}
	if got := retry(0, Retriggered); got.Outcome != Retriggered || calls != 2 {
		t.Errorf("= %+v after %d calls: only a re-trigger is remembered", got, calls)
	}
}

func TestWaitingForTheSameRunEndsWithTheContext(t *testing.T) {
	t.Parallel()
	m := newMemory()
	key := runKey{runID: "run"}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := m.once(t.Context(), key, func() Result {
		cancel()
		if _, err := m.once(ctx, key, func() Result { return Result{} }); err == nil {
			t.Error("the second request did not wait for the first")
		}
		return Result{}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAPanicFreesTheRun(t *testing.T) {
	t.Parallel()
	m := newMemory()
	key := runKey{runID: "run"}
	func() {
		defer func() { _ = recover() }()
		_, _ = m.once(t.Context(), key, func() Result { panic("a defect") })
	}()
	if got, err := m.once(t.Context(), key, func() Result { return Result{Outcome: Skipped} }); err != nil || got.Outcome != Skipped {
		t.Errorf("= %+v, %v", got, err)
	}
}
