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

// Pulse writes the pulses that are due: those of the results' orgs, and of the orgs that a sweep
// is done with. It is called after everything else was done, and makes one call at most, usually
// none. Where the write fails, the log says so.
func (e *Engine) Pulse(ctx context.Context, results []Result, swept []Swept) {
	var signs []sign
	for i := range results {
		if r := &results[i]; r.pulsates(e.Paused) {
			signs = append(signs, sign{pulse{r.OrgID, r.fromAdobe()}, r.Sandbox})
		}
	}
	e.writePulses(ctx, e.pulses.due(signs, swept, e.Now()))
}

// pulse writes the org's pulse, if it is due: the function works for the org, since it sends a
// re-trigger. It is written beside the call, which takes longer, so that nothing waits for it.
func (w caller) pulse() {
	r := &w.facts.Request
	w.writePulses(w.ctx, w.pulses.due([]sign{{pulse{r.OrgID, r.Source == event.FromAdobe}, r.Sandbox}}, nil, w.Now()))
}

func (e *Engine) writePulses(ctx context.Context, pulses []ledger.Pulse) {
	if len(pulses) == 0 {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			e.pulses.missed(pulses)
			e.Log.ErrorContext(ctx, "panic while writing pulses", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
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
	if err := ledger.WritePulses(ctx, e.budgets.table, e.Now(), pulses...); err != nil {
		e.pulses.missed(pulses)
		e.Log.WarnContext(ctx, "the pulses of orgs could not be written", "pulses", len(pulses), "error", err.Error())
	}
}

// Swept is an org that a scheduled sweep is done with, and one of its sandboxes.
type Swept struct{ OrgID, Sandbox string }

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

// sign is a sign of life of an org, in one of its sandboxes.
type sign struct {
	pulse
	sandbox string
}

// due are the pulses that are to be written now, one for each org.
func (p *pulses) due(signs []sign, swept []Swept, now time.Time) (due []ledger.Pulse) {
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
	for _, s := range signs {
		if last, known := p.written[s.pulse]; known && now.Sub(last) < ledger.PulseInterval && !now.Before(last) {
			continue
		}
		p.note(s.pulse, now)
		one := of(s.orgID)
		one.Sandbox = s.sandbox
		if s.event {
			one.LastEvent = now
			p.note(pulse{orgID: s.orgID}, now)
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
// changes nothing. A message that waits shows nothing, unless the deployment has paused
// everything: others may not come then.
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
