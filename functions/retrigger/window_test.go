package main

import (
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// hour is a data window: from 5 to 6 o'clock.
func hour() flowclient.Window {
	end := time.Date(2026, time.November, 23, 6, 0, 0, 0, time.UTC)
	return flowclient.Window{Start: end.Add(-time.Hour), End: end}
}

// failWindow makes a failed run of dataflow f which works on the window; a zero one is not
// told.
func (s script) failWindow(id string, window flowclient.Window) {
	s.Adobe.AddRun(flowsim.Run{
		ID: id, FlowID: "f", Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CompletedAt: time.Now(), Window: window, NoWindow: window.IsZero(),
		Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500"}},
	})
}

// TestDataWindowOfARunStandsEverywhere: The window of a run that Adobe tells of stands in
// the answer, the log, the ledger, the message that waits and the dead letter, and the
// run that our re-trigger makes has it in the ledger before Adobe tells of it.
func TestDataWindowOfARunStandsEverywhere(t *testing.T) {
	t.Parallel()
	const start, end = "2026-11-23T05:00:00Z", "2026-11-23T06:00:00Z"
	const inBody = `"windowStart":"` + start + `","windowEnd":"` + end + `"`
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{0, 5 * time.Minute}
		w.failWindow("r", hour())
		w.failing(2)
		answer := w.invoke(w.Start(-1, false), `{"runId":"r","orgId":"`+worldOrg+`"}`).Results[0]
		if got := (flowclient.Window{Start: answer.WindowStart, End: answer.WindowEnd}); got != hour() {
			t.Errorf("the answer has the window %s", got)
		}
		made := w.Adobe.MadeOf("r")
		for _, id := range []string{"r", made} {
			if e := w.Entry(id); e["windowStart"] != "2026-11-23T05:00:00.000Z" || e["windowEnd"] != "2026-11-23T06:00:00.000Z" {
				t.Errorf("the entry of %s is %v", id, e)
			}
		}
		pass(time.Minute)
		w.Settle()
		w.Poll(w.Start(-1, false))
		waiting := w.AWS.Messages(w.Requests)
		if len(waiting) != 1 || !strings.Contains(waiting[0].Body, inBody) {
			t.Errorf("what waits is %+v", waiting)
		}
		w.Drain(24 * time.Hour)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 || !strings.Contains(letters[0].Body, inBody) {
			t.Errorf("the dead letters are %+v", letters)
		}
		for _, r := range w.Logs.Outcomes() {
			if (flowclient.Window{Start: r.WindowStart, End: r.WindowEnd}) != hour() {
				t.Errorf("the log says %+v", r)
			}
		}
	})
}

// TestRunWithoutADataWindowIsRetried: Adobe tells no window of the run. It is retried, and
// nothing has a window.
func TestRunWithoutADataWindowIsRetried(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failWindow("r", flowclient.Window{})
		w.Told("r")
		w.Drain(time.Hour)
		if e := w.Entry("r"); e["state"] != "retriggered" || e["windowStart"] != "" || !w.Logs.Outcomes()[0].WindowStart.IsZero() {
			t.Errorf("the entry is %v", e)
		}
	})
}

// TestAFailedRunIsOfTheLostCallWithItsDataWindow: The calls of two runs of a dataflow get no
// answer, and take effect, if at all, after the first searches. The runs that they make fail,
// and each is linked to the run with the same data window. So each lineage keeps its limit.
func TestAFailedRunIsOfTheLostCallWithItsDataWindow(t *testing.T) {
	t.Parallel()
	const never, early, later = 0, 10 * time.Minute, 15 * time.Minute
	for _, tt := range []struct {
		name          string
		first, second time.Duration // after which the calls take effect
		made          int           // of the first lineage
	}{
		{"the first call has no effect", never, early, 2}, // its lost call is an attempt
		{"the first call's run is the older one", early, later, 3},
		{"the second call's run is the older one", later, early, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				loseCalls(w, tt.first, tt.second)
				w.failing(100)
				first, second := w.Fail("f"), w.Fail("f")
				w.Told(first)
				w.Drain(time.Minute)
				w.Told(second)
				w.Drain(24 * time.Hour)
				for _, r := range w.Adobe.Runs() {
					if e := w.Entry(r.ID); r.Of != "" && e["parent"] != r.Of {
						t.Errorf("run %s was made of %s, and its entry is %v", r.ID, r.Of, e)
					}
				}
				if n := w.Lineages(); n[first] != tt.made || n[second] != 3 {
					t.Errorf("the lineages have had %d and %d re-triggers, want %d and 3", n[first], n[second], tt.made)
				}
				if letters := w.reasons(); len(letters) != 1 || letters["attempts_exhausted"] != 2 {
					t.Errorf("letters %v", letters)
				}
			})
		})
	}
}

// TestRunThatShowsAnotherDataWindowKeepsItsParentFromASecondRetrigger: Adobe gives the run of
// a re-trigger another data window than that of the run which it repeats. The run is found all
// the same, by the second search or by its failure.
func TestRunThatShowsAnotherDataWindowKeepsItsParentFromASecondRetrigger(t *testing.T) {
	t.Parallel()
	for name, failing := range map[string]int{"it succeeds": 0, "it fails": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.showing(flowsim.WindowsOwn)
				w.failing(failing)
				loseCalls(w, 10*time.Minute)
				root := w.Fail("f")
				w.Told(root)
				w.Drain(24 * time.Hour)
				if made, e := w.Adobe.Retriggers(root), w.Entry(root); made != 1 || e["newRunId"] != w.Adobe.MadeOf(root) {
					t.Errorf("%d runs were made of the root, want 1, and its entry is %v", made, e)
				}
			})
		})
	}
}
