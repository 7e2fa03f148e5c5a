package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

// PolicyTest is what rules do with failed runs.
type PolicyTest struct {
	// Rules counts the rules of the file.
	Rules int          `json:"rules"`
	Runs  []RuleResult `json:"runs"`
}

// RuleResult is what the rules do with one run, at its first failure.
type RuleResult struct {
	RunID     string `json:"runId"`
	FlowID    string `json:"flowId,omitempty"`
	FlowName  string `json:"flowName,omitempty"`
	Sandbox   string `json:"sandbox,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"`
	ErrorText string `json:"errorText,omitempty"`
	// Rule is the number of the rule that matches, from 1; 0 where none does, so that the
	// defaults hold.
	Rule int `json:"rule"`
	// Action is retry, dead_letter or skip; Reason is a word of docs/outcomes.md, empty for a
	// retry. Detail says it in a sentence.
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
	Detail string `json:"detail"`
	// Delays are those before each attempt of a retry, as Go writes durations: "5m0s".
	Delays []string `json:"delays,omitempty"`
}

// PolicyOnEvent says what rules do with the failed runs of an event, a request or a batch of SQS,
// as the function reads them. delays are RETRY_DELAYS, for rules without delays of their own.
// The error is an [*Error] of kind Wrong where the event can't be read or has no failed run.
func PolicyOnEvent(rules []policy.Rule, delays []time.Duration, payload []byte) (PolicyTest, error) {
	requests, skipped, err := requestsOf(payload)
	if err != nil {
		return PolicyTest{}, err
	}
	if len(requests) == 0 {
		return PolicyTest{}, Errorf(Wrong, "the event has no failed run: %s", cmp.Or(skipped, "nothing in it asks for a retry"))
	}
	test := PolicyTest{Rules: len(rules)}
	for _, r := range requests {
		run := policy.Run{ID: r.RunID, FlowID: r.FlowID, Sandbox: r.Sandbox}
		for _, e := range r.Errors {
			run.Errors = append(run.Errors, policy.Error{Code: e.Code, Message: e.Message})
		}
		test.Runs = append(test.Runs, ruleResult(rules, delays, run, r.FlowName))
	}
	return test, nil
}

// PolicyOnRun says what rules do with a run that the ledger has.
func PolicyOnRun(ctx context.Context, o *Operator, rules []policy.Rule, delays []time.Duration, orgID, runID string) (PolicyTest, error) {
	r, found, err := findRun(ctx, o, orgID, runID)
	switch {
	case err != nil:
		return PolicyTest{}, err
	case !found:
		return PolicyTest{}, Errorf(NotThere, "there is no file %s, and the ledger knows nothing of a run of that name", runID)
	}
	return PolicyTest{Rules: len(rules), Runs: []RuleResult{ruleResult(rules, delays, policyRun(&r), r.FlowName)}}, nil
}

func policyRun(r *ledger.Run) policy.Run {
	run := policy.Run{ID: r.RunID, FlowID: r.FlowID, Sandbox: r.Sandbox}
	if r.ErrorCode != "" || r.ErrorText != "" {
		run.Errors = []policy.Error{{Code: r.ErrorCode, Message: r.ErrorText}}
	}
	return run
}

// requestsOf reads the failed runs of a payload. skipped says why something in it is none.
func requestsOf(payload []byte) (requests []event.Request, skipped string, err error) {
	bodies := [][]byte{payload}
	if records, isBatch, err := event.SQSRecords(payload); isBatch {
		if err != nil {
			return nil, "", unreadable(err)
		}
		bodies = nil
		for _, r := range records {
			bodies = append(bodies, []byte(r.Body))
		}
	}
	for _, body := range bodies {
		decoded, err := event.Decode(body)
		if err != nil {
			return nil, "", unreadable(err)
		}
		for _, item := range decoded.Items {
			switch {
			case item.Request != nil:
				requests = append(requests, *item.Request)
			case item.Skip != nil:
				skipped = item.Skip.Detail
			case item.Err != nil:
				return nil, "", unreadable(item.Err)
			}
		}
	}
	return requests, skipped, nil
}

func unreadable(err error) error {
	message := err.Error()
	if fault, ok := errors.AsType[*event.Error](err); ok {
		message = fault.Message
	}
	return &Error{Kind: Wrong, Err: err, Message: "the event can't be read: " + message}
}

// ruleResult decides as the function does at the first failure of a run: without attempts.
func ruleResult(rules []policy.Rule, delays []time.Duration, run policy.Run, flowName string) RuleResult {
	p := policy.Policy{Rules: rules, Delays: delays, MaxAge: policy.DefaultMaxAge}
	number, rule := p.Match(run)
	d := p.Decide(run, policy.History{}, time.Time{})
	result := RuleResult{
		RunID: run.ID, FlowID: run.FlowID, FlowName: flowName, Sandbox: run.Sandbox, Rule: number,
		Action: string(d.Action), Reason: string(d.Reason), Detail: d.Detail,
	}
	if len(run.Errors) > 0 {
		result.ErrorCode, result.ErrorText = run.Errors[0].Code, run.Errors[0].Message
	}
	if !slices.Contains([]policy.Action{policy.Retry, policy.Wait}, d.Action) {
		return result
	}
	if rule != nil && rule.Delays != nil {
		delays = rule.Delays
	}
	result.Action, result.Reason, result.Detail = string(policy.Retry), "", fmt.Sprintf("retried %d times at most", len(delays))
	for _, d := range delays {
		result.Delays = append(result.Delays, d.String())
	}
	return result
}
