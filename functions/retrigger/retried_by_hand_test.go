package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// waitingRun makes a run of dataflow f fail, of which the first attempt waits for half an
// hour.
func (w *world) waitingRun() string {
	w.Config.RetryDelays = []time.Duration{30 * time.Minute, time.Hour}
	id := w.Fail("f")
	w.Told(id)
	w.Poll(w.Start(-1, false))
	pass(10 * time.Minute)
	return id
}

// TestRetryByHandIsRespected: A person retries a failed run in Adobe's UI while ours
// waits. Ours is not sent, however the person's run stands by then, and a person can still
// force it.
func TestRetryByHandIsRespected(t *testing.T) {
	t.Parallel()
	for name, done := range map[string]bool{"it has succeeded": true, "it is running": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.waitingRun()
				by := flowsim.RetryByHand(w.Adobe, id)
				if done {
					w.Adobe.End(by, flowsim.Succeed())
				}
				pass(25 * time.Minute)
				w.Poll(w.Start(-1, false))
				if diff := cmp.Diff([]string{"skipped superseded_by_hand"}, w.outcomesOf(id)); diff != "" || len(w.sent()) != 0 {
					t.Errorf("%d re-triggers; (-want +got):\n%s", len(w.sent()), diff)
				}
				last := w.Logs.Ends(id)[0]
				if e := w.Entry(id); last.SupersededBy != by || !strings.Contains(last.Detail, by) || e["state"] != "skipped" || e["supersededBy"] != by {
					t.Errorf("the log says %+v, the ledger %v", last, e)
				}
				w.Config.RetryDelays = []time.Duration{0}
				answer := w.invoke(w.Start(-1, false), `{"runId":"`+id+`","orgId":"`+worldOrg+`"}`).Results[0]
				if answer.Reason != "superseded_by_hand" || answer.SupersededBy != by {
					t.Errorf("a second request is answered %+v", answer)
				}
				forced := w.invoke(w.Start(-1, false), `{"runId":"`+id+`","force":true,"orgId":"`+worldOrg+`"}`).Results[0]
				if forced.Outcome != "retriggered" {
					t.Errorf("force is answered %+v", forced)
				}
			})
		})
	}
}

// TestFailureOfARetryByHandIsAFailureOfItsOwn: The run that a person made fails later. It
// is retried as a root, and the run that it was to repeat stays skipped.
func TestFailureOfARetryByHandIsAFailureOfItsOwn(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.waitingRun()
		by := flowsim.RetryByHand(w.Adobe, id)
		pass(25 * time.Minute)
		w.Poll(w.Start(-1, false))
		w.Adobe.End(by, flowsim.Fail("CONNECTOR-1001-500", "again"))
		w.Told(by)
		w.Drain(24 * time.Hour)
		if e := w.Entry(by); w.Adobe.Retriggers(by) != 1 || w.Adobe.Retriggers(id) != 0 || e["root"] != by || e["state"] != "retriggered" || w.Entry(id)["state"] != "skipped" {
			t.Errorf("the entries are %v and %v", e, w.Entry(id))
		}
	})
}

// TestRunIsRetriedUnlessSomebodyHasDoneSo: A newer run of the dataflow is there, which is
// no retry of this one by hand, or nobody can tell.
func TestRunIsRetriedUnlessSomebodyHasDoneSo(t *testing.T) {
	t.Parallel()
	end := hour()
	overlapping := flowclient.Window{Start: end.Start.Add(time.Minute), End: end.End.Add(time.Minute)}
	other := func(status string, window flowclient.Window) func(*world) {
		return func(w *world) {
			w.Adobe.AddRun(flowsim.Run{ID: "newer", FlowID: "f", Status: status, CreatedClient: flowsim.ByHandClient, Window: window, NoWindow: window.IsZero()})
		}
	}
	for name, tt := range map[string]struct {
		window flowclient.Window
		newer  func(w *world)
	}{
		"the newer run has failed, too":     {end, other(flowsim.Failed, end)},
		"the newer run's window overlaps":   {end, other(flowsim.Success, overlapping)},
		"no newer run's window is known":    {end, other(flowsim.Success, flowclient.Window{})},
		"the run's own window is not known": {flowclient.Window{}, other(flowsim.Success, end)},
		"the listing hangs": {end, func(w *world) {
			other(flowsim.Success, end)(w)
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Hang: true, Times: 99})
		}},
		"the listing fails": {end, func(w *world) {
			other(flowsim.Success, end)(w)
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable, Times: 99})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Repeats = true
				w.failWindow("r", tt.window)
				pass(11 * time.Minute)
				tt.newer(w)
				w.Told("r")
				began := time.Now()
				w.Poll(w.Start(-1, false))
				if took := time.Since(began); took > 6*time.Second || w.Adobe.Retriggers("r") != 1 {
					t.Errorf("after %s: %v", took, w)
				}
				if n := w.Adobe.Count(flowsim.OpRuns); n == 0 || n > 4 {
					t.Errorf("%d listings", n)
				}
			})
		})
	}
}

// TestFirstRetryAtOnceAsksNobody: Even with a person's run there, a retry within ten minutes
// of the failure costs no call more.
func TestFirstRetryAtOnceAsksNobody(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		pass(time.Minute)
		flowsim.RetryByHand(w.Adobe, id)
		pass(8 * time.Minute)
		w.Told(id)
		w.Poll(w.Start(-1, false))
		if w.Adobe.Retriggers(id) != 1 || w.Adobe.Count(flowsim.OpRuns) != 0 {
			t.Errorf("%d re-triggers, %d listings", w.Adobe.Retriggers(id), w.Adobe.Count(flowsim.OpRuns))
		}
	})
}

// TestLaterAttemptRespectsARetryOfTheFirstRun: A person retries the first run of a lineage,
// of which our own re-trigger is running. When that fails, the person's run stands.
func TestLaterAttemptRespectsARetryOfTheFirstRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Told(id)
		w.Poll(w.Start(-1, false))
		made := w.Adobe.MadeOf(id)
		pass(12 * time.Minute)
		w.Adobe.End(flowsim.RetryByHand(w.Adobe, id), flowsim.Succeed())
		w.Adobe.End(made, flowsim.Fail("CONNECTOR-1001-500", "again"))
		w.Told(made)
		w.Drain(24 * time.Hour)
		if e := w.Entry(made); e["reason"] != "superseded_by_hand" || len(w.sent()) != 1 {
			t.Errorf("%d re-triggers; the entry is %v", len(w.sent()), e)
		}
	})
}

// TestSweepLeavesWhatPeopleHaveRepaired: No event told of two failed runs. A person has
// retried one of them; the sweep requests the other.
func TestSweepLeavesWhatPeopleHaveRepaired(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		repaired, left := w.Fail("f"), w.Fail("f")
		pass(time.Second)
		w.Adobe.End(flowsim.RetryByHand(w.Adobe, repaired), flowsim.Succeed())
		pass(11 * time.Minute)
		dry := w.sweep(`{"sweep":{"dryRun":true}}`)
		if dry.Skipped["superseded_by_hand"] != 1 || dry.Requested != 1 {
			t.Errorf("the dry run says %+v", dry)
		}
		w.Send(onlySweep)
		w.Drain(time.Hour)
		if w.Adobe.Retriggers(repaired) != 0 || w.Adobe.Retriggers(left) != 1 || w.Entry(repaired)["reason"] != "superseded_by_hand" {
			t.Errorf("%v", w)
		}
	})
}
