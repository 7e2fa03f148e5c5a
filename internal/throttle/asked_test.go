package throttle_test

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// TestAnOlderPauseOrResumeChangesNothing: each step is asked for so many minutes after the
// beginning, and all are delivered in the order of the steps, ten minutes later.
func TestAnOlderPauseOrResumeChangesNothing(t *testing.T) {
	t.Parallel()
	const p, r = true, false
	type step struct {
		pause  bool
		asked  time.Duration
		scope  throttle.Scope
		paused int // how many pauses last afterwards
	}
	everything, org := throttle.Scope{}, throttle.Scope{OrgID: orgA}
	for name, steps := range map[string][]step{
		"a pause that is delivered again after the resume": {{p, 1 * time.Minute, org, 1}, {r, 2 * time.Minute, org, 0}, {p, 1 * time.Minute, org, 0}},
		"a resume that is delivered again after a pause":   {{r, 1 * time.Minute, org, 0}, {p, 2 * time.Minute, org, 1}, {r, 1 * time.Minute, org, 1}},
		"a pause whose first delivery failed":              {{r, 2 * time.Minute, org, 0}, {p, 1 * time.Minute, org, 0}},
		"another scope has times of its own":               {{r, 2 * time.Minute, org, 0}, {p, 1 * time.Minute, everything, 1}, {r, time.Minute, org, 1}},
		"the same time counts in the order of arrival":     {{p, 1 * time.Minute, org, 1}, {r, 1 * time.Minute, org, 0}, {p, time.Minute, org, 1}},
		"clocks may differ by a second":                    {{p, 61 * time.Second, org, 1}, {r, time.Minute, org, 0}},
		"a time to come counts as now":                     {{p, time.Hour, org, 1}, {r, 11 * time.Minute, org, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				th := throttle.New(memory.New(), throttle.Limits{}, false, time.Now)
				began := time.Now()
				<-time.After(10 * time.Minute)
				for i, s := range steps {
					var pauses []throttle.Pause
					var err error
					if s.pause {
						pauses, err = th.Pause(t.Context(), s.scope, throttle.Cause{}, began.Add(s.asked))
					} else {
						pauses, err = th.Resume(t.Context(), s.scope, began.Add(s.asked))
					}
					if err != nil || len(pauses) != s.paused {
						t.Fatalf("after step %d %d pauses last, want %d: %v", i+1, len(pauses), s.paused, err)
					}
				}
			})
		})
	}
}

func TestTimesOfPausesAreForgottenAfterADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table := memory.New()
		th := throttle.New(table, throttle.Limits{}, false, time.Now)
		size := 0
		for i := range 250 {
			if _, err := th.Resume(t.Context(), throttle.Scope{OrgID: orgA, FlowID: strconv.Itoa(i)}, time.Now()); err != nil {
				t.Fatal(err)
			}
			<-time.After(time.Second)
			if i == 200 {
				size = len(table.Records()[0]["state"])
			}
		}
		if now := len(table.Records()[0]["state"]); now > size {
			t.Errorf("the record grows from %d to %d bytes", size, now)
		}
		<-time.After(25 * time.Hour)
		if _, err := th.Resume(t.Context(), throttle.Scope{}, time.Now()); err != nil {
			t.Fatal(err)
		}
		if state := table.Records()[0]["state"]; strings.Count(state, ":") > 2 {
			t.Errorf("after a day the record still has %s", state)
		}
	})
}

func TestTheTraceIDSaysWhenAnInvocationWasAskedFor(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	root := func(at time.Time) string {
		return "Root=1-" + strconv.FormatInt(at.Unix(), 16) + "-bd862e3fe1be46a994272793"
	}
	for name, tt := range map[string]struct {
		trace string
		want  time.Time
	}{
		"Lambda's retry after two minutes": {root(now.Add(-2*time.Minute)) + ";Parent=557abcec3ee5a047;Sampled=0", now.Add(-2 * time.Minute)},
		"the root comes last":              {"Sampled=0;" + root(now.Add(-time.Minute)), now.Add(-time.Minute)},
		"no trace id":                      {"", now},
		"a trace that began yesterday":     {root(now.Add(-24 * time.Hour)), now},
		"a time to come":                   {root(now.Add(time.Minute)), now},
		"no time":                          {"Root=1-xyz-bd862e3fe1be46a994272793", now},
		"another version":                  {strings.Replace(root(now.Add(-time.Minute)), "Root=1", "Root=2", 1), now},
	} {
		ctx := context.WithValue(t.Context(), "x-amzn-trace-id", tt.trace) //nolint:revive,staticcheck // Lambda's runtime has it under this key
		if got := throttle.AskedAt(ctx, now); !got.Equal(tt.want) {
			t.Errorf("%s: asked at %s, want %s", name, got.UTC(), tt.want)
		}
	}
}

// frozen is a clock as in a process that Lambda froze for so many seconds: the wall clock
// has gone on, and the monotonic one has stood still.
func frozen(wall time.Time, seconds uint64) time.Time {
	// The first word of a time.Time with a monotonic reading has the seconds of the wall
	// clock above its 30 bits of nanoseconds. Nothing public sets one without the other.
	*(*uint64)(unsafe.Pointer(&wall)) += seconds << 30 //nolint:gosec // only in this test
	return wall
}

func TestTheRecordIsReadAgainAfterAFreeze(t *testing.T) {
	t.Parallel()
	table := memory.New()
	began, seconds := time.Now(), uint64(0)
	th := throttle.New(table, throttle.Limits{}, false, func() time.Time { return frozen(began, seconds) })
	if status, err := th.PauseStatus(t.Context(), orgA, "f", time.Time{}); err != nil || status.Wait != 0 {
		t.Fatal(status, err)
	}
	other := throttle.New(table, throttle.Limits{}, false, time.Now)
	if _, err := other.Pause(t.Context(), throttle.Scope{}, throttle.Cause{}, time.Now()); err != nil {
		t.Fatal(err)
	}
	seconds = 3600
	if th.Fresh() {
		t.Error("after an hour in a freeze the copy of the record counts as young")
	}
	if status, err := th.PauseStatus(t.Context(), orgA, "f", time.Time{}); err != nil || status.Wait == 0 {
		t.Errorf("the pause that another process made meanwhile is not seen: %+v, %v", status, err)
	}
}

func TestTheRecordIsReadAgainAfterTheClockWasSetBack(t *testing.T) {
	t.Parallel()
	now := time.Now()
	th := throttle.New(memory.New(), throttle.Limits{}, false, func() time.Time { return now })
	if _, err := th.PauseStatus(t.Context(), orgA, "f", time.Time{}); err != nil || !th.Fresh() {
		t.Fatal("the copy is not fresh", err)
	}
	now = now.Add(-time.Hour)
	if th.Fresh() {
		t.Error("a copy from an hour to come counts as young")
	}
}
