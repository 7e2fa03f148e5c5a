package throttle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestA429HalvesThePaceAndStopsTheOrgForAWhile halves the pace with each 429 that tells something new, stops the
// org meanwhile, and ends by itself.
func TestA429HalvesThePaceAndStopsTheOrgForAWhile(t *testing.T) {
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

// TestA429GivesAnOrgWithoutALimitAPace: after a 429 all processes together begin with sixteen
// calls a second.
func TestA429GivesAnOrgWithoutALimitAPace(t *testing.T) {
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

func TestOneProcessSlowsAllOthersDown(t *testing.T) {
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
