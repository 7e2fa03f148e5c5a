package ledger_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func (w *world) fault(runID, delivery string) ledger.Run {
	w.Helper()
	return w.must(w.CountFault(w.Context(), w.load(runID), ledger.AnEvent, delivery, "adobe_unavailable")).Run
}

func TestAFaultIsCountedOnceADelivery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, step := range []struct {
		name     string
		after    time.Duration
		delivery string
		want     int
	}{
		{"the first", 0, "m/1", 1},
		{"the same delivery once more", time.Hour, "m/1", 1},
		{"the next delivery", time.Second, "m/2", 2},
		{"another message's within ten seconds", 10*time.Second - time.Millisecond, "n/1", 2},
		{"ten seconds after the last one that counts", time.Millisecond, "n/2", 3},
		{"after twelve hours", 12 * time.Hour, "m/3", 4},
		{"after more than twelve hours", 12*time.Hour + time.Millisecond, "m/4", 1},
		{"the same delivery after as long", 12*time.Hour + time.Millisecond, "m/4", 1},
		{"another one then", ledger.DefaultFaultInterval, "m/5", 1},
		{"one of a process whose clock is behind", -time.Second, "m/6", 1},
	} {
		w.after(step.after)
		if run := w.fault("a", step.delivery); run.Faults != step.want || run.State != ledger.Returned {
			t.Errorf("%s: %d faults, %q; want %d", step.name, run.Faults, run.State, step.want)
		}
	}
	if run := w.load("a").Run; run.Reason != "adobe_unavailable" || run.LastFault != "m/5" {
		t.Errorf("the run is %+v", run)
	}
}

func TestTheFaultIntervalCanBeSet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Ledger = w.WithFaultInterval(0)
	w.fault("a", "m/1")
	if run := w.fault("a", "m/2"); run.Faults != 2 {
		t.Errorf("%d faults, want 2", run.Faults)
	}
}

func TestAFaultChangesNoStateButThatOfANewRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reserved := w.reserve("a")
	if run := w.fault("a", "m/1"); run.State != ledger.Reserved || run.ReservedBy != reserved.Run.ReservedBy || run.Faults != 1 {
		t.Errorf("the run is %+v", run)
	}
	w.after(2 * lease) // the reservation ends, of a run that had no entry before it
	if run := w.fault("a", "m/2"); run.State != ledger.Returned || run.Faults != 2 {
		t.Errorf("the run is %+v", run)
	}
	c, e := w.claim("b")
	w.fault("b", "m/1")
	w.must(w.Confirm(t.Context(), c, e, "b2"))
	w.after(time.Minute)
	before := w.stored()
	if run := w.fault("b", "m/2"); run.Faults != 1 { // it has come to its end
		t.Errorf("the run is %+v", run)
	}
	w.unchanged(before)
}

func TestAFaultOfStaleEntriesIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stale := w.load("a")
	w.fault("a", "m/1")
	if _, err := w.CountFault(t.Context(), stale, ledger.AnEvent, "m/2", "x"); !isConflict(err) {
		t.Errorf("error = %v", err)
	}
}

func (w *world) exhaust(runID string, b ledger.Breaker) ledger.Flow {
	w.Helper()
	return w.note(w.reserve(runID), ledger.Outcome{State: ledger.DeadLettered, Exhausted: true, Breaker: b}).Flow
}

func TestTheBreakerOpensAtItsThreshold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := ledger.Breaker{Threshold: 3, Cooldown: time.Hour}
	began := w.now
	for i, id := range []string{"a", "b", "c", "d"} {
		f := w.exhaust(id, b)
		open := i+1 >= b.Threshold
		if f.Exhausted != i+1 || !f.Since.Equal(began) || open != f.BlockedUntil.After(w.now) || open && !f.BlockedUntil.Equal(w.now.Add(time.Hour)) {
			t.Errorf("after %d lineages the dataflow is %+v", i+1, f)
		}
		w.after(time.Minute)
	}
}

func TestTheBreakerCountsARunOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := ledger.Breaker{Threshold: 2, Cooldown: time.Hour}
	for range 3 { // for example, its dead letter is sent again
		if f := w.exhaust("a", b); f.Exhausted != 1 || !f.BlockedUntil.IsZero() {
			t.Errorf("the dataflow is %+v", f)
		}
	}
	if run := w.load("a").Run; !run.Counted {
		t.Errorf("the run is %+v", run)
	}
}

func TestWithoutAThresholdTheBreakerNeverOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"a", "b", "c"} {
		if f := w.exhaust(id, ledger.Breaker{}); !f.BlockedUntil.IsZero() {
			t.Errorf("the dataflow is %+v", f)
		}
	}
}

func TestAClosedBreakerForgetsItsLineages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.exhaust("a", ledger.Breaker{Threshold: 1, Cooldown: time.Hour})
	w.after(time.Minute)
	run := w.load("b").Run
	e := w.must(w.CloseBreaker(t.Context(), w.load("b")))
	if f := w.load("b").Flow; f.Exhausted != 0 || !f.Since.IsZero() || !f.BlockedUntil.IsZero() {
		t.Errorf("the dataflow is %+v", f)
	}
	if !e.Run.ChangedAt.Equal(run.ChangedAt) || w.load("b").Run.State != ledger.NoEntry {
		t.Errorf("the run is %+v, and nothing of it was written", e.Run)
	}
	before := w.stored()
	w.must(w.CloseBreaker(t.Context(), e)) // it is closed
	w.unchanged(before)
	w.exhaust("c", ledger.Breaker{})
	if _, err := w.CloseBreaker(t.Context(), e); !isConflict(err) {
		t.Errorf("with old entries: %v, want a conflict", err)
	}
}
