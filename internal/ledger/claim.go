package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// maxTries is how often a record is applied again to entries that have changed meanwhile.
const maxTries = 20

// maxSends is how often a run is sent without a clear answer, unless a person asks for more.
// Rule 16: a run that was searched for twice in vain is sent once more.
const maxSends = 2

// Claim is the right to send one re-trigger. Only [Ledger.Claim] makes one.
type Claim struct{ call Call }

// Call is what was claimed.
func (c Claim) Call() Call { return c.call }

// Valid reports whether the ledger has made the claim.
func (c Claim) Valid() bool { return c.call.ID != "" }

// Holds reports whether the claim is in the slot. Rule 5: where the claim's own result is
// unknown, the call is sent only if it is.
func (c Claim) Holds(f Flow) bool { return c.Valid() && f.Slot != nil && f.Slot.ID == c.call.ID }

// ClaimOptions are how a run is claimed.
type ClaimOptions struct {
	By Asker
	// ClientID is the credential that will send the call.
	ClientID string
	// Until is the end of the lease: the invocation's deadline.
	Until time.Time
	// Forgive lets limits forget the lineage's re-triggers so far.
	Forgive bool
	// Window is the length of the budget's window; 0 for no budget.
	Window time.Duration
}

// Claim writes that the run is about to be re-triggered and counts the call, for the run
// and in its dataflow's budget. Only if there is no error may the call be sent. After an
// [*store.UnavailableError] the claim may be written all the same: the caller reads the
// slot, and sends only if the claim is in it ([Claim.Holds]). After any other error the
// claim is zero.
//
// Rule 4: the slot must be empty. Rule 15: a run that was sent twice without a clear answer,
// or of whose call nobody can tell what it made, is claimed only by force, whatever state it
// came to since. Rule 12: a superseded run is claimed only for a person.
func (l *Ledger) Claim(ctx context.Context, e Entries, o ClaimOptions) (Claim, Entries, error) {
	now := l.time()
	if err := claimable(e, o.By); err != nil {
		return Claim{}, e, fmt.Errorf("run %s: %w", e.Run.RunID, err)
	}
	next := e
	call := Call{ID: rand.Text(), RunID: e.Run.RunID, ClientID: o.ClientID, Sandbox: e.Run.Sandbox, At: now, Until: milli(o.Until), Window: e.Run.Window}
	if o.Forgive {
		next.Run.Forgiven = e.Run.Used()
	}
	next.Run.become(InFlight, "", now)
	next.Run.FlowID, next.Run.Call, next.Run.Superseded = e.Flow.FlowID, call, false
	next.Run.Sends++
	next.Flow.Slot = &call
	next.Flow.spend(now, o.Window, 1)
	after, err := l.commit(ctx, change{op: OpClaim, by: o.By, now: now, old: e, next: next})
	claim := Claim{call}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok && claim.Holds(flowOf(conflict.Current[FlowKey(e.Flow.OrgID, e.Flow.FlowID)])) {
		// It was made and sent again, and another entry has changed in between.
		err = &store.UnavailableError{Op: "commit", Err: err}
	}
	if err != nil && !errors.As(err, new(*store.UnavailableError)) {
		return Claim{}, e, err
	}
	return claim, after, err
}

// claimable returns why no call of the run can be claimed, whatever its state.
func claimable(e Entries, by Asker) error {
	switch slot := e.Flow.Slot; {
	case e.Flow.FlowID == "":
		return errNoFlow
	case slot != nil:
		return fmt.Errorf("the slot of dataflow %s has the call of run %s", e.Flow.FlowID, slot.RunID)
	case by == AForce:
	case e.Run.Unclear():
		return errUnclear
	case e.Run.Sends >= maxSends:
		return errSentTwice
	case e.Run.Superseded && by != AtHand:
		return errReplaced
	}
	return nil
}

// closing applies a change to a claimed run and its dataflow.
//
// Rule 7: Confirm, Release and MarkUnconfirmed ask only for this claim in the slot. However
// often other things of the entries have changed meanwhile, the change is applied again. An
// error that says that the slot is lost comes with the entries as they are.
func (l *Ledger) closing(ctx context.Context, op Operation, c Claim, e Entries, childID string, apply func(next *Entries, child Run, now time.Time) *childWrite) (Entries, error) {
	if !c.Valid() {
		return e, errNoClaim
	}
	child := NewRun(e.Run.OrgID, e.Flow.FlowID, e.Run.Sandbox, childID) // the usual child has no entry
	for try := 0; ; try++ {
		if !c.Holds(e.Flow) {
			return e, fmt.Errorf("run %s: %w", c.call.RunID, ErrSlotLost)
		}
		now, next := l.time(), e
		write := apply(&next, child, now)
		after, err := l.commit(ctx, change{op: op, by: AnEvent, now: now, old: e, next: next, child: write})
		if !errors.As(err, new(*store.ConflictError)) || try == maxTries {
			return after, err
		}
		ref := e.ref()
		keys := ref.Keys()
		if childID != "" {
			keys = append(keys, RunKey(ref.OrgID, childID))
		}
		snapshot, err := l.Read(ctx, keys...)
		if err != nil {
			return e, err
		}
		because := e.because
		e = snapshot.Entries(ref)
		e.Because(because)
		ref.RunID = childID
		child = snapshot.Entries(ref).Run
	}
}

// Confirm records the run that the claimed call has made: the run is re-triggered, the
// slot is empty, and the child has an entry. Where the child's failure came first, its
// entry becomes part of the lineage.
//
// Rule 7: if the slot is lost meanwhile, the error is [ErrSlotLost], and the caller links
// the child.
func (l *Ledger) Confirm(ctx context.Context, c Claim, e Entries, childID string) (Entries, error) {
	return l.closing(ctx, OpConfirm, c, e, childID, func(next *Entries, child Run, now time.Time) *childWrite {
		next.Flow.Slot = nil
		return link(&next.Run, child, now)
	})
}

// Release records that the claimed call took no effect. Rule 8: it does not count, nor for
// the budget. The run is returned with the reason; if an earlier call of it was lost, it is
// again what settling that call has made of it.
func (l *Ledger) Release(ctx context.Context, c Claim, e Entries, reason string, window time.Duration) (Entries, error) {
	return l.closing(ctx, OpRelease, c, e, "", func(next *Entries, _ Run, now time.Time) *childWrite {
		next.Flow.Slot = nil
		next.Flow.spend(c.call.At, window, -1)
		next.Run.Sends--
		state := Returned
		switch {
		case next.Run.Unclear():
			state = CannotTell
		case next.Run.Sends > 0:
			state = Searched
		}
		next.Run.become(state, reason, now)
		return nil
	})
}

// MarkUnconfirmed records that the claimed call got no clear answer: nothing more is sent
// under the claim. Rule 8: its lease ends now, and a slot past its lease is unconfirmed.
func (l *Ledger) MarkUnconfirmed(ctx context.Context, c Claim, e Entries) (Entries, error) {
	return l.closing(ctx, OpMarkUnconfirmed, c, e, "", func(next *Entries, _ Run, now time.Time) *childWrite {
		slot := *next.Flow.Slot
		if slot.Until.After(now) {
			slot.Until = now
		}
		next.Flow.Slot, next.Run.Call = &slot, slot
		return nil
	})
}

// ChangeClient records that the claimed call will be sent with another credential. Rule 6:
// it is recorded before the call, so that a search looks for runs of that credential. When
// the lease has ended, nothing may be sent, and the error says so.
func (l *Ledger) ChangeClient(ctx context.Context, c Claim, e Entries, clientID string) (Claim, Entries, error) {
	after, err := l.closing(ctx, OpChangeClient, c, e, "", func(next *Entries, _ Run, _ time.Time) *childWrite {
		slot := *next.Flow.Slot
		slot.ClientID = clientID
		next.Flow.Slot, next.Run.Call = &slot, slot
		return nil
	})
	if err == nil {
		c.call.ClientID = clientID
	}
	return c, after, err
}

// spend counts re-triggers in the budget's window of the time; a negative number takes
// them off again, where that window is not over.
//
// Rule 23: only the dataflow's own budget is part of the claim's transaction. The dataflow's
// entry is written there anyway, while all claims of an org would meet in the org's counter.
func (f *Flow) spend(at time.Time, window time.Duration, n int) {
	if window <= 0 {
		return
	}
	if begin := at.Truncate(window).UTC(); !f.Window.Equal(begin) {
		if n < 0 {
			return
		}
		f.Window, f.Sent = begin, 0
	}
	f.Sent = max(f.Sent+n, 0)
}
