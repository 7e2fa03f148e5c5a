package ledger_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// inState writes the run's entry in a state, with what belongs to it, whatever led there.
func (w *world) inState(runID string, s ledger.State) ledger.Call {
	w.Helper()
	call := ledger.Call{ID: "call-of-" + runID, RunID: runID, ClientID: client, Sandbox: sandbox, At: w.now.Add(-time.Hour), Until: w.now.Add(time.Hour)}
	w.put(runID, func(e *ledger.Entries) {
		r := &e.Run
		r.State, r.FirstSeen = s, w.now
		switch s {
		case ledger.InFlight:
			r.Call, r.Sends, e.Flow.Slot = call, 1, &call
		case ledger.Unconfirmed:
			r.State, call.Until = ledger.InFlight, w.now.Add(-time.Minute)
			r.Call, r.Sends, e.Flow.Slot = call, 1, &call
		case ledger.Searched, ledger.CannotTell:
			r.Lost, r.Sends = call, 1 // without Settled, which says the same as cannot_tell
		case ledger.Reserved:
			r.Before, r.ReservedBy, r.ReservedUntil = ledger.Returned, "me", w.now.Add(time.Hour)
		case ledger.Retriggered:
			r.Successor, r.Sends = "successor", 1
		}
	})
	return call
}

// attempt is one way to ask for an operation on run a.
type attempt struct {
	op   ledger.Operation
	name string
	// chosen means that the caller names the state that it leads to. Otherwise it is any that
	// the states' table has.
	chosen bool
	to     ledger.State
	// own means that the asker is always an event: nobody else can be named.
	own bool
	// person means that the asker is always a person.
	person bool
	// slot means that the operation needs the run's call in the slot, free that it needs an
	// empty one.
	slot, free bool
	do         func(w *world, e ledger.Entries, by ledger.Asker, call ledger.Call) error
}

// attempts are all operations, with every state that a caller can name.
func attempts() []attempt {
	errOf := func(_ ledger.Entries, err error) error { return err }
	all := []attempt{
		{op: ledger.OpClaim, free: true, do: func(w *world, e ledger.Entries, by ledger.Asker, _ ledger.Call) error {
			o := w.options()
			o.By = by
			_, _, err := w.Claim(w.Context(), e, o)
			return err
		}},
		{op: ledger.OpConfirm, own: true, slot: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, call ledger.Call) error {
			return errOf(w.Confirm(w.Context(), ledger.ClaimOf(call), e, "child"))
		}},
		{op: ledger.OpRelease, own: true, slot: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, call ledger.Call) error {
			return errOf(w.Release(w.Context(), ledger.ClaimOf(call), e, "x", 0))
		}},
		{op: ledger.OpMarkUnconfirmed, own: true, slot: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, call ledger.Call) error {
			return errOf(w.MarkUnconfirmed(w.Context(), ledger.ClaimOf(call), e))
		}},
		{op: ledger.OpChangeClient, own: true, slot: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, call ledger.Call) error {
			_, _, err := w.ChangeClient(w.Context(), ledger.ClaimOf(call), e, "renewed")
			return err
		}},
		{op: ledger.OpLink, own: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, call ledger.Call) error {
			return errOf(w.Link(w.Context(), e, ledger.NewRun(org, flow, sandbox, "child"), call))
		}},
		{op: ledger.OpReserve, do: func(w *world, e ledger.Entries, by ledger.Asker, _ ledger.Call) error {
			return errOf(w.Reserve(w.Context(), e, by, w.now.Add(lease)))
		}},
		{op: ledger.OpUnreserve, do: func(w *world, e ledger.Entries, by ledger.Asker, _ ledger.Call) error {
			return errOf(w.Unreserve(w.Context(), e, by, "x"))
		}},
		{op: ledger.OpCancel, person: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, _ ledger.Call) error {
			return errOf(ledger.NewPeople(w.Ledger).Cancel(w.Context(), e))
		}},
		{op: ledger.OpDrop, person: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, _ ledger.Call) error {
			return errOf(ledger.NewPeople(w.Ledger).Drop(w.Context(), e))
		}},
		{op: ledger.OpCloseBreaker, own: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, _ ledger.Call) error {
			return errOf(w.CloseBreaker(w.Context(), e))
		}},
	}
	for _, to := range ledger.States() {
		all = append(all, attempt{op: ledger.OpSettle, name: " to " + string(to), chosen: true, to: to, own: true, slot: true, do: func(w *world, e ledger.Entries, _ ledger.Asker, _ ledger.Call) error {
			return errOf(w.Settle(w.Context(), e, to, "x"))
		}}, attempt{op: ledger.OpNote, name: " " + string(to), chosen: true, to: to, do: func(w *world, e ledger.Entries, by ledger.Asker, _ ledger.Call) error {
			return errOf(w.Note(w.Context(), e, by, ledger.Outcome{State: to, Reason: "x"}))
		}})
	}
	return all
}

// allowed are the states to which the table leads.
func allowed(from ledger.State, op ledger.Operation, by ledger.Asker) (to []ledger.State) {
	for _, s := range ledger.States() {
		if ledger.Allowed(from, op, by, s) {
			to = append(to, s)
		}
	}
	return to
}

// ask makes the attempt on a run in a state, and compares what is written with the table. It
// reports whether the table has it.
func (a *attempt) ask(t *testing.T, from ledger.State, by ledger.Asker) bool {
	t.Helper()
	name := fmt.Sprintf("%s%s by %s in %q", a.op, a.name, by, from)
	w := newWorld(t)
	call := w.inState("a", from)
	w.put("a", func(e *ledger.Entries) {
		if a.slot { // as if the two entries contradicted each other, in other states
			e.Flow.Slot = &call
		}
		if a.free {
			e.Flow.Slot = nil
		}
	})
	before := w.stored()
	want := allowed(from, a.op, by)
	if a.chosen {
		want = slices.DeleteFunc(want, func(s ledger.State) bool { return s != a.to })
	}
	err := a.do(w, w.load("a"), by, call)
	if len(want) > 0 {
		if got := w.stateOf("a"); err != nil || !slices.Contains(want, got) {
			t.Errorf("%s: %v, and it is %q; want one of %q", name, err, got, want)
		}
		return true
	}
	if !isTransition(err) || !strings.Contains(err.Error(), string(a.op)) || !strings.Contains(err.Error(), "run a") {
		t.Errorf("%s: %v, want a TransitionError", name, err)
	}
	w.unchanged(before)
	return false
}

// Each operation is done in each state, for each asker: it writes what the table has, and
// everything else is refused and writes nothing.
func TestTheLedgerWritesWhatTheStatesTableHasAndNothingElse(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{}
	for _, from := range ledger.States() {
		for _, a := range attempts() {
			for _, by := range ledger.Askers() {
				if (!a.own || by == ledger.AnEvent) && (!a.person || by == ledger.AtHand) && a.ask(t, from, by) {
					reached[fmt.Sprint(a.op, from)] = true
				}
			}
		}
	}
	covered(t, reached, ledger.OpLinkChild, ledger.OpSucceed, ledger.OpCountFault)
}

// covered holds that each row of the table was taken, but those of the named operations.
func covered(t *testing.T, reached map[string]bool, but ...ledger.Operation) {
	t.Helper()
	for _, row := range ledger.Transitions() {
		for _, from := range row.From {
			if !slices.Contains(but, row.Op) && !reached[fmt.Sprint(row.Op, from)] {
				t.Errorf("nothing leads from %q by %s", from, row.Op)
			}
		}
	}
}

// These two do nothing, without an error, where there is nothing to do.
func TestASuccessAndAFaultChangeOnlyWhatTheStatesTableHas(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{}
	for op, do := range map[ledger.Operation]func(w *world) error{
		ledger.OpSucceed: func(w *world) error {
			_, _, err := w.Succeed(w.Context(), w.load("a"), ledger.Recovery{At: w.now})
			return err
		},
		ledger.OpCountFault: func(w *world) error {
			_, err := w.CountFault(w.Context(), w.load("a"), ledger.AnEvent, "m/1", "x")
			return err
		},
	} {
		for _, from := range ledger.States() {
			w := newWorld(t)
			w.inState("a", from)
			before := w.stored()
			if err := do(w); err != nil {
				t.Errorf("%s in %q: %v", op, from, err)
			}
			want := allowed(from, op, ledger.AnEvent)
			if len(want) == 0 {
				w.unchanged(before)
				continue
			}
			if got := w.stateOf("a"); !slices.Contains(want, got) || maps.EqualFunc(before, w.stored(), maps.Equal) {
				t.Errorf("%s in %q: it is %q, want one of %q", op, from, got, want)
			}
			reached[fmt.Sprint(op, from)] = true
		}
	}
	covered(t, reached, slices.DeleteFunc(ledger.Operations(), func(op ledger.Operation) bool { return op == ledger.OpSucceed || op == ledger.OpCountFault })...)
}

func TestAChildIsLinkedAsTheStatesTableHasIt(t *testing.T) {
	t.Parallel()
	reached := map[string]bool{}
	for _, from := range ledger.States() {
		for _, superseded := range []bool{false, true} {
			w := newWorld(t)
			w.inState("child", from)
			w.put("child", func(e *ledger.Entries) { e.Run.Sends, e.Flow.Slot = 0, nil }) // without a place of its own
			call := w.inState("a", ledger.Unconfirmed)
			if superseded {
				w.put("a", func(e *ledger.Entries) { e.Run.Successor = "first" })
			}
			before := w.stored()
			_, err := w.Link(t.Context(), w.load("a"), w.load("child").Run, call)
			want := allowed(from, ledger.OpLinkChild, ledger.AnEvent)
			if len(want) == 0 {
				if !isTransition(err) {
					t.Errorf("a child in %q: %v", from, err)
				}
				w.unchanged(before)
				continue
			}
			got := w.stateOf("child")
			if err != nil || !slices.Contains(want, got) || !superseded && got == ledger.Skipped && from != ledger.Skipped {
				t.Errorf("a child in %q (superseded: %t) is %q, %v; want one of %q", from, superseded, got, err, want)
			}
			reached[fmt.Sprint(ledger.OpLinkChild, from)] = true
		}
	}
	covered(t, reached, slices.DeleteFunc(ledger.Operations(), func(op ledger.Operation) bool { return op == ledger.OpLinkChild })...)
}

func TestEndsAreEnds(t *testing.T) {
	t.Parallel()
	for _, row := range ledger.Transitions() {
		for _, end := range []ledger.State{ledger.Retriggered, ledger.Succeeded} {
			stays := row.Keeps || slices.Equal(row.To, []ledger.State{end})
			if slices.Contains(row.From, end) && !stays {
				t.Errorf("%s leads from %q to %q", row.Op, end, row.To)
			}
		}
		if row.Keeps == (len(row.To) > 0) {
			t.Errorf("%s from %q keeps the state, or leads to another one", row.Op, row.From)
		}
	}
}

func TestUnconfirmedIsNeverStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lose("a")
	for key, r := range w.stored() {
		if r["state"] == string(ledger.Unconfirmed) {
			t.Errorf("%s is stored as unconfirmed", key)
		}
	}
}
