//go:build slow

package main

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestA429SlowsTheWholeOrg: Other environments slow down within the age of their copy of
// the record, other orgs do not. Then the pace grows again.
func TestA429SlowsTheWholeOrg(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallsPerSecond, w.Config.ConcurrentCalls, w.Config.QueueConcurrency = 8, 2, 2
		w.Flow("other", worldOther)
		first, second := w.Start(-1, false), w.Start(-1, false)
		ids := w.backlog(400, 400)
		w.Told(ids[0])
		w.Poll(second) // it has a copy of the record
		pass(time.Second)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "60"}})
		w.Told(ids[1])
		w.Poll(first)
		stopped := time.Now()
		pass(throttle.MaxAge)
		w.Told(ids[2])
		other := w.Fail("other")
		w.Told(other)
		w.Poll(second)
		if n := w.Adobe.Retriggers(ids[2]); n != 0 {
			t.Errorf("the other environment went on after %s", time.Since(stopped))
		}
		w.wantOnce(t, []string{other})
		pass(time.Until(stopped.Add(time.Minute)))
		w.tellAll(ids[3:])
		for w.Poll(second) > 0 && time.Since(stopped) < 3*time.Minute {
		}
		calls := w.sent()
		if n := within(calls, stopped.Add(time.Millisecond), time.Minute-time.Millisecond); n != 1 { // the other org's
			t.Errorf("%d calls within the minute that Adobe asked for", n)
		}
		// A share of 4 a second is halved; a minute after the 429 it is back.
		if n := within(calls, stopped.Add(time.Minute+5*time.Second), 20*time.Second); n < 70 || n > 90 {
			t.Errorf("%d calls within 20 s after it, want 80", n)
		}
		w.Drain(time.Hour)
		w.wantOnce(t, append(ids, other))
	})
}

// TestStormOf429RetriesEachRunOnce: However long the storm lasts, there is no dead
// letter.
func TestStormOf429RetriesEachRunOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallsPerSecond, w.Config.ConcurrentCalls, w.Config.QueueConcurrency = 10, 5, 5
		ids := w.backlog(60, 60)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: 200, Status: http.StatusTooManyRequests})
		w.tellAll(ids)
		began := time.Now()
		w.Drain(48 * time.Hour)
		w.wantOnce(t, ids)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
		if n := within(w.sent(), began.Add(10*time.Minute), 10*time.Minute); n > 600 {
			t.Errorf("%d calls in ten minutes of the storm", n)
		}
		for _, r := range w.Memory.Records() {
			if r["attempt"] != "" && r["attempt"] != "1" || r["sends"] != "" && r["sends"] != "1" {
				t.Errorf("what had no effect counts: %v", r)
			}
		}
	})
}

// TestAllProcessesTogetherKeepThePaceOfAnOrg: Each environment that works on the queue has
// its share of the pace.
func TestAllProcessesTogetherKeepThePaceOfAnOrg(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallsPerSecond, w.Config.ConcurrentCalls, w.Config.QueueConcurrency = 10, 10, 5
		ids := w.backlog(300, 300)
		w.tellAll(ids)
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				for p := w.Start(-1, false); w.Poll(p) > 0; {
				}
			})
		}
		group.Wait()
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
		calls := w.sent()
		for _, c := range calls {
			const burst = 10 // a second's worth
			for _, seconds := range []int{1, 5, 20} {
				if n := within(calls, c.At, time.Duration(seconds)*time.Second); n > 10*seconds+burst {
					t.Fatalf("%d calls in %d s", n, seconds)
				}
			}
		}
		if took := calls[len(calls)-1].At.Sub(calls[0].At); took > time.Minute {
			t.Errorf("300 calls took %s", took)
		}
	})
}
