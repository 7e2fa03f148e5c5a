package console

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// sweeps are three real sweeps over a simulated Flow Service: of the schedule, by a person, and
// one that can't list a sandbox.
func (w *world) sweeps() {
	w.Helper()
	w.table.MadeAt(w.now.AddDate(0, -1, 0))
	adobe := flowsim.New(flowsim.Options{Now: func() time.Time { return w.now }})
	adobe.AddOrg(flowsim.Org{ID: org, ClientID: "client", Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{sandbox}})
	adobe.AddFlow(flowsim.Flow{ID: "5f0b1e2c-crm", Name: "CRM contacts, hourly", OrgID: org, Sandbox: sandbox})
	for i := range 12 {
		at := w.now.Add(-time.Hour + time.Duration(i)*time.Minute)
		adobe.AddRun(flowsim.Run{
			ID: fmt.Sprintf("a9b8c7d6-%04d", i), FlowID: "5f0b1e2c-crm", Status: []string{flowsim.Failed, "success"}[i%2], CreatedAt: at, CompletedAt: at,
			CreatedClient: "acp_ui_platform", Errors: []flowsim.RunError{{Code: "CONNECTOR-2001-500", Message: "The source answered 503."}},
		})
	}
	sweeper := sweep.New(newAccounts(w, adobe), w.ledger, w.table, queue{}, w.limits,
		func(context.Context, event.Sweep, string, string) bool { return true }, func(context.Context, event.Request, string) bool { return true },
		sweep.Options{
			Since: 24 * time.Hour, Limit: 1000, DefaultSandbox: sandbox, Pace: time.Second, CallTimeout: time.Second,
			Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
			Rules: retry.Rules{Policy: &policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge}},
		})
	for _, request := range []event.Sweep{
		{ID: "schedule-2026-11-26T11"},
		{ID: "by-hand-1", Since: "6h", FlowIDs: []string{"5f0b1e2c-crm"}, By: caller, Reason: "the export was repaired"},
		{ID: "by-hand-2", Sandboxes: []string{"staging"}, By: caller, Reason: "is anything left?"},
	} {
		ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
		if r := sweeper.Run(ctx, request, w.now); r.Refused != "" {
			w.Errorf("the sweep %s was refused: %s", request.ID, r.Refused)
		}
		cancel()
		w.after(3 * time.Minute)
	}
}

// accounts has the one org's account.
type accounts struct{ account *credentials.Account }

func newAccounts(w *world, adobe http.Handler) accounts {
	w.Helper()
	options := []flowclient.Option{
		flowclient.WithBaseURL("http://127.0.0.1" + flowsim.FlowServicePath), flowclient.WithIMSURL("http://127.0.0.1"), flowclient.WithMaxAttempts(1),
		flowclient.WithHTTPClient(&http.Client{Transport: loopback.Transport{Handler: adobe}}),
	}
	tokens, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "client", ClientSecret: "s", Scopes: []string{"openid"}}, options...)
	w.must(err)
	client, err := flowclient.New(org, "client", tokens, options...)
	w.must(err)
	return accounts{&credentials.Account{OrgID: org, ClientID: "client", Client: client}}
}

// All implements [sweep.Accounts].
func (a accounts) All(context.Context) ([]*credentials.Account, []*credentials.Error) {
	return []*credentials.Account{a.account}, nil
}

// ForOrg implements [sweep.Accounts].
func (a accounts) ForOrg(context.Context, string) (*credentials.Account, error) {
	return a.account, nil
}

// Renew implements [sweep.Accounts].
func (a accounts) Renew(_ context.Context, _ *credentials.Account, cause error) (*credentials.Account, error) {
	return nil, &credentials.Error{Kind: credentials.Refused, Err: cause}
}

// queue takes every request.
type queue struct{}

// Send implements [sweep.Requests].
func (queue) Send(_ context.Context, requests []requestqueue.Waiting) []error {
	return make([]error, len(requests))
}
