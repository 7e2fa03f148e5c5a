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
