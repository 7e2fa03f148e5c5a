package operate

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

// Sweeps are the sweeps of the last days.
type Sweeps struct {
	// Sweeps are the newest first.
	Sweeps []Sweep `json:"sweeps"`
}

// Sweep is a sweep as the ledger's table has it. The table keeps it for 15 days.
type Sweep struct {
	// Asked is when it was asked for, By whom and Given why; By and Given are empty for one of
	// the schedule.
	Asked time.Time `json:"asked,omitzero"`
	By    string    `json:"by,omitempty"`
	Given string    `json:"given,omitempty"`
	// Flows and Codes are what it was narrowed to, Limit is the most runs that it may request.
	Flows []string `json:"flowIds,omitempty"`
	Codes []string `json:"codes,omitempty"`
	Limit int      `json:"limit,omitempty"`
	// Targets are the sandboxes that it looks at.
	Targets []sweep.Target `json:"targets,omitempty"`
	// Report is what it has done so far; see docs/outcomes.md.
	Report sweep.Report `json:"report"`
}

// ListSweeps lists the last sweeps, the newest first, at most limit.
func ListSweeps(ctx context.Context, o *Operator, limit int) (Sweeps, error) {
	saved, err := sweep.Recent(ctx, o.Table, limit)
	if err != nil {
		return Sweeps{}, o.fault(err)
	}
	all := Sweeps{Sweeps: make([]Sweep, 0, len(saved))}
	for i := len(saved) - 1; i >= 0; i-- {
		s := &saved[i]
		all.Sweeps = append(all.Sweeps, Sweep{
			Asked: s.Asked, By: s.By, Given: s.Why, Flows: s.Flows, Codes: s.Codes, Limit: s.Limit, Targets: s.Targets, Report: s.Report,
		})
		if r := &all.Sweeps[len(all.Sweeps)-1].Report; r.Since.IsZero() {
			r.Since, r.Until = s.Since, s.Until
		}
	}
	return all, nil
}

// StartSweep asks the function to sweep, and returns what it has done so far.
func StartSweep(ctx context.Context, o *Operator, s event.Sweep, b Because) (sweep.Report, error) {
	if err := wellFormed(s); err != nil {
		return sweep.Report{}, err
	}
	if err := CheckSchema(ctx, o); err != nil {
		return sweep.Report{}, err
	}
	who, err := orderOf(ctx, o, b)
	if err != nil {
		return sweep.Report{}, err
	}
	s.Reason, s.By = who.Reason, who.By
	answer, err := o.Ask(ctx, s)
	switch {
	case err != nil:
		return sweep.Report{}, err
	case answer.Sweep == nil:
		return sweep.Report{}, Errorf(Failed, "the function answered without a report of the sweep")
	}
	return *answer.Sweep, nil
}

// wellFormed reads the sweep as the function does, so that a mistake is told before anything
// is asked for.
func wellFormed(s event.Sweep) error {
	payload, err := json.Marshal(s)
	if err != nil {
		return &Error{Kind: Wrong, Message: err.Error(), Err: err}
	}
	_, err = event.Decode(payload)
	if fault, ok := errors.AsType[*event.Error](err); ok {
		return &Error{Kind: Wrong, Message: "the sweep can't be: " + fault.Message, Err: err}
	}
	return err
}
