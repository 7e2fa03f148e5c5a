package doctor_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/aep-retrigger/aep-retrigger/internal/doctor"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

var now = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant, which Go has none of for times

// answers is a function that answers each invocation alike.
type answers struct {
	payload string
	fault   bool
}

func (a answers) Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	out := &lambda.InvokeOutput{Payload: []byte(a.payload)}
	if a.fault {
		out.FunctionError = aws.String("Unhandled")
	}
	return out, nil
}

// orgs is a ledger whose function has worked for these orgs.
func orgs(t *testing.T, pulses ...ledger.Pulse) store.Reader {
	t.Helper()
	table := memory.New()
	if err := ledger.WritePulses(t.Context(), table, now, pulses...); err != nil {
		t.Fatal(err)
	}
	return table
}

func alive(orgID string) ledger.Pulse {
	return ledger.Pulse{OrgID: orgID, LastEvent: now.Add(-time.Minute), LastSweep: now.Add(-time.Hour), Version: "1.2.0", Mode: "retry", Schema: ledger.Schema}
}

func TestSignsOfLifeAreRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		change func(*ledger.Pulse)
		want   []string
	}{
		{"all is well", func(*ledger.Pulse) {}, []string{"good events of " + org + ": the last one came 1 min ago", "good sweeps of " + org + ": the last scheduled one finished 1 h ago", "good versions: command 1.0.0, template 1.1.0, function 1.2.0"}},
		{"no event has come", func(p *ledger.Pulse) { p.LastEvent = time.Time{} }, []string{"finding events of " + org + ": none has come yet"}},
		{"events have ended", func(p *ledger.Pulse) { p.LastEvent = now.AddDate(0, 0, -3) }, []string{"finding events of " + org + ": the last one came 3 days ago", "disables"}},
		{"no sweep has come", func(p *ledger.Pulse) { p.LastSweep = time.Time{} }, []string{"finding sweeps of " + org + ": no scheduled sweep has finished yet"}},
		{"sweeps have ended", func(p *ledger.Pulse) { p.LastSweep = now.Add(-5 * time.Hour) }, []string{"finding sweeps of " + org + ": the last scheduled one finished 5 h ago", "SweepEnabled"}},
		{"it only observes", func(p *ledger.Pulse) { p.Mode = "observe" }, []string{"finding mode of " + org}},
		{"the ledger is newer than the command", func(p *ledger.Pulse) { p.Schema = ledger.Schema + 1 }, []string{"finding versions: ", "Install the command of the function's version"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := alive(org)
			test.change(&p)
			want(t, examine(t, wellStack(), func(s *doctor.Stack) {
				s.Operator.Table, s.Operator.Stack.Version = orgs(t, p), "1.1.0"
			}), test.want...)
		})
	}
}

func TestTheFunctionSaysWhetherAdobeAcceptsTheCredential(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		answer answers
		want   []string
	}{
		{"accepted", answers{payload: `{"status":{"orgs":[{"orgId":"` + org + `","credential":"accepted"}]}}`}, []string{"good credential of " + org + ": IMS accepts it"}},
		{"refused", answers{payload: `{"status":{"orgs":[{"orgId":"` + org + `","credential":"refused","message":"invalid_client"}]}}`}, []string{"finding credential of " + org + ": invalid_client", "Put a valid credential"}},
		{"no secret of an org", answers{payload: `{"status":{"orgs":[{"orgId":"` + org + `","credential":"unknown"}]}}`}, []string{"finding credential of " + org + ": no secret is of this org any more"}},
		{"IMS is down", answers{payload: `{"status":{"orgs":[{"orgId":"` + org + `","credential":"unavailable"}]}}`}, []string{"unknown credential of " + org}},
		{"paused by a deployment", answers{payload: `{"status":{"paused":true}}`}, []string{"finding pauses: the deployment has paused everything"}},
		{"paused by hand", answers{payload: `{"status":{"pauses":[{"at":"2026-11-26T11:00:00Z"},{"at":"2026-11-25T11:00:00Z","resumedAt":"2026-11-25T12:00:00Z"}]}}`}, []string{"finding pauses: everything is paused since 2026-11-26T11:00:00Z"}},
		{"an older function", answers{payload: `{}`}, []string{"unknown credentials: the function does not know this question"}},
		{"a function that fails", answers{payload: `{"errorMessage":"no configuration"}`, fault: true}, []string{"unknown credentials: ", "no configuration"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			want(t, examine(t, wellStack(), func(s *doctor.Stack) {
				s.Operator.Table, s.Operator.Lambda = orgs(t, alive(org)), test.answer
			}), test.want...)
		})
	}
}

func TestTwoStacksForOneOrgWithTwoLedgersAreAFinding(t *testing.T) {
	t.Parallel()
	stack := func(name, table string) cfntypes.Stack {
		return cfntypes.Stack{StackName: &name, Outputs: []cfntypes.Output{
			{OutputKey: new("LedgerTable"), OutputValue: &table}, {OutputKey: new("DeadLetterQueueUrl"), OutputValue: new("letters")},
		}}
	}
	for _, test := range []struct {
		name   string
		stacks []cfntypes.Stack
		theirs []ledger.Pulse
		want   string
	}{
		{"itself", []cfntypes.Stack{stack("aep-retrigger", "ledger")}, []ledger.Pulse{alive(org)}, "good other stacks"},
		{"the same org", []cfntypes.Stack{stack("second", "other")}, []ledger.Pulse{alive(org)}, "finding stack second: it serves the same org " + org + " with another ledger (other)"},
		{"the same ledger", []cfntypes.Stack{stack("second", "ledger")}, []ledger.Pulse{alive(org)}, "good other stacks"},
		{"another org", []cfntypes.Stack{stack("second", "other")}, []ledger.Pulse{alive("OTHER@AdobeOrg")}, "good other stacks: no other stack of this region serves the same org with another ledger (1 of aep-retrigger looked at)"},
		{"a stack of something else", []cfntypes.Stack{{StackName: new("web")}}, nil, "(0 of aep-retrigger looked at)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := wellStack()
			a.stacks = test.stacks
			want(t, examine(t, a, func(s *doctor.Stack) {
				s.Operator.Table = orgs(t, alive(org))
				s.TableOf = func(name string) store.Reader {
					if name != "other" {
						t.Errorf("the ledger %s was read", name)
					}
					return orgs(t, test.theirs...)
				}
			}), test.want)
		})
	}
}

func TestVersionIsThatOfTheFunctionThatWorkedLast(t *testing.T) {
	t.Parallel()
	newer, older := alive("A@AdobeOrg"), alive("B@AdobeOrg")
	older.Version, older.LastEvent, older.LastSweep = "1.1.9", now.AddDate(0, 0, -40), time.Time{}
	got := examine(t, wellStack(), func(s *doctor.Stack) { s.Operator.Table = orgs(t, newer, older) })
	want(t, got, "good versions: ", "function 1.2.0")
}
