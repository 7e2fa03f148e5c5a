package sweep

import (
	"context"
	"net/http"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// accounts are the secrets of a stage: those of one org, whose credential can be renewed once.
type accounts struct {
	s       *stage
	account *credentials.Account
	renewed int
	faults  []*credentials.Error // of secrets that can't be read
}

func newAccounts(s *stage) *accounts {
	s.t.Helper()
	return &accounts{s: s, account: openAccount(s)}
}

// openAccount opens an account with Adobe on the stage.
func openAccount(s *stage) *credentials.Account {
	s.t.Helper()
	options := []flowclient.Option{
		flowclient.WithBaseURL("http://127.0.0.1" + flowsim.FlowServicePath), flowclient.WithIMSURL("http://127.0.0.1"), flowclient.WithMaxAttempts(1),
		flowclient.WithHTTPClient(&http.Client{Transport: loopback.Transport{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s.handler != nil {
				s.handler.ServeHTTP(w, r)
				return
			}
			s.adobe.ServeHTTP(w, r)
		})}}),
	}
	tokens, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "client", ClientSecret: "s", Scopes: []string{"openid"}}, options...)
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := flowclient.New(org, "client", tokens, options...)
	if err != nil {
		s.t.Fatal(err)
	}
	return &credentials.Account{OrgID: org, ClientID: "client", Client: client}
}

// All implements [Accounts].
func (a *accounts) All(context.Context) ([]*credentials.Account, []*credentials.Error) {
	if len(a.faults) > 0 {
		return nil, a.faults
	}
	return []*credentials.Account{a.account}, nil
}

// ForOrg implements [Accounts].
func (a *accounts) ForOrg(context.Context, string) (*credentials.Account, error) {
	if len(a.faults) > 0 {
		return nil, a.faults[0]
	}
	return a.account, nil
}

// Renew implements [Accounts].
func (a *accounts) Renew(_ context.Context, _ *credentials.Account, cause error) (*credentials.Account, error) {
	if a.renewed++; a.renewed > 1 {
		return nil, &credentials.Error{Kind: credentials.Refused, Err: cause}
	}
	a.account = openAccount(a.s)
	return a.account, nil
}
