package throttle

import (
	"context"
	"math"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// MaxWait is the longest that a call waits for its turn within the function. What
// would take longer waits on the request queue.
const MaxWait = 5 * time.Second

// Org paces the requests of one org.
func (t *Throttle) Org(orgID string) flowclient.Limiter { return orgPace{t, orgID} }

type orgPace struct {
	*Throttle
	orgID string
}

// pace is what the requests of an org have in common in this process.
type pace struct {
	rate   *rate.Limiter
	atOnce *semaphore.Weighted // nil for any number
}

// pace returns the org's pace as it is now, and how long the org is stopped.
func (t *Throttle) pace(orgID string) (p *pace, stopped time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	p = t.paces[orgID]
	if p == nil {
		// A second's worth may go at once, so that a single run does not wait.
		p = &pace{rate: rate.NewLimiter(rate.Inf, max(1, int(math.Ceil(t.limits.PerSecond))))}
		if t.limits.AtOnce > 0 {
			p.atOnce = semaphore.NewWeighted(int64(t.limits.AtOnce))
		}
		t.paces[orgID] = p
	}
	slow := t.state.Slow[orgID]
	level := slow.level(now)
	limit := rate.Inf
	switch {
	case t.limits.PerSecond > 0:
		limit = rate.Limit(t.limits.PerSecond / float64(int(1)<<level))
	case level > 0: // there is no pace to halve: begin with one
		limit = rate.Limit(slowest * float64(int(1)<<(maxLevel-level)) / float64(max(t.limits.Processes, 1)))
	}
	if limit != p.rate.Limit() {
		p.rate.SetLimitAt(now, limit)
	}
	return p, slow.Until.Sub(now)
}

// slowest is the pace in calls a second of an org without a limit, over all processes,
// that Adobe asked to slow down again and again.
const slowest = 0.5

// Wait implements [flowclient.Limiter].
func (o orgPace) Wait(ctx context.Context) (done func(*flowclient.Error), err error) {
	p, stopped := o.pace(o.orgID)
	if stopped > 0 {
		return nil, &flowclient.BusyError{RetryAfter: stopped}
	}
	leave, err := p.enter(ctx)
	if err != nil {
		return nil, err
	}
	now := o.now()
	turn := p.rate.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	if deadline, ok := ctx.Deadline(); wait > MaxWait || ok && now.Add(wait).After(deadline) {
		turn.CancelAt(now)
		leave()
		return nil, &flowclient.BusyError{RetryAfter: wait}
	}
	if err := sleep(ctx, wait); err != nil {
		leave()
		return nil, err
	}
	began := o.now()
	return func(failure *flowclient.Error) {
		leave()
		if failure != nil && failure.Kind == flowclient.KindThrottled {
			o.slowDown(o.orgID, began, failure.RetryAfter)
		}
	}, nil
}

// enter waits until another call may be under way.
func (p *pace) enter(ctx context.Context) (leave func(), err error) {
	if p.atOnce == nil {
		return func() {}, nil
	}
	waiting, cancel := context.WithTimeout(ctx, MaxWait)
	defer cancel()
	if err := p.atOnce.Acquire(waiting, 1); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, &flowclient.BusyError{RetryAfter: MaxWait}
	}
	return func() { p.atOnce.Release(1) }, nil
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Busy returns how long the org's next call would have to wait for its turn.
func (t *Throttle) Busy(orgID string) time.Duration {
	p, stopped := t.pace(orgID)
	now := t.now()
	turn := p.rate.ReserveN(now, 1)
	wait := turn.DelayFrom(now)
	turn.CancelAt(now)
	return max(stopped, wait)
}
