package handler

import (
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// results are those of a delivery's items, in their order.
type results []retry.Result

// returned counts the results that are to be delivered again.
func (rs results) returned() int {
	n := 0
	for _, r := range rs {
		if r.Outcome == retry.Returned {
			n++
		}
	}
	return n
}

// mixed reports whether some of the results are returned and others
// are not. Such a delivery must not come back whole: what was done would be done
// again.
func (rs results) mixed() bool {
	n := rs.returned()
	return n > 0 && n < len(rs)
}

// firstReturned is the first result that is to be delivered again.
func (rs results) firstReturned() retry.Result {
	for _, r := range rs {
		if r.Outcome == retry.Returned {
			return r
		}
	}
	return retry.Result{}
}

// retryAfter is the longest wait that Adobe asked for.
func (rs results) retryAfter() time.Duration {
	var longest time.Duration
	for _, r := range rs {
		if r.Outcome == retry.Returned {
			longest = max(longest, r.RetryAfter)
		}
	}
	return longest
}

// waitedTooLong says in the returned results that they waited for 13 days, and what for.
func (rs results) waitedTooLong() {
	for i, r := range rs {
		if r.Outcome == retry.Returned {
			r.Message = "it waited for 13 days (" + string(r.Reason) + "): " + r.Message
			r.Reason = retry.WaitedTooLong
			rs[i] = r
		}
	}
}
