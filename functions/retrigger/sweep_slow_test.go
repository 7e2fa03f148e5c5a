//go:build slow

package main

import (
	"sync"
	"testing"
	"time"
)

// TestOverlappingSweepsAndEventsRetryEachRunOnce: Two sweeps run at once, with the events
// of some of the same runs, and a sweep comes after that. TestInvariantsHoldInRandomHistories has the same
// with crashes.
func TestOverlappingSweepsAndEventsRetryEachRunOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(250, 5)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { w.sweep(`{"sweep":{"sandbox":"prod"}}`) })
		}
		for i, id := range ids {
			if i%3 == 0 {
				w.Told(id)
			}
		}
		group.Go(func() { w.Poll(w.Start(-1, false)) })
		group.Wait()
		w.Drain(time.Hour)
		w.sweep(`{"sweep":{}}`)
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}
