// Package flowsim is a strict simulator of Adobe's Flow Service and of the token
// endpoint of IMS, for the embedded default and for tests.
//
// It checks method, path, query, headers, token, org, sandbox and the state of a
// run as Adobe documents them, and answers each violation in the error family
// that Adobe would use. A re-trigger makes a new run, which [Server.Settle] ends
// as scripted. A failed run may be re-triggered any number of times, each making
// another run: whether Adobe would refuse that is not known, and it is the danger
// that the function must prevent, so [Server.Retriggers] counts effects.
//
// Tokens begin with [TokenPrefix], so that output can be searched for them.
package flowsim

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// TokenPrefix begins every access token.
const TokenPrefix = "flowsim-token-"

// Paths of the two services on a [Server].
const (
	FlowServicePath = "/data/foundation/flowservice"
	IMSPath         = "/ims/token/v3"
)

// Operations, as [Call] and [Fault] name them.
const (
	OpRetrigger = "retrigger"
	OpRun       = "run"
	OpRuns      = "runs"
	OpFlow      = "flow"
	OpFlows     = "flows"
	OpToken     = "token"
)

// Statuses of runs.
const (
	Failed     = "failed"
	Success    = "success"
	InProgress = "inProgress"
)

// Org is an IMS org with one credential.
type Org struct {
	ID       string
	ClientID string
	// Secrets are those valid now; during a rotation there are two.
	Secrets []string
	// Scopes are those the credential may ask for.
	Scopes    []string
	Sandboxes []string
}

// Flow is a dataflow.
type Flow struct {
	ID, Name, OrgID, Sandbox string
	// Streaming marks a source whose runs can't be retried.
	Streaming bool
}

// RunError is why a run failed.
type RunError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Run is one run of a dataflow.
type Run struct {
	ID, FlowID, Status     string
	Errors                 []RunError
	CreatedAt, CompletedAt time.Time
	CreatedClient          string
	// Of is the run whose re-trigger made this one.
	Of string
	// Downstream marks a run that follows another dataflow's run.
	Downstream bool
	// NeverStarted marks a run that failed before it began.
	NeverStarted bool
	// Records is how many records the run ingested.
	Records int
	// Document changes the run's document before it is shown, in every answer and
	// event; may be nil. Example: times in seconds, or a field that makes it huge.
	Document func(map[string]any) `json:"-"`
}

// Result is the fate of a run that a re-trigger makes.
type Result struct {
	// Error is why it fails; nil means that it succeeds.
	Error *RunError
}

// Succeed and Fail make results.
func Succeed() Result { return Result{} }

// Fail is the result of a run that fails with the code and message.
func Fail(code, message string) Result { return Result{Error: &RunError{code, message}} }

// Fault makes the next calls of an operation go wrong.
type Fault struct {
	// Op is the operation.
	Op string
	// After is how many calls go well first.
	After int
	// Times is how many calls; 0 means one.
	Times int
	// AfterEffect lets the call take its effect first: the run is made, and its
	// answer is lost.
	AfterEffect bool
	// Status, Body, ContentType and Header are the answer. Status 0 with Reset
	// false and a nil Hang means an answer with status 200.
	Status            int
	Body, ContentType string
	Header            map[string]string
	// Reset cuts the connection instead of an answer.
	Reset bool
	// Hang holds the answer back until the client gives up.
	Hang bool
	// Truncate cuts the connection in the middle of the answer.
	Truncate bool
}

// Call is a request that was seen.
type Call struct {
	Op, Method, Path, RunID, Sandbox, OrgID, UserAgent string
	// Spelling is the query parameter op of a re-trigger.
	Spelling string
	Status   int // 0 where the connection was cut
	At       time.Time
}

// Options are the settings of a [Server].
type Options struct {
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// TokenLifetime is how long a token is valid; 0 means 24 hours.
	TokenLifetime time.Duration
	// ListLag is how long a new run is not listed.
	ListLag time.Duration
	// Spellings are the values of op that a re-trigger may have; nil means "re-trigger"
	// alone. Adobe's OpenAPI description has RE_TRIGGER. Any other value is refused with
	// 1434, before the run is looked at.
	Spellings []string
}

// Server is the simulator. It is an [http.Handler] and safe for concurrent use.
type Server struct {
	now      func() time.Time
	lifetime time.Duration
	listLag  time.Duration
	// spellings are the accepted values of op.
	spellings []string

	mu      sync.Mutex
	orgs    map[string]*Org
	flows   map[string]*Flow
	runs    map[string]*Run
	order   []string // run ids as they were added
	sorted  []string // run ids by when the runs were created; nil when it is to be made
	running []string // ids of runs that were added in progress and may be yet
	scripts map[string][]Result
	tokens  map[string]token
	faults  []*Fault
	calls   []Call
	serial  int
	closed  chan struct{}
}

type token struct {
	orgID   string
	expires time.Time
}

// New returns a Server without orgs.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Spellings == nil {
		o.Spellings = []string{"re-trigger"}
	}
	return &Server{
		spellings: slices.Clone(o.Spellings),
		now:       o.Now, lifetime: cmp.Or(o.TokenLifetime, 24*time.Hour), listLag: o.ListLag,
		orgs: map[string]*Org{}, flows: map[string]*Flow{}, runs: map[string]*Run{},
		scripts: map[string][]Result{}, tokens: map[string]token{}, closed: make(chan struct{}),
	}
}

// Listen serves on a free loopback port until stop is called.
func (s *Server) Listen() (baseURL string, stop func(), err error) {
	baseURL, end, err := loopback.Serve(s)
	return baseURL, sync.OnceFunc(func() {
		close(s.closed)
		end()
	}), err
}

// AddOrg adds or replaces an org.
func (s *Server) AddOrg(o Org) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orgs[o.ID] = &o
}

// AddFlow adds or replaces a dataflow.
func (s *Server) AddFlow(f Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flows[f.ID] = &f
}

// AddRun adds a run of a dataflow that was added before.
func (s *Server) AddRun(r Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.CreatedAt.IsZero() {
		r.CreatedAt = s.now()
	}
	s.add(&r)
}

func (s *Server) add(r *Run) {
	s.sorted = nil
	if r.Status == InProgress {
		s.running = append(s.running, r.ID)
	}
	if _, known := s.runs[r.ID]; !known {
		s.order = append(s.order, r.ID)
	}
	s.runs[r.ID] = r
}

// Script sets the fate of the next runs that re-triggers make of a dataflow.
// Without a script they succeed.
func (s *Server) Script(flowID string, results ...Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[flowID] = append(s.scripts[flowID], results...)
}

// Settle ends every run in progress as scripted, and returns them.
func (s *Server) Settle() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ended []Run
	for _, id := range s.running {
		r := s.runs[id]
		if r.Status != InProgress {
			continue
		}
		result := Succeed()
		if script := s.scripts[r.FlowID]; len(script) > 0 {
			result = script[0]
			s.scripts[r.FlowID] = script[1:]
		}
		s.end(r, result)
		ended = append(ended, *r)
	}
	s.running = nil
	return ended
}

// Running reports whether a run is in progress.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.running, func(id string) bool { return s.runs[id].Status == InProgress })
}

// End ends one run in progress.
func (s *Server) End(runID string, result Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(s.runs[runID], result)
}

func (s *Server) end(r *Run, result Result) {
	r.Status, r.CompletedAt, r.Records = Success, s.now(), 1000
	if result.Error != nil {
		r.Status, r.Errors, r.Records = Failed, []RunError{*result.Error}, 0
	}
}

// Inject adds a fault; faults of one operation come in their order.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// RotateSecret sets the secrets that are valid from now on, and revokes the
// org's tokens.
func (s *Server) RotateSecret(orgID string, secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orgs[orgID].Secrets = secrets
	s.revoke(orgID)
}

// RevokeTokens makes all tokens of an org invalid.
func (s *Server) RevokeTokens(orgID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoke(orgID)
}

func (s *Server) revoke(orgID string) {
	for text, t := range s.tokens {
		if t.orgID == orgID {
			delete(s.tokens, text)
		}
	}
}

// Accept sets the values of op that a re-trigger may have from now on; see
// [Options.Spellings].
func (s *Server) Accept(spellings ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spellings = spellings
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

// Runs returns all runs in the order they were made.
func (s *Server) Runs() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := make([]Run, len(s.order))
	for i, id := range s.order {
		runs[i] = *s.runs[id]
	}
	return runs
}

// Retriggers returns how many runs re-triggers of a run have made.
func (s *Server) Retriggers(runID string) int {
	n := 0
	for _, r := range s.Runs() {
		if r.Of == runID {
			n++
		}
	}
	return n
}

// MadeOf returns the run that the last re-trigger of a run made; empty if there is
// none.
func (s *Server) MadeOf(runID string) string {
	made := ""
	for _, r := range s.Runs() {
		if r.Of == runID {
			made = r.ID
		}
	}
	return made
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r}
	c.route()
	fault := s.fault(c.op)
	if fault != nil && !fault.AfterEffect {
		c.fail(fault)
		return
	}
	status, body := c.serve()
	if fault != nil {
		c.fail(fault)
		return
	}
	c.answer(status, body)
}

func (s *Server) fault(op string) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Op != op {
			continue
		}
		if f.After > 0 {
			f.After--
			return nil
		}
		if f.Times--; f.Times == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f
	}
	return nil
}

func (s *Server) record(c Call) {
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
	c.s.record(Call{
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

// fail carries the fault out.
func (c *call) fail(f *Fault) {
	switch {
	case f.Hang:
		c.note(0)
		select {
		case <-c.r.Context().Done():
		case <-c.s.closed:
		}
		panic(http.ErrAbortHandler)
	case f.Reset:
		c.note(0)
		connection, _, err := http.NewResponseController(c.w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if tcp, ok := connection.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset instead of a proper end
		}
		_ = connection.Close()
		return
	}
	status := cmp.Or(f.Status, http.StatusOK)
	c.note(status)
	for name, value := range f.Header {
		c.w.Header().Set(name, value)
	}
	c.w.Header().Set("Content-Type", cmp.Or(f.ContentType, "application/json"))
	if f.Truncate {
		c.w.Header().Set("Content-Length", strconv.Itoa(len(f.Body)+100))
	}
	c.w.WriteHeader(status)
	_, _ = c.w.Write([]byte(f.Body))
	if f.Truncate {
		_ = http.NewResponseController(c.w).Flush()
		panic(http.ErrAbortHandler)
	}
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
	}
	c.s.add(made)
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

// flows lists dataflows by their ids, which is all that it is asked for.
func (c *call) flows() (int, any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return status, body
	}
	q := c.r.URL.Query()
	ids, byID := strings.CutPrefix(q.Get("property"), "id==")
	if limit, err := strconv.Atoi(q.Get("limit")); !byID || len(q) != 2 || err != nil || limit < strings.Count(ids, ",")+1 {
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "want property=id==… and a limit for all of them")
	}
	items := []any{}
	for id := range strings.SplitSeq(ids, ",") {
		if f := c.s.flows[id]; c.sees(f, orgID) {
			items = append(items, f.document(c.s.now()))
		}
	}
	return http.StatusOK, map[string]any{"items": items, "_links": map[string]any{}}
}

// document is a dataflow as Flow Service shows it.
func (f *Flow) document(now time.Time) map[string]any {
	d := map[string]any{"id": f.ID, "name": f.Name, "imsOrgId": f.OrgID, "sandboxName": f.Sandbox, "state": "enabled"}
	if !f.Streaming {
		d["scheduleParams"] = map[string]any{"startTime": strconv.FormatInt(now.Unix(), 10), "frequency": "hour", "interval": 1}
	}
	return d
}

// byCreation returns the ids of all runs in the order in which they were created.
func (s *Server) byCreation() []string {
	if s.sorted == nil {
		s.sorted = slices.Clone(s.order)
		slices.SortStableFunc(s.sorted, func(a, b string) int { return s.runs[a].CreatedAt.Compare(s.runs[b].CreatedAt) })
	}
	return s.sorted
}

// list pages through the runs, in the order they were created or newest first. The
// continuation token is the id of the last run of the page before.
func (c *call) list() (int, any) {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	orgID, status, body, ok := c.caller()
	if !ok {
		return status, body
	}
	if status, body, ok := c.query("property", "orderby", "limit", "count", "continuationToken"); !ok {
		return status, body
	}
	q := c.r.URL.Query()
	if q.Has("count") && q.Has("limit") {
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "count and limit can't be combined")
	}
	limit := 20
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > 100 {
			return c.refuse(http.StatusBadRequest, 1401, "Bad request", "limit must be from 1 to 100")
		}
		limit = n
	}
	order := c.s.byCreation()
	switch q.Get("orderby") {
	case "", "createdAt", "+createdAt":
	case "-createdAt":
		order = slices.Clone(order)
		slices.Reverse(order)
	default:
		return c.refuse(http.StatusBadRequest, 1401, "Bad request", "unknown orderby")
	}
	if after := q.Get("continuationToken"); after != "" {
		i := slices.Index(order, after)
		if i < 0 {
			return c.refuse(http.StatusBadRequest, 1401, "Bad request", "the continuation token is not valid")
		}
		order = order[i+1:]
	}
	var properties []property
	for _, text := range q["property"] {
		p, err := parseProperty(text)
		if err != nil {
			return c.refuse(http.StatusBadRequest, 1401, "Bad request", err.Error())
		}
		properties = append(properties, p)
	}
	var found []*Run
	for _, id := range order {
		r, f := c.visible(orgID, id)
		if r == nil || c.s.now().Sub(r.CreatedAt) < c.s.listLag {
			continue
		}
		keep := true
		for _, p := range properties {
			keep = keep && p.match(r, f)
		}
		if keep {
			found = append(found, r)
		}
		if len(found) > limit && !q.Has("count") {
			break
		}
	}
	if q.Get("count") == "true" {
		return http.StatusOK, map[string]int{"count": len(found)}
	}
	links := map[string]any{}
	if len(found) > limit {
		found = found[:limit]
		links["next"] = map[string]string{"href": "/runs?continuationToken=" + url.QueryEscape(found[limit-1].ID)}
	}
	items := make([]any, len(found))
	for i, r := range found {
		items[i] = document(r, c.s.flows[r.FlowID])
	}
	return http.StatusOK, map[string]any{"items": items, "_links": links, "count": len(items)}
}

// property is a condition such as flowId==F or createdAt>1593134665781.
type property struct {
	path, op string
	values   []string // of ==, any of which will do
	ms       int64    // of a time
}

func parseProperty(text string) (p property, err error) {
	value, ok := "", false
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.path, value, ok = strings.Cut(text, op); ok {
			p.op = op
			break
		}
	}
	if !ok {
		return p, fmt.Errorf("property %q has no operator", text)
	}
	switch p.path {
	case "id", "flowId", "metrics.statusSummary.status":
		if p.op != "==" && p.op != "!=" {
			return p, fmt.Errorf("%s can't be compared with %s", p.path, p.op)
		}
		p.values = strings.Split(value, ",")
	case "createdAt", "updatedAt", "metrics.durationSummary.startedAtUTC":
		if p.ms, err = strconv.ParseInt(value, 10, 64); err != nil {
			return p, fmt.Errorf("%s is compared with a time in ms", p.path)
		}
	default:
		return p, fmt.Errorf("unknown property %s", p.path)
	}
	return p, nil
}

func (p property) match(r *Run, f *Flow) bool {
	got := r.Status
	switch p.path {
	case "id":
		got = r.ID
	case "flowId":
		got = f.ID
	case "createdAt", "updatedAt", "metrics.durationSummary.startedAtUTC":
		at := r.CreatedAt
		switch {
		case p.path == "updatedAt":
			at = r.updatedAt()
		case p.path != "createdAt" && r.NeverStarted:
			return false // what a run does not have is not compared
		}
		order := cmp.Compare(at.UnixMilli(), p.ms)
		switch p.op {
		case "==":
			return order == 0
		case "!=":
			return order != 0
		case "<":
			return order < 0
		case ">":
			return order > 0
		case "<=":
			return order <= 0
		default:
			return order >= 0
		}
	}
	return slices.ContainsFunc(p.values, func(v string) bool { return strings.EqualFold(v, got) }) == (p.op == "==")
}

// updatedAt is when the run was last changed.
func (r *Run) updatedAt() time.Time {
	if r.CompletedAt.After(r.CreatedAt) {
		return r.CompletedAt
	}
	return r.CreatedAt
}

// document is a run as Flow Service shows it.
func document(r *Run, f *Flow) map[string]any {
	duration := map[string]any{"startedAtUTC": r.CreatedAt.UnixMilli(), "completedAtUTC": 0}
	if !r.CompletedAt.IsZero() {
		duration["completedAtUTC"] = r.CompletedAt.UnixMilli()
	}
	if r.NeverStarted {
		delete(duration, "startedAtUTC")
	}
	d := map[string]any{
		"id": r.ID, "flowId": r.FlowID, "imsOrgId": f.OrgID, "sandboxName": f.Sandbox, "sandboxId": "5f6d1ba0-0000-4000-8000-000000000000",
		"createdAt": r.CreatedAt.UnixMilli(), "updatedAt": r.updatedAt().UnixMilli(),
		"createdBy": "service@AdobeID", "createdClient": r.CreatedClient, "etag": "\"1\"",
		"metrics": map[string]any{
			"durationSummary": duration,
			"recordSummary":   map[string]any{"inputRecordCount": r.Records, "outputRecordCount": r.Records, "failedRecordCount": 0},
			"statusSummary":   map[string]any{"status": r.Status, "errors": append([]RunError{}, r.Errors...)},
		},
		"activities": []any{},
	}
	if r.Downstream {
		d["predecessors"] = []any{map[string]string{"id": "upstream"}}
	}
	if r.Document != nil {
		r.Document(d)
	}
	return d
}

// FailureEvent is the payload that Adobe I/O Events sends about a run: the first
// generation of facts, a flat run with the dataflow's name and a header.
func (s *Server) FailureEvent(runID string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[runID]
	f := s.flows[r.FlowID]
	d := document(r, f)
	d["flowName"] = f.Name
	d["header"] = map[string]any{"_adobeio": map[string]string{
		"imsOrgId": f.OrgID, "providerMetadata": "aep_observability_catalog_events", "eventCode": "source_flow_run_error",
	}}
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // maps of strings and numbers always encode
	}
	return raw
}

// token is IMS: OAuth server-to-server, form in the body, scopes by commas.
func (c *call) token() (int, any) {
	c.w.Header().Set("X-Debug-Id", c.requestID)
	refuse := func(status int, code, description string) (int, any) {
		return status, map[string]string{"error": code, "error_description": description}
	}
	media, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	switch {
	case c.r.Method != http.MethodPost:
		return refuse(http.StatusMethodNotAllowed, "invalid_request", "method not allowed")
	case c.r.URL.RawQuery != "":
		return refuse(http.StatusBadRequest, "invalid_request", "parameters belong in the body")
	case media != "application/x-www-form-urlencoded" || c.r.ParseForm() != nil:
		return refuse(http.StatusBadRequest, "invalid_request", "want a form")
	case c.r.PostForm.Get("grant_type") != "client_credentials":
		return refuse(http.StatusBadRequest, "unsupported_grant_type", "unsupported grant_type")
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, org := range c.s.orgs {
		if org.ClientID != c.r.PostForm.Get("client_id") {
			continue
		}
		if !slices.Contains(org.Secrets, c.r.PostForm.Get("client_secret")) {
			return refuse(http.StatusUnauthorized, "invalid_client", "invalid client_secret parameter")
		}
		for scope := range strings.SplitSeq(c.r.PostForm.Get("scope"), ",") {
			if !slices.Contains(org.Scopes, scope) {
				return refuse(http.StatusBadRequest, "invalid_scope", "Invalid scope requested")
			}
		}
		text := TokenPrefix + rand.Text()
		c.s.tokens[text] = token{orgID: org.ID, expires: c.s.now().Add(c.s.lifetime)}
		return http.StatusOK, map[string]any{"access_token": text, "token_type": "bearer", "expires_in": int(c.s.lifetime.Seconds())}
	}
	return refuse(http.StatusBadRequest, "invalid_client", "invalid client_id parameter")
}
