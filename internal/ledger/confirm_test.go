package ledger_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func TestAnAnsweredCallMakesItsChildAndEmptiesTheSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("a", func(e *ledger.Entries) { e.Describe("orders", "code", "text", "told") })
	c, e := w.claim("a")
	after := w.must(w.Confirm(t.Context(), c, e, "b"))
	w.slot("")
	parent, child := w.state("a", ledger.Retriggered), w.state("b", ledger.Made)
	if parent.Successor != "b" || after.Run.Successor != "b" || parent.Sends != 1 {
		t.Errorf("the parent is %+v", parent)
	}
	if child.Root != "a" || child.Parent != "a" || child.Attempt != 1 || child.Sends != 0 || child.FlowName != "orders" || child.FlowID != flow || child.ErrorCode != "" {
		t.Errorf("the child is %+v", child)
	}
	if !child.FirstSeen.After(parent.FirstSeen) {
		t.Errorf("the child was seen at %s, its parent at %s: the indexes are in this order", child.FirstSeen, parent.FirstSeen)
	}
}

func TestAChainCountsItsRetriggers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	runs := []string{"a", "b", "c", "d"}
	for i, id := range runs[:3] {
		w.after(time.Minute)
		c, e := w.claim(id)
		w.must(w.Confirm(t.Context(), c, e, runs[i+1]))
	}
	parent := ""
	for i, id := range runs {
		if run := w.load(id).Run; run.Attempt != i || run.Root != "a" || run.Parent != parent {
			t.Errorf("run %s is %+v", id, run)
		}
		parent = id
	}
	lineage, err := w.OfLineage(t.Context(), org, "a", 10)
	if err != nil || len(lineage) != 4 || lineage[0].RunID != "d" || lineage[3].RunID != "a" {
		t.Errorf("the lineage is %+v, %v; want the newest first", lineage, err)
	}
}

func TestAChildWhoseFailureCameFirstIsCompleted(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(w *world){
		"returned":    func(w *world) { w.must(w.CountFault(w.Context(), w.load("b"), ledger.AnEvent, "m/1", "x")) },
		"deferred":    func(w *world) { w.note(w.reserve("b"), ledger.Outcome{State: ledger.Deferred}) },
		"dead letter": func(w *world) { w.note(w.reserve("b"), ledger.Outcome{State: ledger.DeadLettered}) },
		"reserved":    func(w *world) { w.reserve("b") },
		"skipped":     func(w *world) { w.note(w.load("b"), ledger.Outcome{State: ledger.Skipped}) },
		"nothing":     func(*world) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, e := w.claim("a")
			w.after(time.Second)
			first(w)
			before := w.load("b").Run
			w.must(w.Confirm(t.Context(), c, e, "b"))
			child := w.load("b").Run
			if child.Parent != "a" || child.Root != "a" || child.Attempt != 1 {
				t.Errorf("the child is %+v, want it to be a's", child)
			}
			if before.State != ledger.NoEntry && (child.State != before.State || !child.FirstSeen.Equal(before.FirstSeen) || !child.Due.Equal(before.Due)) {
				t.Errorf("the child was %+v and is %+v", before, child)
			}
			w.state("a", ledger.Retriggered)
		})
	}
}

// A delivery of the child's failure reserves its run, and dies. Without care for that, the
// child would lead from no entry to no entry, which the states' table does not have, and the
// slot would stay full for ever.
func TestAChildWhoseReservationEndedIsMade(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]func(w *world, c ledger.Claim, e ledger.Entries) error{
		"by its answer": func(w *world, c ledger.Claim, e ledger.Entries) error {
			_, err := w.Confirm(w.Context(), c, e, "b")
			return err
		},
		"by a search": func(w *world, c ledger.Claim, _ ledger.Entries) error {
			_, err := w.Link(w.Context(), w.load("a"), w.load("b").Run, c.Call())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			c, e := w.claim("a")
			w.reserve("b")
			w.after(2 * lease)
			if err := link(w, c, e); err != nil {
				t.Fatal(err)
			}
			if child := w.state("b", ledger.Made); child.Parent != "a" || child.ReservedBy != "" {
				t.Errorf("the child is %+v", child)
			}
			w.slot("")
		})
	}
}

func TestAReservedChildIsMadeWhenItsReservationEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	reserved := w.reserve("b")
	w.must(w.Confirm(t.Context(), c, e, "b"))
	if child := w.state("b", ledger.Reserved); child.ReservedBy != reserved.Run.ReservedBy {
		t.Errorf("the child is %+v, want the reservation to stand", child)
	}
	w.after(2 * lease)
	w.state("b", ledger.Made)
}

func TestAChildThatHasItsPlaceKeepsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("b", func(e *ledger.Entries) {
		e.Run.State, e.Run.Parent, e.Run.Root, e.Run.Attempt = ledger.Made, "x", "x", 3
	})
	c, e := w.claim("a")
	w.must(w.Confirm(t.Context(), c, e, "b"))
	if child := w.state("b", ledger.Made); child.Parent != "x" || child.Attempt != 3 {
		t.Errorf("the child is %+v", child)
	}
	if parent := w.state("a", ledger.Retriggered); parent.Successor != "b" {
		t.Errorf("the parent is %+v", parent)
	}
}

func TestAnAnswerThatNamesTheRunItselfEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.must(w.Confirm(t.Context(), c, e, "a"))
	if run := w.state("a", ledger.Retriggered); run.Parent != "" || run.Successor != "a" || run.Attempt != 0 {
		t.Errorf("the run is %+v", run)
	}
	w.slot("")
}

func TestAnAnswerIsRecordedHoweverOftenOtherThingsChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	n := 0
	w.table.each = func() { // the run, its dataflow and the child change before nine commits
		if n++; n > 9 {
			return
		}
		w.put("a", func(e *ledger.Entries) { e.Run.Faults = n })
		w.put("b", func(e *ledger.Entries) { e.Run.State, e.Run.Faults, e.Flow.Exhausted = ledger.Returned, n, n })
	}
	w.must(w.Confirm(t.Context(), c, e, "b"))
	parent, child, f := w.load("a").Run, w.load("b").Run, w.slot("")
	if parent.State != ledger.Retriggered || parent.Faults != 9 || child.Parent != "a" || child.Faults != 9 || f.Exhausted != 9 {
		t.Errorf("the entries are %+v, %+v, %+v", parent, child, f)
	}
}

func TestALateAnswerOfAClosedClaimIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.after(2 * lease)
	w.settle("a", ledger.Searched)
	before := w.stored()
	for name, op := range map[string]func() (ledger.Entries, error){
		"Confirm":         func() (ledger.Entries, error) { return w.Confirm(t.Context(), c, e, "b") },
		"Release":         func() (ledger.Entries, error) { return w.Release(t.Context(), c, e, "throttled", 0) },
		"MarkUnconfirmed": func() (ledger.Entries, error) { return w.MarkUnconfirmed(t.Context(), c, e) },
	} {
		after, err := op()
		if !errors.Is(err, ledger.ErrSlotLost) || after.Run.State != ledger.Searched {
			t.Errorf("%s: %+v, %v; want the slot to be lost, and the entries as they are", name, after.Run, err)
		}
	}
	w.unchanged(before)
	// The answered run is linked all the same: its kept call made it.
	w.must(w.Link(t.Context(), w.load("a"), ledger.NewRun(org, flow, sandbox, "b"), c.Call()))
	if child := w.state("b", ledger.Made); child.Parent != "a" || len(w.load("a").Flow.Kept) != 0 {
		t.Errorf("the child is %+v", child)
	}
}

// The first answer was lost, and the client sends the transaction again after another run
// has taken the slot.
func TestAnAnswerThatIsSentAgainAfterTheNextClaimIsFoundAsLost(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.table.twice = func() { w.claim("z") }
	after, err := w.Confirm(t.Context(), c, e, "b")
	if !errors.Is(err, ledger.ErrSlotLost) || after.Run.Successor != "b" || w.load("b").Run.Parent != "a" {
		t.Errorf("the entries are %+v, %v", after, err)
	}
	w.slot("z")
}

func TestAnAnswerThatIsSentAgainCountsAsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.table.twice = func() {}
	w.must(w.Confirm(t.Context(), c, e, "b"))
	w.state("b", ledger.Made)
}

func TestAnUnavailableLedgerIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.table.unmade = 1
	if _, err := w.Confirm(t.Context(), c, e, "b"); !errors.Is(err, errLost) {
		t.Errorf("error = %v", err)
	}
	w.slot("a")
}

func TestAZeroClaimIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, e := w.claim("a")
	before := w.stored()
	var none ledger.Claim
	_, confirm := w.Confirm(t.Context(), none, e, "b")
	_, release := w.Release(t.Context(), none, e, "x", 0)
	_, mark := w.MarkUnconfirmed(t.Context(), none, e)
	_, _, change := w.ChangeClient(t.Context(), none, e, "x")
	for _, err := range []error{confirm, release, mark, change} {
		if err == nil || errors.Is(err, ledger.ErrSlotLost) {
			t.Errorf("error = %v", err)
		}
	}
	w.unchanged(before)
	if none.Valid() {
		t.Error("a zero claim is valid")
	}
}
