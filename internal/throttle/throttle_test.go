package throttle_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	orgA = "A@AdobeOrg"
	orgB = "B@AdobeOrg"
)

func wait(t *testing.T, th *throttle.Throttle, org string) func(*flowclient.Error) {
	t.Helper()
	done, err := th.Org(org).Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func throttled(after time.Duration) *flowclient.Error {
	return &flowclient.Error{Kind: flowclient.KindThrottled, RetryAfter: after}
}

func TestCallsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{AtOnce: 3}, false, time.Now)
		var now, most atomic.Int32
		var group sync.WaitGroup
		for range 20 {
			group.Go(func() {
				done := wait(t, th, orgA)
				most.Store(max(most.Load(), now.Add(1)))
				<-time.After(100 * time.Millisecond)
				now.Add(-1)
				done(nil)
			})
		}
		group.Wait()
		if most.Load() != 3 {
			t.Errorf("%d calls at once, want 3", most.Load())
		}
		// Who would have to wait too long is told so, and other orgs are not kept.
		for range 3 {
			wait(t, th, orgA)
		}
		_, err := th.Org(orgA).Wait(t.Context())
		if busy, ok := errors.AsType[*flowclient.BusyError](err); !ok || busy.RetryAfter <= 0 {
			t.Errorf("error = %v, want a BusyError", err)
		}
		wait(t, th, orgB)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := th.Org(orgA).Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want the context's", err)
		}
	})
}

func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{PerSecond: 4}, false, time.Now)
		began := time.Now()
		for range 24 {
			wait(t, th, orgA)(nil)
		}
		if took := time.Since(began); took != 5*time.Second { // the first four at once
			t.Errorf("24 calls took %s, want 5s", took)
		}
		// A call that would go past the context's deadline is not waited for.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := th.Org(orgA).Wait(ctx); !errors.As(err, new(*flowclient.BusyError)) || time.Since(began) != 5*time.Second {
			t.Errorf("error = %v after %s", err, time.Since(began))
		}
	})
}

// TestASlowDown halves the pace with each 429 that tells something new, stops the
// org meanwhile, and ends by itself.
func TestASlowDown(t *testing.T) {
	t.Parallel()
	for name, perSecond := range map[string]float64{"with a limit": 32, "without": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				th := throttle.New(memory.New(), throttle.Limits{PerSecond: perSecond}, false, time.Now)
				first, second := wait(t, th, orgA), wait(t, th, orgA)
				first(throttled(2 * time.Second))
				second(throttled(0)) // it had begun before the first was answered
				if busy := th.Busy(orgA); busy != 2*time.Second {
					t.Errorf("the org stops for %s, want 2s", busy)
				}
				if _, err := th.Org(orgA).Wait(t.Context()); !errors.As(err, new(*flowclient.BusyError)) {
					t.Errorf("error = %v", err)
				}
				if busy := th.Busy(orgB); busy != 0 {
					t.Errorf("another org stops for %s", busy)
				}
				<-time.After(2 * time.Second)
				for range 32 {
					wait(t, th, orgA)(nil)
				}
				began := time.Now()
				for range 32 {
					wait(t, th, orgA)(nil)
				}
				if took := time.Since(began); took < 1900*time.Millisecond || took > 2100*time.Millisecond {
					t.Errorf("32 calls took %s, want half the pace, 2s", took)
				}
				for range 30 { // again and again
					if done, err := th.Org(orgA).Wait(t.Context()); err == nil {
						done(throttled(time.Millisecond))
					}
					<-time.After(time.Millisecond)
				}
				if busy := th.Busy(orgA); busy > 3*time.Second {
					t.Errorf("the slowest pace makes a call wait for %s", busy)
				}
				<-time.After(10 * time.Minute)
				began = time.Now()
				for range 64 {
					wait(t, th, orgA)(nil)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("64 calls took %s when all was over", took)
				}
			})
		})
	}
}

// TestASlowDownWithoutALimit: after a 429 all processes together begin with sixteen
// calls a second.
func TestASlowDownWithoutALimit(t *testing.T) {
	t.Parallel()
	for _, processes := range []int{0, 1, 5} {
		synctest.Test(t, func(t *testing.T) {
			th := throttle.New(memory.New(), throttle.Limits{Processes: processes}, false, time.Now)
			wait(t, th, orgA)(throttled(time.Second))
			<-time.After(time.Second)
			began := time.Now()
			for range 33 { // the first at once
				wait(t, th, orgA)(nil)
			}
			want := 2 * time.Second * time.Duration(max(processes, 1))
			if took := time.Since(began); took.Round(100*time.Millisecond) != want {
				t.Errorf("of %d processes one sends 32 calls in %s, want %s", processes, took, want)
			}
		})
	}
}

func TestASlowDownIsShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := memory.New()
		one, other := throttle.New(table, throttle.Limits{}, false, time.Now), throttle.New(table, throttle.Limits{}, false, time.Now)
		wait(t, one, orgA)(throttled(time.Minute))
		wait(t, other, orgB)(throttled(2 * time.Minute))
		for th, org := range map[*throttle.Throttle]string{one: orgA, other: orgB} {
			if err := th.PublishSlowDown(t.Context(), org); err != nil {
				t.Fatal(err)
			}
			if err := th.PublishSlowDown(t.Context(), org); err != nil { // nothing new
				t.Fatal(err)
			}
		}
		for _, th := range []*throttle.Throttle{one, other, throttle.New(table, throttle.Limits{}, false, time.Now)} {
			<-time.After(throttle.MaxAge)
			if _, err := th.PauseStatus(t.Context(), orgA, "", time.Time{}); err != nil {
				t.Fatal(err)
			}
			if a, b := th.Busy(orgA), th.Busy(orgB); a < 10*time.Second || b < time.Minute {
				t.Errorf("the orgs stop for %s and %s", a, b)
			}
		}
	})
}

// TestPausesOfManyProcesses are all kept.
func TestPausesOfManyProcesses(t *testing.T) {
	t.Parallel()
	table := memory.New()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			th := throttle.New(table, throttle.Limits{}, false, time.Now)
			if _, err := th.Pause(context.WithoutCancel(t.Context()), throttle.Scope{OrgID: orgA, FlowID: fmt.Sprint("f", i)}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	th := throttle.New(table, throttle.Limits{}, false, time.Now)
	pauses, err := th.Pause(t.Context(), throttle.Scope{OrgID: orgA, FlowID: "f0"}, "again")
	if err != nil || len(pauses) != 8 {
		t.Errorf("%d pauses, %v, want 8", len(pauses), err)
	}
	pauses, err = th.Resume(t.Context(), throttle.Scope{OrgID: orgA, FlowID: "f0"})
	if err != nil || len(pauses) != 7 {
		t.Errorf("%d pauses, %v, want 7", len(pauses), err)
	}
	for i := range 250 {
		_, err = th.Pause(t.Context(), throttle.Scope{OrgID: orgB, FlowID: strconv.Itoa(i)}, strings.Repeat("x", 100))
	}
	if err == nil {
		t.Error("the record grows without bound")
	}
}

func TestWithoutTheRecord(t *testing.T) {
	t.Parallel()
	table := memory.New()
	if err := table.Commit(t.Context(), store.Write{Key: "throttle", New: store.Record{store.AttributeKey: "throttle", store.AttributeRev: "1", "state": "by hand"}}); err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	th := throttle.New(table, throttle.Limits{}, false, time.Now)
	for name, ctx := range map[string]context.Context{"unreadable": t.Context(), "unreachable": canceled} {
		if _, err := th.PauseStatus(ctx, orgA, "f", time.Time{}); !errors.As(err, new(*store.UnavailableError)) {
			t.Errorf("%s: error = %v", name, err)
		}
		if _, err := th.Pause(ctx, throttle.Scope{}, ""); err == nil {
			t.Errorf("%s: it is paused", name)
		}
	}
}

// TestReleases: whatever the pause, what waited goes in the order in which it was
// due, after everything has looked after the pause, within bounds.
func TestReleases(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		began := time.UnixMilli(1_800_000_000_000).UTC()
		now := began
		clock := func() time.Time { return now }
		table := memory.New()
		th := throttle.New(table, throttle.Limits{}, false, clock)
		length := time.Duration(rapid.Int64Range(0, 14*24*3_600_000).Draw(r, "length")) * time.Millisecond
		scope := rapid.SampledFrom([]throttle.Scope{{}, {OrgID: orgA}, {OrgID: orgA, FlowID: "f"}}).Draw(r, "scope")
		if _, err := th.Pause(t.Context(), scope, ""); err != nil {
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
		if _, err := th.Resume(t.Context(), scope); err != nil {
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

// TestPausedAgainLongAfter: a pause that is over has nothing to do with the next one of
// the same scope.
func TestPausedAgainLongAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
		for range 2 {
			began := time.Now()
			if pauses, err := th.Pause(t.Context(), throttle.Scope{}, ""); err != nil || len(pauses) != 1 || !pauses[0].At.Equal(began) {
				t.Fatalf("the pauses are %+v, %v, want one that begins now", pauses, err)
			}
			<-time.After(time.Hour)
			if _, err := th.Resume(t.Context(), throttle.Scope{}); err != nil {
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

// TestPausedAgainBeforeAllIsLetGo: what the first pause kept stays in its order, spread,
// and before what the second one kept.
func TestPausedAgainBeforeAllIsLetGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
		began := time.Now()
		dues := []time.Time{began.Add(-time.Hour), began, began.Add(2 * time.Hour)}
		for i, length := range []time.Duration{4 * time.Hour, time.Hour} {
			<-time.After(time.Duration(i) * 10 * time.Minute)
			if _, err := th.Pause(t.Context(), throttle.Scope{}, ""); err != nil {
				t.Fatal(err)
			}
			<-time.After(length)
			if _, err := th.Resume(t.Context(), throttle.Scope{}); err != nil {
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
						if _, err := th.Pause(t.Context(), scope, ""); err != nil {
							t.Fatal(err)
						}
						<-time.After(10 * time.Hour)
					}
					if _, err := th.Resume(t.Context(), over); err != nil {
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

// TestASlowDownThatCouldNotBeToldIsToldWithTheNext.
func TestASlowDownThatCouldNotBeToldIsToldWithTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := memory.New()
		one, other := throttle.New(table, throttle.Limits{}, false, time.Now), throttle.New(table, throttle.Limits{}, false, time.Now)
		wait(t, one, orgA)(throttled(time.Minute))
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		if err := one.PublishSlowDown(canceled, orgA); !errors.As(err, new(*store.UnavailableError)) {
			t.Fatalf("error = %v", err)
		}
		if err := one.PublishSlowDown(t.Context(), orgA); err != nil { // without another 429
			t.Fatal(err)
		}
		held(t, other, time.Time{}) // it reads the record
		if busy := other.Busy(orgA); busy != time.Minute {
			t.Errorf("in the other process the org stops for %s, want a minute", busy)
		}
	})
}

func held(t *testing.T, th *throttle.Throttle, due time.Time) throttle.PauseStatus {
	t.Helper()
	h, err := th.PauseStatus(t.Context(), orgA, "f", due)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestTheRecordIsForgotten some days after its last change, but not while a pause lasts.
func TestTheRecordIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := memory.New()
		th := throttle.New(table, throttle.Limits{}, false, time.Now)
		lives := func() time.Duration { // for ever is 0
			t.Helper()
			text := table.Records()[0][store.AttributeTTL]
			if text == "" {
				return 0
			}
			seconds, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return time.Until(time.Unix(seconds, 0))
		}
		week := 7 * 24 * time.Hour
		wait(t, th, orgA)(throttled(time.Minute))
		if err := th.PublishSlowDown(t.Context(), orgA); err != nil || lives() != week {
			t.Errorf("after a 429 the record is kept for %s, %v", lives(), err)
		}
		scopes := []throttle.Scope{{OrgID: orgA}, {OrgID: orgB}}
		for _, scope := range scopes {
			if _, err := th.Pause(t.Context(), scope, ""); err != nil || lives() != 0 {
				t.Errorf("in a pause the record is kept for %s, %v", lives(), err)
			}
		}
		for i, want := range []time.Duration{0, week} {
			if _, err := th.Resume(t.Context(), scopes[i]); err != nil || lives() != want {
				t.Errorf("with %d pauses left the record is kept for %s, %v, want %s", 1-i, lives(), err, want)
			}
		}
		// It is forgotten while a process has a copy.
		gone := store.Write{Key: "throttle", Old: table.Records()[0][store.AttributeRev]}
		if err := table.Commit(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		if pauses, err := th.Pause(t.Context(), scopes[0], ""); err != nil || len(pauses) != 1 {
			t.Errorf("the pauses are %+v, %v", pauses, err)
		}
	})
}
