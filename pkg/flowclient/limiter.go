package flowclient

import (
	"context"
	"errors"
	"time"
)

// Limiter paces requests. It must be safe for concurrent use.
type Limiter interface {
	// Wait returns when a request may be sent. The caller calls done when it has
	// been answered, or has failed with failure; nil means that it has not failed,
	// or was not sent after all. If the wait would be too long the error is a
	// [*BusyError]; any other error is the context's.
	Wait(ctx context.Context) (done func(failure *Error), err error)
}

// BusyError means that a [Limiter] lets no request through for now.
type BusyError struct {
	// RetryAfter is when it is worth another try.
	RetryAfter time.Duration
}

// Error says how long.
func (e *BusyError) Error() string {
	return "the limit on calls is reached; try again in " + e.RetryAfter.Round(time.Millisecond).String()
}

// ErrNoTime is the cause of an [*Error] of [KindTransient] that a re-trigger ends
// with if less than the call timeout is left of the context's time, because a
// [Limiter] held it back or an earlier request of the same call was refused. Nothing
// that may have taken effect was sent: a call that is cut off has an unknown outcome.
var ErrNoTime = errors.New("the deadline is too near for a call to Flow Service")

// timeForCall returns [ErrNoTime] if no whole call fits before the context's deadline.
func (c *Client) timeForCall(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(c.now()) < c.callTimeout {
		return ErrNoTime
	}
	return nil
}

// turn waits for the limiter. With an error nothing may be sent.
func (c *Client) turn(ctx context.Context, k call) (done func(*Error), failure *Error) {
	if c.limiter == nil {
		return func(*Error) {}, nil
	}
	done, err := c.limiter.Wait(ctx)
	if err != nil {
		failure = k.fail(KindTransient, err)
		if busy, ok := errors.AsType[*BusyError](err); ok {
			failure.Kind, failure.RetryAfter = KindThrottled, busy.RetryAfter
		}
		return nil, failure
	}
	if k.mutates() {
		if err := c.timeForCall(ctx); err != nil {
			done(nil)
			return nil, k.fail(KindTransient, err)
		}
	}
	return done, nil
}
