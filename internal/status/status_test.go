package status_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// vault has secrets by their names.
type vault map[string]string

func (v vault) GetSecretValue(_ context.Context, in *secretsmanager.GetSecretValueInput, _ ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	text := v[*in.SecretId]
	return &secretsmanager.GetSecretValueOutput{SecretString: &text}, nil
}

// world is an Adobe with three orgs, the function's table, and a reporter.
type world struct {
	adobe    *flowsim.Server
	table    *memory.Table
	now      time.Time
	reporter *status.Reporter
}

// newWorld knows the secrets "a", "b" and "broken", of which broken can't be read.
func newWorld(t *testing.T, secrets ...string) *world {
	t.Helper()
	w := &world{adobe: flowsim.New(flowsim.Options{}), table: memory.New(), now: time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)}
	w.adobe.AddOrg(flowsim.Org{ID: "A@AdobeOrg", ClientID: "client-a", Secrets: []string{"never-shown"}, Scopes: []string{"openid"}, Sandboxes: []string{"prod"}})
	w.adobe.AddOrg(flowsim.Org{ID: "B@AdobeOrg", ClientID: "client-b", Secrets: []string{"another one"}, Scopes: []string{"openid"}, Sandboxes: []string{"prod"}})
	secret := func(org string) string {
		return `{"client_id":"client-` + strings.ToLower(org) + `","client_secret":"never-shown","org_id":"` + org + `@AdobeOrg","scopes":"openid","sandbox":"prod"}`
	}
	client := func(orgID string, c flowclient.Credentials) (*flowclient.Client, error) {
		options := []flowclient.Option{
			flowclient.WithBaseURL("http://127.0.0.1" + flowsim.FlowServicePath), flowclient.WithIMSURL("http://127.0.0.1"),
			flowclient.WithHTTPClient(&http.Client{Transport: loopback.Transport{Handler: w.adobe}}), flowclient.WithMaxAttempts(1),
		}
		tokens, err := flowclient.NewIMS(c, options...)
		if err != nil {
			return nil, err
		}
		return flowclient.New(orgID, c.ClientID, tokens, options...)
	}
	kept := vault{"a": secret("A"), "b": secret("B"), "broken": `{"org_id":"C@AdobeOrg","client_id":`}
	w.reporter = &status.Reporter{
		Base:     status.Report{Version: "1.2.3", Schema: ledger.Schema, Mode: "retry", Settings: map[string]any{"maxRunAge": "168h"}},
		Accounts: credentials.NewStore(kept, secrets, client, time.Hour, func() time.Time { return w.now }), Table: w.table,
	}
	return w
}

// orgs are those of the report, in a line each.
func orgs(r status.Report) (lines []string) {
	for _, o := range r.Orgs {
		lines = append(lines, strings.TrimSpace(o.OrgID+" "+string(o.Credential)))
	}
	return lines
}

func TestReportSaysWhatAdobeSaysOfEachCredential(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a", "b")
	r := w.reporter.Report(t.Context())
	if diff := cmp.Diff([]string{"A@AdobeOrg accepted", "B@AdobeOrg refused"}, orgs(r)); diff != "" || r.Version != "1.2.3" || len(r.Errors) != 0 || r.Pauses == nil {
		t.Errorf("(-want +got):\n%s\n%+v", diff, r)
	}
	if m := r.Orgs[1].Message; m == "" || strings.Contains(m, "never-shown") {
		t.Errorf("the refusal is told as %q", m)
	}
	w = newWorld(t, "a")
	w.adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable})
	if got := orgs(w.reporter.Report(t.Context())); len(got) != 1 || got[0] != "A@AdobeOrg unavailable" {
		t.Errorf("while IMS is down: %v", got)
	}
	if got := orgs(w.reporter.Report(t.Context())); len(got) != 1 || got[0] != "A@AdobeOrg accepted" {
		t.Errorf("afterwards: %v", got)
	}
}

func TestSecretThatCantBeReadIsNamed(t *testing.T) {
	t.Parallel()
	r := newWorld(t, "a", "broken").reporter.Report(t.Context())
	found := false
	for _, o := range r.Orgs {
		found = found || o.Credential != status.Accepted && strings.Contains(o.Message, `secret "broken"`)
	}
	if len(r.Orgs) != 2 || !found {
		t.Errorf("the orgs are %+v", r.Orgs)
	}
}

func TestSignsOfLifeAreThoseOfTheOrgs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a")
	pulses := []ledger.Pulse{
		{OrgID: "A@AdobeOrg", Sandbox: "dev", LastEvent: w.now, LastSweep: w.now.Add(-time.Hour)},
		{OrgID: "Z@AdobeOrg", Sandbox: "stage", LastEvent: w.now},
	}
	if err := ledger.WritePulses(t.Context(), w.table, w.now, pulses...); err != nil {
		t.Fatal(err)
	}
	r := w.reporter.Report(t.Context())
	if diff := cmp.Diff([]string{"A@AdobeOrg accepted", "Z@AdobeOrg unknown"}, orgs(r)); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	if a, z := r.Orgs[0], r.Orgs[1]; a.Sandbox != "prod" || !a.LastEvent.Equal(w.now) || !a.LastSweep.Equal(w.now.Add(-time.Hour)) || z.Sandbox != "stage" || !strings.Contains(z.Message, "no configured secret") {
		t.Errorf("%+v", r.Orgs)
	}
}

func TestOnlyPausesInForceAreReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a")
	limits := throttle.New(w.table, throttle.Limits{}, false, func() time.Time { return w.now })
	for _, flow := range []string{"f-1", "f-2"} {
		if _, err := limits.Pause(t.Context(), throttle.Scope{OrgID: "A@AdobeOrg", FlowID: flow}, throttle.Cause{Reason: "the source is being moved"}, w.now); err != nil {
			t.Fatal(err)
		}
	}
	w.now = w.now.Add(10 * time.Minute)
	if _, err := limits.Resume(t.Context(), throttle.Scope{OrgID: "A@AdobeOrg", FlowID: "f-1"}, w.now); err != nil {
		t.Fatal(err)
	}
	if r := w.reporter.Report(t.Context()); len(r.Pauses) != 1 || r.Pauses[0].FlowID != "f-2" || r.Pauses[0].Reason != "the source is being moved" {
		t.Errorf("%+v", r.Pauses)
	}
}

// down is a table that can't be read.
type down struct{ *memory.Table }

func (down) ListFrom(context.Context, string, string, string, int) ([]store.Record, error) {
	return nil, &store.UnavailableError{Op: "list", Err: context.DeadlineExceeded}
}

func (down) Read(context.Context, ...string) ([]store.Record, error) {
	return nil, &store.UnavailableError{Op: "read", Err: context.DeadlineExceeded}
}

// TestReportOfATableThatCantBeReadHasTheRest, and says what is missing.
func TestReportOfATableThatCantBeReadHasTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a")
	w.reporter.Table = down{w.table}
	r := w.reporter.Report(t.Context())
	if len(r.Errors) != 2 || !strings.Contains(r.Errors[0], "the pauses can't be read") || !strings.Contains(r.Errors[1], "the signs of life") || len(r.Orgs) != 1 || r.Mode != "retry" {
		t.Errorf("%+v", r)
	}
	if again := w.reporter.Report(t.Context()); len(again.Errors) != 2 {
		t.Errorf("a second report has %d errors: the first one's were kept", len(again.Errors))
	}
}
