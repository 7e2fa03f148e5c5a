package handler

import (
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

// The metrics that are counts, beside the outcomes and the counted reasons.
const (
	// ExtraRetriggers counts runs that were re-triggered once more since an earlier
	// re-trigger of them had left no trace.
	ExtraRetriggers = "extra_retriggers"
	// Recovered counts lineages that have recovered: a run that a re-trigger made has
	// succeeded.
	Recovered = "recovered"
	// AdobeEvents counts Adobe's events of any kind, each at its first delivery. It tells
	// whether events come at all.
	AdobeEvents = "adobe_events"
	// ScheduledSweeps counts the invocations that worked on a sweep of the schedule, also
	// where it found nothing. It tells whether the schedule works.
	ScheduledSweeps = "scheduled_sweeps"

	// SweepSeen counts runs that sweeps have found since the last invocation, SweepFailed the
	// failed ones, and SweepRequested and SweepSkipped what became of those.
	SweepSeen      = "sweep_seen"
	SweepFailed    = "sweep_failed"
	SweepRequested = "sweep_requested"
	SweepSkipped   = "sweep_skipped"
)

// The metrics that are measured values.
const (
	// RecoveryMinutes are the minutes that each recovery took, from the first failure being
	// seen to the event of the success, or to the end of the run that a sweep has found.
	RecoveryMinutes = "recovery_minutes"
	// AdobeMillis are the milliseconds that each call to Flow Service took, with its answer.
	AdobeMillis = "adobe_ms"
)

// MetricNames are the names of all metrics that the function writes. Alarms, dashboard and
// documents know no others.
func MetricNames() []string { return append(countNames(), RecoveryMinutes, AdobeMillis) }

// countNames are the names of the metrics that are counts.
func countNames() []string {
	names := []string{ExtraRetriggers, Recovered, AdobeEvents, ScheduledSweeps, SweepSeen, SweepFailed, SweepRequested, SweepSkipped}
	for _, outcome := range retry.Outcomes() {
		names = append(names, string(outcome))
	}
	for _, reason := range countedReasons() {
		names = append(names, string(reason))
	}
	return names
}

// countedReasons are those that are metrics: someone may want to see them, or be alarmed by
// them.
func countedReasons() []retry.Reason {
	return []retry.Reason{
		retry.ReasonDuplicate, retry.Reconciled, retry.OutcomeUnknown, retry.AttemptsExhausted, retry.BreakerOpen,
		retry.CredentialsRefused, retry.CredentialsUnavailable, retry.LedgerUnavailable, retry.Throttled, retry.BudgetSpent, retry.Paused, retry.WouldRetrigger,
		retry.DeadLetterQueueUnavailable, retry.QueueUnavailable, retry.NoticesUnavailable, retry.InternalError, retry.Reason(event.Unrecognized),
	}
}

// counts are the counts of an invocation by name. Names that are no metrics may be among
// them.
type counts map[string]int

// add counts a delivery: each outcome under the outcome's own name, and the reasons beside
// them.
func (c counts) add(d *delivery) {
	added := &d.sweepResult.Added
	c[SweepSeen] += added.Seen
	c[SweepFailed] += added.Failed
	c[SweepRequested] += added.Requested
	c[SweepSkipped] += added.AllSkipped()
	c[AdobeEvents] += d.adobeEvents()
	if d.scheduled() {
		c[ScheduledSweeps]++
	}
	c[string(retry.DeadLettered)] += d.sweepResult.GaveUp
	for _, reason := range slices.Concat(d.sweepResult.Reasons, d.reasons) {
		c[string(reason)]++
	}
	for _, r := range d.results {
		c[string(r.Outcome)]++
		for _, reason := range countedOf(r) {
			c[string(reason)]++
		}
		if r.Extra {
			c[ExtraRetriggers]++
		}
	}
}

// list returns the counts that are metrics.
func (c counts) list() []telemetry.Count {
	var list []telemetry.Count
	for _, name := range countNames() {
		list = append(list, telemetry.Count{Name: name, Value: c[name]})
	}
	return list
}

// countedOf are the reasons of a result, each once.
func countedOf(r retry.Result) []retry.Reason {
	all := append([]retry.Reason{r.Reason}, r.Also...)
	slices.Sort(all)
	return slices.Compact(all)
}

// adobeEvents is how many events of Adobe's the delivery has brought for the first time. A
// message that waits is delivered again and again, and tells nothing of events that come.
func (d *delivery) adobeEvents() int {
	if d.again {
		return 0
	}
	n := 0
	for _, item := range d.items {
		if isAdobes(item) {
			n++
		}
	}
	return n
}

// isAdobes reports whether an item is of an event of Adobe's.
func isAdobes(item event.Item) bool {
	switch {
	case item.Request != nil:
		return item.Request.Source == event.FromAdobe
	case item.Skip != nil:
		return item.Skip.Reason != event.ForeignEvent && item.Skip.Reason != event.OwnNotice
	default:
		return item.Err.Shape != "" || item.Err.Reason == event.RunStatusUnknown
	}
}

// scheduled reports whether the delivery is a sweep of the schedule that was worked on.
func (d *delivery) scheduled() bool {
	return d.sweep != nil && strings.HasPrefix(d.sweep.ID, event.ScheduledSweep) && d.sweepResult.Report.State != sweep.Refused
}
