//go:build slow

package main

import (
	"testing"
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
