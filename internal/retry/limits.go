package retry

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

func outOfAttempts(f *Facts, r *Rules, now time.Time) bool {
	d := byPolicy(f, r, now)
	return d.Action == policy.DeadLetter || d.Action == policy.Skip
}

func byPolicy(f *Facts, r *Rules, now time.Time) policy.Decision {
	run := &f.Entries.Run
	return r.Policy.Decide(f.policyRun(), policy.History{
		Attempts: run.Used(), Forgiven: run.Forgiven, FirstSeen: f.Request.FirstSeen,
		BlockedUntil: f.Entries.Flow.BlockedUntil, Force: f.Request.Force, Now: f.Request.Now,
	}, now)
}

func whatSaysThePolicy(f *Facts, r *Rules, now time.Time) (Step, bool) {
	d := byPolicy(f, r, now)
	step := Step{Reason: Reason(d.Reason), Detail: d.Detail}
	switch {
	case d.Action == policy.Skip && d.Reason == policy.TooOld && grewTooOld(f, r):
		step.Do, step.Reason, step.Rule = DeadLetter, WaitedTooLong, 21
		step.Detail = fmt.Sprintf("it became too old while it waited (%s): %s", orReason(f.Entries.Run.Reason, "deferred"), d.Detail)
	case d.Action == policy.Skip:
		step.Do = SkipRun
		if d.Reason == policy.TooOld {
			step.Rule = 21
		}
	case d.Action == policy.DeadLetter:
		return whatSaysTheBreaker(f, r, step)
	case d.Action == policy.Wait:
		step.Do, step.Due = Defer, d.At
	}
	return step, step.Do != ""
}

// grewTooOld reports whether the run was not too old when its failure was first seen.
//
// Rule 21: a request that grows too old while it waits for us is a dead letter, which says
// what it waited for.
func grewTooOld(f *Facts, r *Rules) bool {
	waited := f.By == ledger.AMessage || f.By == ledger.AnEvent // also an event, whose message was returned
	return waited && f.Request.FirstSeen.Sub(f.Request.FailedAt) <= r.Policy.MaxAge
}

// whatSaysTheBreaker asks whether a run of the dataflow has succeeded, where that closes
// the breaker or keeps it closed.
func whatSaysTheBreaker(f *Facts, r *Rules, give Step) (Step, bool) {
	open := give.Reason == BreakerOpen
	exhausted := give.Reason == AttemptsExhausted
	switch {
	case f.By != ledger.ASweep && f.Succeeded == NotAsked && (open || exhausted && opensBreaker(f, r)):
		return Step{Do: AskSuccess}, true
	case f.Succeeded == Yes && (open || exhausted && opensBreaker(f, r)):
		return Step{Do: CloseBreaker, Reason: give.Reason, Detail: give.Detail}, true
	}
	give.Do, give.Exhausted = DeadLetter, exhausted
	if exhausted {
		give.Rule = 2
	}
	return give, true
}

// opensBreaker reports whether the breaker opens with this lineage, unless a run of the
// dataflow has succeeded since it began to count.
func opensBreaker(f *Facts, r *Rules) bool {
	count := f.Entries.Flow.Exhausted + 1
	return r.Breaker.Threshold > 0 && count > 1 && count >= r.Breaker.Threshold && !f.Entries.Run.Counted
}

// isThereBudget defers a run whose dataflow, or org, has had its re-triggers for now.
//
// Rule 23: the org's budget is a counter of its own, outside of the claim's transaction.
func isThereBudget(f *Facts, r *Rules, now time.Time) (Step, bool) {
	flow := &f.Entries.Flow
	if f.Request.Force || f.By == ledger.ASweep {
		return Step{}, false
	}
	of, until := "org "+f.Request.OrgID, f.BudgetSpent
	if r.FlowBudget > 0 && flow.Sent >= r.FlowBudget && flow.Window.Equal(now.Truncate(r.BudgetWindow)) {
		of, until = "dataflow "+f.Request.FlowID, flow.Window.Add(r.BudgetWindow)
	}
	if !now.Before(until) {
		return Step{}, false
	}
	return Step{
		Do: Defer, Reason: BudgetSpent, Rule: 23, Due: nextWindow(f.Request.RunID, f.Request.FirstSeen, until, r.BudgetWindow),
		Detail: fmt.Sprintf("%s has had its re-triggers in %s; the next can be sent from %s on", of, r.BudgetWindow, until.UTC().Format(time.RFC3339)),
	}, true
}

// nextWindow is when a run should try again whose failure was first seen at the given
// time: in the window from begin on, the sooner the longer it has waited, so that what
// waits goes in its order. A little jitter, another in each window, keeps those of one time
// apart.
func nextWindow(runID string, firstSeen, begin time.Time, window time.Duration) time.Time {
	waited := max(begin.Sub(firstSeen), 0)
	offset := float64(window) / (1 + float64(waited)/float64(window))
	h := fnv.New32a()
	_, _ = h.Write([]byte(runID + begin.UTC().Format(time.RFC3339)))
	jitter := float64(h.Sum32()%1000) / 1000 * float64(window) / 100
	return begin.Add(min(time.Duration(offset+jitter), window-time.Millisecond))
}
