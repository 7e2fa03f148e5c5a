package operate

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// PauseScope is what is to be paused or resumed: everything, an org, or a dataflow.
type PauseScope struct {
	// OrgID is the org's; empty for everything.
	OrgID string `json:"orgId,omitempty"`
	// FlowID or FlowName is the dataflow's, and Sandbox where it is; empty for the whole org.
	FlowID   string `json:"flowId,omitempty"`
	FlowName string `json:"flowName,omitempty"`
	Sandbox  string `json:"sandbox,omitempty"`

	name string // of the dataflow with FlowID
	near string // names that may have been meant, where the ledger does not know the dataflow
}

// What names the scope.
func (s *PauseScope) What() string {
	switch {
	case s.FlowID != "":
		return Flow{FlowID: s.FlowID, Name: s.name}.String()
	case s.FlowName != "":
		return Flow{FlowID: "which Adobe is asked for", Name: s.FlowName}.String()
	case s.OrgID != "":
		return "org " + s.OrgID
	}
	return ScopeEverything
}

// ScopeOfFlow finds the dataflow that is to be paused or resumed, by its id or name. Of one that
// the ledger does not know the function is told what the person has written, and asks Adobe.
func ScopeOfFlow(ctx context.Context, o *Operator, orgID, sandbox, name string) (PauseScope, error) {
	flow, err := ResolveFlow(ctx, o, orgID, name)
	if fault, ok := errors.AsType[*Error](err); ok && fault.Kind == NotThere {
		org, orgErr := oneOrg(ctx, o, orgID)
		if orgErr != nil {
			return PauseScope{}, orgErr
		}
		scope := PauseScope{OrgID: org.OrgID, FlowName: name, Sandbox: sandbox, near: fault.Message[max(strings.LastIndex(fault.Message, "; "), 0):]}
		if isFlowID(name) {
			scope.FlowID, scope.FlowName = name, ""
		}
		return scope, nil
	}
	if err != nil {
		return PauseScope{}, err
	}
	return PauseScope{OrgID: flow.OrgID, FlowID: flow.FlowID, name: flow.Name}, nil
}

// isFlowID reports whether a text looks like Adobe's ids.
func isFlowID(text string) bool {
	return regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`).MatchString(text)
}

// SetPaused asks the function to pause or to resume, and returns the pauses in force then. The
// message says what could not be checked, such as whether Adobe knows the dataflow; it is
// empty otherwise.
func SetPaused(ctx context.Context, o *Operator, pause bool, s PauseScope, b Because) (pauses []Pause, message string, err error) {
	if err := CheckSchema(ctx, o); err != nil {
		return nil, "", err
	}
	who, err := orderOf(ctx, o, b)
	if err != nil {
		return nil, "", err
	}
	what := "resume"
	if pause {
		what = "pause"
	}
	answer, err := o.Ask(ctx, map[string]any{what: struct {
		PauseScope
		order
	}{s, who}})
	if err != nil && strings.Contains(err.Error(), "Adobe knows no dataflow") {
		return nil, "", &Error{Kind: NotThere, Err: err, Message: err.Error() + s.near}
	}
	if err != nil {
		return nil, "", err
	}
	if len(answer.Results) > 0 { // of an older function: a dead letter says what was wrong
		return nil, "", Errorf(Failed, "the function refused: %s", answer.Results[0].Message)
	}
	var lasting []throttle.Pause
	if answer.Pauses != nil {
		lasting = *answer.Pauses
	}
	pauses, err = namedPauses(ctx, o, lasting)
	return pauses, answer.Message, err
}
