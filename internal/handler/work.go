package handler

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// worker gives each item of the deliveries its result.
type worker struct {
	engine      Engine
	throttle    Throttle
	refuser     *refuser
	concurrency int
}

// begin gives those items a result for which nobody must be asked.
func (w *worker) begin(deliveries []delivery) {
	for i := range deliveries {
		d := &deliveries[i]
		for j, item := range d.items {
			switch {
			case d.results[j].Outcome != "":
			case isSuccess(item): // the ledger must be asked whether the run is ours
			case item.Skip != nil:
				d.results[j] = retry.Skip(*item.Skip)
			case item.Request != nil:
				if early, ok := w.engine.Early(*item.Request); ok {
					d.results[j] = early
				}
			}
		}
	}
}

// isSuccess reports whether an item is the event of a run's success that can be told from
// other runs'.
func isSuccess(item event.Item) bool {
	return item.Skip != nil && item.Skip.Reason == event.RunSucceeded && item.Skip.RunID != "" && item.Skip.OrgID != ""
}

// read reads what the ledger has of all items that have no result yet, in one call.
func (w *worker) read(ctx context.Context, deliveries []delivery) *retry.Batch {
	var requests []event.Request
	var extra []retry.Extra
	for i := range deliveries {
		d := &deliveries[i]
		if d.letterID != "" {
			extra = append(extra, retry.LetterOf(d.letterID, &d.letter))
		}
		for j, item := range d.items {
			switch {
			case d.results[j].Outcome != "":
			case item.Request != nil:
				requests = append(requests, *item.Request)
			case isSuccess(item):
				extra = append(extra, retry.SuccessOf(*item.Skip)...)
			}
		}
	}
	if !w.throttle.Fresh() {
		extra = append(extra, retry.Extra{Key: throttle.RecordKey, Learn: w.throttle.Learn})
	}
	return w.engine.Read(ctx, requests, extra...)
}

// work gives every item its result that has none yet, concurrently within the limit.
func (w *worker) work(ctx context.Context, deliveries []delivery, read *retry.Batch) {
	defer w.engine.Close(ctx, read)
	var group errgroup.Group
	group.SetLimit(w.concurrency)
	for i := range deliveries {
		d := &deliveries[i]
		if !d.ofItems() {
			continue
		}
		for j, item := range d.items {
			if d.results[j].Outcome != "" {
				continue
			}
			group.Go(func() error {
				switch {
				case item.Err != nil:
					d.results[j] = w.refuser.refuse(ctx, d.part(j), item.Err, d.wasDeadLetter)
				case item.Skip != nil:
					d.results[j] = w.engine.Succeed(ctx, *item.Skip, d.asked, read)
				default:
					d.results[j] = w.retry(ctx, *item.Request, retry.Delivery{Name: d.name, Batch: read, Again: d.again})
				}
				return nil
			})
		}
	}
	_ = group.Wait() // every fault is in a result
}

func (w *worker) retry(ctx context.Context, req event.Request, d retry.Delivery) retry.Result {
	if !w.engine.TimeFor(ctx) {
		return retry.Return(req, retry.Deadline, "the invocation had no time left to start this run")
	}
	return w.engine.Retry(ctx, req, d)
}
