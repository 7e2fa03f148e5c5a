package flowsim

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Call is a request that was seen.
type Call struct {
	Op, Method, Path, RunID, Sandbox, OrgID, UserAgent string
	// Spelling is the query parameter op of a re-trigger.
	Spelling string
	Status   int // 0 where the connection was cut
	At       time.Time
}

// Calls returns what was seen, in order.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Count returns how many calls of an operation were seen.
func (s *Server) Count(op string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Op == op {
			n++
		}
	}
	return n
}

func record(s *Server, c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

// call is one request on its way.
type call struct {
	s         *Server
	w         http.ResponseWriter
	r         *http.Request
	op, id    string
	serve     func() (int, any)
	requestID string
}

func (c *call) note(status int) {
	record(c.s, Call{
		At: c.s.now(), Op: c.op, Method: c.r.Method, Path: c.r.URL.Path, RunID: c.id, Status: status,
		Sandbox: c.r.Header.Get("X-Sandbox-Name"), OrgID: c.r.Header.Get("X-Gw-Ims-Org-Id"), UserAgent: c.r.UserAgent(),
		Spelling: c.r.URL.Query().Get("op"),
	})
}

func (c *call) answer(status int, body any) {
	c.note(status)
	c.w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(body)
}

// route finds the operation. Anything else is refused as the gateway would.
func (c *call) route() {
	c.requestID = "req-" + rand.Text()[:12]
	path := c.r.URL.EscapedPath()
	if path == IMSPath {
		c.op, c.serve = OpToken, c.token
		return
	}
	rest, ok := strings.CutPrefix(path, FlowServicePath+"/")
	segments := strings.Split(rest, "/")
	if ok && len(segments) > 1 {
		c.id, _ = url.PathUnescape(segments[1])
	}
	method := http.MethodGet
	switch {
	case ok && len(segments) == 3 && segments[0] == "runs" && segments[2] == "action":
		method, c.op, c.serve = http.MethodPost, OpRetrigger, c.retrigger
	case ok && len(segments) == 2 && segments[0] == "runs":
		c.op, c.serve = OpRun, c.run
	case ok && len(segments) == 1 && segments[0] == "runs":
		c.op, c.serve = OpRuns, c.list
	case ok && len(segments) == 2 && segments[0] == "flows":
		c.op, c.serve = OpFlow, c.flow
	case ok && len(segments) == 1 && segments[0] == "flows":
		c.op, c.serve = OpFlows, c.flows
	case ok && len(segments) == 2 && segments[0] == "sourceConnections":
		c.op, c.serve = OpSource, c.sourceConnection
	case ok && len(segments) == 3 && segments[0] == "connections" && segments[2] == "test":
		c.op, c.serve = OpTest, c.testConnection
	default:
		c.serve = func() (int, any) { return gateway(http.StatusNotFound, "404000", "No such resource") }
		return
	}
	if c.r.Method != method {
		c.serve = func() (int, any) { return gateway(http.StatusMethodNotAllowed, "405000", "Method not allowed") }
	}
}

func gateway(status int, code, message string) (int, any) {
	return status, map[string]string{"error_code": code, "message": message}
}

// refuse is Flow Service's own error family.
func (c *call) refuse(status, number int, title, detail string) (int, any) {
	return status, map[string]any{
		"type":  fmt.Sprintf("https://ns.adobe.com/aep/errors/FLOW-%d-%d", number, status),
		"title": title, "status": status,
		"report":       map[string]any{"detailed-message": detail, "request-id": c.requestID},
		"errorMessage": detail, "errorDetails": "internal host flow-7.adobe.internal",
	}
}

// caller checks the headers that every call on Flow Service has. ok is false
// where the answer is a refusal.
func (c *call) caller() (orgID string, status int, body any, ok bool) {
	h := c.r.Header
	text, bearer := strings.CutPrefix(h.Get("Authorization"), "Bearer ")
	if !bearer {
		status, body = gateway(http.StatusForbidden, "403010", "Oauth token is missing")
		return "", status, body, false
	}
	t, known := c.s.tokens[text]
	if !known || !c.s.now().Before(t.expires) {
		status, body = gateway(http.StatusUnauthorized, "401013", "Oauth token is not valid")
		return "", status, body, false
	}
	org := c.s.orgs[t.orgID]
	switch {
	case h.Get("X-Api-Key") != org.ClientID:
		status, body = gateway(http.StatusForbidden, "403003", "Api Key is invalid")
	case h.Get("X-Gw-Ims-Org-Id") == "":
		status, body = gateway(http.StatusBadRequest, "400003", "x-gw-ims-org-id header is missing")
	case h.Get("X-Gw-Ims-Org-Id") != org.ID:
		status, body = gateway(http.StatusForbidden, "403025", "Profile is not valid")
	case h.Get("X-Sandbox-Name") == "":
		status, body = c.refuse(http.StatusBadRequest, 2105, "Sandbox header is missing", "x-sandbox-name is required")
	case !slices.Contains(org.Sandboxes, h.Get("X-Sandbox-Name")):
		status, body = c.refuse(http.StatusNotFound, 2100, "Sandbox not found", "The sandbox does not exist")
	case c.r.Method == http.MethodPost && h.Get("Content-Type") != "application/json":
		status, body = c.refuse(http.StatusUnsupportedMediaType, 1401, "Unsupported media type", "Content-Type must be application/json")
	default:
		return org.ID, 0, nil, true
	}
	return "", status, body, false
}

// query refuses parameters that the operation does not have.
func (c *call) query(known ...string) (int, any, bool) {
	for name := range c.r.URL.Query() {
		if !slices.Contains(known, name) {
			status, body := c.refuse(http.StatusBadRequest, 1401, "Bad request", "unknown query parameter "+name)
			return status, body, false
		}
	}
	return 0, nil, true
}

// visible returns a run of the caller's org and sandbox.
func (c *call) visible(orgID, id string) (*Run, *Flow) {
	r := c.s.runs[id]
	if r == nil {
		return nil, nil
	}
	f := c.s.flows[r.FlowID]
	if !c.sees(f, orgID) {
		return nil, nil
	}
	return r, f
}

func (c *call) retrigger() (int, any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return status, body
	}
	if status, body, ok := c.query("op"); !ok {
		return status, body
	}
	if op := c.r.URL.Query()["op"]; len(op) != 1 || !slices.Contains(c.s.spellings, op[0]) {
		return c.refuse(http.StatusBadRequest, 1434, "Unsupported operation", "op must be "+strings.Join(c.s.spellings, " or "))
	}
	if c.r.ContentLength > 0 {
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "the action takes no body")
	}
	r, f := c.visible(orgID, c.id)
	switch {
	case r == nil:
		return c.refuse(http.StatusNotFound, 1439, "Resource not found", "No run with this id")
	case f.Streaming:
		return c.refuse(http.StatusBadRequest, 1435, "Unsupported operation", "Runs of streaming sources can't be re-triggered")
	case r.Downstream:
		return c.refuse(http.StatusBadRequest, 1436, "Unsupported operation", "Only source runs can be re-triggered")
	case !strings.EqualFold(r.Status, Failed) && (r.Status != Success || r.Records != 0):
		return c.refuse(http.StatusBadRequest, 1437, "Unsupported status", "Only failed runs can be re-triggered; the status is "+r.Status)
	}
	c.s.serial++
	made := &Run{
		ID: fmt.Sprintf("%08x-7e57-4000-8000-%012x", c.s.serial, c.s.serial), FlowID: r.FlowID, Status: InProgress,
		CreatedAt: c.s.now(), CreatedClient: c.r.Header.Get("X-Api-Key"), Of: r.ID,
		Window: r.Window, NoWindow: r.NoWindow,
	}
	if f.Windows == WindowsOwn {
		made.Window = ownWindow(c.s, made.CreatedAt)
	}
	addRun(c.s, made)
	return http.StatusOK, map[string]string{"id": made.ID, "etag": fmt.Sprintf("\"%08x-0000-0200-0000-000000000000\"", c.s.serial)}
}

func (c *call) run() (int, any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return status, body
	}
	r, f := c.visible(orgID, c.id)
	if r == nil {
		return c.refuse(http.StatusNotFound, 1439, "Resource not found", "No run with this id")
	}
	return http.StatusOK, map[string]any{"items": []any{document(r, f)}}
}

func (c *call) flow() (int, any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return status, body
	}
	f := c.s.flows[c.id]
	if !c.sees(f, orgID) {
		return c.refuse(http.StatusNotFound, 1439, "Resource not found", "No dataflow with this id")
	}
	return http.StatusOK, map[string]any{"items": []any{f.document(c.s.now())}}
}

// sees reports whether the caller's org and sandbox have the dataflow; nil is none.
func (c *call) sees(f *Flow, orgID string) bool {
	return f != nil && f.OrgID == orgID && f.Sandbox == c.r.Header.Get("X-Sandbox-Name")
}
