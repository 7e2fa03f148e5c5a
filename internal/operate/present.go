package operate

import (
	"context"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

// presentStatus is the part of the function's answer to {"status":{}} that says how things are
// now.
type presentStatus struct {
	Status struct {
		Orgs []struct {
			OrgID      string `json:"orgId"`
			Credential string `json:"credential"`
		} `json:"orgs"`
		Settings struct {
			// RetryPolicy is the setting's text; nil where the function does not tell it.
			RetryPolicy *string `json:"retryPolicy"`
		} `json:"settings"`
	} `json:"status"`
}

// accepted is the word of the function for a credential for which IMS has given a token.
const accepted = "accepted"

// presentOf asks the function for its rules, and whether Adobe accepts the credentials.
func presentOf(ctx context.Context, o *Operator) (Present, error) {
	var answer presentStatus
	if err := ask(ctx, o, map[string]any{"status": struct{}{}}, &answer); err != nil {
		return Present{}, err
	}
	return answer.present()
}

// present reads the answer.
func (a *presentStatus) present() (Present, error) {
	p := Present{Accepted: map[string]bool{}}
	for _, org := range a.Status.Orgs {
		p.Accepted[org.OrgID] = org.Credential == accepted
	}
	text := a.Status.Settings.RetryPolicy
	if text == nil {
		return p, nil
	}
	p.RulesKnown = true
	if *text == "" {
		return p, nil
	}
	rules, err := policy.ParseRules(*text)
	if err != nil {
		return p, &Error{Kind: Failed, Message: "the function's RETRY_POLICY can't be read by this command, which is older: " + err.Error(), Err: err}
	}
	p.Rules = rules
	return p, nil
}
