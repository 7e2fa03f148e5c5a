package handler

import (
	"context"
	"log/slog"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// reporter writes the log and the metrics.
type reporter struct {
	metrics *telemetry.Metrics
	adobe   *telemetry.Samples // the calls to Flow Service
	log     *slog.Logger
}

// report writes one log record for each result, and the invocation's metrics.
func (p *reporter) report(ctx context.Context, deliveries []delivery) {
	counts := counts{}
	minutes := telemetry.Values{Name: RecoveryMinutes}
	for i := range deliveries {
		d := &deliveries[i]
		p.logControl(ctx, d)
		counts.add(d)
		for _, r := range slices.Concat(d.results, d.sweepResult.Ends) { // that a sweep has found an end is no outcome of a request
			logResult(ctx, p.log, r)
			if r.Recovered {
				counts[Recovered]++
			}
			if r.RecoveredAfter > 0 {
				minutes.Values = append(minutes.Values, r.RecoveredAfter.Minutes())
			}
		}
	}
	calls := telemetry.Values{Name: AdobeMillis, Values: p.adobe.Take()}
	if err := p.metrics.Put(counts.list(), minutes, calls); err != nil {
		p.log.WarnContext(ctx, "metrics were not written", "error", err.Error())
	}
}

// logResult writes the log record of one result.
func logResult(ctx context.Context, log *slog.Logger, r retry.Result) {
	log.LogAttrs(ctx, level(r), "run "+string(r.Outcome), attributes(r)...)
}

// level is error for faults that stop more than one run until someone mends
// them, and warn for the others that someone may want to look at.
func level(r retry.Result) slog.Level {
	switch {
	case r.Reason == retry.CredentialsRefused, r.Reason == retry.CredentialsUnavailable, r.Reason == retry.DeadLetterQueueUnavailable, r.Reason == retry.QueueUnavailable, r.Reason == retry.LedgerUnavailable, r.Reason == retry.InternalError:
		return slog.LevelError
	case r.Reason == retry.RetryDelay, r.Reason == retry.NotDue, r.Reason == retry.Paused, r.Reason == retry.Observing, r.Reason == retry.ReasonDuplicate:
		return slog.LevelInfo
	case r.Outcome == retry.DeadLettered, r.Outcome == retry.Returned, r.Outcome == retry.Deferred, r.Extra:
		return slog.LevelWarn
	default:
		return slog.LevelInfo
	}
}

func attributes(r retry.Result) []slog.Attr {
	attrs := []slog.Attr{slog.String("outcome", string(r.Outcome))}
	for _, a := range []struct{ key, value string }{
		{"runId", r.RunID},
		{"reason", string(r.Reason)},
		{"newRunId", r.NewRunID},
		{"supersededBy", r.SupersededBy},
		{"root", r.Root},
		{"parent", r.Parent},
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
	if !r.WindowStart.IsZero() {
		attrs = append(attrs, slog.Time("windowStart", r.WindowStart), slog.Time("windowEnd", r.WindowEnd))
	}
	if r.Recovered {
		attrs = append(attrs, slog.Bool("recovered", true), slog.Float64("recoveryMinutes", r.RecoveredAfter.Minutes()))
	}
	return attrs
}

// logControl logs what became of a sweep, a pause or a resume.
func (p *reporter) logControl(ctx context.Context, d *delivery) {
	switch {
	case d.pauseCommand != nil && d.fault == nil && d.mistake == nil:
		scope, word := throttle.Scope{OrgID: d.pauseCommand.OrgID, FlowID: d.pauseCommand.FlowID}, "resumed"
		if d.pauseCommand.Pause {
			word = "paused"
		}
		p.log.WarnContext(ctx, scope.String()+" is "+word, "reason", d.pauseCommand.Reason, "by", d.pauseCommand.By, "flowName", d.pauseCommand.FlowName, "pauses", len(d.pauses))
	case d.sweep != nil:
		p.logSweep(ctx, &d.sweepResult)
	}
	if d.mistake != nil {
		p.log.WarnContext(ctx, "a direct invocation asks for what can't be done, and nothing was done", "error", d.mistake.Error())
	}
	if d.fault != nil {
		p.log.ErrorContext(ctx, "a delivery could not be handled", "error", d.fault.Error())
	}
}

func (p *reporter) logSweep(ctx context.Context, sweepResult *sweep.Result) {
	r := &sweepResult.Report
	attrs := []any{
		"sweepId", r.ID, "state", string(r.State), "dryRun", r.DryRun, "observed", r.Observed, "since", r.Since, "until", r.Until, "pages", r.Pages, "restarts", r.Restarts,
		"seen", r.Seen, "failed", r.Failed, "requested", r.Requested, "skipped", r.Skipped, "failures", len(r.Failures) + r.MoreFailures,
	}
	if !r.Born.IsZero() {
		attrs = append(attrs, "born", r.Born)
	}
	if r.Error != "" {
		attrs = append(attrs, "error", r.Error)
	}
	switch {
	case r.State == sweep.Refused || len(r.Failures) > 0:
		p.log.ErrorContext(ctx, "sweep "+string(r.State), attrs...)
	case r.Error != "":
		p.log.WarnContext(ctx, "sweep "+string(r.State), attrs...)
	default:
		p.log.InfoContext(ctx, "sweep "+string(r.State), attrs...)
	}
	if r.State == sweep.Continues {
		return // the dataflows come when it is finished
	}
	for id, c := range r.Flows {
		p.log.InfoContext(ctx, "sweep of a dataflow", "sweepId", r.ID, "flowId", id, "flowName", c.Name, "failed", c.Failed, "requested", c.Requested, "skipped", c.Skipped)
	}
	for _, run := range r.Runs {
		p.log.InfoContext(ctx, "a failed run would be "+run.Decision, "sweepId", r.ID, "runId", run.RunID, "flowId", run.FlowID, "flowName", run.FlowName,
			"errorCode", run.ErrorCode, "errorText", run.ErrorText, "reason", string(run.Reason), "detail", run.Detail)
	}
}
