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
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

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
	OpSource    = "sourceConnection"
	OpTest      = "testConnection"
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
	// Streaming marks a source whose runs can't be retried. It has no base connection.
	Streaming bool
	// Windows is how Adobe shows the data windows of the dataflow's runs.
	Windows Windows
	// Refuses is why the source does not accept the connection's credential; empty where it
	// does.
	Refuses string
}

// Windows is how Adobe shows data windows. No source says which window the run of a
// re-trigger shows.
type Windows int

// The ways to show data windows.
const (
	// WindowsRepeated gives a re-trigger's run the window of the run that it repeats.
	WindowsRepeated Windows = iota
	// WindowsOwn gives a re-trigger's run a window of its own.
	WindowsOwn
	// WindowsHidden keeps windows out of all runs' documents.
	WindowsHidden
)

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

// Accept sets the values of op that a re-trigger may have from now on; see
// [Options.Spellings].
func (s *Server) Accept(spellings ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spellings = spellings
}

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := &call{s: s, w: w, r: r}
	c.route()
	fault := faultOf(s, c.op)
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
