//go:build slow

package main

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/notice"
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

func TestAnEpisodeOfFortyFailuresTellsEachThingOnce(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		breaker int
		want    []notice.Kind
	}{
		"with the breaker": {3, []notice.Kind{notice.GivenUp, notice.Failing}},
		"without one":      {0, []notice.Kind{notice.GivenUp}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inNoticedWorld(t, func(t *testing.T, w *world) {
				w.Config.BreakerThreshold = tt.breaker
				w.failing(100)
				first := w.Fail("f")
				began := time.Now()
				w.Told(first)
				w.Told(first) // Adobe tells it twice
				w.Drain(time.Hour)
				for range 39 {
					w.Told(w.Fail("f"))
					w.Drain(time.Hour)
				}
				pass(time.Hour)
				w.sweep(bareSchedule)
				w.Drain(time.Hour)
				w.wantNotices(tt.want...)
				n := read(t, w.notices()[0])
				if n.FlowID != "f" || n.FlowName != "f" || n.Root != first || n.Attempts != 1 || n.Count != 1 || n.DaysLeft != 29 || n.Code != "CONNECTOR-1001-500" {
					t.Errorf("the notice is %+v", n)
				}
				if at, err := time.Parse(time.RFC3339, n.FirstFailure); err != nil || at.Sub(began).Abs() > 2*time.Minute {
					t.Errorf("the first failure was at %s", n.FirstFailure)
				}
				w.theirs("good", "f")
				w.theirs("better", "f")
				w.wantNotices(append(tt.want, notice.Recovered)...)
				w.wantNothingUntold()
				if n := w.AWS.Messages(w.DeadLetterQueue); len(n) != 40 {
					t.Errorf("%d dead letters, want 40", len(n))
				}
			})
		})
	}
}
