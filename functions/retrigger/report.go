package main

import (
	"context"
	"log/slog"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

// report writes one log record for each result and the invocation's metrics:
// the count of each outcome under the outcome's own name, and beside them of the
// reasons that someone may want to see or be alarmed by.
func (h *Handler) report(ctx context.Context, deliveries []delivery) {
	outcomes, reasons := map[retrigger.Outcome]int{}, map[retrigger.Reason]int{}
	var found sweep.Counts
	extra, skipped := 0, 0
	for i := range deliveries {
		d := &deliveries[i]
		h.logControl(ctx, d)
		added := &d.sweepResult.Added
		found.Seen, found.Failed, found.Requested = found.Seen+added.Seen, found.Failed+added.Failed, found.Requested+added.Requested
		skipped += added.AllSkipped()
		outcomes[retrigger.DeadLettered] += d.sweepResult.GaveUp
		for _, reason := range slices.Concat(d.sweepResult.Reasons, d.reasons) {
			reasons[reason]++
		}
		for _, r := range d.results {
			h.reportOne(ctx, r)
			outcomes[r.Outcome]++
			for _, reason := range countedOf(r) {
				reasons[reason]++
			}
			if r.Extra {
				extra++
			}
		}
	}
	metrics := []telemetry.Count{
		{Name: ExtraRetriggers, Value: extra},
		{Name: SweepSeen, Value: found.Seen},
		{Name: SweepFailed, Value: found.Failed},
		{Name: SweepRequested, Value: found.Requested},
		{Name: SweepSkipped, Value: skipped},
	}
	for _, outcome := range retrigger.Outcomes() {
		metrics = append(metrics, telemetry.Count{Name: string(outcome), Value: outcomes[outcome]})
	}
	for _, reason := range countedReasons() {
		metrics = append(metrics, telemetry.Count{Name: string(reason), Value: reasons[reason]})
	}
	if err := h.metrics.Put(metrics); err != nil {
		h.log.WarnContext(ctx, "metrics were not written", "error", err.Error())
	}
}

// ExtraRetriggers is the metric of runs that were re-triggered once more since an
// earlier re-trigger of them had left no trace.
const ExtraRetriggers = "extra_retriggers"

// What sweeps have found since the last invocation: runs, failed runs, and of those
// the requested and the skipped.
const (
	SweepSeen      = "sweep_seen"
	SweepFailed    = "sweep_failed"
	SweepRequested = "sweep_requested"
	SweepSkipped   = "sweep_skipped"
)

func (h *Handler) reportOne(ctx context.Context, r retrigger.Result) {
	h.log.LogAttrs(ctx, level(r), "run "+string(r.Outcome), attributes(r)...)
}

// countedReasons are those that are metrics.
func countedReasons() []retrigger.Reason {
	return []retrigger.Reason{
		retrigger.ReasonDuplicate, retrigger.Reconciled, retrigger.OutcomeUnknown, retrigger.AttemptsExhausted, retrigger.BreakerOpen,
		retrigger.CredentialsRefused, retrigger.CredentialsUnavailable, retrigger.LedgerUnavailable, retrigger.Throttled, retrigger.BudgetSpent, retrigger.Paused,
		retrigger.DeadLetterQueueUnavailable, retrigger.QueueUnavailable, retrigger.InternalError, retrigger.Reason(event.Unrecognized),
	}
}

// countedOf are the reasons of a result, each once.
func countedOf(r retrigger.Result) []retrigger.Reason {
	all := append([]retrigger.Reason{r.Reason}, r.Also...)
	slices.Sort(all)
	return slices.Compact(all)
}

// level is error for faults that stop more than one run until someone mends
// them, and warn for the others that someone may want to look at.
func level(r retrigger.Result) slog.Level {
	switch {
	case r.Reason == retrigger.CredentialsRefused, r.Reason == retrigger.CredentialsUnavailable, r.Reason == retrigger.DeadLetterQueueUnavailable, r.Reason == retrigger.QueueUnavailable, r.Reason == retrigger.LedgerUnavailable, r.Reason == retrigger.InternalError:
		return slog.LevelError
	case r.Reason == retrigger.RetryDelay, r.Reason == retrigger.NotDue, r.Reason == retrigger.Paused, r.Reason == retrigger.ReasonDuplicate:
		return slog.LevelInfo
	case r.Outcome == retrigger.DeadLettered, r.Outcome == retrigger.Returned, r.Outcome == retrigger.Deferred, r.Extra:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func attributes(r retrigger.Result) []slog.Attr {
	attrs := []slog.Attr{slog.String("outcome", string(r.Outcome))}
	for _, a := range []struct{ key, value string }{
		{"runId", r.RunID},
		{"reason", string(r.Reason)},
		{"newRunId", r.NewRunID},
		{"root", r.Root},
		{"flowId", r.FlowID},
		{"flowName", r.FlowName},
		{"errorCode", r.ErrorCode},
		{"errorText", r.ErrorText},
		{"sandbox", r.Sandbox},
		{"orgId", r.OrgID},
		{"detail", r.Message},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	if r.Attempt != 0 {
		attrs = append(attrs, slog.Int("attempt", r.Attempt))
	}
	return attrs
}
