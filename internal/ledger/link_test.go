package ledger_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func TestAFoundRunIsLinkedAndEmptiesTheSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.lose("a")
	after := w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
	parent, child := w.state("a", ledger.Retriggered), w.state("b", ledger.Made)
	if after.Run.Successor != "b" || parent.Successor != "b" || child.Parent != "a" || child.Attempt != 1 {
		t.Errorf("the runs are %+v and %+v", parent, child)
	}
	if f := w.slot(""); len(f.Kept) != 0 {
		t.Errorf("calls are kept: %+v", f.Kept)
	}
}

func TestALinkedRunUsesUpItsKeptCall(t *testing.T) {
	t.Parallel()
	for _, settled := range []ledger.State{ledger.Searched, ledger.CannotTell} {
		t.Run(string(settled), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			other := w.lose("z")
			w.settle("z", ledger.Searched)
			call := w.lose("a")
			w.settle("a", settled)
			w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
			w.state("a", ledger.Retriggered)
			if f := w.slot(""); len(f.Kept) != 1 || f.Kept[0].ID != other.ID {
				t.Errorf("the dataflow keeps %+v, want only the call of z", f.Kept)
			}
		})
	}
}

// A call's answer may come after its claim was closed, while another run is in the slot.
func TestALinkedRunUsesUpItsKeptCallWhileAnotherCallIsInTheSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.lose("a")
	w.settle("a", ledger.Searched)
	w.claim("z")
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
	if f := w.slot("z"); len(f.Kept) != 0 {
		t.Errorf("the dataflow keeps %+v, which would fit a second run", f.Kept)
	}
}

// If the run were linked, the second call could no longer be settled, and the slot would
// stay full for ever.
func TestAnEarlierCallIsNotLinkedWhileTheRunsSecondOneIsInTheSlot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.lose("a")
	w.settle("a", ledger.Searched)
	second := w.lose("a")
	before := w.stored()
	if _, err := w.Link(t.Context(), w.load("a"), w.run("b"), first); err == nil {
		t.Error("it is linked")
	}
	w.unchanged(before)
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), second))
	w.slot("")
}

func TestASecondRunOfOneParentIsSuperseded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		first func(w *world)
		want  ledger.State
	}{
		"nothing is known":     {func(*world) {}, ledger.Skipped},
		"it came back":         {func(w *world) { w.must(w.CountFault(w.Context(), w.load("c"), ledger.AnEvent, "m", "x")) }, ledger.Skipped},
		"it waits":             {func(w *world) { w.note(w.reserve("c"), ledger.Outcome{State: ledger.Deferred, Due: w.now}) }, ledger.Skipped},
		"it is a dead letter":  {func(w *world) { w.note(w.reserve("c"), ledger.Outcome{State: ledger.DeadLettered}) }, ledger.DeadLettered},
		"somebody works on it": {func(w *world) { w.reserve("c") }, ledger.Reserved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			first := w.lose("a")
			w.settle("a", ledger.Searched)
			second := w.lose("a")
			w.must(w.Link(t.Context(), w.load("a"), w.run("b"), second))
			tt.first(w)
			w.must(w.Link(t.Context(), w.load("a"), w.run("c"), first))
			child := w.state("c", tt.want)
			if child.Parent != "a" || child.Attempt != 2 || !child.Superseded || tt.want == ledger.Skipped && child.Reason != ledger.ReasonSuperseded {
				t.Errorf("the second child is %+v", child)
			}
			if parent := w.state("a", ledger.Retriggered); parent.Successor != "b" {
				t.Errorf("the parent is %+v, want its first successor", parent)
			}
		})
	}
}

func TestTheSameSuccessorIsNotSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.lose("a")
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call)) // found once more
	if child := w.state("b", ledger.Made); child.Superseded {
		t.Errorf("the child is %+v", child)
	}
}

// For example, the entry of the successor is older than the time to live.
func TestASuccessorWithoutAnEntryIsMadeAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.lose("a")
	w.put("a", func(e *ledger.Entries) { e.Run.Successor = "b" })
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
	if child := w.state("b", ledger.Made); child.Superseded || child.Parent != "a" {
		t.Errorf("the child is %+v", child)
	}
}

func TestARunThatWasSentAsARootStaysOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("b")
	w.must(w.Confirm(t.Context(), c, e, "b2"))
	call := w.lose("a")
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
	if child := w.state("b", ledger.Retriggered); child.Parent != "" || child.Root != "b" || child.Attempt != 0 {
		t.Errorf("the child is %+v, and its own child has its attempts", child)
	}
	if parent := w.state("a", ledger.Retriggered); parent.Successor != "b" {
		t.Errorf("the parent is %+v", parent)
	}
}

func TestAReservedParentIsNotLinked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.lose("a")
	w.settle("a", ledger.Searched)
	w.reserve("a")
	before := w.stored()
	if _, err := w.Link(t.Context(), w.load("a"), w.run("b"), call); !isTransition(err) {
		t.Errorf("error = %v", err)
	}
	w.unchanged(before)
	w.after(lease) // the reservation ends
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
	w.state("a", ledger.Retriggered)
}

func TestACallInFlightIsNotLinkedByOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	if _, err := w.Link(t.Context(), e, w.run("b"), c.Call()); !isTransition(err) {
		t.Errorf("error = %v", err)
	}
	w.slot("a")
}

func TestALinkOfEntriesThatChangedMeanwhileIsAConflict(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]func(w *world){
		"the child": func(w *world) { w.reserve("b") },
		"the parent": func(w *world) {
			w.after(ledger.DefaultFaultInterval)
			w.must(w.CountFault(w.Context(), w.load("a"), ledger.AnEvent, "m", "x"))
		},
		"the dataflow": func(w *world) {
			w.note(w.reserve("z"), ledger.Outcome{State: ledger.DeadLettered, Exhausted: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			call := w.lose("a")
			parent, child := w.load("a"), w.run("b")
			meanwhile(w)
			before := w.stored()
			if _, err := w.Link(t.Context(), parent, child, call); !isConflict(err) {
				t.Errorf("error = %v, want a conflict", err)
			}
			w.unchanged(before)
		})
	}
}

func TestALineageKeepsWhatWasForgiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("a", func(e *ledger.Entries) { e.Run.Attempt, e.Run.Forgiven, e.Run.Root = 4, 3, "root" })
	call := w.lose("a")
	w.after(time.Hour)
	w.must(w.Link(t.Context(), w.load("a"), w.run("b"), call))
	if child := w.run("b"); child.Forgiven != 3 || child.Attempt != 5 || child.Root != "root" {
		t.Errorf("the child is %+v", child)
	}
}
