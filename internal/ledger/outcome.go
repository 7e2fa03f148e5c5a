package ledger

import (
	"context"
	"crypto/rand"
	"time"
)

// Reserve writes that this delivery is about to write a dead letter or a message for the
// run, until the given time. The reservation belongs to the entries that are returned.
//
// Rule 18: Reserve comes before the dead letter or the message, Note after it. Others wait
// until then, or until the reservation ends: then the run is as it was before.
func (l *Ledger) Reserve(ctx context.Context, e Entries, by Asker, until time.Time) (Entries, error) {
	now, next := l.time(), e
	before := e.Run.restored(now)
	next.Run.become(Reserved, before.Reason, now)
	next.Run.Due, next.Run.Before, next.Run.Earlier = before.Due, before.State, before.Before
	if by == AtHand || by == AForce { // its message waits like any other then
		next.Run.Superseded = false
	}
	next.Run.ReservedBy, next.Run.ReservedUntil = rand.Text(), milli(until)
	return l.commit(ctx, change{op: OpReserve, by: by, now: now, old: e, next: next})
}

// Breaker is how a dataflow's breaker counts lineages that have used up their attempts.
type Breaker struct {
	// Threshold is after how many of them, one after the other, it opens for Cooldown; 0
	// for no breaker.
	Threshold int
	Cooldown  time.Duration
}

// Outcome is what becomes of a run for which nothing is sent.
type Outcome struct {
	State  State
	Reason string
	Due    time.Time // of a deferred run
	// SupersededBy is the run with which somebody has retried a skipped one by hand.
	SupersededBy string
	// Exhausted counts the run's lineage for the breaker, unless it is counted already.
	Exhausted bool
	Breaker   Breaker
	// GivenUp counts the run for the dataflow's failing episode, unless it was a dead letter
	// before.
	GivenUp bool
}

// Note writes an outcome. The run is reserved by this delivery, or nothing was written
// elsewhere for it.
func (l *Ledger) Note(ctx context.Context, e Entries, by Asker, o Outcome) (Entries, error) {
	now, next := l.time(), e
	before, earlier := e.Run.State, e.Run.Before
	if before == Reserved {
		before, earlier = e.Run.Before, e.Run.Earlier
	}
	if before == Deferred {
		before = earlier
	}
	next.Run.become(o.State, o.Reason, now)
	next.Run.Due, next.Run.SupersededBy = milli(o.Due), o.SupersededBy
	if o.State == DeadLettered { // who sends it again has ten faults again
		next.Run.Faults = 0
	}
	if o.State == DeadLettered || o.State == Deferred {
		next.Run.Before = before // for example, cannot_tell: a redrive must not send it again
	}
	if o.Exhausted && !e.Run.Counted {
		next.Run.Counted = true
		next.Flow.countExhausted(o, now)
	}
	if o.GivenUp && before != DeadLettered && e.Flow.FlowID != "" {
		next.Flow.giveUp(&next.Run, by, now, l.tells)
	}
	return l.commit(ctx, change{op: OpNote, by: by, now: now, old: e, next: next})
}

// countExhausted counts one more lineage, and opens the breaker at its threshold.
func (f *Flow) countExhausted(o Outcome, now time.Time) {
	if f.Exhausted == 0 {
		f.Exhausted, f.Since = 0, now
	}
	f.Exhausted++
	if o.Breaker.Threshold > 0 && f.Exhausted >= o.Breaker.Threshold {
		f.BlockedUntil = milli(now.Add(o.Breaker.Cooldown))
	}
}

// Unreserve ends a reservation of this delivery: the dead letter or the message could not
// be written, and the request comes again.
func (l *Ledger) Unreserve(ctx context.Context, e Entries, by Asker, reason string) (Entries, error) {
	now, next := l.time(), e
	state := e.Run.Before
	switch state {
	case NoEntry, Deferred, Skipped, DeadLettered: // the request must not meet an end
		state = Returned
	}
	next.Run.become(state, reason, now)
	return l.commit(ctx, change{op: OpUnreserve, by: by, now: now, old: e, next: next})
}

// CloseBreaker forgets the exhausted lineages of the dataflow and ends its failing episode,
// since a run has succeeded.
func (l *Ledger) CloseBreaker(ctx context.Context, e Entries) (Entries, error) {
	now, next := l.time(), e
	next.Flow.succeeded(now, l.tells)
	return l.commit(ctx, change{op: OpCloseBreaker, by: AnEvent, now: now, old: e, next: next})
}

// Recovery is what the success of a run of ours says of its lineage.
type Recovery struct {
	// ErrorCode is why the lineage failed first; empty where that is not known.
	ErrorCode string
	// At is when the run succeeded, After the time since the lineage's first failure was
	// seen; 0 where that is not known.
	At    time.Time
	After time.Duration
}

// Succeed records that a run of ours has succeeded. If the entries have the dataflow's, its
// failing episode ends with that. done is false for a run that is not made by us, or has come
// to its end before.
//
// The recovery is added to the sums of its day in the transaction that makes the run
// succeeded, so that it counts exactly once, however often the success is told.
func (l *Ledger) Succeed(ctx context.Context, e Entries, r Recovery) (after Entries, done bool, err error) {
	if e.Run.State != Made {
		return e, false, nil
	}
	now, next := l.time(), e
	next.Run.become(Succeeded, "", now)
	if next.Flow.EndedBy(r.At) {
		next.Flow.succeeded(now, l.tells)
	}
	sum := NewSum(e.Run.OrgID, e.Run.FlowID, e.Run.FlowName, r.ErrorCode, r.At)
	sum.Recovered, sum.Minutes, sum.Attempts = 1, int(r.After.Round(time.Minute).Minutes()), e.Run.Attempt
	after, err = l.commit(ctx, change{op: OpSucceed, by: AnEvent, now: now, old: e, next: next, sum: &sum})
	return after, err == nil, err
}

// Faults of one run.
const (
	// DefaultFaultInterval is within how long of the last one a fault is not counted.
	DefaultFaultInterval = 10 * time.Second
	// faultMemory is after how long they count from one again.
	faultMemory = 12 * time.Hour
)

// CountFault counts a failed delivery of a request for the run, under the delivery's name.
// The result has the count.
//
// Rule 20: a delivery is counted once, not within ten seconds of the last fault, and from
// one again when the last one is more than twelve hours ago. A run that has come to its end
// has no more faults.
func (l *Ledger) CountFault(ctx context.Context, e Entries, by Asker, delivery, reason string) (Entries, error) {
	now, next := l.time(), e
	next.Run = e.Run.restored(now)
	r := &next.Run
	if r.State == Retriggered || r.State == Succeeded {
		return e, nil
	}
	switch since := now.Sub(r.FaultAt); {
	case r.LastFault == delivery || r.Faults > 0 && since < l.faultInterval:
		return e, nil
	case since > faultMemory:
		r.Faults = 0
	}
	r.Faults, r.LastFault, r.FaultAt = r.Faults+1, delivery, now
	if r.State == NoEntry {
		r.become(Returned, reason, now)
	}
	return l.commit(ctx, change{op: OpCountFault, by: by, now: now, old: e, next: next})
}

// become changes the state, and forgets what belongs to the state before.
func (r *Run) become(s State, reason string, now time.Time) {
	r.State, r.Reason = s, reason
	r.Due, r.Before, r.Earlier, r.ReservedBy, r.ReservedUntil, r.SupersededBy = time.Time{}, "", "", "", time.Time{}, ""
	if r.FirstSeen.IsZero() {
		r.FirstSeen = now
	}
}

// restored is the run as it counts: a reservation that has ended is undone.
func (r *Run) restored(now time.Time) Run {
	next := *r
	if r.State == Reserved && !now.Before(r.ReservedUntil) {
		next.State, next.Before, next.Earlier = r.Before, r.Earlier, ""
		next.ReservedBy, next.ReservedUntil = "", time.Time{}
	}
	return next
}
