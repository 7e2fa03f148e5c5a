//go:build slow

package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestLongPauseOfABusyOrgLosesNothing: For a day of pause an event comes each five
// minutes, in batches with waiting messages and in no order. Each message is requeued a
// few times. Lambda counts a longer chain, since a message that is sent for one message
// of a batch has the trace of another, so this test allows loops.
func TestLongPauseOfABusyOrgLosesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AWS.Shuffle(w.Requests, 1)
		w.AllowLoops = true
		w.pausing("pause", "")
		p := &counted{process: w.Start(-1, false)}
		step := func() {
			for w.Poll(p) > 0 {
			}
			pass(5 * time.Minute)
		}
		ids := make([]string, 24*12)
		for i := range ids {
			flow := fmt.Sprint("p", i)
			w.Flow(flow, worldOrg)
			ids[i] = w.Fail(flow)
			w.Told(ids[i])
			step()
		}
		if n := len(w.Adobe.Calls()); n != 0 || len(w.AWS.Messages(w.Requests)) != len(ids) {
			t.Fatalf("%d calls to Adobe during the pause; %d messages wait for %d runs", n, len(w.AWS.Messages(w.Requests)), len(ids))
		}
		w.pausing("resume", "")
		for len(w.AWS.Messages(w.Requests)) > 0 {
			step()
		}
		w.wantOnce(t, ids)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 || p.requeues > 8 {
			t.Errorf("there are %d dead letters, and a message was requeued %d times", n, p.requeues)
		}
		t.Logf("at most %d requeues of a message, and %d invocations of a chain", p.requeues, p.chain)
	})
}

// TestPauseSendsNothingAndLosesNothing: For a pause of minutes, hours and days: no call
// is sent and no run is lost. Afterwards the runs go in the order of their due times, and
// not all at once.
func TestPauseSendsNothingAndLosesNothing(t *testing.T) {
	t.Parallel()
	for _, length := range []time.Duration{5 * time.Minute, 3 * time.Hour, 5 * 24 * time.Hour} {
		t.Run(length.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				const runs = 40
				if got := w.pausing("pause", `"reason":"maintenance"`); len(got) != 1 || got[0].Reason != "maintenance" {
					t.Fatalf("the pauses are %+v", got)
				}
				began := time.Now()
				ids := make([]string, runs)
				for i := range ids {
					flow := fmt.Sprint("p", i)
					w.Flow(flow, worldOrg)
					ids[i] = w.Fail(flow)
					if i%4 == 3 {
						w.Direct(w.Adobe.FailureEvent(ids[i]), func() *process { return w.Start(-1, false) })
					} else {
						w.Told(ids[i])
					}
					w.Drain(0)
					if e := w.Entry(ids[i]); e["state"] != "deferred" || e["reason"] != "paused" {
						t.Fatalf("the entry of a waiting run is %v", e)
					}
					w.Told(ids[i]) // a duplicate
					w.Drain(0)
					for end := began.Add(length * time.Duration(i+1) / runs); time.Now().Before(end); {
						pass(min(time.Until(end), max(time.Until(w.Next()), time.Second)))
						w.Drain(0)
					}
				}
				if n := len(w.Adobe.Calls()); n != 0 {
					t.Fatalf("%d calls to Adobe during the pause", n)
				}
				receives := 0
				for _, m := range w.AWS.Messages(w.Requests) {
					receives = max(receives, m.Receives)
				}
				if len(w.AWS.Messages(w.Requests)) != runs || len(w.AWS.Messages(w.DeadLetterQueue)) != 0 {
					t.Fatalf("%d messages wait, and %d dead letters are there, want %d and 0", len(w.AWS.Messages(w.Requests)), len(w.AWS.Messages(w.DeadLetterQueue)), runs)
				}
				if got := w.pausing("resume", ""); len(got) != 0 {
					t.Fatalf("the pauses are %+v", got)
				}
				resumed := time.Now()
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable}) // after the wait, receives for faults are left
				w.Drain(12 * time.Hour)
				w.wantOnce(t, ids)
				if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
					t.Errorf("there are %d dead letters", n)
				}
				var order []string
				calls := w.sent()
				for _, c := range calls {
					order = append(order, c.RunID)
				}
				last := calls[len(calls)-1].At.Sub(resumed)
				spread := calls[len(calls)-1].At.Sub(calls[0].At)
				if outOfOrder := disorder(ids, order); outOfOrder > 1 { // the one that met the fault comes later
					t.Errorf("%d runs were out of order: %v", outOfOrder, order)
				}
				if spread < time.Minute*3/4 || last > 100*time.Minute {
					t.Errorf("they went within %s, until %s after the pause", spread, last)
				}
				t.Logf("a pause of %s: at most %d receives; let go from %s to %s after it", length, receives, calls[0].At.Sub(resumed), last)
			})
		})
	}
}

// TestMessageBecomesADeadLetterBeforeItsQueueDeletesIt: A pause lasts longer than the
// queue keeps a message. The dead letter has the reason waited_too_long.
func TestMessageBecomesADeadLetterBeforeItsQueueDeletesIt(t *testing.T) {
	t.Parallel()
	for name, paused := range map[string]func(*world, bool){
		"a pause": func(w *world, on bool) { w.pausing(map[bool]string{true: "pause", false: "resume"}[on], "") },
		"PAUSED":  func(w *world, on bool) { w.Config.Paused = on },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.MaxRunAge = 60 * 24 * time.Hour
				paused(w, true)
				id := w.Fail("f")
				w.Told(id)
				w.Drain(15 * 24 * time.Hour)
				letters := w.AWS.Messages(w.DeadLetterQueue)
				if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "waited_too_long" || len(w.AWS.Messages(w.Requests)) != 0 {
					t.Fatalf("the dead letters are %+v", letters)
				}
				paused(w, false)
				w.Send(letters[0].Body)
				w.Drain(24 * time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}

// TestPausedVariableStopsEverything: With PAUSED the function makes no call to Adobe, but
// for the dry run of a sweep. When PAUSED is off again, waiting runs go on.
func TestPausedVariableStopsEverything(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.Paused = true
		id := w.Fail("f")
		w.Told(id)
		w.Drain(12 * time.Hour)
		if n := len(w.Adobe.Calls()); n != 0 {
			t.Errorf("%d calls to Adobe", n)
		}
		unheard := w.Fail("f")
		if r := w.sweep(`{"sweep":{"dryRun":true}}`); len(r.Runs) != 2 || r.Runs[1].RunID != unheard || r.Runs[1].Decision != "requested" {
			t.Errorf("a dry run does not tell what would be retried: %+v", r)
		}
		w.Config.Paused = false
		w.Drain(12 * time.Hour)
		w.wantOnce(t, []string{id})
	})
}
