package ledger_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func TestAReservedRunIsOneDeliverysUntilItsNote(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.reserve("a")
	run := w.state("a", ledger.Reserved)
	if run.ReservedBy == "" || run.ReservedBy != mine.Run.ReservedBy || !run.ReservedUntil.Equal(w.now.Add(lease)) {
		t.Errorf("the run is %+v", run)
	}
	before := w.stored()
	if _, err := w.Reserve(t.Context(), w.load("a"), ledger.AnEvent, w.now.Add(lease)); !isTransition(err) {
		t.Errorf("it is reserved twice: %v", err)
	}
	o := w.options()
	if c, _, err := w.Claim(t.Context(), w.load("a"), o); !isTransition(err) || c.Valid() {
		t.Errorf("it is claimed: %v", err)
	}
	w.unchanged(before)
	w.note(mine, ledger.Outcome{State: ledger.DeadLettered, Reason: "rejected"})
	if run := w.state("a", ledger.DeadLettered); run.Reason != "rejected" || run.ReservedBy != "" || !run.ReservedUntil.IsZero() {
		t.Errorf("the run is %+v", run)
	}
}

func TestOfTwoReservationsOneIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stale := w.load("a")
	w.reserve("a")
	if _, err := w.Reserve(t.Context(), stale, ledger.AMessage, w.now.Add(lease)); !isConflict(err) {
		t.Errorf("error = %v, want a conflict", err)
	}
}

// states in which a run can be reserved, with how it came there.
func reservable() map[ledger.State]func(w *world) {
	return map[ledger.State]func(w *world){
		ledger.NoEntry:  func(*world) {},
		ledger.Returned: func(w *world) { w.must(w.CountFault(w.Context(), w.load("a"), ledger.AnEvent, "m", "x")) },
		ledger.Deferred: func(w *world) {
			w.note(w.reserve("a"), ledger.Outcome{State: ledger.Deferred, Reason: "delayed", Due: w.now.Add(time.Hour)})
		},
		ledger.Searched:     func(w *world) { w.lose("a"); w.settle("a", ledger.Searched) },
		ledger.CannotTell:   func(w *world) { w.lose("a"); w.settle("a", ledger.CannotTell) },
		ledger.Skipped:      func(w *world) { w.note(w.load("a"), ledger.Outcome{State: ledger.Skipped, Reason: "too_old"}) },
		ledger.DeadLettered: func(w *world) { w.note(w.reserve("a"), ledger.Outcome{State: ledger.DeadLettered, Reason: "rejected"}) },
		ledger.Made: func(w *world) {
			c, e := w.claim("parent")
			w.must(w.Confirm(w.Context(), c, e, "a"))
		},
	}
}

func TestAReservationThatEndsLeavesTheRunAsItWas(t *testing.T) {
	t.Parallel()
	for state, reach := range reservable() {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			reach(w)
			before := w.state("a", state)
			w.reserve("a")
			w.after(lease - time.Millisecond)
			w.state("a", ledger.Reserved)
			w.after(time.Millisecond)
			after := w.state("a", state)
			if !after.Due.Equal(before.Due) || after.Reason != before.Reason {
				t.Errorf("the run was %+v and is %+v", before, after)
			}
			w.reserve("a") // by somebody else, as from the state before it
			w.after(lease)
			w.state("a", state)
		})
	}
}

func TestANoteKeepsWhatTheRunWasBeforeItHadToWait(t *testing.T) {
	t.Parallel()
	for state, reach := range reservable() {
		if state == ledger.Deferred {
			continue
		}
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			reach(w)
			for range 3 { // for example, a pause makes it wait again and again
				w.note(w.reserve("a"), ledger.Outcome{State: ledger.Deferred, Due: w.now.Add(time.Hour)})
				if run := w.state("a", ledger.Deferred); run.Before != state {
					t.Errorf("a deferred run was %q before, want %q", run.Before, state)
				}
				w.note(w.load("a"), ledger.Outcome{State: ledger.Deferred, Due: w.now.Add(2 * time.Hour)}) // another due time
				if run := w.state("a", ledger.Deferred); run.Before != state || !run.Due.Equal(w.now.Add(2*time.Hour)) {
					t.Errorf("the run is %+v", run)
				}
			}
			w.reserve("a")
			w.after(2 * lease) // the delivery died
			w.note(w.reserve("a"), ledger.Outcome{State: ledger.DeadLettered})
			if run := w.state("a", ledger.DeadLettered); run.Before != state {
				t.Errorf("a given-up run was %q before, want %q", run.Before, state)
			}
		})
	}
}

func TestNobodyForgetsThatARunIsUnclear(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lose("a")
	w.settle("a", ledger.CannotTell)
	unclear := func() {
		t.Helper()
		if run := w.load("a").Run; !run.Unclear() {
			t.Errorf("the run is %+v", run)
		}
	}
	w.note(w.reserve("a"), ledger.Outcome{State: ledger.DeadLettered})
	unclear()
	w.note(w.reserve("a"), ledger.Outcome{State: ledger.Deferred})
	unclear()
	w.must(w.Unreserve(t.Context(), w.reserve("a"), ledger.AMessage, "queue_unavailable"))
	unclear()
	w.note(w.load("a"), ledger.Outcome{State: ledger.Skipped})
	unclear()
	w.reserve("a")
	w.after(lease)
	unclear()
}

func TestALateNoteCountsAsLongAsNobodyTookTheRunOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mine := w.reserve("a")
	w.after(2 * lease)
	w.note(mine, ledger.Outcome{State: ledger.DeadLettered})
	w.state("a", ledger.DeadLettered)

	mine = w.reserve("b")
	w.after(2 * lease)
	w.reserve("b")
	if _, err := w.Note(t.Context(), mine, ledger.AnEvent, ledger.Outcome{State: ledger.DeadLettered}); !isConflict(err) {
		t.Errorf("error = %v, want a conflict", err)
	}
}

func TestWhatCouldNotBeWrittenIsNoEnd(t *testing.T) {
	t.Parallel()
	want := map[ledger.State]ledger.State{
		ledger.Made: ledger.Made, ledger.Searched: ledger.Searched, ledger.CannotTell: ledger.CannotTell,
		ledger.NoEntry: ledger.Returned, ledger.Returned: ledger.Returned, ledger.Deferred: ledger.Returned, ledger.Skipped: ledger.Returned, ledger.DeadLettered: ledger.Returned,
	}
	for state, reach := range reservable() {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			reach(w)
			w.must(w.Unreserve(t.Context(), w.reserve("a"), ledger.AnEvent, "queue_unavailable"))
			if run := w.state("a", want[state]); run.Reason != "queue_unavailable" || run.ReservedBy != "" {
				t.Errorf("the run is %+v", run)
			}
		})
	}
}

func TestARunIsDescribedWithItsNextOperation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.load("a")
	e.Describe("orders", "code", "text", "told")
	w.note(w.must(w.Reserve(t.Context(), e, ledger.AnEvent, w.now.Add(lease))), ledger.Outcome{State: ledger.DeadLettered})
	e = w.load("a")
	e.Describe("", "", "", "") // which tells nothing
	e.Describe("", "", "other", "")
	if r := e.Run; r.FlowName != "orders" || r.Fingerprint != "told" || r.ErrorCode != "" || r.ErrorText != "other" {
		t.Errorf("the run is %+v", r)
	}
	if r := w.load("a").Run; r.ErrorCode != "code" || r.ErrorText != "text" {
		t.Errorf("the stored run is %+v", r)
	}
}

func TestOnlyARunOfOursSucceeds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.must(w.Confirm(t.Context(), c, e, "b"))
	for _, tt := range []struct {
		run  string
		want bool
	}{{"unknown", false}, {"a", false}, {"b", true}, {"b", false}} {
		if _, got, err := w.Succeed(t.Context(), w.load(tt.run), ledger.Recovery{At: w.now}); got != tt.want || err != nil {
			t.Errorf("run %s: %t, %v; want %t", tt.run, got, err, tt.want)
		}
	}
	w.state("b", ledger.Succeeded)
	w.put("b", func(e *ledger.Entries) { e.Run.State = ledger.Made })
	stale := w.load("b")
	w.reserve("b")
	if _, got, err := w.Succeed(t.Context(), stale, ledger.Recovery{At: w.now}); got || !isConflict(err) {
		t.Errorf("after its failure was seen: %t, %v", got, err)
	}
}
