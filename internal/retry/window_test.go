package retry_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// window is the data window of a run, as Adobe shows it.
func (w *world) window(runID string) flowclient.Window {
	w.Helper()
	for _, r := range w.adobe.Runs() {
		if r.ID == runID {
			return r.Window
		}
	}
	w.Fatalf("there is no run %s", runID)
	return flowclient.Window{}
}

// withWindow is the event of a failed run, which tells of the run's data window.
func (w *world) withWindow(req event.Request) event.Request {
	w.Helper()
	req.Window = w.window(req.RunID)
	return req
}

// keep loses a call that has no effect, and settles it.
func (w *world) keep(req event.Request) {
	w.Helper()
	w.lose(req, false)
	pass(reconcile)
	w.want(w.deliver(req), Deferred, OutcomeUnknown)
}

// madeFor adds a run that our client has made for the data window.
func (w *world) madeFor(window flowclient.Window, runID string) {
	w.adobe.AddRun(flowsim.Run{ID: runID, FlowID: flow, Status: flowsim.InProgress, CreatedClient: ourClient, CreatedAt: time.Now(), Window: window})
}

func TestASearchGivesARunToTheCallWithItsDataWindow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first, second := w.withWindow(w.fail("first")), w.withWindow(w.fail("second"))
		w.keep(first)
		w.madeFor(first.Window, "late") // it is older than the second call's run
		w.lose(second, true)
		pass(reconcile)
		r := w.deliver(second)
		w.want(r, Retriggered, Reconciled)
		if r.NewRunID != w.adobe.MadeOf("second") {
			t.Errorf("%s was linked", r.NewRunID)
		}
		pass(secondSearch)
		r = w.deliver(w.message())
		w.want(r, Retriggered, Reconciled)
		if e := w.entries("late"); r.NewRunID != "late" || e.Run.Parent != "first" || len(e.Flow.Kept) != 0 {
			t.Errorf("%+v\n%+v", r, e)
		}
		w.wantRetriggers(2)
	})
}

func TestASearchCanNotTellWhoseARunIsWithoutTheSameDataWindow(t *testing.T) {
	t.Parallel()
	for name, window := range map[string]func(first, second event.Request) flowclient.Window{
		"it has the other call's window": func(first, _ event.Request) flowclient.Window { return first.Window },
		"it has a window of its own":     func(event.Request, event.Request) flowclient.Window { return flowclient.Window{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				first, second := w.withWindow(w.fail("first")), w.withWindow(w.fail("second"))
				w.keep(first)
				w.lose(second, false)
				w.madeFor(window(first, second), "made")
				pass(reconcile)
				w.want(w.deliver(second), DeadLettered, OutcomeUnknown) // and it is not sent again
				w.wantRetriggers(2)
			})
		})
	}
}

func TestAFailedRunOfTheDataWindowOfOneOfTwoKeptCallsIsLinked(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first, second := w.withWindow(w.fail("first")), w.withWindow(w.fail("second"))
		w.keep(first)
		w.keep(second)
		w.madeFor(second.Window, "made")
		w.adobe.End("made", flowsim.Fail("X", "no"))
		w.want(w.deliver(w.withWindow(w.event("made"))), Deferred, RetryDelay)
		if e := w.entries("made"); e.Run.Parent != "second" || e.Run.Attempt != 1 || len(e.Flow.Kept) != 1 || e.Flow.Kept[0].RunID != "first" {
			t.Errorf("%+v", e)
		}
		w.wantState("second", ledger.Retriggered)
		w.wantState("first", ledger.Deferred)
	})
}

func TestAFailedRunOfAnotherDataWindowIsStillTheOneKeptCalls(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first := w.withWindow(w.fail("first"))
		w.keep(first)
		w.madeFor(flowclient.Window{}, "made")
		w.adobe.End("made", flowsim.Fail("X", "no"))
		w.want(w.deliver(w.withWindow(w.event("made"))), Deferred, RetryDelay)
		if e := w.entries("made"); w.window("made").Same(first.Window) || e.Run.Parent != "first" {
			t.Errorf("%+v", e)
		}
		w.wantState("first", ledger.Retriggered) // and it is not sent again
	})
}
