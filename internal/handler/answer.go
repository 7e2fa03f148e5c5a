package handler

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// Visibility timeouts of returned messages: they double with each receive, with
// jitter, since Lambda's poller does not slow down on partial batch failures.
const (
	firstBackoff = 30 * time.Second
	maxBackoff   = 15 * time.Minute
)

// backoff returns how long a message stays invisible that was received so many
// times, at least what Adobe asked for.
func backoff(receives int, least time.Duration) time.Duration {
	d := maxBackoff
	if receives = max(receives, 1); receives < 6 { // the sixth would pass maxBackoff
		d = min(firstBackoff<<(receives-1), maxBackoff)
	}
	return max(least, d/2) + rand.N(d/2) //nolint:gosec // jitter
}

// returns takes care of results that are to be delivered again.
type returns struct {
	engine      Engine
	requests    Requests // nil where no request queue is configured
	log         *slog.Logger
	concurrency int
}

// ownQueue reports whether a message is of the request queue, so that the handler may set
// its visibility timeout.
func (v *returns) ownQueue(arn string) bool { return v.requests != nil && v.requests.Is(arn) }

// postponeTime bounds how long visibility timeouts may take to be set. Without them
// messages come back after the queue's own.
const postponeTime = 5 * time.Second

// postpone sets the visibility timeouts of returned messages.
func (v *returns) postpone(ctx context.Context, messages []requestqueue.Postponed) {
	ctx, cancel := context.WithTimeout(ctx, postponeTime)
	defer cancel()
	if err := v.requests.Postpone(ctx, messages); err != nil {
		v.log.WarnContext(ctx, "returned messages come back after the queue's own visibility timeout", "error", err.Error())
	}
}

// requeue puts the delivery's returned requests on the request queue, each
// as a message of its own. Those that are there become deferred.
func (v *returns) requeue(ctx context.Context, d *delivery) {
	if v.requests == nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(v.concurrency)
	for i, r := range d.results {
		if r.Outcome != retry.Returned || d.items[i].Request == nil {
			continue
		}
		delay := backoff(1, r.RetryAfter)
		if !r.Due.IsZero() {
			delay = time.Until(r.Due)
		}
		group.Go(func() error {
			d.results[i] = v.engine.Requeue(ctx, r, delay)
			return nil
		})
	}
	_ = group.Wait() // what could not be deferred says so
}

// giveUp is for a delivery that need not or must not come back: one
// that came too often, and a mixed one whose rest could not be put on the request
// queue.
func (v *returns) giveUp(ctx context.Context, d *delivery) {
	for i, r := range d.results {
		if r.Outcome == retry.Returned && d.items[i].Request != nil {
			d.results[i] = v.engine.GiveUp(ctx, r)
		}
	}
}
