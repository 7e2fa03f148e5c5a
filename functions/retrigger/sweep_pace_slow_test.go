//go:build slow

package main

import (
	"testing"
	"time"
)

// TestSweepOutlivesTheRetentionOfItsMessage: A sweep waits longer than the queue keeps a
// message. It goes on with a requeue copy.
func TestSweepOutlivesTheRetentionOfItsMessage(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.MaxRunAge = 60 * 24 * time.Hour
		id := w.Fail("f")
		pass(time.Minute)
		w.pausing("pause", `"orgId":"`+worldOrg+`"`)
		w.Send(onlySweep)
		w.Drain(20 * 24 * time.Hour)
		w.pausing("resume", `"orgId":"`+worldOrg+`"`)
		w.Drain(24 * time.Hour)
		w.wantOnce(t, []string{id})
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}
