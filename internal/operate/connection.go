package operate

import (
	"context"
	"errors"

	"github.com/aep-retrigger/aep-retrigger/internal/dataflow"
)

// Connection is what the source of a dataflow says to Adobe's login.
type Connection = dataflow.Connection

// TestSource lets Adobe log in at the source of a dataflow, by its name or id, through the
// function. Nothing is started or changed. A dataflow that the ledger has not dealt with is
// looked for in Adobe. The error is an [*Error].
func TestSource(ctx context.Context, o *Operator, orgID, sandbox, name string) (Connection, error) {
	type query struct {
		OrgID    string `json:"orgId,omitempty"`
		Sandbox  string `json:"sandbox,omitempty"`
		FlowID   string `json:"flowId,omitempty"`
		FlowName string `json:"flowName,omitempty"`
	}
	q := query{OrgID: orgID, Sandbox: sandbox, FlowName: name}
	flow, err := ResolveFlow(ctx, o, orgID, name)
	if fault, ok := errors.AsType[*Error](err); ok && fault.Kind != NotThere {
		return Connection{}, err
	}
	if err == nil {
		q.OrgID, q.FlowID, q.FlowName = flow.OrgID, flow.FlowID, ""
		if q.Sandbox == "" {
			q.Sandbox = flow.Sandbox
		}
	}
	answer, err := o.Ask(ctx, map[string]query{"connections": q})
	if err != nil {
		return Connection{}, err
	}
	if answer.Connection == nil {
		return Connection{}, Errorf(Failed, "the function does not know this question: deploy its present version")
	}
	return *answer.Connection, nil
}
