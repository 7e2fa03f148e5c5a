// Package ledger is the function's memory: which runs were re-triggered, which
// run each re-trigger made, and how many attempts a lineage has had. It is what
// bounds the loop that a re-trigger and the failure of the run it made would
// otherwise be, and what tells a duplicate from a run that is yet to be retried.
//
// There are three kinds of entries: of a run, of a lineage (its count of
// attempts) and of a dataflow (re-triggers whose new run is not yet known, and
// the breaker). All writes are transactions on a few entries, each under the
// condition that the entry is still in the state that the decision rested on: a
// [View] says what is believed, and a [*store.ConflictError] brings the view up to date.
//
// A re-trigger that goes as usual takes two calls: [Ledger.Claim] before it and
// [Ledger.Retriggered] after it. The first one needs no reading beforehand, since
// what is usual can be guessed ([Guess]): a run that failed for the first time
// has no entry, and a dataflow with nothing under way has none.
package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// DefaultTTL is how long an entry is kept after its last change. It is longer
// than a message can live on the request queue and then on the dead-letter queue
// (14 days each), and than the age at which runs are no longer retried.
const DefaultTTL = 35 * 24 * time.Hour

// Ledger reads and writes entries. It is safe for concurrent use.
type Ledger struct {
	store  store.Table
	ttl    time.Duration
	budget Budget
	now    func() time.Time
}

// New returns the Ledger in a table.
func New(table store.Table, ttl time.Duration, now func() time.Time) *Ledger {
	return &Ledger{store: table, ttl: ttl, now: now}
}

// View is what is believed of a run, its lineage and its dataflow. The methods
// of [Ledger] take one and return it as it is after the call; when they return a
// [*store.ConflictError], they return it with what the store has instead.
type View struct {
	Run     Run
	Lineage Lineage
	Flow    Flow
}

// Guess is the view of a run of which nothing is known: that it is the root of a
// lineage of its own, seen for the first time.
func Guess(orgID, flowID, sandbox, runID string) View {
	return View{
		Run:     Run{OrgID: orgID, FlowID: flowID, Sandbox: sandbox, RunID: runID, Root: runID},
		Lineage: Lineage{OrgID: orgID, Root: runID}, Flow: Flow{OrgID: orgID, FlowID: flowID},
	}
}

// GuessDeferred is the view of a run that waits, from what the waiting message
// says of it. Only its state, root, attempt and due time are relied on, by the
// condition of the write.
func GuessDeferred(r Run) View {
	r.State = Deferred
	r.stored = r.rev()
	return Known(r)
}

// Known is the view of a run from its entry, as [Ledger.Runs] returns it.
func Known(r Run) View {
	v := View{Run: r, Flow: Flow{OrgID: r.OrgID, FlowID: r.FlowID}}
	v.guessLineage()
	return v
}

// guessLineage assumes that the lineage has had the attempts that led to the
// run, as it has unless a lost re-trigger was found.
func (v *View) guessLineage() {
	v.Lineage = Lineage{OrgID: v.Run.OrgID, Root: v.Run.Root, Attempts: v.Run.Attempt + v.Run.Sends, Forgiven: v.Run.Forgiven}
	v.Lineage.stored = v.Lineage.rev()
}

// Look reads the view.
func (l *Ledger) Look(ctx context.Context, v View) (View, error) {
	records, err := l.store.Read(ctx, v.Run.key(), v.Flow.key())
	if err != nil {
		return v, err
	}
	v.update(v.Run.key(), nil)
	v.update(v.Flow.key(), nil)
	for _, r := range records {
		v.update(r[store.AttributeKey], r)
	}
	if records, err = l.store.Read(ctx, v.Lineage.key()); err != nil {
		return v, err
	}
	v.update(v.Lineage.key(), nil)
	for _, r := range records {
		v.update(r[store.AttributeKey], r)
	}
	return v, nil
}

// update takes over what the store has under a key.
func (v *View) update(key string, r store.Record) {
	switch key {
	case v.Run.key():
		if r == nil {
			guess := Guess(v.Run.OrgID, v.Run.FlowID, v.Run.Sandbox, v.Run.RunID)
			v.Run, v.Lineage = guess.Run, guess.Lineage
			return
		}
		v.Run = runOf(r)
		v.guessLineage()
	case v.Lineage.key():
		if r != nil {
			v.Lineage = lineageOf(r)
			return
		}
		v.guessLineage() // the run's entry is younger, and may outlive it
		v.Lineage.stored = ""
	case v.Flow.key():
		v.Flow = Flow{OrgID: v.Flow.OrgID, FlowID: v.Flow.FlowID}
		if r != nil {
			v.Flow = flowOf(r)
		}
	}
}

// Runs reads the entries of runs of one org, by run id. Those without one are
// left out. An id may stand twice, as in a listing whose pages have moved meanwhile.
func (l *Ledger) Runs(ctx context.Context, orgID string, runIDs ...string) (map[string]Run, error) {
	keys := make([]string, 0, len(runIDs))
	for _, id := range runIDs {
		keys = append(keys, key("run", orgID, id))
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	records, err := l.store.Read(ctx, keys...)
	found := make(map[string]Run, len(records))
	for _, r := range records {
		run := runOf(r)
		found[run.RunID] = run
	}
	return found, err
}

// OfLineage returns the runs of a lineage, the newest first. It may lag behind.
func (l *Ledger) OfLineage(ctx context.Context, orgID, root string, limit int) ([]Run, error) {
	return l.list(ctx, store.IndexLineage, group(orgID, root), limit)
}

// OfFlow returns the runs of a dataflow, the newest first. It may lag behind.
func (l *Ledger) OfFlow(ctx context.Context, orgID, flowID string, limit int) ([]Run, error) {
	return l.list(ctx, store.IndexFlow, group(orgID, flowID), limit)
}

func (l *Ledger) list(ctx context.Context, index, value string, limit int) ([]Run, error) {
	records, err := l.store.List(ctx, index, value, limit)
	runs := make([]Run, len(records))
	for i, r := range records {
		runs[i] = runOf(r)
	}
	return runs, err
}

// Claim writes that the run is about to be re-triggered, until the given time,
// and counts the attempt. Only if it returns no error may the call be made. With an
// [*store.UnavailableError] it may have been written all the same, and the view is as if it
// was, for [Ledger.Release]. The budget does not hold for one that a person forces
// (forgive), and counts it.
func (l *Ledger) Claim(ctx context.Context, v View, until time.Time, forgive bool) (View, error) {
	next := v
	l.claim(&next.Run, Claimed, until)
	next.Run.Sends++
	if forgive {
		next.Lineage.Forgiven, next.Lineage.Exhausted = next.Lineage.Attempts, false
	}
	next.Lineage.Attempts++
	next.Run.Forgiven = next.Lineage.Forgiven
	now := l.time()
	next.Flow.Sends = makeRoom(append(l.prune(v.Flow.Sends), Send{
		RunID: v.Run.RunID, Root: v.Run.Root, At: now, Until: next.Run.ClaimUntil, Attempt: next.Lineage.Attempts,
	}))
	if len(next.Flow.Sends) > maxSends {
		return v, ErrFlowFull
	}
	writes := l.changes(v, &next, l.spend(v, now, 1, !forgive)...)
	after, err := l.write(ctx, v, next, writes)
	if errors.As(err, new(*store.UnavailableError)) {
		next.written()
		return next, err
	}
	return after, l.overspent(err, v, now)
}

// ErrFlowFull means that nothing was written, since too many re-triggers of the
// dataflow were lost and are yet to be looked up.
var ErrFlowFull = fmt.Errorf("%d re-triggers of the dataflow are under way or lost", maxSends)

// makeRoom drops the oldest re-triggers that nobody looks for any more, where there
// are more than an entry holds.
func makeRoom(sends []Send) []Send {
	over := len(sends) - maxSends
	return slices.DeleteFunc(sends, func(s Send) bool {
		if over <= 0 || !s.Settled {
			return false
		}
		over--
		return true
	})
}

func (l *Ledger) claim(r *Run, state State, until time.Time) {
	if r.FirstSeen.IsZero() {
		r.FirstSeen = l.time()
	}
	r.State, r.Reason, r.ClaimID, r.ClaimUntil, r.Due = state, "", rand.Text(), until.UTC().Truncate(time.Millisecond), time.Time{}
}

// Hold claims a run whose claim has expired, to look up what became of it.
// Nothing may be sent under this claim but by [Ledger.Claim].
func (l *Ledger) Hold(ctx context.Context, v View, until time.Time) (View, error) {
	next := v
	l.claim(&next.Run, Held, until)
	return l.commit(ctx, v, next)
}

// Yield ends a claim early: nothing more will be sent under it, and what was sent
// before it or under it is to be looked up.
func (l *Ledger) Yield(ctx context.Context, v View) (View, error) {
	next := v
	now := l.time()
	next.Run.State, next.Run.ClaimUntil = Claimed, now
	next.Flow.Sends = slices.Clone(v.Flow.Sends)
	for i := range next.Flow.Sends {
		if s := &next.Flow.Sends[i]; s.RunID == v.Run.RunID && s.Until.After(now) {
			s.Until = now
		}
	}
	return l.commit(ctx, v, next)
}

// Retriggered records the new run: the old run's outcome and the new one under
// the same root, each pointing at the other. If the new run has an entry since
// its failure was seen before, that entry becomes part of the lineage.
func (l *Ledger) Retriggered(ctx context.Context, v View, newRunID string) (View, error) {
	next := v
	next.Flow.Sends = withoutLast(v.Flow.Sends, v.Run.RunID)
	settleSends(next.Flow.Sends, v.Run.RunID)
	return l.link(ctx, v, next, newRunID)
}

// settleSends marks the re-triggers of a run as settled.
func settleSends(sends []Send, runID string) {
	for i := range sends {
		if sends[i].RunID == runID {
			sends[i].Settled = true
		}
	}
}

// link records that a run was made out of the view's.
func (l *Ledger) link(ctx context.Context, v, next View, newRunID string) (View, error) {
	if v.Run.State != Retriggered { // a second run that a lost re-trigger made leaves the first in its place
		next.Run.NewRunID = newRunID
	}
	next.Run.State, next.Run.Reason = Retriggered, ""
	next.Run.ClaimID, next.Run.ClaimUntil, next.Run.Due = "", time.Time{}, time.Time{}
	child := Run{
		OrgID: v.Run.OrgID, RunID: newRunID, FlowID: v.Run.FlowID, FlowName: v.Run.FlowName, Sandbox: v.Run.Sandbox,
		Root: v.Run.Root, Parent: v.Run.RunID, Attempt: next.Lineage.Attempts, Forgiven: next.Lineage.Forgiven, State: Made, FirstSeen: l.time(),
	}
	if !child.FirstSeen.After(v.Run.FirstSeen) { // the indexes are in this order
		child.FirstSeen = v.Run.FirstSeen.Add(time.Millisecond)
	}
	if newRunID == v.Run.RunID { // one item can't be written twice in a transaction
		return l.commit(ctx, v, next)
	}
	for {
		after, err := l.commit(ctx, v, next, store.Write{Key: child.key(), Old: child.stored, New: l.lasting(child.record())})
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok || len(conflict.Current) > 1 || conflict.Current[child.key()] == nil {
			return after, err
		}
		// The failure of the new run was seen before this record.
		seen := runOf(conflict.Current[child.key()])
		if seen.Parent != "" || seen.Sends > 0 { // it has its place already
			return l.commit(ctx, v, next)
		}
		seen.Root, seen.Parent, seen.Attempt, seen.Forgiven = child.Root, child.Parent, child.Attempt, child.Forgiven
		child = seen
	}
}

// Release ends a claim under which nothing took effect: the attempt does not
// count, nor for the budget. What was lost before is settled where the run has come
// to an end.
func (l *Ledger) Release(ctx context.Context, v View, state State, reason string) (View, error) {
	next := v
	l.settle(&next.Run, state, reason, time.Time{})
	next.Run.Sends--
	next.Lineage.Attempts--
	next.Flow.Sends = withoutLast(v.Flow.Sends, v.Run.RunID)
	if state == DeadLettered || state == Skipped {
		settleSends(next.Flow.Sends, v.Run.RunID)
	}
	var refund []store.Write
	for _, s := range slices.Backward(v.Flow.Sends) {
		if s.RunID == v.Run.RunID {
			refund = l.spend(v, s.At, -1, false)
			break
		}
	}
	return l.commit(ctx, v, next, refund...)
}

// Note writes the outcome of a run for which nothing was sent, or of which it
// can't be found out; due is for one that waits.
func (l *Ledger) Note(ctx context.Context, v View, state State, reason string, due time.Time) (View, error) {
	next := v
	l.settle(&next.Run, state, reason, due)
	if state == DeadLettered {
		next.Flow.Sends = slices.Clone(v.Flow.Sends)
		settleSends(next.Flow.Sends, v.Run.RunID)
	}
	if next.Run.rev() == v.Run.stored {
		return v, nil
	}
	return l.commit(ctx, v, next)
}

func (l *Ledger) settle(r *Run, state State, reason string, due time.Time) {
	if r.FirstSeen.IsZero() {
		r.FirstSeen = l.time()
	}
	r.State, r.Reason, r.Due = state, reason, due.UTC().Truncate(time.Millisecond)
	r.ClaimID, r.ClaimUntil = "", time.Time{}
}

// Exhausted notes a dead letter of a lineage that has used its attempts up, and
// counts the lineage for the breaker, once. With blockedUntil the breaker opens;
// with restart the count begins with this lineage, since a run succeeded.
func (l *Ledger) Exhausted(ctx context.Context, v View, reason string, restart bool, blockedUntil time.Time) (View, error) {
	next := v
	l.settle(&next.Run, DeadLettered, reason, time.Time{})
	if !v.Lineage.Exhausted {
		next.Lineage.Exhausted = true
		next.Flow.Sends = l.prune(v.Flow.Sends)
		if restart || v.Flow.Exhausted == 0 {
			next.Flow.Exhausted, next.Flow.Since = 0, l.time()
		}
		next.Flow.Exhausted++
		next.Flow.BlockedUntil = blockedUntil.UTC().Truncate(time.Millisecond)
	}
	return l.commit(ctx, v, next)
}

// CloseBreaker forgets exhausted lineages of the view's dataflow.
func (l *Ledger) CloseBreaker(ctx context.Context, v View) (View, error) {
	next := v
	next.Flow.Exhausted, next.Flow.Since, next.Flow.BlockedUntil = 0, time.Time{}, time.Time{}
	writes := l.flowWrite(v.Flow, &next.Flow)
	return l.write(ctx, v, next, writes)
}

// Unresolved returns the re-triggers of other runs of the dataflow that stand in
// the way of one: those under way, and those that were lost not long ago, so that
// they will be looked up soon. While there is one no other is sent, or nothing
// could tell which of them made a run that is found.
func (v *View) Unresolved(now time.Time) (open, lost []Send) {
	for _, s := range v.Flow.Sends {
		switch {
		case s.RunID == v.Run.RunID, s.Settled:
		case now.Before(s.Until):
			open = append(open, s)
		case now.Before(s.Until.Add(LostCallWindow)):
			lost = append(lost, s)
		}
	}
	return open, lost
}

// Settled reports whether nobody looks any more for what re-triggers of the run made:
// it was given up since.
func (v *View) Settled() bool {
	return !slices.ContainsFunc(v.Flow.Sends, func(s Send) bool { return s.RunID == v.Run.RunID && !s.Settled })
}

// Lost returns the re-triggers of other runs of the dataflow that were lost and
// may have made a run of which Adobe says that it was created at the given time,
// those that are settled last.
func (v *View) Lost(createdAt, now time.Time) []Send {
	var lost, settled []Send
	for _, s := range v.Flow.Sends {
		switch {
		case s.RunID == v.Run.RunID || !s.Covers(createdAt):
		case s.Settled:
			settled = append(settled, s)
		case !now.Before(s.Until):
			lost = append(lost, s)
		}
	}
	return append(lost, settled...)
}

// Adopt records that the run with the given id, which the failed call of parent
// may have made, was made by it. Where it may also be of the other lost
// re-triggers, the lineage takes on the highest count of attempts among them, and
// so will they: none of them can get more attempts than it is allowed. The view
// is the parent's.
func (l *Ledger) Adopt(ctx context.Context, parent View, send Send, others []Send, newRunID string) (View, error) {
	next := parent
	most := max(send.Attempt, parent.Lineage.Attempts)
	for _, s := range others {
		most = max(most, s.Attempt)
	}
	next.Lineage.Attempts = most
	next.Flow.Sends = nil
	for _, s := range parent.Flow.Sends {
		if s == send {
			continue
		}
		if slices.Contains(others, s) {
			s.Attempt = most
		}
		s.Settled = s.Settled || s.RunID == parent.Run.RunID
		next.Flow.Sends = append(next.Flow.Sends, s)
	}
	return l.link(ctx, parent, next, newRunID)
}

// Raise counts for the view's lineage what its run's lost re-triggers have to
// count at the least: a run that was adopted by another lineage may have been
// made by them.
func (v *View) Raise() {
	for _, s := range v.Flow.Sends {
		if s.RunID == v.Run.RunID {
			v.Lineage.Attempts = max(v.Lineage.Attempts, s.Attempt)
		}
	}
}

// withoutLast copies the sends but for the run's newest.
func withoutLast(sends []Send, runID string) []Send {
	sends = slices.Clone(sends)
	for i, s := range slices.Backward(sends) {
		if s.RunID == runID {
			return slices.Delete(sends, i, i+1)
		}
	}
	return sends
}

// prune copies the sends that are still worth keeping.
func (l *Ledger) prune(sends []Send) []Send {
	oldest := l.now().Add(-LostCallRetention)
	return slices.DeleteFunc(slices.Clone(sends), func(s Send) bool { return s.Until.Before(oldest) })
}

// commit writes what differs between two views, and more.
func (l *Ledger) commit(ctx context.Context, v, next View, more ...store.Write) (View, error) {
	writes := l.changes(v, &next, more...)
	return l.write(ctx, v, next, writes)
}

// changes returns the writes of what differs between two views, and more.
func (l *Ledger) changes(v View, next *View, more ...store.Write) []store.Write {
	writes := append([]store.Write{{Key: next.Run.key(), Old: v.Run.stored, New: l.lasting(next.Run.record())}}, more...)
	if rev := next.Lineage.rev(); rev != v.Lineage.stored {
		w := store.Write{Key: next.Lineage.key(), Old: v.Lineage.stored}
		if rev != "" {
			w.New = l.lasting(next.Lineage.record())
		}
		writes = append(writes, w)
	}
	return append(writes, l.flowWrite(v.Flow, &next.Flow)...)
}

// flowWrite is the write of a changed flow, or none.
func (l *Ledger) flowWrite(old Flow, next *Flow) []store.Write {
	same := slices.Equal(old.Sends, next.Sends) && old.Exhausted == next.Exhausted &&
		old.Since.Equal(next.Since) && old.BlockedUntil.Equal(next.BlockedUntil)
	if same {
		return nil
	}
	w := store.Write{Key: next.key(), Old: old.stored}
	next.stored = ""
	if !next.empty() {
		next.stored = rand.Text()
		w.New = l.lasting(next.record(next.stored))
	}
	return []store.Write{w}
}

func (l *Ledger) write(ctx context.Context, v, next View, writes []store.Write) (View, error) {
	if len(writes) == 0 {
		return next, nil
	}
	err := l.store.Commit(ctx, writes...)
	if err == nil {
		next.written()
		return next, nil
	}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		// The run first: its entry says which lineage it is of.
		for _, key := range []string{v.Run.key(), v.Lineage.key(), v.Flow.key()} {
			if r, differs := conflict.Current[key]; differs {
				v.update(key, r)
			}
		}
	}
	return v, err
}

// written notes that the store has the view.
func (v *View) written() { v.Run.stored, v.Lineage.stored = v.Run.rev(), v.Lineage.rev() }

// time is the present as entries keep it.
func (l *Ledger) time() time.Time { return l.now().UTC().Truncate(time.Millisecond) }

// lasting sets the time of the change, and the time to live.
func (l *Ledger) lasting(r store.Record) store.Record {
	r["changedAt"] = stamp(l.now())
	r[store.AttributeTTL] = strconv.FormatInt(l.now().Add(l.ttl).Unix(), 10)
	return r
}
