package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestRetriesOfAFailingDataflowEnd: A dataflow fails for ever, and the event of each
// failure comes back to the function. Three lineages have their three attempts, then the
// breaker opens. After the cool-down one lineage may try again.
func TestRetriesOfAFailingDataflowEnd(t *testing.T) {
	t.Parallel()
	for name, direct := range map[string]bool{"on the queue": false, "by direct events": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.failing(1000)
				tell := func(id string) {
					if direct {
						w.Direct(w.Adobe.FailureEvent(id), func() *process { return w.Start(-1, false) })
					} else {
						w.Send(string(w.Adobe.FailureEvent(id)))
					}
				}
				w.Told = tell
				for range 10 { // one after the other, an hour apart
					tell(w.Fail("f"))
					w.Drain(time.Hour)
				}
				// Three lineages have their three attempts, then the breaker is open.
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != 9 {
					t.Errorf("%d re-triggers, want 9", n)
				}
				want := map[string]int{"attempts_exhausted": 3, "breaker_open": 7}
				if diff := cmp.Diff(want, w.reasons()); diff != "" {
					t.Errorf("dead letters (-want +got):\n%s", diff)
				}
				// A run succeeds by itself, and the next failure is retried again.
				w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, Records: 1, CompletedAt: time.Now()})
				pass(time.Minute)
				tell(w.Fail("f"))
				w.Drain(time.Hour)
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != 12 {
					t.Errorf("%d re-triggers after a success, want 3 more", n)
				}
				// Without a success one lineage goes through after the cool-down.
				w.failing(1000)
				for range 2 {
					tell(w.Fail("f"))
					w.Drain(time.Hour)
				}
				before := w.Adobe.Count(flowsim.OpRetrigger)
				tell(w.Fail("f"))
				w.Drain(time.Hour)
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != before {
					t.Errorf("%d re-triggers with an open breaker, want none", n-before)
				}
				pass(25 * time.Hour)
				for range 2 {
					tell(w.Fail("f"))
					w.Drain(time.Hour)
				}
				if n := w.Adobe.Count(flowsim.OpRetrigger); n != before+3 {
					t.Errorf("%d re-triggers after the cool-down, want 3", n-before)
				}
			})
		})
	}
}

// TestBreakerCountsEachLineageOnce: A redrive does not count its lineage again, and a
// success sets the count back to zero.
func TestBreakerCountsEachLineageOnce(t *testing.T) {
	t.Parallel()
	t.Run("a redrive does not count", func(t *testing.T) {
		t.Parallel()
		inWorld(t, func(t *testing.T, w *world) {
			w.lineage(100)
			for range 3 {
				letters := w.AWS.Messages(w.DeadLetterQueue)
				w.Send(letters[len(letters)-1].Body)
				w.Drain(time.Hour)
			}
			w.lineage(100) // the second
			next := w.Fail("f")
			w.Told(next)
			w.Poll(w.Start(-1, false))
			if w.Adobe.Retriggers(next) != 1 {
				t.Errorf("letters %v", w.reasons())
			}
		})
	})
	t.Run("a success begins it anew", func(t *testing.T) {
		t.Parallel()
		inWorld(t, func(t *testing.T, w *world) {
			lineages := func(n int) {
				w.failing(100)
				for range n {
					w.Told(w.Fail("f"))
					w.Drain(time.Hour)
				}
			}
			lineages(2)
			w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, Records: 1, CompletedAt: time.Now()})
			pass(time.Minute)
			lineages(5)
			if diff := cmp.Diff(map[string]int{"attempts_exhausted": 5, "breaker_open": 2}, w.reasons()); diff != "" {
				t.Errorf("dead letters (-want +got):\n%s", diff)
			}
		})
	})
}
