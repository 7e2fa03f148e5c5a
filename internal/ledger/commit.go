package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// change is one operation on entries: what they were when they were read, and what they
// become.
type change struct {
	op   Operation
	by   Asker
	now  time.Time
	old  Entries
	next Entries
	// child is the entry of a second run that changes with them; nil for none.
	child *childWrite
	// sum is added with them, in place of what the operation counts otherwise; nil for that.
	sum *Sum
}

// childWrite is the change of the entry of a run that a re-trigger has made.
type childWrite struct{ old, next Run }

// commit writes what differs between two states of the entries. Rule 1: it does so in one
// transaction, on condition that all of them are as they were read, those too that stay as
// they are or do not exist.
func (l *Ledger) commit(ctx context.Context, c change) (Entries, error) {
	if err := c.refused(); err != nil {
		return c.old, err
	}
	next := c.next
	writes := make([]store.Write, 0, 4)
	add := func(key, version string, old, record store.Record) (string, bool) {
		w := l.write(c.now, key, version, old, record)
		writes = append(writes, w)
		if w.Check {
			return version, false
		}
		return w.New[store.AttributeRev], true
	}
	if c.op.remembered() && !maps.Equal(c.old.Run.record(), next.Run.record()) {
		next.Run.decided(c.because(), c.now)
	}
	version, written := add(RunKey(c.old.Run.OrgID, c.old.Run.RunID), c.old.Run.version, c.old.Run.record(), next.Run.record())
	if written {
		next.Run.version, next.Run.schema, next.Run.ChangedAt = version, Schema, c.now
	}
	if flow := &c.old.Flow; flow.FlowID != "" {
		if version, written = add(FlowKey(flow.OrgID, flow.FlowID), flow.version, flow.record(), next.Flow.record()); written {
			next.Flow.version, next.Flow.schema = version, Schema
		}
	}
	if child := c.child; child != nil {
		child.next.decided(becauseOf(&next.Run, &child.next), c.now)
		add(RunKey(child.next.OrgID, child.next.RunID), child.old.version, nil, child.next.record())
	}
	changes := slices.ContainsFunc(writes, func(w store.Write) bool { return !w.Check })
	if sum := cmp.Or(c.sum, counted(c.op, &next.Run, c.now)); sum != nil && changes { // otherwise it is written, and counted, already
		writes = append(writes, sum.Write())
	}
	if err := l.writes.Commit(ctx, writes...); err != nil {
		return c.old, err
	}
	next.because = Decision{} // it is said
	return next, nil
}

// refused returns why nothing may be written: an entry is of a newer version of the function
// or can't be read, or the states' table does not have the transition.
func (c *change) refused() error {
	run, flow := &c.old.Run, &c.old.Flow
	if err := writable(RunKey(run.OrgID, run.RunID), run.schema, run.unreadable); err != nil {
		return err
	}
	if err := writable(FlowKey(flow.OrgID, flow.FlowID), flow.schema, flow.unreadable); err != nil {
		return err
	}
	if err := c.transition(c.op, run, &c.next.Run); err != nil || c.child == nil {
		return err
	}
	child := &c.child.old
	if err := writable(RunKey(child.OrgID, child.RunID), child.schema, child.unreadable); err != nil {
		return err
	}
	return c.transition(OpLinkChild, child, &c.child.next)
}

func writable(key string, schema int, unreadable string) error {
	switch {
	case schema > Schema:
		return &NewerError{Key: key, Schema: schema}
	case unreadable != "":
		return fmt.Errorf("%s of the ledger's entry %s can't be read, and nothing is written over it", unreadable, key)
	}
	return nil
}

// transition returns an error unless the states' table leads from one state of a run to
// the other. A reservation that has ended can still be noted by its owner, as long as
// nobody else has changed the entry.
func (c *change) transition(op Operation, old, next *Run) error {
	from, to := old.StateAt(c.now), next.StateAt(c.now)
	if Allowed(from, op, c.by, to) || old.State == Reserved && Allowed(Reserved, op, c.by, to) {
		return nil
	}
	return &TransitionError{RunID: old.RunID, From: from, To: to, Op: op, By: c.by}
}

// write is the write of one entry, or the check that it is unchanged. A nil old record is
// written in any case.
func (l *Ledger) write(now time.Time, key, version string, old, next store.Record) store.Write {
	if old != nil && maps.Equal(old, next) {
		return store.Write{Key: key, Old: version, Check: true}
	}
	next[store.AttributeKey], next[store.AttributeRev] = key, rand.Text()
	next["schema"], next["changedAt"] = strconv.Itoa(Schema), stamp(now)
	if keep, ends := lifetime(next, l.ttl); ends {
		next[store.AttributeTTL] = store.TTL(now.Add(keep))
	}
	return store.Write{Key: key, Old: version, New: next}
}

// lifetime is how long a record is kept after this change. Rule 8: no time to live empties
// a slot, so that a filled slot and the entry of its run have none. Kept calls stay for
// [LostCallRetention], however short the entries' time to live is.
func lifetime(r store.Record, ttl time.Duration) (keep time.Duration, ends bool) {
	if r["slot"] != "" || r["state"] == string(InFlight) {
		return 0, false
	}
	if r["kept"] != "" || r["cut"] != "" || r["lost"] != "" {
		ttl = max(ttl, LostCallRetention+LostCallWindow+MaxClockSkew)
	}
	return ttl, true
}
