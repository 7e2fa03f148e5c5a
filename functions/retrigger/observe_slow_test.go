//go:build slow

package main

import (
	"testing"
	"time"
)

// TestWhatWaitsInObserveModeOutlivesItsQueue: SQS deletes a message after 14 days, and gives
// one up after 1000 receives. The function replaces it before that.
func TestWhatWaitsInObserveModeOutlivesItsQueue(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays, w.Config.MaxRunAge = []time.Duration{5 * time.Minute}, 60*24*time.Hour
		id := w.Fail("f")
		w.Told(id)
		w.Poll(w.Start(-1, false))
		w.observing(true)
		w.Drain(20 * 24 * time.Hour)
		w.observing(false)
		w.Drain(time.Hour)
		w.wantOnce(t, []string{id})
	})
}
