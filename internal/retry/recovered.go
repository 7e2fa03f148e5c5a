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

// SuccessOf lets [Engine.Read] read the entry of a run that has succeeded, together with
// the entries of the batch's requests.
func SuccessOf(s event.Skip) Extra {
	return Extra{Key: ledger.RunKey(s.OrgID, s.RunID), Needed: true, Learn: func(store.Record) error { return nil }}
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

// Succeed takes an event of a run's success. If a re-trigger of ours made the run, the
// ledger gets to know that the run has succeeded, and the result says that the lineage has
// recovered. That happens once: a second event of the same run changes nothing. For
// example, run A failed at 10:00 and our re-trigger made run B of it: the event of B's
// success at 10:12 has recovered A after 12 minutes.
//
// seen is when the event was sent. A fault of the ledger returns the event.
func (e *Engine) Succeed(ctx context.Context, s event.Skip, seen time.Time, b *Batch) (result Result) {
	w := e.attempt(ctx, event.Request{}, Delivery{})
	defer w.cancel()
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic while recording a success", "runId", s.RunID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result = Skip(s).returned(InternalError, "the function failed; its log has the details")
		}
	}()
	ctx, cancel := w.recording()
	defer cancel()
	run, known := b.run(s)
	for range maxSucceedTries {
		if !known {
			found, err := e.ledger.Runs(ctx, s.OrgID, s.RunID)
			if err != nil {
				return notRecorded(s, err)
			}
			run = found[s.RunID]
		}
		if run.State != ledger.Made {
			return Skip(s).of(run)
		}
		first, err := e.firstFailure(ctx, &run)
		if err != nil {
			return notRecorded(s, err)
		}
		switch _, err := e.ledger.Succeed(ctx, ledger.Entries{Run: run}); {
		case err == nil:
			return Skip(s).of(run).recovered(first, seen)
		case !conflicts(err):
			return notRecorded(s, err)
		}
		known = false // another delivery was faster
	}
	return Skip(s).returned(LedgerBusy, "other deliveries keep changing the ledger's entry of this run")
}

// run is the entry of a run that has succeeded, as it was read for the batch.
func (b *Batch) run(s event.Skip) (run ledger.Run, known bool) {
	if b == nil || b.snapshot == nil || !b.keys[ledger.RunKey(s.OrgID, s.RunID)] {
		return ledger.Run{}, false
	}
	return b.snapshot.Entries(ledger.Ref{OrgID: s.OrgID, RunID: s.RunID}).Run, true
}

// firstFailure is when the first failure of the run's lineage was seen: the root's, or, if
// the ledger has forgotten the root, the parent's. It is zero where both are forgotten.
func (e *Engine) firstFailure(ctx context.Context, run *ledger.Run) (time.Time, error) {
	found, err := e.ledger.Runs(ctx, run.OrgID, run.Root, run.Parent)
	if err != nil {
		return time.Time{}, err
	}
	if root, ok := found[run.Root]; ok {
		return root.FirstSeen, nil
	}
	return found[run.Parent].FirstSeen, nil
}

// notRecorded returns an event of a success that could not be written.
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
func (r Result) recovered(first, seen time.Time) Result {
	r.Recovered = true
	r.Message = "a re-trigger made this run, and its lineage has recovered"
	if !first.IsZero() {
		r.RecoveredAfter = max(seen.Sub(first), 0)
		r.Message += fmt.Sprintf(" %s after its first failure was seen", r.RecoveredAfter.Round(time.Second))
	}
	return r
}
