package retry

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// maxSucceedTries is how often a success is looked at again after a conflict. Only another
// delivery of the same event writes at the same time, so that one try more is enough.
const maxSucceedTries = 5

// SuccessOf lets [Engine.Read] read the entries of a run that has succeeded and of its
// dataflow, together with the entries of the batch's requests.
func SuccessOf(s event.Skip) (all []Extra) {
	for _, key := range refOf(s).Keys() {
		all = append(all, Extra{Key: key, Needed: true, Learn: func(store.Record) error { return nil }})
	}
	return all
}

func refOf(s event.Skip) ledger.Ref {
	return ledger.Ref{OrgID: s.OrgID, FlowID: s.FlowID, Sandbox: s.Sandbox, RunID: s.RunID}
}

// needed are the keys of extras that are read even if the batch has no requests.
func needed(extra []Extra) []string {
	var keys []string
	for _, x := range extra {
		if x.Needed {
			keys = append(keys, x.Key)
		}
	}
	return keys
}

// Succeed takes a run's success, of which an event told or a sweep. If a re-trigger of ours
// made the run, the ledger gets to know that the run has succeeded, and the result says that
// the lineage has recovered. That happens once: whoever tells it a second time changes
// nothing. For example, run A failed at 10:00 and our re-trigger made run B of it: the event
// of B's success at 10:12 has recovered A after 12 minutes. The success
// of any run of a dataflow ends the dataflow's failing episode.
//
// seen is when the event was sent, or when the run that a sweep has found ended. A fault of
// the ledger returns the success.
func (e *Engine) Succeed(ctx context.Context, s event.Skip, seen time.Time, b *Batch) (result Result) {
	w := e.attempt(ctx, event.Request{}, Delivery{})
	defer w.cancel()
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic while recording a success", "runId", s.RunID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result = Skip(s).returned(InternalError, "the function failed; its log has the details")
		}
	}()
	if seen.IsZero() {
		seen = e.Now()
	}
	ctx, cancel := w.recording()
	defer cancel()
	entries, known := b.success(s)
	for range maxSucceedTries {
		if !known {
			var err error
			if entries, err = e.ledger.Load(ctx, refOf(s)); err != nil {
				return notRecorded(s, err)
			}
		}
		w.facts.Entries = entries
		if entries.Run.State != ledger.Made {
			return closer{w}.endEpisode(ctx, s, seen)
		}
		result, err := closer{w}.succeed(ctx, s, seen)
		switch {
		case err == nil:
			return result
		case !conflicts(err):
			return notRecorded(s, err)
		}
		known = false // another delivery was faster
	}
	return Skip(s).returned(LedgerBusy, "other deliveries keep changing the ledger's entry of this run")
}

// succeed records the success of a run that a re-trigger made.
func (w closer) succeed(ctx context.Context, s event.Skip, seen time.Time) (Result, error) {
	entries := w.facts.Entries
	first, err := w.firstFailure(ctx, &entries)
	if err != nil {
		return Result{}, err
	}
	before := entries.Flow
	if !before.EndedBy(seen) { // what else happens to the dataflow is no conflict
		entries.Flow = ledger.Flow{}
	}
	entries.Because(ledger.Decision{Detail: "it has succeeded, and with it the lineage has recovered"})
	recovery := ledger.Recovery{ErrorCode: first.ErrorCode, At: seen, After: since(first.FirstSeen, seen)}
	after, _, err := w.ledger.Succeed(ctx, entries, recovery)
	if err != nil {
		return Result{}, err
	}
	if after.Flow.FlowID != "" {
		w.facts.Entries = after
		w.tell(before)
	}
	return w.withUntold(Skip(s).of(after.Run).recovered(recovery.After)), nil
}

// endEpisode ends the failing episode of the dataflow, of which a run has succeeded that
// nobody re-triggered, or that was recorded before.
func (w closer) endEpisode(ctx context.Context, s event.Skip, seen time.Time) Result {
	if w.facts.Entries.Flow.EndedBy(seen) {
		before, after, err := w.Episodes.End(ctx, w.facts.Entries.Flow, seen)
		if err != nil {
			return notRecorded(s, err)
		}
		w.facts.Entries.Flow = after
		w.tell(before)
	}
	return w.withUntold(Skip(s).of(w.facts.Entries.Run))
}

// success are the entries of a run that has succeeded and of its dataflow, as they were read
// for the batch.
func (b *Batch) success(s event.Skip) (e ledger.Entries, known bool) {
	if b == nil || b.snapshot == nil || !b.keys[ledger.RunKey(s.OrgID, s.RunID)] {
		return ledger.Entries{}, false
	}
	return b.snapshot.Entries(refOf(s)), true
}

// firstFailure is the first failed run of the run's lineage: the root, or, if the ledger has
// forgotten the root, the parent. It is empty where both are forgotten. The same call reads
// the dataflow's entry where the event did not name the dataflow.
func (e *Engine) firstFailure(ctx context.Context, entries *ledger.Entries) (ledger.Run, error) {
	run := &entries.Run
	keys := []string{ledger.RunKey(run.OrgID, run.Root), ledger.RunKey(run.OrgID, run.Parent)}
	flow := ledger.Ref{OrgID: run.OrgID, FlowID: run.FlowID, RunID: run.RunID}
	if entries.Flow.FlowID == "" {
		keys = append(keys, flow.Keys()...)
	}
	found, err := e.ledger.Read(ctx, keys...)
	if err != nil {
		return ledger.Run{}, err
	}
	if entries.Flow.FlowID == "" {
		entries.Flow = found.Entries(flow).Flow
	}
	for _, id := range []string{run.Root, run.Parent} {
		if one := found.Entries(ledger.Ref{OrgID: run.OrgID, RunID: id}).Run; !one.FirstSeen.IsZero() {
			return one, nil
		}
	}
	return ledger.Run{}, nil
}

// since is the time from one moment to another; 0 where the first is not known, or is the
// later one.
func since(first, then time.Time) time.Duration {
	if first.IsZero() {
		return 0
	}
	return max(then.Sub(first), 0)
}

// notRecorded returns a success that could not be written.
func notRecorded(s event.Skip, err error) Result {
	detail := err.Error()
	if !errors.As(err, new(*ledger.NewerError)) {
		detail += "; the run has succeeded, which is yet to be recorded"
	}
	return Skip(s).returned(LedgerUnavailable, detail)
}

// of completes the result by what the ledger knows of its run.
func (r Result) of(run ledger.Run) Result {
	if run.State == ledger.NoEntry {
		return r
	}
	r.Root, r.Parent, r.Attempt, r.FlowName = run.Root, run.Parent, run.Attempt, run.FlowName
	r.WindowStart, r.WindowEnd = run.Window.Start, run.Window.End
	return r
}

// recovered says that the run's lineage has recovered, and after which time.
func (r Result) recovered(after time.Duration) Result {
	r.Recovered, r.RecoveredAfter = true, after
	r.Message = "a re-trigger made this run, and its lineage has recovered"
	if after > 0 {
		r.Message += fmt.Sprintf(" %s after its first failure was seen", after.Round(time.Second))
	}
	return r
}
