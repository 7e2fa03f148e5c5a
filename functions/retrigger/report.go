package main

import (
	"context"
	"log/slog"

	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

// report writes one log record for each result and the invocation's metrics:
// the count of each outcome under the outcome's own name, and of the refusals
// that stop all runs of an org.
func (h *Handler) report(ctx context.Context, deliveries []delivery) {
	counts := map[retrigger.Outcome]int{}
	refused := 0
	for i := range deliveries {
		for _, r := range deliveries[i].results {
			h.log.LogAttrs(ctx, level(r), "run "+string(r.Outcome), attributes(r)...)
			counts[r.Outcome]++
			if r.Reason == retrigger.CredentialsRefused {
				refused++
			}
		}
	}
	metrics := []telemetry.Count{{Name: string(retrigger.CredentialsRefused), Value: refused}}
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
	case r.Outcome == retrigger.DeadLettered, r.Outcome == retrigger.Returned, r.Outcome == retrigger.Deferred:
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
