//go:build slow

package main

import (
	"testing"
	"time"
)

// TestACrashDoublesANoticeAndLosesNone: The process dies at each of its calls, before or
// after the call's effect. The next sweep tells what was not marked as told.
func TestACrashDoublesANoticeAndLosesNone(t *testing.T) {
	t.Parallel()
	doubled := 0
	for calls := range 20 {
		for _, after := range []bool{false, true} {
			ended := false
			inNoticedWorld(t, func(t *testing.T, w *world) {
				w.Config.RetryDelays = nil // the first failure is given up
				w.Told(w.Fail("f"))
				p := w.Start(calls, after)
				w.Poll(p)
				ended = !p.Dead()
				w.Drain(time.Hour)
				w.sweep(bareSchedule)
				w.Drain(time.Hour)
				w.wantNothingUntold()
				ids := map[string]bool{}
				for _, e := range w.notices() {
					ids[read(t, e).ID] = true
				}
				if len(ids) != 1 || len(w.notices()) > 2 {
					t.Errorf("after a crash at call %d (after it: %t) the notices are %v", calls, after, w.notices())
				}
				doubled += len(w.notices()) - 1
			})
			if ended {
				if calls < 7 || doubled == 0 {
					t.Errorf("%d calls, %d notices were doubled: does the test still crash where it should?", calls, doubled)
				}
				return
			}
		}
	}
	t.Error("a process makes more than 20 calls")
}
