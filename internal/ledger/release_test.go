package ledger_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func TestACallWithoutEffectIsTakenOffAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.must(w.Release(t.Context(), c, e, "throttled", 0))
	w.slot("")
	if run := w.state("a", ledger.Returned); run.Sends != 0 || run.Reason != "throttled" {
		t.Errorf("the run is %+v", run)
	}
	w.claim("b")
}

func TestARunWithAnEarlierLostCallIsAgainWhatSettlingMadeOfIt(t *testing.T) {
	t.Parallel()
	for _, settled := range []ledger.State{ledger.Searched, ledger.CannotTell} {
		t.Run(string(settled), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			lost := w.lose("a")
			w.settle("a", settled)
			c, e := w.claim("a")
			w.must(w.Release(t.Context(), c, e, "throttled", 0))
			run := w.state("a", settled)
			if run.Sends != 1 || run.Lost.ID != lost.ID || run.Unclear() != (settled == ledger.CannotTell) {
				t.Errorf("the run is %+v", run)
			}
		})
	}
}

func TestAReleaseIsRecordedThoughOtherThingsChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.must(w.CountFault(t.Context(), w.load("a"), ledger.AnEvent, "m/2", "x"))
	w.must(w.Release(t.Context(), c, e, "throttled", 0))
	if run := w.state("a", ledger.Returned); run.Sends != 0 || run.Faults != 1 {
		t.Errorf("the run is %+v", run)
	}
}

func TestARecordGivesUpWhereTheEntriesNeverStandStill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	n := 0
	w.table.each = func() { n++; w.put("a", func(e *ledger.Entries) { e.Run.Faults = n }) }
	if _, err := w.Release(t.Context(), c, e, "throttled", 0); !isConflict(err) || n > 50 {
		t.Errorf("after %d tries: %v, want a conflict", n, err)
	}
	w.table.each = nil
	w.slot("a")
}

func TestACallWithoutAClearAnswerIsUnconfirmedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.after(time.Second)
	w.must(w.MarkUnconfirmed(t.Context(), c, e))
	run, f := w.state("a", ledger.Unconfirmed), w.slot("a")
	if !f.Slot.Until.Equal(w.now) || !run.Call.Until.Equal(w.now) || run.Sends != 1 || !c.Call().Until.After(w.now) {
		t.Errorf("the slot is %+v, the run %+v", f.Slot, run)
	}
}

func TestAnEndedLeaseIsUnconfirmedByItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.after(lease - time.Millisecond)
	w.state("a", ledger.InFlight)
	w.after(time.Millisecond)
	w.state("a", ledger.Unconfirmed)
	until := c.Call().Until
	w.after(time.Hour)
	w.must(w.MarkUnconfirmed(t.Context(), c, e)) // which makes the lease no longer
	if f := w.slot("a"); !f.Slot.Until.Equal(until) {
		t.Errorf("the lease ended at %s, want %s", f.Slot.Until, until)
	}
}

func TestALateAnswerIsRecordedAsLongAsNobodyClosedTheClaim(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]func(w *world, c ledger.Claim, e ledger.Entries) (ledger.Entries, error){
		"Confirm": func(w *world, c ledger.Claim, e ledger.Entries) (ledger.Entries, error) {
			return w.Confirm(w.Context(), c, e, "b")
		},
		"Release": func(w *world, c ledger.Claim, e ledger.Entries) (ledger.Entries, error) {
			return w.Release(w.Context(), c, e, "x", 0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, e := w.claim("a")
			w.after(2 * lease)
			w.must(op(w, c, e))
			w.slot("")
		})
	}
}

func TestARenewedCredentialIsInTheSlotBeforeTheSecondCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	id := c.Call().ID
	c, e, err := w.ChangeClient(t.Context(), c, e, "renewed")
	if err != nil {
		t.Fatal(err)
	}
	run, f := w.state("a", ledger.InFlight), w.slot("a")
	if f.Slot.ClientID != "renewed" || run.Call.ClientID != "renewed" || c.Call().ClientID != "renewed" || c.Call().ID != id || !c.Holds(e.Flow) {
		t.Errorf("the slot is %+v, the run %+v, the claim %+v", f.Slot, run, c)
	}
	w.must(w.Confirm(t.Context(), c, e, "b"))
}

// A search may already have looked for runs of the first credential.
func TestACredentialIsNotChangedAfterTheLease(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.after(lease)
	before := w.stored()
	next, _, err := w.ChangeClient(t.Context(), c, e, "renewed")
	if !isTransition(err) || next.Call().ClientID != client {
		t.Errorf("claim %+v, %v", next, err)
	}
	w.unchanged(before)
}

func TestAClockThatGoesBackDoesNotKeepACallInFlight(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	at := w.now
	step := 0
	w.Ledger = ledger.New(w.table, ledger.DefaultTTL, func() time.Time { step++; return at.Add(-time.Duration(step) * time.Second) })
	w.must(w.MarkUnconfirmed(t.Context(), c, e))
	w.state("a", ledger.Unconfirmed)
}
