package operate

import (
	"context"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
)

// presentOf asks the function for its rules, and whether Adobe accepts the credentials.
func presentOf(ctx context.Context, o *Operator) (Present, error) {
	p := Present{Accepted: map[string]bool{}}
	answer, err := o.Ask(ctx, map[string]any{"status": struct{}{}})
	if err != nil || answer.Status == nil { // an older function tells nothing
		return p, err
	}
	for _, org := range answer.Status.Orgs {
		p.Accepted[org.OrgID] = org.Credential == status.Accepted
	}
	text, told := answer.Status.Settings["retryPolicy"].(string)
	if p.RulesKnown = told; text == "" {
		return p, nil
	}
	if p.Rules, err = policy.ParseRules(text); err != nil {
		return p, &Error{Kind: Failed, Message: "the function's RETRY_POLICY can't be read by this command, which is older: " + err.Error(), Err: err}
	}
	return p, nil
}
