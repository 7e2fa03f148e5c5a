package ledger_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func TestAClaimFillsTheSlotOfItsDataflowAndCountsTheCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	call := c.Call()
	if !c.Valid() || call.RunID != "a" || call.ClientID != client || call.Sandbox != sandbox || !call.At.Equal(w.now) || !call.Until.Equal(w.now.Add(lease)) {
		t.Errorf("the claim is %+v", call)
	}
	run := w.state("a", ledger.InFlight)
	if run.Sends != 1 || run.Used() != 1 || run.Root != "a" || run.Call.ID != call.ID || run.FlowID != flow {
		t.Errorf("the run is %+v", run)
	}
	if f := w.slot("a"); !c.Holds(f) || !c.Holds(e.Flow) {
		t.Errorf("the slot is %+v, want the claim", f.Slot)
	}
}

func TestAClaimIsRefusedWhileTheSlotHasAnyCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.claim("a")
	for _, wait := range []time.Duration{0, lease, 400 * 24 * time.Hour} { // no age empties a slot
		w.after(wait)
		before := w.stored()
		for _, runID := range []string{"a", "b"} {
			o := w.options()
			o.By = ledger.AForce
			c, _, err := w.Claim(t.Context(), w.load(runID), o)
			if err == nil || c.Valid() || !strings.Contains(err.Error(), "has the call of run a") {
				t.Errorf("after %s: claim %v of %s, %v", wait, c, runID, err)
			}
		}
		w.unchanged(before)
	}
}

func TestAFilledSlotHasNoTimeToLive(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Ledger = ledger.New(w.table, 24*time.Hour, func() time.Time { return w.now })
	ttl := func(runID string) (run, flowTTL string) {
		all := w.stored()
		return all[ledger.RunKey(org, runID)][store.AttributeTTL], all[ledger.FlowKey(org, flow)][store.AttributeTTL]
	}
	w.lose("a")
	if run, f := ttl("a"); run != "" || f != "" {
		t.Errorf("the entries of an unconfirmed call expire at %q and %q", run, f)
	}
	w.settle("a", ledger.Searched)
	want := store.TTL(w.now.Add(ledger.LostCallRetention + ledger.LostCallWindow + ledger.MaxClockSkew))
	if run, f := ttl("a"); run != want || f != want { // longer than the entries' own time to live
		t.Errorf("the entries of a kept call expire at %q and %q, want %s", run, f, want)
	}
	w.note(w.reserve("b"), ledger.Outcome{State: ledger.DeadLettered})
	if run, _ := ttl("b"); run != store.TTL(w.now.Add(24*time.Hour)) {
		t.Errorf("another entry expires at %q", run)
	}
}

func TestAClaimIsRefusedWithoutADataflow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e, err := w.Load(t.Context(), ledger.Ref{OrgID: org, Sandbox: sandbox, RunID: "a"})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := w.Claim(t.Context(), e, w.options())
	if err == nil || c.Valid() || len(w.stored()) != 0 {
		t.Errorf("claim %v, %v: there is no slot", c, err)
	}
}

func TestALeaseThatHasEndedIsNoClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options()
	o.Until = w.now
	c, _, err := w.Claim(t.Context(), w.load("a"), o)
	if !isTransition(err) || c.Valid() || len(w.stored()) != 0 {
		t.Errorf("claim %v, %v", c, err)
	}
}

func TestAClaimOfEntriesThatChangedMeanwhileIsAConflictAndNoClaim(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(w *world){
		"another run took the slot": func(w *world) { w.claim("b") },
		"the run was reserved":      func(w *world) { w.reserve("a") },
		"the breaker counted": func(w *world) {
			w.note(w.reserve("b"), ledger.Outcome{State: ledger.DeadLettered, Exhausted: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.load("a")
			meanwhile(w)
			before := w.stored()
			c, after, err := w.Claim(t.Context(), e, w.options())
			if !isConflict(err) || c.Valid() || after.Run.Sends != 0 {
				t.Errorf("claim %v, %+v, %v; want a conflict", c, after, err)
			}
			w.unchanged(before)
		})
	}
}

func TestAClaimOfUnknownResultHoldsOnlyIfItIsInTheSlot(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]bool{"written": true, "not written": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.load("a")
			if made {
				w.table.lost = 1
			} else {
				w.table.unmade = 1
			}
			c, _, err := w.Claim(t.Context(), e, w.options())
			if !errors.As(err, new(*store.UnavailableError)) || !c.Valid() {
				t.Fatalf("claim %v, %v", c, err)
			}
			if got := c.Holds(w.load("a").Flow); got != made {
				t.Errorf("the claim holds: %t, want %t", got, made)
			}
			if !made {
				w.claim("b")
				if c.Holds(w.load("a").Flow) {
					t.Error("the claim holds while the slot has another one")
				}
			}
		})
	}
	if (ledger.Claim{}).Holds(ledger.Flow{Slot: &ledger.Call{}}) {
		t.Error("a zero claim holds")
	}
}

// The AWS client sends a transaction again whose answer was lost.
func TestAClaimThatIsSentAgainCountsAsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.table.twice = func() {}
	c, e := w.claim("a")
	if run := w.state("a", ledger.InFlight); run.Sends != 1 || !c.Holds(e.Flow) {
		t.Errorf("the run is %+v", run)
	}
	// The entries that the claim returned are those that the store has.
	w.must(w.Confirm(t.Context(), c, e, "b"))
}

// Between the two, another delivery has counted a fault of the run.
func TestAClaimThatIsSentAgainAfterAChangeIsInTheSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.load("a")
	w.table.twice = func() { w.fault("a", "m/1") }
	c, _, err := w.Claim(t.Context(), e, w.options())
	if !errors.As(err, new(*store.UnavailableError)) || !c.Holds(w.load("a").Flow) {
		t.Errorf("claim %v, %v; want its result to be unknown, and the slot to tell", c, err)
	}
	w.must(w.Confirm(t.Context(), c, w.load("a"), "b"))
}

func TestAForcedClaimLetsLimitsForgetEarlierRetriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.must(w.Confirm(t.Context(), c, e, "b"))
	o := w.options()
	o.By, o.Forgive = ledger.AForce, true
	c, e, err := w.Claim(t.Context(), w.load("b"), o)
	if err != nil {
		t.Fatal(err)
	}
	w.must(w.Confirm(t.Context(), c, e, "c"))
	if b, c := w.load("b").Run, w.load("c").Run; b.Forgiven != 1 || c.Forgiven != 1 || c.Attempt != 2 {
		t.Errorf("the runs are %+v and %+v, want 1 forgiven of 2", b, c)
	}
}

func TestARunThatWasSentTwiceInVainIsClaimedOnlyByForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		w.lose("a")
		w.settle("a", ledger.Searched)
	}
	before := w.load("a")
	w.claimedOnlyBy("a", ledger.AForce)
	if run := w.load("a").Run; run.Sends != before.Run.Sends {
		t.Errorf("the run is %+v", run)
	}
	w.claim("a")
	if run := w.load("a").Run; run.Sends != 3 {
		t.Errorf("the run is %+v", run)
	}
}

// For example, a pause made its request wait: the run is then deferred, not cannot_tell.
func TestAnUnclearRunIsClaimedOnlyByForceWhateverItsStateIsSince(t *testing.T) {
	t.Parallel()
	for _, state := range []ledger.State{ledger.Deferred, ledger.DeadLettered, ledger.Skipped, ledger.Returned} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.lose("a")
			w.settle("a", ledger.CannotTell)
			w.put("a", func(e *ledger.Entries) { e.Run.State = state })
			w.claimedOnlyBy("a", ledger.AForce)
		})
	}
}

func TestASupersededRunIsClaimedOnlyForAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.lose("a")
	w.settle("a", ledger.Searched)
	second := w.lose("a")
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), second))
	w.must(w.Link(t.Context(), w.load("a"), w.run("c"), first))
	w.claimedOnlyBy("c", ledger.AtHand, ledger.AForce)
	for _, by := range []ledger.Asker{ledger.AMessage, ledger.AnEvent} { // a pause makes it wait
		w.note(w.must(w.Reserve(t.Context(), w.load("c"), by, w.now.Add(lease))), ledger.Outcome{State: ledger.Deferred, Reason: "paused"})
		w.claimedOnlyBy("c", ledger.AtHand, ledger.AForce)
	}
	w.note(w.must(w.Reserve(t.Context(), w.load("c"), ledger.AtHand, w.now.Add(lease))), ledger.Outcome{State: ledger.Deferred, Reason: "paused"})
	w.claimedOnlyBy("c", ledger.AnEvent, ledger.AMessage, ledger.AtHand, ledger.AForce)
}

// claimedOnlyBy compares who can claim a run.
func (w *world) claimedOnlyBy(runID string, want ...ledger.Asker) {
	w.Helper()
	before, state := w.stored(), w.load(runID).Run
	for _, by := range ledger.Askers() {
		o := w.options()
		o.By = by
		c, e, err := w.Claim(w.Context(), w.load(runID), o)
		if may := slices.Contains(want, by); may != (err == nil) || may != c.Valid() {
			w.Errorf("%s claims it: %v", by, err)
		}
		if err != nil {
			w.unchanged(before)
			continue
		}
		w.must(w.Release(w.Context(), c, e, "x", 0))
		w.put(runID, func(after *ledger.Entries) { after.Run.State, after.Run.Superseded = state.State, state.Superseded })
		before = w.stored()
	}
}

func TestClaimsAreCountedInTheBudgetOfTheirWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.now = w.now.Add(59 * time.Minute)
	spend := func(runID string, window time.Duration) (ledger.Claim, ledger.Entries) {
		o := w.options()
		o.Window = window
		c, e, err := w.Claim(t.Context(), w.load(runID), o)
		if err != nil {
			t.Fatal(err)
		}
		return c, e
	}
	sent := func(want int, window time.Time) {
		t.Helper()
		if f := w.load("a").Flow; f.Sent != want || !f.Window.Equal(window) {
			t.Errorf("%d were sent since %s, want %d since %s", f.Sent, f.Window, want, window)
		}
	}
	noon := w.now.Truncate(time.Hour)
	c, e := spend("a", time.Hour)
	sent(1, noon)
	w.must(w.Release(t.Context(), c, e, "throttled", time.Hour)) // it is given back
	sent(0, noon)
	c, e = spend("a", time.Hour)
	w.must(w.Confirm(t.Context(), c, e, "a2"))
	sent(1, noon)
	c, e = spend("b", time.Hour)
	sent(2, noon)
	w.after(2 * time.Minute)
	w.must(w.Release(t.Context(), c, e, "throttled", time.Hour)) // by the window of its claim
	sent(1, noon)
	c, e = spend("b", time.Hour)
	sent(1, noon.Add(time.Hour))
	w.must(w.Confirm(t.Context(), c, e, "b2"))
	c, e = spend("c", 0) // without a budget
	w.must(w.Release(t.Context(), c, e, "throttled", 0))
	sent(1, noon.Add(time.Hour))
}

func TestAReleaseAfterItsWindowGivesNothingBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.options()
	o.Window = time.Hour
	c, e, err := w.Claim(t.Context(), w.load("a"), o)
	if err != nil {
		t.Fatal(err)
	}
	w.put("a", func(e *ledger.Entries) { e.Flow.Window, e.Flow.Sent = w.now.Add(time.Hour), 5 })
	w.must(w.Release(t.Context(), c, e, "throttled", time.Hour))
	if f := w.load("a").Flow; f.Sent != 5 {
		t.Errorf("%d were sent in the next window, want 5", f.Sent)
	}
}

func TestTimesHaveNoMonotonicPartAndMilliseconds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.Ledger = ledger.New(w.table, ledger.DefaultTTL, time.Now)
	o := w.options()
	o.Until = time.Now().Add(lease)
	c, e, err := w.Claim(t.Context(), w.load("a"), o)
	if err != nil {
		t.Fatal(err)
	}
	stored := w.load("a")
	for name, at := range map[string][2]time.Time{
		"at": {c.Call().At, stored.Run.Call.At}, "until": {e.Flow.Slot.Until, stored.Flow.Slot.Until},
		"changed": {e.Run.ChangedAt, stored.Run.ChangedAt}, "first seen": {e.Run.FirstSeen, stored.Run.FirstSeen},
	} {
		if at[0] != at[1] || at[0] != at[0].Round(0) || at[0].Nanosecond()%1e6 != 0 {
			t.Errorf("%s is %v, stored as %v", name, at[0], at[1])
		}
	}
}
