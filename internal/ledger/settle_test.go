package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

func TestASettledCallIsKeptAndItsSlotIsEmpty(t *testing.T) {
	t.Parallel()
	for _, to := range []ledger.State{ledger.Searched, ledger.CannotTell} {
		t.Run(string(to), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			call := w.lose("a")
			w.settle("a", to)
			run, f := w.state("a", to), w.slot("")
			if len(f.Kept) != 1 || f.Kept[0] != call || run.Lost != call || run.Sends != 1 || run.Reason != "outcome_unknown" || run.Unclear() != (to == ledger.CannotTell) {
				t.Errorf("the run is %+v, the dataflow keeps %+v", run, f.Kept)
			}
			w.claim("z") // the dataflow goes on
		})
	}
}

func TestACallIsSettledOnlyAfterItsLeaseAndOnlyFromTheSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Settle(t.Context(), w.load("a"), ledger.Searched, "x"); err == nil {
		t.Error("an empty slot is settled")
	}
	w.claim("a")
	before := w.stored()
	if _, err := w.Settle(t.Context(), w.load("a"), ledger.Searched, "x"); !isTransition(err) {
		t.Errorf("a call in flight is settled: %v", err)
	}
	w.after(lease)
	other := w.load("b")
	other.Run.State, other.Run.Sends = ledger.InFlight, 1 // unconfirmed, but its call is not in the slot
	if _, err := w.Settle(t.Context(), other, ledger.Searched, "x"); err == nil || isConflict(err) {
		t.Errorf("the call of another run is settled: %v", err)
	}
	for _, to := range ledger.States() {
		if to == ledger.Searched || to == ledger.CannotTell {
			continue
		}
		if _, err := w.Settle(t.Context(), w.load("a"), to, "x"); !isTransition(err) {
			t.Errorf("to %q: %v", to, err)
		}
	}
	w.unchanged(before)
}

// Only of the last call can be told that nothing was found.
func TestARunStaysUnclearWhateverBecomesOfItsSecondCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.lose("a")
	w.settle("a", ledger.CannotTell)
	w.lose("a")
	w.settle("a", ledger.Searched)
	if run := w.state("a", ledger.Searched); !run.Unclear() || run.Sends != 2 {
		t.Errorf("the run is %+v", run)
	}
}

func TestADataflowKeepsTwentyCallsAndMarksThoseThatItDrops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls []ledger.Call
	for i := range ledger.MaxKeptCalls + 3 {
		id := fmt.Sprint("run-", i)
		o := w.options()
		o.ClientID = fmt.Sprint("client-", i/2) // 0, 0, 1, …
		c, e, err := w.Claim(t.Context(), w.load(id), o)
		if err != nil {
			t.Fatal(err)
		}
		w.after(time.Second)
		w.must(w.MarkUnconfirmed(t.Context(), c, e))
		w.after(time.Minute)
		calls = append(calls, *w.load(id).Flow.Slot)
		w.settle(id, ledger.Searched)
		if f := w.slot(""); i < ledger.MaxKeptCalls && f.Cut != nil {
			t.Fatalf("after %d calls the mark is %+v", i+1, f.Cut)
		}
	}
	f := w.slot("")
	if diff := cmp.Diff(calls[3:], f.Kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	want := &ledger.CutMark{ClientIDs: []string{"client-0", "client-1"}, Until: calls[2].Until.Add(32 * time.Minute)}
	if diff := cmp.Diff(want, f.Cut); diff != "" {
		t.Errorf("the mark (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		client string
		at     time.Time
		want   bool
	}{
		{"client-0", want.Until.Add(-time.Millisecond), true},
		{"client-1", want.Until.Add(-time.Millisecond), true},
		{"client-1", time.Time{}, true},
		{"client-1", want.Until, false},
		{"client-2", want.Until.Add(-time.Millisecond), false},
	} {
		if _, cut := f.Fits("new", tt.client, tt.at); cut != tt.want {
			t.Errorf("the mark covers a run of %s at %s: %t", tt.client, tt.at, cut)
		}
	}
}

// A later call may have had a shorter lease than the one that was dropped before it.
func TestTheMarkKeepsTheLatestEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	late := w.now.Add(time.Hour)
	w.put("a", func(e *ledger.Entries) {
		e.Flow.Cut = &ledger.CutMark{ClientIDs: []string{client}, Until: late}
		e.Flow.Kept = slices.Repeat([]ledger.Call{{ID: "x", RunID: "x", ClientID: client, At: w.now, Until: w.now}}, ledger.MaxKeptCalls)
	})
	w.lose("a")
	w.settle("a", ledger.Searched)
	if f := w.slot(""); !f.Cut.Until.Equal(late) || len(f.Cut.ClientIDs) != 1 {
		t.Errorf("the mark is %+v", f.Cut)
	}
}

// A dataflow keeps a lost call for seven days, and then its mark for as long as a message
// about the run that it made can live.
func TestACallIsKeptForSevenDaysAndThenLeavesAMark(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.lose("a")
	w.settle("a", ledger.Searched)
	settle := func(run string, after time.Duration) ledger.Flow {
		w.now = old.Until.Add(after)
		w.lose(run)
		w.settle(run, ledger.Searched)
		return w.slot("")
	}
	const days = 24 * time.Hour
	if f := settle("b", 7*days-2*time.Second); len(f.Kept) != 2 || f.Cut != nil {
		t.Errorf("within seven days the dataflow keeps %+v, %+v", f.Kept, f.Cut)
	}
	f := settle("c", 7*days+time.Second)
	if len(f.Kept) != 2 || f.Kept[0].RunID != "b" || f.Cut == nil {
		t.Fatalf("after seven days the dataflow keeps %+v, %+v", f.Kept, f.Cut)
	}
	if _, cut := f.Fits("new", client, old.At); !cut {
		t.Errorf("the mark %+v does not cover what the old call may have made", f.Cut)
	}
	if f := settle("d", 60*days); len(f.Kept) != 1 || f.Cut == nil || !f.Cut.Until.After(old.Until.Add(6*days)) {
		t.Errorf("the mark is %+v, want one of the later calls", f.Cut)
	}
	if f := settle("e", 120*days); f.Cut == nil || f.Cut.Until.Before(old.Until.Add(59*days)) {
		t.Errorf("the mark is %+v, want one of the last call alone", f.Cut)
	}
}

func TestACallMayHaveMadeARunOfItsClientWithinItsTimes(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	until := at.Add(time.Minute)
	call := ledger.Call{ID: "c", RunID: "a", ClientID: client, At: at, Until: until}
	for _, tt := range []struct {
		name, run, client string
		created           time.Time
		want              bool
	}{
		{"when it was claimed", "b", client, at, true},
		{"two minutes before: clocks differ", "b", client, at.Add(-2 * time.Minute), true},
		{"more than two minutes before", "b", client, at.Add(-2*time.Minute - time.Millisecond), false},
		{"just within 32 minutes of the lease's end", "b", client, until.Add(32*time.Minute - time.Millisecond), true},
		{"32 minutes after the lease's end", "b", client, until.Add(32 * time.Minute), false},
		{"at an unknown time", "b", client, time.Time{}, true},
		{"another client's", "b", "other", at, false},
		{"a client that is not known", "b", "", at, false},
		{"the call's own run", "a", client, at, false},
	} {
		if got := call.MayHaveMade(tt.run, tt.client, tt.created); got != tt.want {
			t.Errorf("%s: %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestARunThatFitsAKeptCallOfAnotherRunIsNobodys(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	call := func(id, run string, at time.Time) ledger.Call {
		return ledger.Call{ID: id, RunID: run, ClientID: client, At: at, Until: at.Add(time.Minute)}
	}
	for _, tt := range []struct {
		name  string
		flow  ledger.Flow
		fits  int
		cut   bool
		known bool // whose it is
	}{
		{"nothing is kept", ledger.Flow{}, 0, false, false},
		{"a call", ledger.Flow{Kept: []ledger.Call{call("1", "a", at)}}, 1, false, true},
		{"two calls of one run", ledger.Flow{Kept: []ledger.Call{call("1", "a", at), call("2", "a", at.Add(time.Minute))}}, 2, false, true},
		{"a call of another run", ledger.Flow{Kept: []ledger.Call{call("1", "a", at), call("2", "z", at)}}, 2, false, false},
		{"a call of another time", ledger.Flow{Kept: []ledger.Call{call("1", "z", at.Add(-time.Hour))}}, 0, false, false},
		{"a call of the found run", ledger.Flow{Kept: []ledger.Call{call("1", "b", at)}}, 0, false, false},
		{"the mark", ledger.Flow{Cut: &ledger.CutMark{ClientIDs: []string{client}, Until: at.Add(time.Hour)}}, 0, true, false},
	} {
		calls, cut := tt.flow.Fits("b", client, at)
		if _, known := ledger.Maker(calls, aeptime.Window{}); len(calls) != tt.fits || cut != tt.cut || known != tt.known {
			t.Errorf("%s: %d calls, mark %t, known %t", tt.name, len(calls), cut, known)
		}
	}
}
