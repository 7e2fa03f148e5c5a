package doctor

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
)

// How old the last sign of life of an org may be.
const (
	// maxEventAge is for events: some org fails, succeeds or starts a run every day.
	maxEventAge = 24 * time.Hour
	// maxSweepAge is for sweeps, of which the schedule starts one every hour by default.
	maxSweepAge = 3 * time.Hour
)

// life looks at when each org was last worked for, and by which version.
func (s *Stack) life(ctx context.Context, _ map[string]string) []Check {
	pulses, err := s.Operator.Lists().Orgs(ctx)
	if err != nil {
		return []Check{cannot("orgs", err)}
	}
	if len(pulses) == 0 {
		return []Check{finding("orgs", "the function has not worked for any org yet", "Wait for the first sweep, at most an hour after the deployment, or start one: aep-retrigger sweep start --dry-run.")}
	}
	now := s.Operator.Now()
	var checks []Check
	for i := range pulses {
		p := &pulses[i]
		checks = append(checks, lastEvent(p, now), lastSweep(p, now))
		if p.Mode == "observe" {
			checks = append(checks, finding("mode of "+p.OrgID, "the function only observes and retries nothing", "Deploy with Mode=retry when you have seen enough."))
		}
	}
	return append(checks, s.versions(pulses)...)
}

func lastEvent(p *ledger.Pulse, now time.Time) Check {
	subject := "events of " + p.OrgID
	if p.LastEvent.IsZero() {
		return finding(subject, "none has come yet", "Check the subscription in Adobe Developer Console, the partner event source and the rule (docs/runbook.md). Sweeps find failed runs meanwhile.")
	}
	age := now.Sub(p.LastEvent)
	if age > maxEventAge {
		return finding(subject, "the last one came "+ago(age), "Look at the registration in Adobe Developer Console: Adobe disables one that can't be delivered to.")
	}
	return good(subject, "the last one came "+ago(age))
}

func lastSweep(p *ledger.Pulse, now time.Time) Check {
	subject := "sweeps of " + p.OrgID
	if p.LastSweep.IsZero() {
		return finding(subject, "no scheduled sweep has finished yet", "Wait an hour; if none comes, check that the schedule is enabled (SweepEnabled), and the function's log.")
	}
	age := now.Sub(p.LastSweep)
	if age > maxSweepAge {
		return finding(subject, "the last scheduled one finished "+ago(age), "Check that the schedule is enabled (SweepEnabled), and whether a sweep is held up: aep-retrigger sweep list.")
	}
	return good(subject, "the last scheduled one finished "+ago(age))
}

// ago is an age in words.
func ago(age time.Duration) string {
	if age < 0 {
		return "in the future: compare this machine's clock"
	}
	return english.Length(age) + " ago"
}

// versions compares the versions of command, template, function and ledger.
func (s *Stack) versions(pulses []ledger.Pulse) []Check {
	newest, schema, at := "", 0, time.Time{}
	for i := range pulses {
		p := &pulses[i]
		schema = max(schema, p.Schema)
		for _, worked := range []time.Time{p.LastEvent, p.LastSweep} { // another org's pulse may be of an older version
			if newest == "" || worked.After(at) {
				newest, at = p.Version, worked
			}
		}
	}
	detail := fmt.Sprintf("command %s, template %s, function %s", s.Version, cmp.Or(s.Operator.Stack.Version, "unknown"), cmp.Or(newest, "unknown"))
	if schema > ledger.Schema {
		return []Check{finding("versions", fmt.Sprintf("%s; the ledger has schema %d, and this command knows %d", detail, schema, ledger.Schema), "Install the command of the function's version: this one reads on and changes nothing.")}
	}
	return []Check{good("versions", detail)}
}

// credentials asks the function whether Adobe accepts each credential: it has the secrets,
// and the person need not see them.
func (s *Stack) credentials(ctx context.Context, _ map[string]string) []Check {
	answer, err := s.Operator.Ask(ctx, map[string]any{"status": struct{}{}})
	switch {
	case err != nil:
		return []Check{unknown("credentials", operate.AWSError(err).Error(), "Look at the secret itself: aep-retrigger doctor --secret NAME.")}
	case answer.Status == nil:
		return []Check{unknown("credentials", "the function does not know this question", "Deploy its present version.")}
	}
	var checks []Check
	for _, fault := range answer.Status.Errors {
		checks = append(checks, unknown("function", fault, "Look into the function's log."))
	}
	if answer.Status.Paused {
		checks = append(checks, finding("pauses", "the deployment has paused everything", "Deploy with Paused=false when it is to go on."))
	}
	for _, p := range answer.Status.Pauses {
		if p.ResumedAt == nil {
			checks = append(checks, finding("pauses", fmt.Sprintf("%s is paused since %s", p.Scope, p.At.UTC().Format(time.RFC3339)), "If it was forgotten: aep-retrigger resume NAME; --org ORG or --all where an org or everything is paused."))
		}
	}
	for _, org := range answer.Status.Orgs {
		checks = append(checks, credential(&org))
	}
	return checks
}

// credential is the check of one org's credential.
func credential(org *status.Org) Check {
	subject := "credential of " + cmp.Or(org.OrgID, "an unknown org")
	switch org.Credential {
	case status.Accepted:
		return good(subject, "IMS accepts it")
	case status.Refused:
		return finding(subject, org.Message, "Put a valid credential into its secret. What waits goes on by itself within a quarter of an hour.")
	case status.Unknown:
		return finding(subject, cmp.Or(org.Message, "no secret is of this org any more"), "Put its secret into SecretArns again, unless it is to be served no more.")
	default:
		return unknown(subject, cmp.Or(org.Message, "it can't be asked just now"), "Try again; if it stays so, check the secret's name and the function's permission.")
	}
}
