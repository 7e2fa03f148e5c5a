package ledger

import "context"

// Reasons for which a person has ended a run.
const (
	// ReasonCancelled is why a run is skipped that waited until a person cancelled it.
	ReasonCancelled = "cancelled"
	// ReasonDropped is why a run is skipped whose dead letter a person has deleted.
	ReasonDropped = "dropped"
)

// Ended reports whether a person has ended the run: what was asked before that is asked no
// more, and only a person can take the run up again.
func (r *Run) Ended() bool {
	return r.State == Skipped && (r.Reason == ReasonCancelled || r.Reason == ReasonDropped)
}

// People ends runs for people: what waits, and dead letters. It is safe for concurrent use.
type People struct{ l *Ledger }

// NewPeople returns the People of a ledger.
func NewPeople(l *Ledger) *People { return &People{l} }

// Cancel ends the waiting of a run, for a person. The message that waits for it is skipped when
// it comes. What the ledger knows of lost calls stays. The error is a [*TransitionError] for
// a run that does not wait, and for one of which a call is under way or not yet searched for:
// nobody may decide then that nothing is sent.
func (p *People) Cancel(ctx context.Context, e Entries) (Entries, error) {
	return p.end(ctx, OpCancel, e, ReasonCancelled)
}

// Drop records that a person has deleted the dead letter of a run. The error is a
// [*TransitionError] for a run that is none.
func (p *People) Drop(ctx context.Context, e Entries) (Entries, error) {
	return p.end(ctx, OpDrop, e, ReasonDropped)
}

func (p *People) end(ctx context.Context, op Operation, e Entries, reason string) (Entries, error) {
	now, next := p.l.time(), e
	next.Run = e.Run.restored(now)
	next.Run.become(Skipped, reason, now)
	return p.l.commit(ctx, change{op: op, by: AtHand, now: now, old: e, next: next})
}
