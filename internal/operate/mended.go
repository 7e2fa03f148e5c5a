package operate

import (
	"encoding/json"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// The causes for which [Mended] says that a dead letter is worth another try.
const (
	// LaterSuccess means that a later run of the dataflow has succeeded.
	LaterSuccess = "later_success"
	// RuleChanged means that the present RETRY_POLICY, or the catalog of Adobe's codes, no longer
	// forbids a retry of the run.
	RuleChanged = "rule_changed"
	// CredentialAccepted means that Adobe accepts the credential of the org.
	CredentialAccepted = "credential_accepted" //nolint:gosec // a word, not a credential
)

// Present is how things are now.
type Present struct {
	// Rules are those of the present RETRY_POLICY. RulesKnown is false where the function does
	// not tell them: then no rule counts as changed.
	Rules      []policy.Rule
	RulesKnown bool
	// Accepted has the orgs whose credential Adobe accepts.
	Accepted map[string]bool
}

// Mended says why the cause of a dead letter counts as mended, in one word; empty where it does
// not. It is pure. docs/command.md has the definition:
//
//   - a rule (policy) or the catalog (data_error) gave the run up, and the rules of the present
//     RETRY_POLICY would let it be retried: [RuleChanged];
//   - the credential of the org was missing or refused, and Adobe accepts it now:
//     [CredentialAccepted];
//   - the dataflow, Adobe or our own parts failed, and a later run of the dataflow has
//     succeeded: [LaterSuccess].
//
// Whatever else a run was given up for is for a person to look at. A later success says nothing
// of outcome_unknown, for example: the run that succeeded may be the one that a lost call made.
func Mended(l *DeadLetter, p Present) string {
	reason := retry.Reason(l.Reason)
	switch {
	case byRule(reason):
		if l.RunID != "" && p.RulesKnown && mayBeRetried(l, p.Rules) {
			return RuleChanged
		}
	case byCredential(reason):
		if p.Accepted[orgOf(l)] {
			return CredentialAccepted
		}
	case byTrouble(reason):
		if l.LaterSuccess != nil && *l.LaterSuccess {
			return LaterSuccess
		}
	}
	return ""
}

func byRule(r retry.Reason) bool {
	return slices.Contains([]retry.Reason{retry.Reason(policy.ByPolicy), retry.Reason(policy.DataError)}, r)
}

func byCredential(r retry.Reason) bool {
	return slices.Contains([]retry.Reason{retry.CredentialsRefused, retry.CredentialsUnavailable, retry.OrgUnknown}, r)
}

// byTrouble reports whether the dataflow's source, Adobe or a part of ours had trouble that
// passes, of which a success of the dataflow tells.
func byTrouble(r retry.Reason) bool {
	return slices.Contains([]retry.Reason{
		retry.Reason(policy.AttemptsExhausted), retry.Reason(policy.BreakerOpen), retry.WaitedTooLong, retry.FlowDisabled, retry.Forbidden, retry.Rejected,
		retry.SandboxNotFound, retry.AdobeUnavailable, retry.NotYet, retry.Throttled, retry.Deadline, retry.LedgerUnavailable, retry.LedgerBusy, retry.QueueUnavailable,
	}, r)
}

// mayBeRetried decides on the run by the present rules and the catalog alone: attempts, age and
// breaker are what force or a later time pass over. The ledger keeps one error of the run.
func mayBeRetried(l *DeadLetter, rules []policy.Rule) bool {
	p := policy.Policy{Delays: policy.DefaultDelays(), Rules: rules, MaxAge: policy.DefaultMaxAge}
	run := policy.Run{ID: l.RunID, FlowID: l.FlowID, Sandbox: l.Sandbox}
	if l.ErrorCode != "" || l.ErrorText != "" {
		run.Errors = []policy.Error{{Code: l.ErrorCode, Message: l.ErrorText}}
	}
	action := p.Decide(run, policy.History{FirstSeen: l.FirstSeen}, l.At).Action
	return action == policy.Retry || action == policy.Wait
}

// orgOf is the org of a dead letter: where its entry has none, the one that its input names.
func orgOf(l *DeadLetter) string {
	if l.OrgID != "" {
		return l.OrgID
	}
	var input struct {
		OrgID string `json:"orgId"`
	}
	if json.Unmarshal([]byte(l.Body), &input) == nil && input.OrgID != "" {
		return input.OrgID
	}
	decoded, err := event.Decode([]byte(l.Body)) // the list has the beginning of it
	if err != nil {
		return ""
	}
	for _, item := range decoded.Items {
		if item.Request != nil {
			return item.Request.OrgID
		}
	}
	return ""
}

// needsForce reports whether the function gives a run up again that was given up for this
// reason, however its cause was mended, unless a person forces it: docs/outcomes.md.
func needsForce(r retry.Reason) bool {
	return slices.Contains([]retry.Reason{
		retry.Reason(policy.AttemptsExhausted), retry.Reason(policy.DataError), retry.OutcomeUnknown, retry.MadeByUnknownCall,
	}, r)
}
