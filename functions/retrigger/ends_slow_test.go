//go:build slow

package main

import (
	"testing"
	"time"
)

func TestACrashInASweepLosesNoRecovery(t *testing.T) {
	t.Parallel()
	for calls := range 12 {
		for _, after := range []bool{false, true} {
			inWorld(t, func(t *testing.T, w *world) {
				_, child, _ := w.success()
				_, _ = w.Start(calls, after).Invoke(t.Context(), []byte(schedule(1)))
				pass(10 * time.Minute)
				w.Direct([]byte(schedule(1)), func() *process { return w.Start(-1, false) }) // Lambda delivers it again
				w.Drain(time.Hour)
				w.sweep(schedule(2))
				if w.wantSummed(1); w.Entry(child)["state"] != "succeeded" {
					t.Errorf("crash at call %d (%t): the entry is %v", calls, after, w.Entry(child))
				}
			})
		}
	}
}
