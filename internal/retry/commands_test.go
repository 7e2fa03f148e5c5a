package retry_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// commands are those of people.
func (w *world) commands() *Commands { return NewCommands(w.engine(), ledger.NewPeople(w.ledger)) }

// defer12h makes a run wait for twelve hours.
func (w *world) defer12h(runID string) {
	w.Helper()
	e := w.entries(runID)
	e.Run.Sandbox = sandbox
	if _, err := w.ledger.Note(w.Context(), e, ledger.AnEvent, ledger.Outcome{State: ledger.Deferred, Reason: "retry_delay", Due: time.Now().Add(12 * time.Hour)}); err != nil {
		w.Fatal(err)
	}
}

func TestASweepLeavesAloneWhatAPersonHasEndedInWhicheverSandbox(t *testing.T) {
	t.Parallel()
	for _, reason := range []string{ledger.ReasonCancelled, ledger.ReasonDropped} {
		run := ledger.NewRun(org, flow, "another", "a")
		run.State, run.Reason = ledger.Skipped, reason
		f := Facts{By: ledger.ASweep, Request: event.Request{RunID: "a", OrgID: org, Sandbox: sandbox, FlowID: flow}, Entries: ledger.Entries{Run: run}}
		r := rules()
		if s := Decide(&f, &r, time.Now()); s.Do != End || string(s.Reason) != reason {
			t.Errorf("a sweep would %s (%s)", s.Do, s.Reason)
		}
	}
}

func TestACommandSaysWhyItCannotBeDone(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		cmd := &event.Command{RunIDs: []string{"a"}}
		w.fail("a")
		w.defer12h("a")
		w.table.onCommit = func([]store.Write) (before, after error) { return errDown, nil }
		w.want(w.commands().Cancel(w.Context(), org, cmd)[0], Returned, LedgerUnavailable)
		w.table.onCommit = nil
		w.table.onRead = func() error { return errors.New("no") }
		for _, r := range w.commands().Drop(w.Context(), org, &event.Command{RunIDs: []string{"a"}, LetterIDs: []string{"l"}}) {
			w.want(r, Returned, LedgerUnavailable)
		}
		w.table.onRead = func() error { panic("a defect") }
		w.want(w.commands().Now(w.Context(), org, cmd)[0], Returned, InternalError)
		w.table.onRead = nil
		w.wantState("a", ledger.Deferred)
		e := w.entries("a")
		if _, err := w.ledger.Reserve(w.Context(), e, ledger.AtHand, time.Now().Add(time.Minute)); err != nil {
			w.Fatal(err)
		}
		w.want(w.commands().Cancel(w.Context(), org, cmd)[0], Returned, InProgress)
		w.want(w.commands().Now(w.Context(), org, cmd)[0], Returned, InProgress)
		pass(time.Hour) // the reservation has ended
		w.want(w.commands().Cancel(w.Context(), org, cmd)[0], Skipped, Cancelled)
	})
}

// TestACancelMeetsAnotherWrite: what others have written meanwhile is looked at anew.
func TestACancelMeetsAnotherWrite(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("a")
		w.defer12h("a")
		other := 1
		w.table.onCommit = func([]store.Write) (before, after error) {
			if other > 0 {
				other--
				w.defer12h("a") // it is another revision then
			}
			return nil, nil
		}
		w.want(w.commands().Cancel(w.Context(), org, &event.Command{RunIDs: []string{"a"}})[0], Skipped, Cancelled)
		w.wantState("a", ledger.Skipped)
	})
}
