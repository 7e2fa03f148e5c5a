package operate

import "github.com/aep-retrigger/aep-retrigger/internal/retry"

// ruleTexts are the 26 rules in the words of docs/how-it-works.md, which a test holds them
// against. The first one is rule 1.
func ruleTexts() []string {
	return []string{
		"look once, write on condition",
		"a lineage is a chain",
		"a dataflow has one slot",
		"claim before the call",
		"an unknown claim is read",
		"a new credential is written first",
		"recording asks only for the claim",
		"only an answer or a search empties the slot",
		"first wait for Adobe's listing",
		"find out before anything else is sent",
		"which run fits",
		"link the run that fits",
		"settle the call if none fits",
		"settling another's call decides nothing for it",
		"when it ends",
		"one more, after half an hour",
		"whose child is a failed run",
		"reserve, write, note",
		"sweeps pick up the rest",
		"faults are counted, receives are not",
		"a request that waits too long becomes a dead letter",
		"poison and copies",
		"the org's budget is outside the claim's transaction",
		"pauses come from direct invocations",
		"one clock",
		"leave to people what they have done",
	}
}

// RuleText is what a rule says, by its number in docs/how-it-works.md; empty for a number that
// is none.
func RuleText(number int) string {
	rules := ruleTexts()
	if number < 1 || number > len(rules) {
		return ""
	}
	return rules[number-1]
}

// settingOf is the setting that a decision of the user's policy and limits rests on, by the
// decision's reason; empty where none decided.
func settingOf(reason string) string {
	switch retry.Reason(reason) {
	case retry.RetryDelay, retry.AttemptsExhausted:
		return "RETRY_DELAYS"
	case retry.ByPolicy:
		return "RETRY_POLICY"
	case retry.TooOld:
		return "MAX_RUN_AGE"
	case retry.BreakerOpen:
		return "BREAKER_THRESHOLD"
	case retry.BudgetSpent:
		return "FLOW_BUDGET or ORG_BUDGET"
	case retry.DataError, retry.DuplicateBatch:
		return "the catalog of Adobe's codes"
	}
	return ""
}
