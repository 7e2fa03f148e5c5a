package main

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// success lets a lineage of two re-triggers end well, and returns its root, the run that
// has succeeded, and when the root's failure was seen.
func (w *world) success() (root, child string, seen time.Time) {
	w.TB.Helper()
	w.Config.RetryDelays = []time.Duration{0, 0, 0}
	w.failing(1)
	root = w.Fail("f")
	seen = time.Now()
	w.Told(root)
	w.Drain(5 * time.Hour)
	for _, r := range w.Adobe.Runs() {
		if r.Of != "" && r.Status == flowsim.Success {
			child = r.ID
		}
	}
	if child == "" || w.Lineages()[root] != 2 {
		w.TB.Fatalf("no run has succeeded\n%v", w)
	}
	return root, child, seen
}

// tellSuccess sends the event of a run's success and delivers it to a process.
func (d driver) tellSuccess(id string, p *process) {
	d.TB.Helper()
	d.Send(string(d.Adobe.FailureEvent(id))) // the event of any end has this form
	d.Poll(p)
}

// recoveries are the values of the metric recovery_minutes.
func (r results) recoveries() (minutes []float64) {
	for _, line := range r.Logs.Metrics() {
		values, _ := line[handler.RecoveryMinutes].([]any)
		for _, v := range values {
			n, _ := v.(float64)
			minutes = append(minutes, n)
		}
	}
	return minutes
}

func (r results) wantRecovered(times int, minutes ...float64) {
	r.TB.Helper()
	got := r.recoveries()
	same := slices.EqualFunc(minutes, got, func(a, b float64) bool { return math.Abs(a-b) < 0.01 })
	if n := r.Logs.Sum(handler.Recovered); n != times || !same {
		r.TB.Errorf("%d lineages have recovered, in %v minutes; want %d, in %v", n, got, times, minutes)
	}
}

func TestARecoveredLineageCountsOnceWithItsMinutes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root, child, seen := w.success()
		w.Send(string(w.Adobe.FailureEvent(child)))
		minutes := time.Since(seen).Minutes()
		pass(3 * time.Minute) // the queue is slow, which does not count
		w.Poll(w.Start(-1, false))
		w.wantRecovered(1, minutes)
		if e := w.Entry(child); e["state"] != "succeeded" || e["root"] != root {
			t.Errorf("the entry of the run is %v", e)
		}
		last := w.Logs.Outcomes()[len(w.Logs.Outcomes())-1]
		if last.RunID != child || last.Outcome != "skipped" || last.Reason != "run_succeeded" || last.Attempt != 2 {
			t.Errorf("the log says %+v", last)
		}
	})
}

func TestASecondEventOfASuccessCountsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		_, child, seen := w.success()
		minutes := time.Since(seen).Minutes()
		event := string(w.Adobe.FailureEvent(child))
		w.Send(event)
		w.Send(event) // two messages in one batch
		p := w.Start(-1, false)
		w.Poll(p)
		w.tellSuccess(child, p)
		w.tellSuccess(child, w.Start(-1, false))
		w.wantRecovered(1, minutes)
		if n := len(w.AWS.Messages(w.Requests)) + len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("%d messages are left", n)
		}
	})
}

func TestTheSuccessOfARunThatNobodyRetriggeredCountsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.AddRun(flowsim.Run{ID: "theirs", FlowID: "f", Status: flowsim.Success, CreatedClient: "acp_ui_platform", CompletedAt: time.Now()})
		w.tellSuccess("theirs", w.Start(-1, false))
		w.wantRecovered(0)
		if e := w.Entry("theirs"); e != nil {
			t.Errorf("the ledger has an entry of it: %v", e)
		}
	})
}

func TestARedeliveredSuccessIsNeverCountedTwice(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		calls int
		after bool
		count int
	}{
		"crash before anything is read":       {0, false, 1},
		"crash before the write":              {2, false, 1},
		"crash after the write":               {2, true, 0}, // the ledger has it, and the count is lost
		"crash before the message's deletion": {-1, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				_, child, seen := w.success()
				var minutes []float64
				if tt.count == 1 {
					minutes = append(minutes, time.Since(seen).Minutes())
				}
				w.Send(string(w.Adobe.FailureEvent(child)))
				w.Poll(lost{w.Start(tt.calls, tt.after)})
				w.Drain(time.Hour)
				w.wantRecovered(tt.count, minutes...)
				if e := w.Entry(child); e["state"] != "succeeded" {
					t.Errorf("the entry of the run is %v", e)
				}
			})
		})
	}
}

func TestASuccessIsDeliveredAgainWhileTheLedgerIsAway(t *testing.T) {
	t.Parallel()
	for _, fails := range []int{1, 2, 3, 20} {
		inWorld(t, func(t *testing.T, w *world) {
			_, child, seen := w.success()
			minutes := time.Since(seen).Minutes()
			w.Send(string(w.Adobe.FailureEvent(child)))
			p := w.Start(-1, false)
			w.Faults.Fail(fails, 0)
			w.Drain(24 * time.Hour)
			w.Poll(p)
			w.wantRecovered(1, minutes)
			if n := len(w.AWS.Messages(w.Requests)) + len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
				t.Errorf("%d messages are left", n)
			}
		})
	}
}

// forget deletes the ledger's entry of a run, as its time to live does.
func forget(w *world, id string) {
	w.TB.Helper()
	e := w.Entry(id)
	if err := w.Memory.Commit(context.Background(), store.Write{Key: e[store.AttributeKey], Old: e[store.AttributeRev]}); err != nil {
		w.TB.Fatal(err)
	}
}

func TestARecoveryIsMeasuredFromTheParentWhereTheLedgerHasForgottenTheRoot(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root, child, _ := w.success()
		first, err := time.Parse(time.RFC3339, w.Entry(w.Entry(child)["parent"])["firstSeen"])
		if err != nil {
			t.Fatal(err)
		}
		forget(w, root)
		minutes := time.Since(first).Minutes()
		w.tellSuccess(child, w.Start(-1, false))
		w.wantRecovered(1, minutes)
	})
}

func TestARecoveryOfAForgottenLineageIsCountedWithoutMinutes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(_ *testing.T, w *world) {
		root, child, _ := w.success()
		forget(w, root)
		forget(w, w.Entry(child)["parent"])
		w.tellSuccess(child, w.Start(-1, false))
		w.wantRecovered(1)
	})
}
