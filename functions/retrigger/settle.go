package main

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
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

// maxReceives is how often a message that could not be handled is received
// before it becomes a dead letter. One that waits is received once more, when it
// has come out of SQS's longest delay and waits on as an invisible message. The
// request queue's own maxReceiveCount is higher: it is for messages that kill the
// function.
const maxReceives = 10

// spent reports whether the delivery came so often that it is given up. One that
// waits for another is not.
func (d *delivery) spent(receives int) bool {
	allowed := maxReceives
	for i, r := range d.results {
		if r.Outcome == retrigger.Returned && (r.Waits() || d.items[i].Request == nil) {
			return false
		}
		if req := d.items[i].Request; req != nil && req.Due.Sub(req.FirstSeen) > requestqueue.MaxDelay {
			allowed = maxReceives + 1
		}
	}
	return d.returned() > 0 && receives >= allowed
}

// backoff is how long the delivery's message stays invisible. One that waits for
// its due time waits exactly.
func (d *delivery) backoff(receives int) time.Duration {
	if r := d.firstReturned(); r.Reason == retrigger.NotDue {
		return r.RetryAfter
	}
	return backoff(receives, d.retryAfter())
}

// returned counts the results that are to be delivered again.
func (d *delivery) returned() int {
	n := 0
	for _, r := range d.results {
		if r.Outcome == retrigger.Returned {
			n++
		}
	}
	return n
}

// mixed reports whether some of the delivery's results are returned and others
// are not. Such a delivery must not come back whole: what was done would be done
// again.
func (d *delivery) mixed() bool {
	n := d.returned()
	return n > 0 && n < len(d.results)
}

func (d *delivery) firstReturned() retrigger.Result {
	for _, r := range d.results {
		if r.Outcome == retrigger.Returned {
			return r
		}
	}
	return retrigger.Result{}
}

// retryAfter is the longest wait that Adobe asked for.
func (d *delivery) retryAfter() time.Duration {
	var longest time.Duration
	for _, r := range d.results {
		if r.Outcome == retrigger.Returned {
			longest = max(longest, r.RetryAfter)
		}
	}
	return longest
}

// part is the payload that the item was read from.
func (d *delivery) part(item int) []byte {
	if raw := d.items[item].Raw; raw != nil {
		return raw
	}
	return d.payload
}

// deferReturned puts the delivery's returned requests on the request queue, each
// as a message of its own. Those that are there become deferred.
func (h *Handler) deferReturned(ctx context.Context, d *delivery) {
	if h.requests == nil {
		return
	}
	var group errgroup.Group
	group.SetLimit(h.concurrency)
	for i, r := range d.results {
		if r.Outcome != retrigger.Returned || d.items[i].Request == nil {
			continue
		}
		delay := backoff(1, r.RetryAfter)
		if r.Reason == retrigger.NotDue {
			delay = r.RetryAfter
		}
		group.Go(func() error {
			d.results[i] = h.service.Defer(ctx, *d.items[i].Request, r, delay)
			return nil
		})
	}
	_ = group.Wait() // what could not be deferred says so
}

// deadLetterReturned is for a delivery that need not or must not come back: one
// that came too often, and a mixed one whose rest could not be put on the request
// queue.
func (h *Handler) deadLetterReturned(ctx context.Context, d *delivery) {
	for i, r := range d.results {
		if r.Outcome == retrigger.Returned && d.items[i].Request != nil {
			d.results[i] = h.service.GiveUp(ctx, *d.items[i].Request, r)
		}
	}
}
