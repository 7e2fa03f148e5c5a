package flowclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// FlowPage is one page of a sandbox's dataflows.
type FlowPage struct {
	Flows []Flow
	// Next is the continuation token of the page after this one; empty on the last.
	Next string
}

// FlowPage lists dataflows of a sandbox, 100 at a time, in any order: the first page, or the
// one after the page whose [FlowPage.Next] it is.
func (c *Client) FlowPage(ctx context.Context, sandbox, token string) (FlowPage, error) {
	k := call{op: OpFlows, sandbox: sandbox, method: http.MethodGet, path: "/flows", query: url.Values{"limit": {strconv.Itoa(DefaultPageSize)}}}
	if token != "" {
		k.query.Set("continuationToken", token)
	}
	var page FlowPage
	k.decode = func(body []byte) error {
		var answer struct {
			Items []Flow `json:"items"`
			Links struct {
				Next struct {
					Href string `json:"href"`
				} `json:"next"`
			} `json:"_links"`
		}
		if err := decodeLenient(body, &answer); err != nil {
			return err
		}
		page = FlowPage{Flows: answer.Items, Next: continuationToken(answer.Links.Next.Href)}
		if page.Next != "" && page.Next == token {
			return errors.New("its continuation token leads back to itself")
		}
		return checkItems(page.Flows, func(f *Flow) string { return f.ID })
	}
	if err := c.do(ctx, k); err != nil {
		return FlowPage{}, err
	}
	return page, nil
}

// SourceConnection is where a dataflow reads from, as far as it says which connection it
// logs in with.
type SourceConnection struct {
	ID string `json:"id"`
	// BaseConnectionID is the connection that has the source's credential. It is empty for a
	// source without one, such as a streaming endpoint.
	BaseConnectionID string `json:"baseConnectionId"`
}

// SourceConnection returns a source connection; [Flow.SourceConnections] has their ids.
func (c *Client) SourceConnection(ctx context.Context, sandbox, id string) (*SourceConnection, error) {
	k := call{op: OpSourceConnection, resource: id, sandbox: sandbox}
	if err := checkID("source connection id", id); err != nil {
		return nil, k.refuse(err)
	}
	k.path = "/sourceConnections/" + url.PathEscape(id)
	return getOne(ctx, c, k, func(s *SourceConnection) string { return s.ID })
}

// SourceRefusedError means that Adobe could ask the source, and that the source did not accept
// the connection's credential.
type SourceRefusedError struct{ Message string }

// Error says what the source, or Adobe, said.
func (e *SourceRefusedError) Error() string { return e.Message }

// TestConnection asks Adobe to log in at the source with a base connection. It returns nil
// where that works, and a [*SourceRefusedError] where the answer says that it does not. It
// starts no run; the source sees a login.
//
// Adobe's tutorials show {"state":"success"} for a connection that works and describe no other
// answer. So any other state is taken for a refusal, and an answer without a state for an
// acceptance.
func (c *Client) TestConnection(ctx context.Context, sandbox, connectionID string) error {
	k := call{op: OpTestConnection, resource: connectionID, sandbox: sandbox, method: http.MethodGet}
	if err := checkID("connection id", connectionID); err != nil {
		return k.refuse(err)
	}
	k.path = "/connections/" + url.PathEscape(connectionID) + "/test"
	var refused error
	k.decode = func(body []byte) error {
		refused = testResult(body)
		return nil
	}
	if err := c.do(ctx, k); err != nil {
		return err
	}
	return refused
}

// testResult reads the answer to a test, however it is wrapped.
func testResult(body []byte) error {
	var answer struct {
		State   string          `json:"state"`
		Status  json.RawMessage `json:"status"`
		Message string          `json:"message"`
		Detail  string          `json:"errorMessage"`
		Items   []struct {
			State   string `json:"state"`
			Message string `json:"message"`
		} `json:"items"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return nil // it was accepted, in a form that nobody has described
	}
	state, message := answer.State, answer.Message+answer.Detail
	if state == "" {
		_ = json.Unmarshal(answer.Status, &state) // a number, or missing
	}
	if state == "" && len(answer.Items) > 0 {
		state, message = answer.Items[0].State, answer.Items[0].Message
	}
	switch strings.ToLower(state) {
	case "", "success", "succeeded", "ok", "enabled", "connected", "valid":
		return nil
	}
	return &SourceRefusedError{fmt.Sprintf("Adobe's test of the connection ended as %q: %s", clip(state), scrubber{}.clean(message, maxMessage))}
}
