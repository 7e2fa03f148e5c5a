package operate

import (
	"context"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// Pause is a pause of everything, an org or a dataflow.
type Pause struct {
	// Scope is everything, org or dataflow. OrgID and FlowID name it.
	Scope    string `json:"scope"`
	OrgID    string `json:"orgId,omitempty"`
	FlowID   string `json:"flowId,omitempty"`
	FlowName string `json:"flowName,omitempty"`
	// Since is when it began. ResumedAt is when it ended, where what waited is still let go
	// one after the other; it is left out while the pause lasts.
	Since     time.Time `json:"since"`
	ResumedAt time.Time `json:"resumedAt,omitzero"`
	// Reason is why, and By who paused, as the function was told.
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// The scopes of a [Pause].
const (
	ScopeEverything = "everything"
	ScopeOrg        = "org"
	ScopeFlow       = "dataflow"
)

// What names what is paused.
func (p *Pause) What() string {
	switch p.Scope {
	case ScopeFlow:
		return Flow{FlowID: p.FlowID, Name: p.FlowName}.String()
	case ScopeOrg:
		return "org " + p.OrgID
	}
	return ScopeEverything
}

// covers reports whether the pause lasts and keeps the dataflow from being retried.
func (p *Pause) covers(orgID, flowID string) bool {
	return p.ResumedAt.IsZero() && (p.OrgID == "" || p.OrgID == orgID) && (p.FlowID == "" || p.FlowID == flowID)
}

func pauseOf(p throttle.Pause, name string) Pause {
	pause := Pause{Scope: ScopeEverything, OrgID: p.OrgID, FlowID: p.FlowID, FlowName: name, Since: p.At, Reason: p.Reason, By: p.By}
	switch {
	case p.FlowID != "":
		pause.Scope = ScopeFlow
	case p.OrgID != "":
		pause.Scope = ScopeOrg
	}
	if p.ResumedAt != nil {
		pause.ResumedAt = *p.ResumedAt
	}
	return pause
}

// Pauses are the pauses in force, and those that have ended and of which what waited is still
// let go, in the order in which they began. A deployment with PAUSED=true is none of them.
func Pauses(ctx context.Context, o *Operator) ([]Pause, error) {
	all, err := throttle.Pauses(ctx, o.Table)
	if err != nil {
		return nil, o.fault(fmt.Errorf("the pauses can't be read: %w", err))
	}
	return namedPauses(ctx, o, all)
}

// namedPauses are the pauses, with the names of their dataflows.
func namedPauses(ctx context.Context, o *Operator, all []throttle.Pause) ([]Pause, error) {
	pauses := make([]Pause, len(all))
	for i, p := range all {
		name := p.FlowName
		if p.FlowID != "" && name == "" { // it is of an older version
			runs, err := o.Ledger().OfFlow(ctx, p.OrgID, p.FlowID, 1)
			if err != nil {
				return nil, o.fault(err)
			}
			if len(runs) == 1 {
				name = runs[0].FlowName
			}
		}
		pauses[i] = pauseOf(p, name)
	}
	return pauses, nil
}
