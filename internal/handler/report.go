package handler

import (
	"context"
	"log/slog"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// reporter writes the log and the metrics.
type reporter struct {
	metrics *telemetry.Metrics
	log     *slog.Logger
}

// report writes one log record for each result and the invocation's metrics:
// the count of each outcome under the outcome's own name, and beside them of the
// reasons that someone may want to see or be alarmed by.
func (p *reporter) report(ctx context.Context, deliveries []delivery) {
	outcomes, reasons := map[retry.Outcome]int{}, map[retry.Reason]int{}
	var found sweep.Counts
	extra, skipped, recovered := 0, 0, 0
	minutes := telemetry.Values{Name: RecoveryMinutes}
	for i := range deliveries {
		d := &deliveries[i]
		p.logControl(ctx, d)
		added := &d.sweepResult.Added
		found.Seen, found.Failed, found.Requested = found.Seen+added.Seen, found.Failed+added.Failed, found.Requested+added.Requested
		skipped += added.AllSkipped()
		outcomes[retry.DeadLettered] += d.sweepResult.GaveUp
		for _, reason := range slices.Concat(d.sweepResult.Reasons, d.reasons) {
			reasons[reason]++
		}
		for _, r := range d.results {
			outcomes[r.Outcome]++
			for _, reason := range countedOf(r) {
				reasons[reason]++
			}
			if r.Extra {
				extra++
			}
		}
		for _, r := range slices.Concat(d.results, d.sweepResult.Ends) { // that a sweep has found an end is no outcome of a request
			logResult(ctx, p.log, r)
			if r.Recovered {
				recovered++
			}
			if r.RecoveredAfter > 0 {
				minutes.Values = append(minutes.Values, r.RecoveredAfter.Minutes())
			}
		}
	}
	metrics := []telemetry.Count{
		{Name: ExtraRetriggers, Value: extra},
		{Name: Recovered, Value: recovered},
		{Name: SweepSeen, Value: found.Seen},
		{Name: SweepFailed, Value: found.Failed},
		{Name: SweepRequested, Value: found.Requested},
		{Name: SweepSkipped, Value: skipped},
	}
	for _, outcome := range retry.Outcomes() {
		metrics = append(metrics, telemetry.Count{Name: string(outcome), Value: outcomes[outcome]})
	}
	for _, reason := range countedReasons() {
		metrics = append(metrics, telemetry.Count{Name: string(reason), Value: reasons[reason]})
	}
	if err := p.metrics.Put(metrics, minutes); err != nil {
		p.log.WarnContext(ctx, "metrics were not written", "error", err.Error())
	}
}

// ExtraRetriggers is the metric of runs that were re-triggered once more since an
// earlier re-trigger of them had left no trace.
const ExtraRetriggers = "extra_retriggers"

// Recovered is the metric of lineages that have recovered: a run that a re-trigger made has
// succeeded. RecoveryMinutes are the minutes that each took, from its first failure being
// seen to the event of the success, or to the end of the run that a sweep has found.
const (
	Recovered       = "recovered"
	RecoveryMinutes = "recovery_minutes"
)

// What sweeps have found since the last invocation: runs, failed runs, and of those
// the requested and the skipped.
const (
	SweepSeen      = "sweep_seen"
	SweepFailed    = "sweep_failed"
	SweepRequested = "sweep_requested"
	SweepSkipped   = "sweep_skipped"
)

// logResult writes the log record of one result.
func logResult(ctx context.Context, log *slog.Logger, r retry.Result) {
	log.LogAttrs(ctx, level(r), "run "+string(r.Outcome), attributes(r)...)
}

// countedReasons are those that are metrics.
func countedReasons() []retry.Reason {
	return []retry.Reason{
		retry.ReasonDuplicate, retry.Reconciled, retry.OutcomeUnknown, retry.AttemptsExhausted, retry.BreakerOpen,
		retry.CredentialsRefused, retry.CredentialsUnavailable, retry.LedgerUnavailable, retry.Throttled, retry.BudgetSpent, retry.Paused, retry.WouldRetrigger,
		retry.DeadLetterQueueUnavailable, retry.QueueUnavailable, retry.NoticesUnavailable, retry.InternalError, retry.Reason(event.Unrecognized),
	}
}

// countedOf are the reasons of a result, each once.
func countedOf(r retry.Result) []retry.Reason {
	all := append([]retry.Reason{r.Reason}, r.Also...)
	slices.Sort(all)
	return slices.Compact(all)
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
