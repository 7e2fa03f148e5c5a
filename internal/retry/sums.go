package retry

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// AddUp adds re-triggers and dead letters to the sums of the day, which with the recoveries
// say whether retrying helped. It is one write for all results of an invocation, after
// everything else was done: where the write fails, or the process dies before it, these
// results are missing in the sums, and nothing else.
func (e *Engine) AddUp(ctx context.Context, results []Result) {
	sums := sumsOf(results, e.Now())
	if len(sums) == 0 {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic while adding up", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := ledger.AddUp(ctx, e.budgets.table, sums...); err != nil {
		e.Log.WarnContext(ctx, "the sums of the day lack what this invocation has done", "count", len(sums), "error", err.Error())
	}
}

// sumsOf are the sums of the results. A duplicate is in none of them: the delivery that
// re-triggered the run, or gave it up, has counted it. Input that can't be read as a request
// is not of a run.
func sumsOf(results []Result, now time.Time) (sums []ledger.Sum) {
	for i := range results {
		r := &results[i]
		if r.OrgID == "" || r.facts.Request.RunID == "" || r.Reason == ReasonDuplicate {
			continue
		}
		sum := ledger.NewSum(r.OrgID, r.FlowID, r.FlowName, r.ErrorCode, now)
		switch r.Outcome {
		case Retriggered:
			sum.Retriggered = 1
		case DeadLettered:
			sum.GivenUp = 1
		default:
			continue
		}
		sums = append(sums, sum)
	}
	return sums
}
