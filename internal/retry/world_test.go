package retry_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	org     = "org@AdobeOrg"
	flow    = "flow"
	sandbox = "prod"
)

var errDown = errors.New("it is down")

// world is an engine over a ledger in memory and a simulated Flow Service, in virtual time.
// Its own methods are deliveries, and what leads to them.
type world struct {
	results
	accounts *accounts
	throttle *slowly
	letters  *letters
	options  Options
	noQueue  bool
}

// inWorld runs a test in a world of its own.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			results:  results{T: t, adobe: &adobe{Server: flowsim.New(flowsim.Options{})}, table: &table{Table: memory.New()}, queue: &queue{}, bus: &bus{}},
			throttle: &slowly{}, letters: &letters{},
		}
		w.adobe.AddFlow(flowsim.Flow{ID: flow, Name: "Orders", OrgID: org, Sandbox: sandbox})
		w.accounts = &accounts{w: w}
		w.accounts.rotate(ourClient)
		w.ledger = ledger.New(w.table, ledger.DefaultTTL, time.Now, ledger.KeepNews)
		episodes := ledger.NewEpisodes(w.ledger)
		w.options = Options{
			Episodes: episodes, Teller: &Teller{Notices: w.bus, Episodes: episodes, Now: time.Now, Log: slog.New(slog.NewTextHandler(&w.log, nil))},
			Rules: rules(), CallTimeout: 10 * time.Second, Now: func() time.Time { return time.Now().Round(0) },
			Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		}
		test(w)
	})
}

func (w *world) engine() *Engine {
	var requests Requests = w.queue
	if w.noQueue {
		requests = nil
	}
	return New(w.accounts, w.ledger, w.table, w.throttle, w.letters, requests, w.options)
}

// fail makes a failed run, as a schedule does.
func (w *world) fail(runID string) event.Request {
	now := time.Now()
	w.adobe.AddRun(flowsim.Run{ID: runID, FlowID: flow, Status: flowsim.Failed, CreatedClient: "a-schedule", CreatedAt: now, CompletedAt: now})
	return w.event(runID)
}

// event is Adobe's event of a failed run.
func (w *world) event(runID string) event.Request {
	for _, r := range w.adobe.Runs() {
		if r.ID == runID {
			return event.Request{RunID: runID, FlowID: r.FlowID, OrgID: org, Sandbox: sandbox, Source: event.FromAdobe, SentAt: time.Now(), Origin: event.Origin{
				FailedAt: r.CompletedAt, CreatedAt: r.CreatedAt, CreatedClient: r.CreatedClient,
			}}
		}
	}
	w.Fatalf("there is no run %s", runID)
	return event.Request{}
}

// byHand is a person's request.
func byHand(runID string) event.Request {
	return event.Request{RunID: runID, FlowID: flow, OrgID: org, Sandbox: sandbox, Source: event.FromPerson}
}

// deliver makes one delivery.
func (w *world) deliver(req event.Request) Result {
	return w.deliverTo(w.engine(), req, Delivery{Name: time.Now().String()})
}

func (w *world) deliverTo(e *Engine, req event.Request, d Delivery) Result {
	ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
	defer cancel()
	return e.Retry(ctx, req, d)
}

// lose sends a run whose answer is lost. made tells whether the call takes effect.
func (w *world) lose(req event.Request, made bool) Result {
	w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: made, Reset: true})
	r := w.deliver(req)
	w.want(r, Returned, OutcomeUnknown)
	return r
}

// unanswered makes run "run" fail, of whose re-trigger the answer is lost, and lets the time
// pass that Flow Service is given to list what it made.
func (w *world) unanswered(made bool) event.Request {
	w.Helper()
	req := w.fail("run")
	w.lose(req, made)
	pass(reconcile)
	return req
}

// searchedInVain makes such a run whose re-trigger made nothing: a message waits for the
// second search.
func (w *world) searchedInVain() {
	w.Helper()
	w.want(w.deliver(w.unanswered(false)), Deferred, OutcomeUnknown)
}

// atOnce is a policy of so many attempts without delays.
func atOnce(attempts int) *policy.Policy {
	return &policy.Policy{Delays: make([]time.Duration, attempts), MaxAge: policy.DefaultMaxAge}
}

// laterOf is a ledger of another process, at a later time.
func laterOf(w *world, d time.Duration) *ledger.Ledger {
	return ledger.New(w.table, ledger.DefaultTTL, func() time.Time { return time.Now().Add(d) })
}

func pass(d time.Duration) { <-time.After(d) }

// table is a table with faults. A pulse is written beside a call, so that its commits are told
// apart.
type table struct {
	store.Table
	onRead   func() error
	onCommit func([]store.Write) (before, after error)
	onPulse  func([]store.Write) (before, after error)
	onAdd    func(n int) error
	reads    int
}

func (t *table) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	t.reads++
	if t.onRead != nil {
		if err := t.onRead(); err != nil {
			return nil, &store.UnavailableError{Op: "read", Err: err}
		}
	}
	return t.Table.Read(ctx, keys...)
}

func (t *table) Commit(ctx context.Context, writes ...store.Write) error {
	var before, after error
	switch isPulse := strings.HasPrefix(writes[0].Key, ledger.OrgKey("")); {
	case isPulse && t.onPulse != nil:
		before, after = t.onPulse(writes)
	case !isPulse && t.onCommit != nil:
		before, after = t.onCommit(writes)
	}
	if before != nil {
		return &store.UnavailableError{Op: "commit", Err: before}
	}
	if err := t.Table.Commit(ctx, writes...); err != nil || after == nil {
		return err
	}
	return &store.UnavailableError{Op: "commit", Err: after}
}

func (t *table) Add(ctx context.Context, key string, n, most int, ttl time.Time) (bool, error) {
	if t.onAdd != nil {
		if err := t.onAdd(n); err != nil {
			return false, &store.UnavailableError{Op: "add", Err: err}
		}
	}
	return t.Table.Add(ctx, key, n, most, ttl)
}

// isClaim reports whether one of the writes claims a run.
func isClaim(writes []store.Write) bool {
	return slices.ContainsFunc(writes, func(w store.Write) bool { return w.New["state"] == string(ledger.InFlight) })
}

// accounts has one org.
type accounts struct {
	w       *world
	account *credentials.Account
	err     error
	onRenew func() (clientID string, err error)
}

// rotate gives the org another client id.
func (a *accounts) rotate(clientID string) {
	a.w.adobe.AddOrg(flowsim.Org{ID: org, ClientID: clientID, Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{sandbox, "dev"}})
	client := &http.Client{Transport: loopback.Transport{Handler: a.w.adobe}}
	options := []flowclient.Option{
		flowclient.WithBaseURL("http://127.0.0.1" + flowsim.FlowServicePath), flowclient.WithIMSURL("http://127.0.0.1"),
		flowclient.WithHTTPClient(client), flowclient.WithMaxAttempts(1), flowclient.WithClock(time.Now),
	}
	ims, err := flowclient.NewIMS(flowclient.Credentials{ClientID: clientID, ClientSecret: "s", Scopes: []string{"openid"}}, options...)
	if err != nil {
		a.w.Fatal(err)
	}
	flow, err := flowclient.New(org, clientID, ims, options...)
	if err != nil {
		a.w.Fatal(err)
	}
	a.account = &credentials.Account{OrgID: org, ClientID: clientID, Sandbox: sandbox, Client: flow}
}

func (a *accounts) ForOrg(context.Context, string) (*credentials.Account, error) {
	return a.account, a.err
}

func (a *accounts) Renew(_ context.Context, _ *credentials.Account, cause error) (*credentials.Account, error) {
	if a.onRenew == nil {
		return nil, &credentials.Error{Kind: credentials.Refused, Err: cause}
	}
	clientID, err := a.onRenew()
	if err != nil {
		return nil, err
	}
	a.rotate(clientID)
	return a.account, nil
}

// slowly is a throttle.
type slowly struct {
	status    throttle.PauseStatus
	err       error
	busy      time.Duration
	published int
}

func (s *slowly) pause(d time.Duration) {
	s.status = throttle.PauseStatus{Wait: d, Detail: "all is paused"}
}

func (s *slowly) resume() { s.status = throttle.PauseStatus{} }

func (s *slowly) PauseStatus(context.Context, string, string, time.Time) (throttle.PauseStatus, error) {
	return s.status, s.err
}

func (s *slowly) Busy(string) time.Duration { return s.busy }

func (s *slowly) PublishSlowDown(context.Context, string) error {
	s.published++
	return s.err
}

// letters is a dead letter queue.
type letters struct {
	sent   []deadletter.Message
	err    error
	onSend func()
}

func (l *letters) Send(_ context.Context, m deadletter.Message) error {
	if l.onSend != nil {
		l.onSend()
	}
	if l.err != nil {
		return l.err
	}
	l.sent = append(l.sent, m)
	return nil
}

// queue is a request queue.
type queue struct {
	mu   sync.Mutex
	sent []requestqueue.Waiting
	err  error
}

func (q *queue) Send(_ context.Context, requests []requestqueue.Waiting) []error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return []error{q.err}
	}
	q.sent = append(q.sent, requests...)
	return []error{nil}
}
