package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// A world is Adobe, AWS and the function in one process, in the virtual time of a
// bubble of testing/synctest: events in, HTTP and AWS calls out, and nothing
// between them but their real code. A process of the function can be made to
// crash between any two of its calls.
type world struct {
	tb     fataler
	adobe  *flowsim.Server
	aws    *awssim.Server
	memory *ledger.Memory
	cfg    config.Config
	// mutate puts a fault into the ledger's logic, for tests of the tests.
	mutate func(retrigger.Ledger) retrigger.Ledger
	faults faults
	// adobeHandler serves Adobe's calls; nil for the simulator itself.
	adobeHandler http.Handler
	// told tells the function of a failed run: by the queue unless it is replaced.
	told func(runID string)
	// timeout is that of the function.
	timeout time.Duration
	// allowLoops switches Lambda's recursion detection off.
	allowLoops bool
	// repeats lets the client repeat calls to Adobe, as in a deployment.
	repeats bool

	requests, letters string // queue URLs
	logs              *records
	flows             []string
	roots             int
}

type fataler interface {
	Errorf(string, ...any)
	Fatal(...any)
	Fatalf(string, ...any)
	Helper()
}

const (
	worldOrg     = "W@AdobeOrg"
	worldOther   = "V@AdobeOrg"
	worldSandbox = "prod"
	worldTimeout = time.Minute
)

// faults are those of the ledger's calls to come.
type faults struct {
	mu     sync.Mutex
	before int // calls that fail without effect
	after  int // calls that take effect and fail
}

func (f *faults) next() (before, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.before > 0:
		f.before--
		return true, false
	case f.after > 0:
		f.after--
		return false, true
	}
	return false, false
}

func newWorld(tb fataler, skew, lag time.Duration) *world {
	w := &world{tb: tb, timeout: worldTimeout, aws: awssim.New(), memory: ledger.NewMemory(), logs: &records{}}
	w.adobe = flowsim.New(flowsim.Options{Now: func() time.Time { return time.Now().Add(skew) }, ListLag: lag})
	var secrets []string
	for _, org := range []string{worldOrg, worldOther} {
		w.adobe.AddOrg(flowsim.Org{ID: org, ClientID: "client-" + org[:1], Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{worldSandbox, "dev"}})
		w.aws.PutSecret("secret-"+org[:1], fmt.Sprintf(`{"client_id":"client-%s","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, org[:1], org))
		secrets = append(secrets, "secret-"+org[:1])
	}
	w.letters = w.aws.AddQueue(awssim.Queue{Name: "letters", VisibilityTimeout: time.Minute, MaximumMessageSize: sqstext.MaxMessage})
	w.requests = w.aws.AddQueue(awssim.Queue{
		Name: "requests", VisibilityTimeout: 6 * time.Minute, DeadLetterQueue: "letters", MaxReceives: 1000, Retention: 14 * 24 * time.Hour,
		MaximumMessageSize: sqstext.MaxRequest,
	})
	w.cfg = config.Config{
		SecretIDs: secrets, QueueURL: w.requests, DeadLetterQueueURL: w.letters, LedgerTTL: ledger.DefaultTTL, RetryDelays: policy.DefaultDelays(), MaxRunAge: policy.DefaultMaxAge,
		BreakerThreshold: policy.DefaultBreakerThreshold, BreakerCooldown: policy.DefaultBreakerCooldown,
		ReconcileAfter: config.DefaultReconcileAfter, SweepSince: config.DefaultSweepSince, SweepLimit: config.DefaultSweepLimit,
		FlowServiceURL: "http://127.0.0.1" + flowsim.FlowServicePath, IMSURL: "http://127.0.0.1", RetriggerOp: "re-trigger",
		LogLevel: slog.LevelInfo, MaxConcurrentRuns: 5, CallTimeout: 10 * time.Second, SecretCacheTTL: time.Hour,
	}
	w.told = func(id string) { w.send(string(w.adobe.FailureEvent(id))) }
	return w
}

// flow adds a dataflow of an org.
func (w *world) flow(id, orgID string) {
	w.adobe.AddFlow(flowsim.Flow{ID: id, Name: id, OrgID: orgID, Sandbox: worldSandbox})
	w.flows = append(w.flows, id)
}

// fail makes a failed run of a dataflow, as its schedule would.
func (w *world) fail(flowID string) string {
	w.roots++
	id := fmt.Sprintf("root-%s-%d", flowID, w.roots)
	w.adobe.AddRun(flowsim.Run{ID: id, FlowID: flowID, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CompletedAt: time.Now(), Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500"}}})
	return id
}

// gate is what a process's calls go through. It counts them down to the crash.
type gate struct {
	mu    sync.Mutex
	trace string // of the invocation under way
	left  int    // calls before the crash; negative for none
	after bool   // the crash comes after the call's effect
	dead  bool
	calls int
}

var errDead = errors.New("the process is dead")

// call runs the effect of a call unless the process is dead.
func (g *gate) call(effect func()) error {
	g.mu.Lock()
	g.calls++
	last := g.left == 0 && !g.dead
	if g.left > 0 {
		g.left--
	}
	if last {
		g.dead = true
	}
	stop := g.dead && (!last || !g.after)
	g.mu.Unlock()
	if stop {
		return errDead
	}
	effect()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dead {
		return errDead
	}
	return nil
}

type gated struct {
	gate *gate
	next http.RoundTripper
}

func (g gated) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if r.Header.Get("X-Amz-Target") != "" { // as the SDK does within Lambda
		g.gate.mu.Lock()
		r.Header.Set(lambdaenv.TraceHeader, g.gate.trace)
		g.gate.mu.Unlock()
	}
	dead := g.gate.call(func() { response, err = g.next.RoundTrip(r) }) //nolint:bodyclose // the caller closes it
	if dead != nil {
		return nil, dead
	}
	return response, err
}

// gatedStore is the ledger's store as a process sees it.
type gatedStore struct {
	gate *gate
	*world
}

func (s gatedStore) do(op string, effect func() error) (err error) {
	before, after := s.faults.next()
	if before {
		return &ledger.UnavailableError{Op: op, Err: errors.New("throttled")}
	}
	if dead := s.gate.call(func() { err = effect() }); dead != nil {
		return &ledger.UnavailableError{Op: op, Err: dead}
	}
	if after && err == nil {
		return &ledger.UnavailableError{Op: op, Err: errors.New("the answer is lost")}
	}
	return err
}

func (s gatedStore) Read(ctx context.Context, keys ...string) (found []ledger.Record, err error) {
	err = s.do("read", func() (err error) { found, err = s.memory.Read(ctx, keys...); return err })
	return found, err
}

func (s gatedStore) Commit(ctx context.Context, writes ...ledger.Write) error {
	return s.do("commit", func() error { return s.memory.Commit(ctx, writes...) })
}

func (s gatedStore) List(ctx context.Context, index, value string, limit int) (found []ledger.Record, err error) {
	err = s.do("list", func() (err error) { found, err = s.memory.List(ctx, index, value, limit); return err })
	return found, err
}

// process is one execution environment of the function.
type process struct {
	tb      fataler
	handler *Handler
	gate    *gate
	timeout time.Duration
}

// start starts a process that crashes after so many calls; never with a negative
// number.
func (w *world) start(calls int, after bool) *process {
	g := &gate{left: calls, after: after}
	store := gatedStore{g, w}
	memory := retrigger.Ledger(memory(w.cfg, store))
	if w.mutate != nil {
		memory = w.mutate(memory)
	}
	amazon := w.amazon(gated{g, loopback.Transport{Handler: w.aws}})
	served := http.Handler(w.adobe)
	if w.adobeHandler != nil {
		served = w.adobeHandler
	}
	adobe := []flowclient.Option{flowclient.WithHTTPClient(&http.Client{Transport: gated{g, loopback.Transport{Handler: served}}})}
	if !w.repeats {
		adobe = append(adobe, flowclient.WithMaxAttempts(1))
	}
	return &process{tb: w.tb, handler: wire(w.cfg, amazon, store, memory, w.logs.of(g), adobe...), gate: g, timeout: w.timeout}
}

func (w *world) amazon(transport http.RoundTripper) aws.Config {
	return aws.Config{
		Region: awssim.Region, HTTPClient: &http.Client{Transport: transport}, BaseEndpoint: aws.String("http://127.0.0.1"),
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	}
}

// Invoke implements [lambdaenv.Invoker]: a dead process gives no answer, and a living
// one in time.
func (p *process) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	p.gate.mu.Lock()
	p.gate.trace = lambdaenv.Trace(ctx)
	p.gate.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answer, err := p.handler.Invoke(ctx, payload)
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	if deadline, _ := ctx.Deadline(); !p.gate.dead && !time.Now().Before(deadline) {
		p.tb.Errorf("Lambda has killed the function, whose answer came %s after the deadline", time.Since(deadline))
	}
	switch {
	case p.gate.dead:
		return lambdaenv.Response{}, errDead
	case err != nil:
		return lambdaenv.Response{Payload: []byte(`{}`), FunctionError: err.Error()}, nil
	}
	return lambdaenv.Response{Payload: answer}, nil
}

// poll delivers one batch of the queue to a process.
func (w *world) poll(p lambdaenv.Invoker) int {
	w.tb.Helper()
	m := lambdaenv.Mapping{SQS: w.sqs(), QueueURL: w.requests, BatchSize: 10, Invoker: p, AllowLoops: w.allowLoops}
	received, _, err := m.Poll(context.Background(), 0)
	if err != nil && !errors.Is(err, errDead) {
		w.tb.Fatal(err)
	}
	return received
}

// send puts a body on the request queue, as EventBridge does.
func (w *world) send(body string) {
	w.tb.Helper()
	w.put(w.requests, body)
}

// sqs is a client of the queues, which no process's crash concerns.
func (w *world) sqs() *sqs.Client {
	return sqs.NewFromConfig(w.amazon(loopback.Transport{Handler: w.aws}))
}

func (w *world) put(queueURL, body string) {
	w.tb.Helper()
	if _, err := w.sqs().SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &queueURL, MessageBody: &body}); err != nil {
		w.tb.Fatal(err)
	}
}

// direct invokes the function with an event as EventBridge's own target would: up
// to three times, and then to the dead-letter queue.
func (w *world) direct(payload []byte, start func() *process) {
	w.tb.Helper()
	for try := range 3 {
		if try > 0 {
			pass(time.Duration(try) * time.Minute)
		}
		answer, err := start().Invoke(context.Background(), payload)
		if err == nil && answer.FunctionError == "" {
			return
		}
	}
	w.put(w.letters, string(payload))
}

// pass lets the bubble's time pass.
func pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// drain delivers messages, each to a process of its own, until none is left that
// becomes visible within the time. Runs that end meanwhile fail or succeed as
// scripted, and their failures come as events.
func (w *world) drain(within time.Duration) {
	w.tb.Helper()
	end := time.Now().Add(within)
	p := w.start(-1, false)
	for {
		if w.poll(p) > 0 {
			continue
		}
		next := w.next()
		if w.adobe.Running() { // a run takes a minute
			if next.IsZero() || next.After(time.Now().Add(time.Minute)) {
				next = time.Now().Add(time.Minute)
			}
			pass(time.Until(next))
			w.settle()
			continue
		}
		if next.IsZero() || next.After(end) {
			return
		}
		pass(time.Until(next))
	}
}

// String tells what happened.
func (w *world) String() string {
	var b strings.Builder
	for _, r := range w.adobe.Runs() {
		fmt.Fprintf(&b, "run %s of %s: %s, created %s by %s\n", r.ID, r.Of, r.Status, r.CreatedAt.Format(time.TimeOnly), r.CreatedClient)
	}
	for _, c := range w.adobe.Calls() {
		fmt.Fprintf(&b, "call %s %s: %d\n", c.Op, c.RunID, c.Status)
	}
	for _, one := range w.logs.outcomes() {
		fmt.Fprintf(&b, "%s %+v\n", one.Timestamp.Format(time.TimeOnly), one)
	}
	for _, r := range w.memory.Records() {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// next is when the next message becomes visible; zero without one.
func (w *world) next() time.Time {
	var next time.Time
	for _, m := range w.aws.Messages(w.requests) {
		if next.IsZero() || m.VisibleAt.Before(next) {
			next = m.VisibleAt
		}
	}
	return next
}

// settle ends the runs in progress and sends the events of those that failed.
func (w *world) settle() {
	w.tb.Helper()
	for _, r := range w.adobe.Settle() {
		if r.Status == flowsim.Failed {
			w.told(r.ID)
		}
	}
}

// lineages counts the re-triggers that took effect by the true root of a run.
func (w *world) lineages() map[string]int {
	parent := map[string]string{}
	counts := map[string]int{}
	for _, r := range w.adobe.Runs() {
		if r.Of == "" {
			counts[r.ID] += 0
			continue
		}
		parent[r.ID] = r.Of
		root := r.ID
		for parent[root] != "" {
			root = parent[root]
		}
		counts[root]++
	}
	return counts
}

// entry is the ledger's entry of a run.
func (w *world) entry(runID string) ledger.Record {
	for _, r := range w.memory.Records() {
		if r["runId"] == runID {
			return r
		}
	}
	return nil
}

// deadLetters counts the dead letters by run, those of SQS and Lambda included.
func (w *world) deadLetters() map[string]int {
	counts := map[string]int{}
	for _, m := range w.aws.Messages(w.letters) {
		for _, r := range w.adobe.Runs() {
			if strings.Contains(m.Body, `"runId":"`+r.ID+`"`) || strings.Contains(m.Body, `"id":"`+r.ID+`"`) {
				counts[r.ID]++
			}
		}
	}
	return counts
}

// records keeps the function's log records of outcomes. What a process that has
// died meanwhile says is not heard.
type records struct {
	mu    sync.Mutex
	all   []record
	swept []sweepRecord
	// metrics are the records of metrics, one for each invocation.
	metrics []map[string]any
}

type record struct {
	Timestamp                        time.Time
	RunID, Outcome, Reason, NewRunID string
	Detail                           string
	FlowName, ErrorCode, ErrorText   string
	Attempt                          int
	Extra                            int `json:"extra_retriggers"`
}

// sweepRecord is one of a sweep.
type sweepRecord struct {
	SweepID, State                                     string
	Seen, Failed, Requested, Pages, Restarts, Failures int
	Skipped                                            map[string]int
}

type recorder struct {
	records *records
	gate    *gate
}

func (r *records) of(g *gate) io.Writer { return recorder{r, g} }

func (r recorder) Write(line []byte) (int, error) {
	r.gate.mu.Lock()
	dead := r.gate.dead
	r.gate.mu.Unlock()
	if dead {
		return len(line), nil
	}
	r.records.mu.Lock()
	defer r.records.mu.Unlock()
	var one record
	if json.Unmarshal(line, &one) == nil {
		r.records.all = append(r.records.all, one)
	}
	var metrics map[string]any
	if json.Unmarshal(line, &metrics) == nil && metrics["_aws"] != nil {
		r.records.metrics = append(r.records.metrics, metrics)
	}
	var swept sweepRecord
	if json.Unmarshal(line, &swept) == nil && swept.State != "" && swept.SweepID != "" {
		r.records.swept = append(r.records.swept, swept)
	}
	return len(line), nil
}

// outcomes returns the records of outcomes.
func (r *records) outcomes() (all []record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		if one.Outcome != "" {
			all = append(all, one)
		}
	}
	return all
}

// ends returns the outcomes of a run that are ends, in their order.
func (r *records) ends(runID string) (ends []record) {
	for _, one := range r.outcomes() {
		if one.RunID == runID && one.Outcome != "returned" && one.Outcome != "deferred" {
			ends = append(ends, one)
		}
	}
	return ends
}
