package operate_test

import (
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

// TestACauseIsMendedByALaterSuccessAChangedRuleOrAnAcceptedCredential is the definition in
// docs/command.md.
func TestACauseIsMendedByALaterSuccessAChangedRuleOrAnAcceptedCredential(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	rules := func(text string) operate.Present {
		parsed, err := policy.ParseRules(text)
		if err != nil {
			t.Fatal(err)
		}
		return operate.Present{Rules: parsed, RulesKnown: true}
	}
	accepted := operate.Present{Accepted: map[string]bool{org: true}}
	for name, c := range map[string]struct {
		letter operate.DeadLetter
		now    operate.Present
		want   string
	}{
		"attempts used up, and a later run succeeded":       {operate.DeadLetter{Reason: "attempts_exhausted", LaterSuccess: &yes}, operate.Present{}, operate.LaterSuccess},
		"attempts used up, and no later run succeeded":      {operate.DeadLetter{Reason: "attempts_exhausted", LaterSuccess: &no}, operate.Present{}, ""},
		"attempts used up, and the ledger can't tell":       {operate.DeadLetter{Reason: "attempts_exhausted"}, operate.Present{}, ""},
		"the breaker was open, and a later run succeeded":   {operate.DeadLetter{Reason: "breaker_open", LaterSuccess: &yes}, operate.Present{}, operate.LaterSuccess},
		"forbidden, and a later run succeeded":              {operate.DeadLetter{Reason: "forbidden", LaterSuccess: &yes}, operate.Present{}, operate.LaterSuccess},
		"forbidden, and only the credential is accepted":    {operate.DeadLetter{Reason: "forbidden", OrgID: org}, accepted, ""},
		"Adobe was away, and a later run succeeded":         {operate.DeadLetter{Reason: "adobe_unavailable", LaterSuccess: &yes}, operate.Present{}, operate.LaterSuccess},
		"the dataflow was off, and a later run succeeded":   {operate.DeadLetter{Reason: "flow_disabled", LaterSuccess: &yes}, operate.Present{}, operate.LaterSuccess},
		"nobody can tell what was sent; a run succeeded":    {operate.DeadLetter{Reason: "outcome_unknown", LaterSuccess: &yes}, operate.Present{}, ""},
		"made by an unknown call; a run succeeded":          {operate.DeadLetter{Reason: "made_by_unknown_call", LaterSuccess: &yes}, operate.Present{}, ""},
		"a defect of the function; a run succeeded":         {operate.DeadLetter{Reason: "internal_error", LaterSuccess: &yes}, operate.Present{}, ""},
		"a rule that is not there any more":                 {operate.DeadLetter{Reason: "policy", RunID: "r", ErrorCode: "MAPPER-1"}, rules(`[]`), operate.RuleChanged},
		"a rule that is still there":                        {operate.DeadLetter{Reason: "policy", RunID: "r", ErrorCode: "MAPPER-1"}, rules(`[{"code":"MAPPER-*","action":"dead_letter"}]`), ""},
		"a rule that skips instead":                         {operate.DeadLetter{Reason: "policy", RunID: "r", ErrorCode: "MAPPER-1"}, rules(`[{"code":"MAPPER-*","action":"skip"}]`), ""},
		"a rule for other codes only":                       {operate.DeadLetter{Reason: "policy", RunID: "r", ErrorCode: "CONNECTOR-1"}, rules(`[{"code":"MAPPER-*","action":"dead_letter"}]`), operate.RuleChanged},
		"a rule for another dataflow only":                  {operate.DeadLetter{Reason: "policy", RunID: "r", FlowID: "f"}, rules(`[{"flowId":"g","action":"dead_letter"}]`), operate.RuleChanged},
		"rules that the function does not tell":             {operate.DeadLetter{Reason: "policy", RunID: "r"}, operate.Present{}, ""},
		"a later success does not change a rule":            {operate.DeadLetter{Reason: "policy", RunID: "r", LaterSuccess: &yes}, rules(`[{"action":"dead_letter"}]`), ""},
		"bad data, which the catalog knows":                 {operate.DeadLetter{Reason: "data_error", RunID: "r", ErrorCode: "INGEST-1212-400", LaterSuccess: &yes}, rules(`[]`), ""},
		"bad data, which a new rule retries":                {operate.DeadLetter{Reason: "data_error", RunID: "r", ErrorCode: "INGEST-1212-400"}, rules(`[{"code":"INGEST-1212-*","action":"retry"}]`), operate.RuleChanged},
		"a refused credential that is accepted":             {operate.DeadLetter{Reason: "credentials_refused", OrgID: org}, accepted, operate.CredentialAccepted},
		"an unreadable credential that is accepted":         {operate.DeadLetter{Reason: "credentials_unavailable", OrgID: org}, accepted, operate.CredentialAccepted},
		"a refused credential of another org":               {operate.DeadLetter{Reason: "credentials_refused", OrgID: "X@AdobeOrg"}, accepted, ""},
		"an org without a secret, which has one now":        {operate.DeadLetter{Reason: "org_unknown", Body: `{"runId":"r","orgId":"` + org + `"}`}, accepted, operate.CredentialAccepted},
		"an org without a secret, and the event was cut":    {operate.DeadLetter{Reason: "org_unknown", Body: `{"runId":"r","orgId":"` + org}, accepted, ""},
		"input that can't be read":                          {operate.DeadLetter{Reason: "unreadable", Body: "no JSON"}, accepted, ""},
		"a run that is not there, though one has succeeded": {operate.DeadLetter{Reason: "run_not_found", LaterSuccess: &yes}, accepted, ""},
	} {
		if got := operate.Mended(&c.letter, c.now); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
