package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
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

// postponeTime bounds how long visibility timeouts may take to be set. Without them
// messages come back after the queue's own.
const postponeTime = 5 * time.Second

// postpone sets the visibility timeouts of returned messages.
func (h *Handler) postpone(ctx context.Context, messages []requestqueue.Postponed) {
	ctx, cancel := context.WithTimeout(ctx, postponeTime)
	defer cancel()
	if err := h.requests.Postpone(ctx, messages); err != nil {
		h.log.WarnContext(ctx, "returned messages come back after the queue's own visibility timeout", "error", err.Error())
	}
}

const (
	// A message that crashes the function (poison) comes back after each crash. We give
	// it up after poisonAfter receives, if the function never made it wait.
	poisonAfter = 50
	// SQS counts every receive, even of a message that only waits. After requeueAfter
	// receives we replace the message by a fresh copy, so its tries for real faults are
	// kept.
	requeueAfter = maxReceives - 1
	// maxRequeues is how often a message is replaced at most. Lambda ends chains of about
	// 16 messages.
	maxRequeues = 8
	// longRequeueAfter is the same for sweeps and for requests that wait for a credential.
	// SQS allows a message 1000 receives. At one receive in a quarter of an hour, 800 last
	// for a week, and with maxRequeues for two months.
	longRequeueAfter = 800
	// maxWait is the age at which a waiting message is given up: its queue deletes it
	// a day later.
	maxWait = 13 * 24 * time.Hour
)

// maxReceives is how often a message that could not be handled is received
// before it becomes a dead letter. One that waits is received once more, when it
// has come out of SQS's longest delay and waits on as an invisible message. The
// request queue's own maxReceiveCount is higher, since messages may wait for days.
const maxReceives = 10

// spent reports whether the delivery failed so often that we give it up. A delivery
// that only waits is never spent.
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

// waited reports whether waiting has used up the receives of a spent delivery: faults
// alone would have ended it sooner. Such a delivery is requeued, up to maxRequeues times.
func (d *delivery) waited(receives int) bool {
	return receives > maxReceives+1 && d.requeues() < maxRequeues
}

// backoff is how long the delivery's message stays invisible. One that waits for
// its due time or for the end of a pause waits exactly.
func (d *delivery) backoff(receives int) time.Duration {
	if d.sweep != nil {
		return d.sweepResult.After
	}
	if r := d.firstReturned(); !r.Due.IsZero() {
		return time.Until(r.Due)
	}
	return backoff(receives, d.retryAfter())
}

// comesAgain reports whether the delivery's message is to be delivered again.
func (d *delivery) comesAgain() bool {
	return d.returned() > 0 || d.fault != nil || d.sweepResult.Again
}

// waits reports whether nothing is the matter but that the delivery's requests must
// wait.
func (d *delivery) waits() bool {
	for i, r := range d.results {
		if r.Outcome == retrigger.Returned && (!r.Waits() || d.items[i].Request == nil) {
			return false
		}
	}
	return d.returned() > 0
}

// waitsForCredential reports whether a delivery that waits does so for a credential that
// is to be mended.
func (d *delivery) waitsForCredential() bool {
	r := d.firstReturned()
	return r.Reason == retrigger.CredentialsRefused || r.Reason == retrigger.CredentialsUnavailable
}

// requeues returns how often the function has put the delivery on the request queue.
func (d *delivery) requeues() int {
	most := 0
	for _, item := range d.items {
		if item.Request != nil {
			most = max(most, item.Request.Requeues)
		}
	}
	return most
}

// poison reports whether the message seems to crash the function. The function has put
// every message that waits for long on the queue by itself, or the message has a due
// time: neither is poison.
func (d *delivery) poison(receives int) bool {
	return receives > poisonAfter && len(d.items) > 0 && d.requeues() == 0 &&
		!slices.ContainsFunc(d.items, func(item event.Item) bool { return item.Request != nil && !item.Request.Due.IsZero() })
}

// giveUpPoison makes a dead letter of a message that crashes the function, before the
// function works on it once more.
func (h *Handler) giveUpPoison(ctx context.Context, d *delivery) {
	for i, item := range d.items {
		if item.Request != nil {
			d.results[i] = retrigger.Return(*item.Request, retrigger.NeverFinished, "it was delivered again and again, and no delivery came to an end")
		}
	}
	h.deadLetterReturned(ctx, d)
}

// requeueCopy replaces a waiting message by a fresh copy before SQS has delivered it too
// often, and gives the message up before its queue deletes it.
func (h *Handler) requeueCopy(ctx context.Context, d *delivery, receives int, sentAt time.Time) {
	old := !sentAt.IsZero() && time.Since(sentAt) > maxWait
	switch {
	case d.sweep != nil && d.sweepResult.Again && (receives >= longRequeueAfter || old):
		if d.sweep.Requeues < maxRequeues {
			h.continueLater(ctx, d)
		} else {
			h.refuseSweep(ctx, d, "it was delivered thousands of times and has not ended")
		}
	case !d.waits():
	case d.waitsForCredential() && d.requeues() > 0 && d.requeues() < maxRequeues:
		// It may take days until somebody mends the secret. If we requeued after every few
		// receives, maxRequeues would be reached after half a day, and SQS would move the
		// message to the dead-letter queue after its thousandth receive.
		if old || receives >= longRequeueAfter {
			h.deferReturned(ctx, d)
		}
	case old:
		for i, r := range d.results {
			if r.Outcome == retrigger.Returned {
				r.Message = "it waited for 13 days (" + string(r.Reason) + "): " + r.Message
				r.Reason = retrigger.WaitedTooLong
				d.results[i] = r
			}
		}
		h.deadLetterReturned(ctx, d)
	case receives >= requeueAfter && d.requeues() < maxRequeues:
		// We don't know how long a pause will last. Its requests are requeued when the
		// pause lets them go.
		if r := d.firstReturned(); r.Reason != retrigger.Paused || r.Released {
			h.deferReturned(ctx, d)
		}
	}
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

// part is the payload that the item was read from. It is the whole payload where the part
// by itself is too large for a dead letter: without its wrappings, base64 for example, a
// part may be longer than the message that it came in.
func (d *delivery) part(item int) []byte {
	if raw := d.items[item].Raw; raw != nil && len(sqstext.Body(raw)) <= sqstext.MaxRequest {
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
		if !r.Due.IsZero() {
			delay = time.Until(r.Due)
		}
		group.Go(func() error {
			d.results[i] = h.service.Defer(ctx, r, delay)
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
			d.results[i] = h.service.GiveUp(ctx, r)
		}
	}
}
