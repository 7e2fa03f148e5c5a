// Package dataflow finds dataflows that people name, and asks whether their sources accept
// their credentials.
package dataflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Query names a dataflow: by its id or by its name, and perhaps the sandbox that it is in.
type Query struct{ FlowID, FlowName, Sandbox string }

// String names what is looked for.
func (q Query) String() string {
	if q.FlowID != "" {
		return "dataflow " + q.FlowID
	}
	return fmt.Sprintf("dataflow %q", q.FlowName)
}

// Found is a dataflow that Adobe knows.
type Found struct {
	ID, Name, Sandbox string
	// Sources are the ids of its source connections.
	Sources []string
}

// UnknownError means that Adobe could be asked, and that it knows no such dataflow, or several.
type UnknownError struct{ Message string }

// Error says what was looked for, and where.
func (e *UnknownError) Error() string { return e.Message }

// Finder finds dataflows. It is safe for concurrent use.
type Finder struct {
	// Sandboxes are looked through beside that of the org's secret, where none is named.
	Sandboxes []string
}

// maxPages bounds how many pages of a sandbox's dataflows are looked through for a name:
// 5,000 dataflows.
const maxPages = 50

// Find finds a dataflow of an org: in the sandbox that is named, or else in each that is
// configured. The error is an [*UnknownError] where Adobe knows none, or several of one name.
// After any other error nobody can tell.
func (f *Finder) Find(ctx context.Context, account *credentials.Account, q Query) (Found, error) {
	sandboxes := f.sandboxes(account, q)
	if len(sandboxes) == 0 {
		return Found{}, errors.New("neither the request nor the org's secret, DEFAULT_SANDBOX or SWEEP_SANDBOXES names a sandbox to look in")
	}
	var found []Found
	var fault error
	for _, sandbox := range sandboxes {
		in, err := lookIn(ctx, account.Client, sandbox, q)
		if err != nil {
			fault = cmp.Or(fault, fmt.Errorf("in sandbox %s: %w", sandbox, err))
		}
		found = append(found, in...)
	}
	switch {
	case len(found) == 1 && (fault == nil || q.FlowID != ""):
		return found[0], nil
	case len(found) > 1:
		return Found{}, &UnknownError{several(q, found)}
	case fault != nil:
		return Found{}, fault
	}
	return Found{}, &UnknownError{fmt.Sprintf("Adobe knows no %s in org %s, sandbox %s", q, account.OrgID, strings.Join(sandboxes, " or "))}
}

// several says which dataflows have one name.
func several(q Query, found []Found) string {
	ids := make([]string, len(found))
	for i, one := range found {
		ids[i] = fmt.Sprintf("%s (sandbox %s)", one.ID, one.Sandbox)
	}
	return fmt.Sprintf("%d dataflows are meant by %s; name one by its id: %s", len(found), q, strings.Join(ids, ", "))
}

func (f *Finder) sandboxes(account *credentials.Account, q Query) []string {
	if q.Sandbox != "" {
		return []string{q.Sandbox}
	}
	var all []string
	for _, name := range append([]string{account.Sandbox}, f.Sandboxes...) {
		if name != "" && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

func lookIn(ctx context.Context, client *flowclient.Client, sandbox string, q Query) ([]Found, error) {
	if q.FlowID != "" {
		flow, err := client.Flow(ctx, sandbox, q.FlowID)
		switch {
		case errors.Is(err, flowclient.KindNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		}
		return []Found{foundIn(sandbox, flow)}, nil
	}
	var found []Found
	token := ""
	for range maxPages {
		page, err := client.FlowPage(ctx, sandbox, token)
		if err != nil {
			return nil, err
		}
		for i := range page.Flows {
			if page.Flows[i].Name == q.FlowName {
				found = append(found, foundIn(sandbox, &page.Flows[i]))
			}
		}
		if token = page.Next; token == "" {
			return found, nil
		}
	}
	return nil, fmt.Errorf("the sandbox has more than %d dataflows: name the dataflow by its id", maxPages*flowclient.DefaultPageSize)
}

func foundIn(sandbox string, flow *flowclient.Flow) Found {
	return Found{ID: flow.ID, Name: flow.Name, Sandbox: sandbox, Sources: flow.SourceConnections}
}

// Connection is whether a dataflow's source accepts its credential.
type Connection struct {
	FlowID       string `json:"flowId"`
	FlowName     string `json:"flowName,omitempty"`
	Sandbox      string `json:"sandbox,omitempty"`
	ConnectionID string `json:"connectionId,omitempty"`
	Accepted     bool   `json:"accepted"`
	// Message says more: why the source does not accept it, for example.
	Message string `json:"message,omitempty"`
}

// Test finds a dataflow and lets Adobe log in at its source, with the connection that the
// dataflow uses. No run is started. The error means that it could not be found out.
func (f *Finder) Test(ctx context.Context, account *credentials.Account, q Query) (Connection, error) {
	flow, err := f.Find(ctx, account, q)
	if err != nil {
		return Connection{}, err
	}
	c := Connection{FlowID: flow.ID, FlowName: flow.Name, Sandbox: flow.Sandbox}
	if len(flow.Sources) == 0 {
		return c, &UnknownError{"Adobe names no source connection of dataflow " + flow.ID}
	}
	source, err := account.Client.SourceConnection(ctx, flow.Sandbox, flow.Sources[0])
	switch {
	case err != nil:
		return c, err
	case source.BaseConnectionID == "":
		return c, &UnknownError{fmt.Sprintf("the source of dataflow %s has no connection with a credential, as streaming sources have none", flow.ID)}
	}
	c.ConnectionID = source.BaseConnectionID
	err = account.Client.TestConnection(ctx, flow.Sandbox, source.BaseConnectionID)
	switch {
	case err == nil:
		c.Accepted, c.Message = true, "Adobe has logged in at the source"
		return c, nil
	case errors.As(err, new(*flowclient.SourceRefusedError)), errors.Is(err, flowclient.KindRejected):
		c.Message = err.Error()
		return c, nil
	}
	return c, err
}
