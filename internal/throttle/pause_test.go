package throttle_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// TestPausesOfManyProcessesAreAllKept are all kept.
func TestPausesOfManyProcessesAreAllKept(t *testing.T) {
	t.Parallel()
	table := memory.New()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			th := throttle.New(table, throttle.Limits{}, false, time.Now)
			if _, err := th.Pause(context.WithoutCancel(t.Context()), throttle.Scope{OrgID: orgA, FlowID: fmt.Sprint("f", i)}, throttle.Cause{}, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	th := throttle.New(table, throttle.Limits{}, false, time.Now)
	pauses, err := th.Pause(t.Context(), throttle.Scope{OrgID: orgA, FlowID: "f0"}, throttle.Cause{Reason: "again"}, time.Now())
	if err != nil || len(pauses) != 8 {
		t.Errorf("%d pauses, %v, want 8", len(pauses), err)
	}
	pauses, err = th.Resume(t.Context(), throttle.Scope{OrgID: orgA, FlowID: "f0"}, time.Now())
	if err != nil || len(pauses) != 7 {
		t.Errorf("%d pauses, %v, want 7", len(pauses), err)
	}
	for i := range 250 {
		_, err = th.Pause(t.Context(), throttle.Scope{OrgID: orgB, FlowID: strconv.Itoa(i)}, throttle.Cause{Reason: strings.Repeat("x", 100)}, time.Now())
	}
	if err == nil {
		t.Error("the record grows without bound")
	}
}

// TestAfterAPauseWaitingRequestsAreLetGoSpreadOverAWhile: whatever the pause, what waited goes in the order in which it was
// due, after everything has looked after the pause, within bounds.
func TestAfterAPauseWaitingRequestsAreLetGoSpreadOverAWhile(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		began := time.UnixMilli(1_800_000_000_000).UTC()
		now := began
		clock := func() time.Time { return now }
		table := memory.New()
		th := throttle.New(table, throttle.Limits{}, false, clock)
		length := time.Duration(rapid.Int64Range(0, 14*24*3_600_000).Draw(r, "length")) * time.Millisecond
		scope := rapid.SampledFrom([]throttle.Scope{{}, {OrgID: orgA}, {OrgID: orgA, FlowID: "f"}}).Draw(r, "scope")
		if _, err := th.Pause(t.Context(), scope, throttle.Cause{}, now); err != nil {
			r.Fatal(err)
		}
		held := func(due time.Time) throttle.PauseStatus {
			h, err := th.PauseStatus(t.Context(), orgA, "f", due)
			if err != nil {
				r.Fatal(err)
			}
			return h
		}
		longest := held(began).Wait
		for now.Before(began.Add(length)) { // the waits of a request that looks after it
			h := held(began)
			if h.Wait <= 0 || h.Released {
				r.Fatalf("%s into the pause a request is held for %s, released %t", now.Sub(began), h.Wait, h.Released)
			}
			longest = h.Wait
			now = now.Add(h.Wait)
		}
		now = began.Add(length)
		if _, err := th.Resume(t.Context(), scope, now); err != nil {
			r.Fatal(err)
		}
		dues := rapid.SliceOfN(rapid.Int64Range(-30*24*3_600_000, length.Milliseconds()-1), 2, 20).Draw(r, "dues")
		if length == 0 {
			dues = []int64{-1, -2}
		}
		type one struct{ due, at time.Time }
		var all []one
		for _, d := range dues {
			due := began.Add(time.Duration(d) * time.Millisecond)
			h := held(due)
			if !h.Released || h.Wait < longest || h.Wait > 91*time.Minute {
				r.Fatalf("a request due at %s goes %s after the pause of %s (released %t), in which it looked each %s", due, h.Wait, length, h.Released, longest)
			}
			all = append(all, one{due, now.Add(h.Wait)})
		}
		for _, a := range all {
			for _, b := range all {
				if a.due.Before(b.due) && a.at.After(b.at) {
					r.Fatalf("due at %s goes at %s, due at %s at %s", a.due, a.at, b.due, b.at)
				}
			}
		}
		if h := held(now); h.Wait != 0 {
			r.Fatalf("a request that is due now is held for %s", h.Wait)
		}
		if h := held(time.Time{}); h.Wait != 0 {
			r.Fatalf("a new request is held for %s", h.Wait)
		}
		now = now.Add(3 * time.Hour)
		if h := held(began.Add(-time.Hour)); h.Wait != 0 {
			r.Fatalf("three hours later a request is held for %s", h.Wait)
		}
	})
}

// TestAPauseThatIsOverHasNoPartInTheNextOne: a pause that is over has nothing to do with the next one of
// the same scope.
func TestAPauseThatIsOverHasNoPartInTheNextOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
		for range 2 {
			began := time.Now()
			if pauses, err := th.Pause(t.Context(), throttle.Scope{}, throttle.Cause{}, time.Now()); err != nil || len(pauses) != 1 || !pauses[0].At.Equal(began) {
				t.Fatalf("the pauses are %+v, %v, want one that begins now", pauses, err)
			}
			<-time.After(time.Hour)
			if _, err := th.Resume(t.Context(), throttle.Scope{}, time.Now()); err != nil {
				t.Fatal(err)
			}
			first, last := held(t, th, began), held(t, th, time.Now().Add(-time.Millisecond))
			// A pause of an hour: each looks within 7.5 minutes, and the window is 15.
			if first.Wait < 7*time.Minute || last.Wait > 23*time.Minute || last.Wait-first.Wait < 13*time.Minute {
				t.Errorf("what waited is let go from %s to %s after the pause", first.Wait, last.Wait)
			}
			<-time.After(28 * 24 * time.Hour)
		}
	})
}

// TestAPauseBeforeAllIsLetGoGoesOnWithTheOneBefore: what the first pause kept stays in its order, spread,
// and before what the second one kept.
func TestAPauseBeforeAllIsLetGoGoesOnWithTheOneBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
		began := time.Now()
		dues := []time.Time{began.Add(-time.Hour), began, began.Add(2 * time.Hour)}
		for i, length := range []time.Duration{4 * time.Hour, time.Hour} {
			<-time.After(time.Duration(i) * 10 * time.Minute)
			if _, err := th.Pause(t.Context(), throttle.Scope{}, throttle.Cause{}, time.Now()); err != nil {
				t.Fatal(err)
			}
			<-time.After(length)
			if _, err := th.Resume(t.Context(), throttle.Scope{}, time.Now()); err != nil {
				t.Fatal(err)
			}
			dues = append(dues, time.Now().Add(-time.Minute))
		}
		// Both are one pause of 310 minutes: each looks within 30, and the window is an hour.
		for i, next := range dues[1:] {
			last := held(t, th, dues[i])
			if step := held(t, th, next).Wait - last.Wait; !last.Released || last.Wait < 30*time.Minute || step < 2*time.Minute {
				t.Errorf("due %s after the beginning it goes in %s, the next %s later", dues[i].Sub(began), last.Wait, step)
			}
		}
	})
}

// TestAPauseThatIsOverHidesNoOther, however long what it kept is yet to wait.
func TestAPauseThatIsOverHidesNoOther(t *testing.T) {
	t.Parallel()
	scopes := []throttle.Scope{{}, {OrgID: orgA}, {OrgID: orgA, FlowID: "f"}}
	for _, over := range scopes {
		for _, lasts := range scopes {
			if over == lasts {
				continue
			}
			for _, first := range []bool{false, true} {
				synctest.Test(t, func(t *testing.T) {
					th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
					began := time.Now()
					order := []throttle.Scope{lasts, over}
					if first {
						order = []throttle.Scope{over, lasts}
					}
					for _, scope := range order {
						if _, err := th.Pause(t.Context(), scope, throttle.Cause{}, time.Now()); err != nil {
							t.Fatal(err)
						}
						<-time.After(10 * time.Hour)
					}
					if _, err := th.Resume(t.Context(), over, time.Now()); err != nil {
						t.Fatal(err)
					}
					h := held(t, th, began.Add(-time.Second))
					if h.Released || h.Wait <= 0 || !strings.Contains(h.Detail, lasts.String()+" is paused") {
						t.Errorf("%s is paused, the pause of %s is over, begun first: %t; a request is held so: %+v", lasts, over, first, h)
					}
					if h := held(t, th, time.Time{}); h.Wait <= 0 {
						t.Errorf("%s is paused, and a new request is not held", lasts)
					}
				})
			}
		}
	}
}

func TestRequestsLookAfterAPauseWithJitter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
		if _, err := th.Pause(t.Context(), throttle.Scope{}, throttle.Cause{}, time.Now()); err != nil {
			t.Fatal(err)
		}
		<-time.After(80 * time.Minute) // they look each ten minutes
		waits := map[time.Duration]bool{}
		for range 100 {
			wait := held(t, th, time.Time{}).Wait
			if wait < 9*time.Minute || wait > 10*time.Minute {
				t.Fatalf("a request looks again after %s, want nine to ten minutes", wait)
			}
			waits[wait] = true
		}
		if len(waits) < 50 {
			t.Errorf("a hundred requests look at %d times", len(waits))
		}
	})
}

func TestPausesAreReadWithWhoMadeThemAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := memory.New()
		if none, err := throttle.Pauses(t.Context(), table); err != nil || len(none) != 0 {
			t.Errorf("before the first one: %v, %v", none, err)
		}
		th := throttle.New(table, throttle.Limits{}, false, time.Now)
		for _, id := range []string{"f", "g"} {
			if _, err := th.Pause(t.Context(), throttle.Scope{OrgID: orgA, FlowID: id}, throttle.Cause{Reason: "the source is moved", By: "arn:a"}, time.Now()); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Minute)
		}
		if _, err := th.Resume(t.Context(), throttle.Scope{OrgID: orgA, FlowID: "f"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		before := table.Records()
		pauses, err := throttle.Pauses(t.Context(), table)
		if err != nil || len(pauses) != 2 || pauses[0].FlowID != "f" || pauses[0].ResumedAt == nil || pauses[1].ResumedAt != nil || pauses[1].By != "arn:a" || pauses[1].Reason != "the source is moved" {
			t.Errorf("pauses are %+v, %v", pauses, err)
		}
		if after := table.Records(); after[0]["rev"] != before[0]["rev"] {
			t.Error("reading has changed the record")
		}
	})
}
