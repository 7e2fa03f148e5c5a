package main

import (
	"context"
	"log/slog"

	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

// report writes one log record for each result and the invocation's metrics:
// the count of each outcome under the outcome's own name, and beside them how many
// of these were duplicates or reconciled, how many runs were sent once more, and
// the refusals that stop all runs of an org.
func (h *Handler) report(ctx context.Context, deliveries []delivery) {
	counts := map[retrigger.Outcome]int{}
	var refused, duplicates, reconciled, extra, exhausted int
	for i := range deliveries {
		for _, r := range deliveries[i].results {
			h.log.LogAttrs(ctx, level(r), "run "+string(r.Outcome), attributes(r)...)
			counts[r.Outcome]++
			switch r.Reason {
			case retrigger.CredentialsRefused:
				refused++
			case retrigger.ReasonDuplicate:
				duplicates++
			case retrigger.Reconciled:
				reconciled++
			case retrigger.AttemptsExhausted, retrigger.BreakerOpen:
				exhausted++
			}
			if r.Extra {
				extra++
			}
		}
	}
	metrics := []telemetry.Count{
		{Name: string(retrigger.CredentialsRefused), Value: refused},
		{Name: string(retrigger.ReasonDuplicate), Value: duplicates},
		{Name: string(retrigger.Reconciled), Value: reconciled},
		{Name: "extra_retriggers", Value: extra},
		{Name: string(retrigger.AttemptsExhausted), Value: exhausted},
	}
	for _, outcome := range retrigger.Outcomes() {
		metrics = append(metrics, telemetry.Count{Name: string(outcome), Value: counts[outcome]})
	}
	if err := h.metrics.Put(metrics); err != nil {
		h.log.WarnContext(ctx, "metrics were not written", "error", err.Error())
	}
}

// level is error for faults that stop more than one run until someone mends
// them, and warn for the others that someone may want to look at.
func level(r retrigger.Result) slog.Level {
	switch {
	case r.Reason == retrigger.CredentialsRefused, r.Reason == retrigger.DeadLetterQueueUnavailable, r.Reason == retrigger.InternalError:
		return slog.LevelError
	case r.Reason == retrigger.RetryDelay, r.Reason == retrigger.NotDue, r.Reason == retrigger.ReasonDuplicate:
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
