package dataflow_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/dataflow"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const org = "W@AdobeOrg"

// newAdobe is an org with two sandboxes and these dataflows, and its account, whose secret
// names the sandbox prod.
func newAdobe(t *testing.T, flows ...flowsim.Flow) (*flowsim.Server, *credentials.Account) {
	t.Helper()
	adobe := flowsim.New(flowsim.Options{})
	adobe.AddOrg(flowsim.Org{ID: org, ClientID: "client", Secrets: []string{"never-shown"}, Scopes: []string{"openid"}, Sandboxes: []string{"prod", "dev"}})
	for _, f := range flows {
		f.OrgID = org
		adobe.AddFlow(f)
	}
	options := []flowclient.Option{
		flowclient.WithBaseURL("http://127.0.0.1" + flowsim.FlowServicePath), flowclient.WithIMSURL("http://127.0.0.1"),
		flowclient.WithHTTPClient(&http.Client{Transport: loopback.Transport{Handler: adobe}}), flowclient.WithMaxAttempts(1),
	}
	tokens, err := flowclient.NewIMS(flowclient.Credentials{ClientID: "client", ClientSecret: "never-shown", Scopes: []string{"openid"}}, options...)
	if err != nil {
		t.Fatal(err)
	}
	client, err := flowclient.New(org, "client", tokens, options...)
	if err != nil {
		t.Fatal(err)
	}
	return adobe, &credentials.Account{OrgID: org, ClientID: "client", Sandbox: "prod", Client: client}
}

func TestDataflowIsFoundByItsIDOrItsName(t *testing.T) {
	t.Parallel()
	_, account := newAdobe(
		t, flowsim.Flow{ID: "f-orders", Name: "Orders daily", Sandbox: "prod"}, flowsim.Flow{ID: "f-crm", Name: "CRM", Sandbox: "dev"},
		flowsim.Flow{ID: "f-twin-1", Name: "Twin", Sandbox: "prod"}, flowsim.Flow{ID: "f-twin-2", Name: "Twin", Sandbox: "dev"},
	)
	for name, c := range map[string]struct {
		sandboxes []string
		query     dataflow.Query
		id, fault string // one of them
	}{
		"by its id":                       {nil, dataflow.Query{FlowID: "f-orders"}, "f-orders", ""},
		"by its name":                     {nil, dataflow.Query{FlowName: "Orders daily"}, "f-orders", ""},
		"in a sandbox that is configured": {[]string{"", "prod", "dev"}, dataflow.Query{FlowName: "CRM"}, "f-crm", ""},
		"in the sandbox that is named":    {nil, dataflow.Query{FlowID: "f-crm", Sandbox: "dev"}, "f-crm", ""},
		"the one of two with the name that is in the named sandbox": {[]string{"dev"}, dataflow.Query{FlowName: "Twin", Sandbox: "dev"}, "f-twin-2", ""},
		"two of one name": {[]string{"dev"}, dataflow.Query{FlowName: "Twin"}, "", `2 dataflows are meant by dataflow "Twin"; name one by its id: f-twin-1 (sandbox prod), f-twin-2 (sandbox dev)`},
		"an unknown id":   {nil, dataflow.Query{FlowID: "f-9"}, "", "Adobe knows no dataflow f-9 in org W@AdobeOrg, sandbox prod"},
		"an unknown name": {[]string{"dev"}, dataflow.Query{FlowName: "Ordres"}, "", `Adobe knows no dataflow "Ordres" in org W@AdobeOrg, sandbox prod or dev`},
	} {
		finder := dataflow.Finder{Sandboxes: c.sandboxes}
		found, err := finder.Find(t.Context(), account, c.query)
		if c.fault == "" {
			if err != nil || found.ID != c.id || found.Name == "" || found.Sandbox == "" || len(found.Sources) != 1 {
				t.Errorf("%s: %+v, %v", name, found, err)
			}
			continue
		}
		if unknown, ok := errors.AsType[*dataflow.UnknownError](err); !ok || unknown.Error() != c.fault {
			t.Errorf("%s: %v, want %s", name, err, c.fault)
		}
	}
}

func TestNameIsLookedForOnEveryPage(t *testing.T) {
	t.Parallel()
	flows := make([]flowsim.Flow, 250)
	for i := range flows {
		flows[i] = flowsim.Flow{ID: fmt.Sprintf("f-%03d", i), Name: fmt.Sprintf("Flow %d", i), Sandbox: "prod"}
	}
	adobe, account := newAdobe(t, flows...)
	found, err := new(dataflow.Finder).Find(t.Context(), account, dataflow.Query{FlowName: "Flow 249"})
	if err != nil || found.ID != "f-249" || adobe.Count(flowsim.OpFlows) != 3 {
		t.Errorf("%+v after %d pages, %v", found, adobe.Count(flowsim.OpFlows), err)
	}
}

// TestWhereAdobeCantBeAskedTheDataflowIsNotCalledUnknown: a name might stand in the sandbox
// that did not answer, an id is that of one dataflow alone.
func TestWhereAdobeCantBeAskedTheDataflowIsNotCalledUnknown(t *testing.T) {
	t.Parallel()
	adobe, account := newAdobe(t, flowsim.Flow{ID: "f-orders", Name: "Orders daily", Sandbox: "dev"})
	finder := dataflow.Finder{Sandboxes: []string{"dev"}}
	down := func(op string) {
		adobe.Heal()
		adobe.Inject(flowsim.Fault{Op: op, Status: http.StatusServiceUnavailable})
	}
	down(flowsim.OpFlows) // that of prod
	if _, err := finder.Find(t.Context(), account, dataflow.Query{FlowName: "Orders daily"}); err == nil || errors.As(err, new(*dataflow.UnknownError)) || !strings.HasPrefix(err.Error(), "in sandbox prod: ") {
		t.Errorf("by its name: %v", err)
	}
	down(flowsim.OpFlow)
	adobe.Inject(flowsim.Fault{Op: flowsim.OpFlows, Status: http.StatusServiceUnavailable})
	if found, err := finder.Find(t.Context(), account, dataflow.Query{FlowID: "f-orders"}); err != nil || found.Sandbox != "dev" {
		t.Errorf("by its id: %+v, %v", found, err)
	}
	account.Sandbox = ""
	if _, err := new(dataflow.Finder).Find(t.Context(), account, dataflow.Query{FlowID: "f-orders"}); err == nil || !strings.Contains(err.Error(), "names a sandbox to look in") {
		t.Errorf("without any sandbox: %v", err)
	}
}

func TestConnectionSaysWhetherTheSourceAcceptsItsCredential(t *testing.T) {
	t.Parallel()
	adobe, account := newAdobe(
		t, flowsim.Flow{ID: "f-good", Name: "Good", Sandbox: "prod"}, flowsim.Flow{ID: "f-bad", Name: "Bad", Sandbox: "prod", Refuses: "the password has expired"},
		flowsim.Flow{ID: "f-stream", Name: "Stream", Sandbox: "prod", Streaming: true},
	)
	var finder dataflow.Finder
	test := func(name string) (dataflow.Connection, error) {
		return finder.Test(t.Context(), account, dataflow.Query{FlowName: name})
	}
	if c, err := test("Good"); err != nil || !c.Accepted || c.FlowID != "f-good" || c.Sandbox != "prod" || c.ConnectionID == "" {
		t.Errorf("one that accepts it: %+v, %v", c, err)
	}
	if c, err := test("Bad"); err != nil || c.Accepted || !strings.Contains(c.Message, "the password has expired") {
		t.Errorf("one that refuses it: %+v, %v", c, err)
	}
	if _, err := test("Stream"); !errors.As(err, new(*dataflow.UnknownError)) || !strings.Contains(err.Error(), "has no connection with a credential") {
		t.Errorf("one without a connection: %v", err)
	}
	if _, err := test("Nothing"); !errors.As(err, new(*dataflow.UnknownError)) {
		t.Errorf("an unknown one: %v", err)
	}
	for _, op := range []string{flowsim.OpSource, flowsim.OpTest} {
		adobe.Inject(flowsim.Fault{Op: op, Status: http.StatusServiceUnavailable})
		if c, err := test("Good"); !errors.Is(err, flowclient.KindTransient) || c.Accepted {
			t.Errorf("%s without an answer: %+v, %v", op, c, err)
		}
	}
	adobe.Inject(flowsim.Fault{Op: flowsim.OpFlows, Body: `{"items":[{"id":"f-good","name":"Good"}]}`, ContentType: "application/json"})
	if _, err := test("Good"); !errors.As(err, new(*dataflow.UnknownError)) || !strings.Contains(err.Error(), "names no source connection") {
		t.Errorf("one without a source: %v", err)
	}
}
