//go:build slow

package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestWaitingMessageIsRequeuedBeforeItsReceivesAreUsedUp: A message waits while Adobe
// answers 429 and keeps its tries for real faults. It is requeued a few times, however
// long the 429 answers last.
func TestWaitingMessageIsRequeuedBeforeItsReceivesAreUsedUp(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]int{"for a day": 60, "for days": 200} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) { renewal(t, w, times) })
		})
	}
}

// TestFaultAfterALongPauseIsNoDeadLetter: Receives during a pause do not count as faults.
// A lasting fault afterwards becomes a dead letter after ten more receives.
func TestFaultAfterALongPauseIsNoDeadLetter(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"PAUSED", "record"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				if w.Config.Paused = how == "PAUSED"; !w.Config.Paused {
					w.pausing("pause", "")
				}
				root := w.Fail("f")
				w.Told(root)
				w.Drain(12 * time.Hour)
				if w.Config.Paused = false; how == "record" {
					w.pausing("resume", "")
				}
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable})
				w.Drain(24 * time.Hour)
				if w.Adobe.Retriggers(root) != 1 || len(w.reasons()) > 0 {
					t.Errorf("%d re-triggers, letters %v", w.Adobe.Retriggers(root), w.reasons())
				}
				// A fault that stays is one, after ten receives more.
				next := w.Fail("f")
				w.Config.Paused = true
				w.Told(next)
				w.Drain(12 * time.Hour)
				w.Config.Paused = false
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable, Times: 1000})
				w.Drain(24 * time.Hour)
				if want := map[string]int{"adobe_unavailable": 1}; !cmp.Equal(want, w.reasons()) {
					t.Errorf("letters %v, want %v", w.reasons(), want)
				}
			})
		})
	}
}
