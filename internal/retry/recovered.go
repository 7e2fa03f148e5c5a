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

// Succeed takes a run's success, of which an event told or a sweep. If a re-trigger of ours
// made the run, the ledger gets to know that the run has succeeded, and the result says that
// the lineage has recovered. That happens once: whoever tells it a second time changes
// nothing. For example, run A failed at 10:00 and our re-trigger made run B of it: the event
// of B's success at 10:12 has recovered A after 12 minutes.
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
		recovery := ledger.Recovery{ErrorCode: first.ErrorCode, At: seen, After: since(first.FirstSeen, seen)}
		switch _, err := e.ledger.Succeed(ctx, ledger.Entries{Run: run}, recovery); {
		case err == nil:
			return Skip(s).of(run).recovered(recovery.After)
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

// firstFailure is the first failed run of the run's lineage: the root, or, if the ledger has
// forgotten the root, the parent. It is empty where both are forgotten.
func (e *Engine) firstFailure(ctx context.Context, run *ledger.Run) (ledger.Run, error) {
	found, err := e.ledger.Runs(ctx, run.OrgID, run.Root, run.Parent)
	if err != nil {
		return ledger.Run{}, err
	}
	if root, ok := found[run.Root]; ok {
		return root, nil
	}
	return found[run.Parent], nil
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
