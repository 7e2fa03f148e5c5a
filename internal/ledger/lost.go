package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// ReasonSuperseded is why a run is skipped whose parent has another successor: its data is
// being retried already.
const ReasonSuperseded = "superseded"

// link makes the child the parent's, and returns the write of the child's entry; nil where
// the child has its place already.
//
// Rule 2: the child's attempt is what its lineage has used up, and is written in the
// transaction that makes the child. Rule 12: if the parent has a successor already, the
// child is superseded.
func link(parent *Run, child Run, now time.Time) *childWrite {
	superseded := parent.Successor != "" && parent.Successor != child.RunID
	parent.become(Retriggered, "", now)
	if !superseded {
		parent.Successor = child.RunID
	}
	if child.RunID == parent.RunID || child.Parent != "" || child.Sends > 0 {
		return nil
	}
	w := &childWrite{old: child, next: child.restored(now)}
	next := &w.next
	next.Root, next.Parent, next.Attempt, next.Forgiven = parent.Root, parent.RunID, parent.Used(), parent.Forgiven
	if next.FlowName == "" {
		next.FlowName = parent.FlowName
	}
	if next.Window.IsZero() { // a re-trigger works on the data of the run that it repeats
		next.Window = parent.Window
	}
	if next.FirstSeen.IsZero() {
		next.FirstSeen = now
		if !now.After(parent.FirstSeen) { // the indexes are in this order
			next.FirstSeen = parent.FirstSeen.Add(time.Millisecond)
		}
	}
	switch next.State {
	case NoEntry:
		next.State = Made
	case Reserved:
		if next.Before == NoEntry {
			next.Before = Made
		}
	}
	next.Superseded = superseded
	if superseded && slices.Contains([]State{Made, Returned, Deferred, Searched, CannotTell}, next.State) {
		next.become(Skipped, ReasonSuperseded, now)
	}
	return w
}

// Link records that a call of the parent's run has made the child. Rule 12: the slot is
// empty then, if it has the call. Rule 17: a call that is kept is kept no longer. The caller
// makes sure that it is this call that has made the child: [Flow.Fits], [Maker].
//
// Rule 18: nothing is linked to a parent that is reserved; the error is a
// [*TransitionError].
func (l *Ledger) Link(ctx context.Context, parent Entries, child Run, call Call) (Entries, error) {
	now, next := l.time(), parent
	switch slot := parent.Flow.Slot; {
	case slot == nil:
	case slot.ID == call.ID:
		next.Flow.Slot = nil
	case slot.RunID == parent.Run.RunID: // its own answer is recorded first
		return parent, fmt.Errorf("run %s: %w", parent.Run.RunID, errOtherCall)
	}
	next.Flow.Kept = slices.DeleteFunc(slices.Clone(parent.Flow.Kept), func(c Call) bool { return c.ID == call.ID })
	write := link(&next.Run, child, now)
	return l.commit(ctx, change{op: OpLink, by: AnEvent, now: now, old: parent, next: next, child: write})
}

// Settle empties the slot of a call that no run was found for (to is [Searched]), or of
// which nobody can tell what became ([CannotTell]). The entries are those of the call's
// run.
//
// Rule 13: the dataflow keeps the call for [LostCallRetention], since a run that it made
// may still fail. Rule 14: nothing else happens to the run; its own delivery decides on it.
func (l *Ledger) Settle(ctx context.Context, e Entries, to State, reason string) (Entries, error) {
	if e.Flow.Slot == nil || e.Flow.Slot.RunID != e.Run.RunID {
		return e, fmt.Errorf("run %s: %w", e.Run.RunID, errNotInSlot)
	}
	now, next := l.time(), e
	next.Run.Lost, next.Run.Settled = *e.Flow.Slot, to
	if e.Run.Unclear() { // of an earlier call
		next.Run.Settled = CannotTell
	}
	next.Run.become(to, reason, now)
	next.Flow.keep(*e.Flow.Slot, now)
	next.Flow.Slot = nil
	return l.commit(ctx, change{op: OpSettle, by: AnEvent, now: now, old: e, next: next})
}

// keep adds a call to those that are kept. Rule 3: a dataflow keeps [MaxKeptCalls] calls for
// [LostCallRetention]. The cut mark stands for those that are dropped: the failure of a run
// that one of them made may come later still, for as long as a message can live.
func (f *Flow) keep(c Call, now time.Time) {
	oldest := now.Add(-LostCallRetention)
	if f.Cut != nil && f.Cut.Until.Before(now.Add(-DefaultTTL)) {
		f.Cut = nil
	}
	f.Kept = append(slices.Clone(f.Kept), c)
	for len(f.Kept) > MaxKeptCalls || len(f.Kept) > 0 && f.Kept[0].Until.Before(oldest) {
		f.Cut = f.Cut.and(f.Kept[0])
		f.Kept = f.Kept[1:]
	}
}

// and returns the mark that stands for one more call.
func (m *CutMark) and(dropped Call) *CutMark {
	next := CutMark{Until: dropped.Until.Add(LostCallWindow + MaxClockSkew)}
	if m != nil {
		next.ClientIDs = slices.Clone(m.ClientIDs)
		if m.Until.After(next.Until) {
			next.Until = m.Until
		}
	}
	if !slices.Contains(next.ClientIDs, dropped.ClientID) {
		next.ClientIDs = append(next.ClientIDs, dropped.ClientID)
	}
	return &next
}
