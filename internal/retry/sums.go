package retry

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// AddUp adds re-triggers and dead letters to the sums of the day, which with the recoveries
// say whether retrying helped, and writes the pulses of the orgs that are due: those of the
// results, and of the orgs that a sweep is done with. It is one write for an invocation,
// after everything else was done: where the write fails, or the process dies before it, these
// results are missing in the sums, and nothing else.
func (e *Engine) AddUp(ctx context.Context, results []Result, swept []Swept) {
	now := e.Now()
	sums, pulses := sumsOf(results, now), e.pulses.due(results, swept, e.Paused, now)
	if len(sums)+len(pulses) == 0 {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic while adding up", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	mode := "retry"
	if e.Observe {
		mode = "observe"
	}
	for i := range pulses {
		pulses[i].Version, pulses[i].Mode, pulses[i].Schema = e.Version, mode, ledger.Schema
		pulses[i].Paused = e.Paused
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := ledger.AddUp(ctx, e.budgets.table, now, sums, pulses); err != nil {
		e.pulses.missed(pulses)
		e.Log.WarnContext(ctx, "the sums of the day lack what this invocation has done", "count", len(sums), "pulses", len(pulses), "error", err.Error())
	}
}

// Swept is an org that a scheduled sweep is done with, and one of its sandboxes.
type Swept struct{ OrgID, Sandbox string }

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

// pulses remembers when this process has written the pulse of an org last, so that no
// duplicate costs a write.
type pulses struct {
	mu      sync.Mutex
	written map[pulse]time.Time
}

// pulse is a kind of pulse of an org: that of Adobe's events, or that of everything else,
// which must not keep the time of the last event from being written.
type pulse struct {
	orgID string
	event bool
}

// maxPulses bounds how many orgs a process remembers. Anybody who may send to the queue can
// name orgs.
const maxPulses = 1000

// due are the pulses that are to be written now, one for each org. While the deployment has
// paused everything, a message that waits for that is a sign of life, too: others may not come.
func (p *pulses) due(results []Result, swept []Swept, paused bool, now time.Time) (due []ledger.Pulse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	of := func(orgID string) *ledger.Pulse {
		for i := range due {
			if due[i].OrgID == orgID {
				return &due[i]
			}
		}
		due = append(due, ledger.Pulse{OrgID: orgID})
		return &due[len(due)-1]
	}
	for i := range results {
		r := &results[i]
		if !r.pulsates(paused) {
			continue
		}
		kind := pulse{orgID: r.OrgID, event: r.fromAdobe()}
		if last, known := p.written[kind]; known && now.Sub(last) < ledger.PulseInterval && !now.Before(last) {
			continue
		}
		p.note(kind, now)
		one := of(r.OrgID)
		one.Sandbox = r.Sandbox
		if kind.event {
			one.LastEvent = now
			p.note(pulse{orgID: r.OrgID}, now)
		}
	}
	for _, s := range swept {
		one := of(s.OrgID)
		one.LastSweep = now
		if one.Sandbox == "" {
			one.Sandbox = s.Sandbox
		}
	}
	return due
}

func (p *pulses) note(kind pulse, now time.Time) {
	if p.written == nil || len(p.written) >= maxPulses {
		p.written = map[pulse]time.Time{}
	}
	p.written[kind] = now
}

// missed forgets pulses that could not be written.
func (p *pulses) missed(missed []ledger.Pulse) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range missed {
		delete(p.written, pulse{m.OrgID, true})
		delete(p.written, pulse{m.OrgID, false})
	}
}

// pulsates reports whether the result shows that the function works for its org. A dry run
// changes nothing, and a message that waits shows nothing but that the deployment is paused.
func (r *Result) pulsates(paused bool) bool {
	switch {
	case r.OrgID == "", r.facts.Request.RunID == "" && !r.toldBySkip, r.Reason == OrgUnknown, r.Reason == LedgerUnavailable, r.facts.Request.DryRun:
		return false
	}
	return r.fromAdobe() || r.Outcome != Returned || paused && r.Reason == Paused
}

// fromAdobe reports whether an event of Adobe's has brought the result, as it came.
func (r *Result) fromAdobe() bool {
	return r.toldBySkip || r.facts.Request.RunID != "" && r.facts.Request.Source == event.FromAdobe
}
