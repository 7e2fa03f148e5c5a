package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

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
	if h.requests == nil || d.returned() == 0 {
		return
	}
	var places []int
	var waiting []requestqueue.Waiting
	for i, r := range d.results {
		if r.Outcome == retrigger.Returned && d.items[i].Request != nil {
			places = append(places, i)
			waiting = append(waiting, requestqueue.Waiting{Request: *d.items[i].Request, Delay: backoff(1, r.RetryAfter)})
		}
	}
	for i, err := range h.requests.Send(ctx, waiting) {
		result := &d.results[places[i]]
		if err == nil {
			result.Outcome = retrigger.Deferred
		} else {
			result.Message = fmt.Sprintf("%s (and it could not be deferred: %v)", result.Message, err)
		}
	}
}

// deadLetterReturned is for a mixed delivery whose rest could not be put on the
// request queue: the dead-letter queue keeps it, so that the delivery need not
// come back.
func (h *Handler) deadLetterReturned(ctx context.Context, d *delivery) {
	for i, r := range d.results {
		if r.Outcome == retrigger.Returned && d.items[i].Request != nil {
			d.results[i] = h.service.GiveUp(ctx, *d.items[i].Request, r)
		}
	}
}
