package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/dataflow"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/internal/unrecognized"
)

const (
	ownQueue  = "arn:aws:sqs:us-east-1:1:requests"
	testOrg   = "A@AdobeOrg"
	knownFlow = "11111111-1111-1111-1111-111111111111"
)

// engine is a fake of the engine. The id of a run says what becomes of its request: a
// reason, for which it is returned, or "good".
type engine struct {
	mu sync.Mutex
	// worked are the runs that a retry was begun for, gaveUp those of dead letters, with
	// their reason, and requeued those of messages.
	worked, gaveUp, requeued []string
	refused                  []event.Reason
	extra                    []retry.Extra
	recovered                time.Duration
	succeeded                []time.Time // when the events of successes were sent
	addedUp                  int         // results

	batch             *retry.Batch
	noTime            bool
	queueDown, noDead bool
}

func (e *engine) note(list *[]string, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	*list = append(*list, id)
}

func (e *engine) Early(req event.Request) (retry.Result, bool) {
	if !req.Due.After(time.Now()) {
		return retry.Result{}, false
	}
	early := retry.Return(req, retry.NotDue, "it waits until it is due")
	early.Due = req.Due
	return early, true
}

func (e *engine) TimeFor(context.Context) bool { return !e.noTime }

func (e *engine) Read(_ context.Context, _ []event.Request, extra ...retry.Extra) *retry.Batch {
	e.extra = append(e.extra, extra...)
	return e.batch
}

func (e *engine) Retry(_ context.Context, req event.Request, _ retry.Delivery) retry.Result {
	e.note(&e.worked, req.RunID)
	word, _, _ := strings.Cut(req.RunID, "-")
	result := retry.Return(req, retry.Reason(word), "it can't be done now")
	switch word {
	case "good":
		result.Outcome, result.Reason, result.NewRunID = retry.Retriggered, "", "new-"+req.RunID
	case string(retry.Throttled):
		result.RetryAfter = 20 * time.Minute
	case string(retry.Paused):
		result.Due = time.Now().Add(10 * time.Minute)
	}
	return result
}

func (e *engine) Succeed(_ context.Context, s event.Skip, seen time.Time, _ *retry.Batch) retry.Result {
	e.note(&e.worked, s.RunID)
	e.succeeded = append(e.succeeded, seen)
	result := retry.Skip(s)
	if strings.HasPrefix(s.RunID, string(retry.LedgerUnavailable)) {
		result.Outcome, result.Reason = retry.Returned, retry.LedgerUnavailable
		return result
	}
	result.Recovered, result.RecoveredAfter, result.Root, result.Parent, result.Attempt = e.recovered > 0, e.recovered, "r", "p", 2
	return result
}

func (e *engine) Requeue(_ context.Context, r retry.Result, _ time.Duration) retry.Result {
	if e.queueDown {
		return r
	}
	e.note(&e.requeued, r.RunID)
	r.Outcome = retry.Deferred
	return r
}

func (e *engine) GiveUp(_ context.Context, r retry.Result) retry.Result {
	if e.noDead {
		r.Reason = retry.DeadLetterQueueUnavailable
		return r
	}
	e.note(&e.gaveUp, r.RunID+": "+string(r.Reason)+": "+r.Message)
	r.Outcome = retry.DeadLettered
	return r
}

func (e *engine) Refuse(_ context.Context, _ []byte, fault *event.Error) retry.Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	result := retry.Counted(fault)
	if e.noDead {
		result.Outcome, result.Reason = retry.Returned, retry.Reason(event.TooLarge)
		return result
	}
	e.refused = append(e.refused, fault.Reason)
	return result
}

func (e *engine) Close(context.Context, *retry.Batch) {}

func (e *engine) Received(context.Context, []store.Record) {}

func (e *engine) Pulse(_ context.Context, results []retry.Result, _ []retry.Swept) {
	e.addedUp += len(results)
}

// sweeper is a fake of the sweeper: each part of a sweep ends as it says.
type sweeper struct {
	result sweep.Result
	panics bool
}

func (s *sweeper) Run(_ context.Context, req event.Sweep, _ time.Time) sweep.Result {
	if s.panics {
		panic("a defect")
	}
	r := s.result
	r.Request, r.Report.ID = req, req.ID
	return r
}

// accounts know one org.
type accounts struct{ err error }

func (a accounts) ForOrg(_ context.Context, orgID string) (*credentials.Account, error) {
	if a.err != nil {
		return nil, a.err
	}
	if orgID != "" && orgID != testOrg {
		return nil, &credentials.Error{Kind: credentials.OrgUnknown, Err: errors.New("no configured secret is of the org")}
	}
	return &credentials.Account{OrgID: testOrg}, nil
}

// pauses is a fake of the throttle.
type pauses struct {
	stale  bool
	err    error
	paused []throttle.Scope
	panics bool
}

func (p *pauses) Fresh() bool              { return !p.stale }
func (p *pauses) Learn(store.Record) error { return nil }

func (p *pauses) Pause(_ context.Context, scope throttle.Scope, why throttle.Cause, _ time.Time) ([]throttle.Pause, error) {
	if p.panics {
		panic("a defect")
	}
	p.paused = append(p.paused, scope)
	return []throttle.Pause{{Scope: scope, Reason: why.Reason}}, p.err
}

func (p *pauses) Resume(context.Context, throttle.Scope, time.Time) ([]throttle.Pause, error) {
	return nil, p.err
}

func (p *pauses) Lasting(context.Context) ([]throttle.Pause, error) {
	var all []throttle.Pause
	for _, scope := range p.paused {
		all = append(all, throttle.Pause{Scope: scope, FlowName: "orders"})
	}
	return all, p.err
}

// dataflows knows one dataflow.
type dataflows struct {
	err   error
	asked []dataflow.Query
}

func (f *dataflows) Find(_ context.Context, _ *credentials.Account, q dataflow.Query) (dataflow.Found, error) {
	f.asked = append(f.asked, q)
	switch {
	case f.err != nil:
		return dataflow.Found{}, f.err
	case q.FlowID != knownFlow && q.FlowName != "orders":
		return dataflow.Found{}, &dataflow.UnknownError{Message: "Adobe knows no " + q.String()}
	}
	return dataflow.Found{ID: knownFlow, Name: "orders", Sandbox: "prod"}, nil
}

func (f *dataflows) Test(ctx context.Context, a *credentials.Account, q dataflow.Query) (dataflow.Connection, error) {
	found, err := f.Find(ctx, a, q)
	return dataflow.Connection{FlowID: found.ID, FlowName: found.Name, Accepted: true}, err
}

// commands is a fake of what is done for runs: the id of a run is what becomes of it.
type commands struct{ orgID string }

func (c *commands) Cancel(_ context.Context, orgID string, cmd *event.Command) []retry.Result {
	c.orgID = orgID
	var all []retry.Result
	for _, id := range cmd.RunIDs {
		all = append(all, retry.Result{RunID: id, OrgID: orgID, Outcome: retry.Skipped, Reason: retry.Reason(id)})
	}
	return all
}

func (c *commands) Now(ctx context.Context, orgID string, cmd *event.Command) []retry.Result {
	all := c.Cancel(ctx, orgID, cmd)
	for i := range all {
		all[i].Outcome = retry.Returned
	}
	return all
}

func (c *commands) Drop(ctx context.Context, orgID string, cmd *event.Command) []retry.Result {
	all := c.Cancel(ctx, orgID, cmd)
	for _, id := range cmd.LetterIDs {
		all = append(all, retry.Result{LetterID: id, Outcome: retry.Skipped, Reason: retry.Dropped})
	}
	return all
}

// statuses is a fake of the status.
type statuses struct{}

func (statuses) Report(context.Context) status.Report { return status.Report{Version: "1.2.3"} }

// requests is a fake of the request queue.
type requests struct {
	err       error
	sweeps    []event.Sweep
	postponed []requestqueue.Postponed
}

func (q *requests) Is(arn string) bool { return arn == ownQueue }

func (q *requests) Postpone(_ context.Context, messages []requestqueue.Postponed) error {
	q.postponed = append(q.postponed, messages...)
	return q.err
}

func (q *requests) SendSweep(_ context.Context, rest event.Sweep, _ time.Duration) error {
	if q.err == nil {
		q.sweeps = append(q.sweeps, rest)
	}
	return q.err
}

// shapes is a fake of the counter of events without a run.
type shapes struct {
	mu      sync.Mutex
	seen    unrecognized.Seen
	counted int
	err     error
}

func (s *shapes) Seen(context.Context, string) (unrecognized.Seen, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen, s.err
}

func (s *shapes) Add(_ context.Context, _ string, written bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted++
	s.seen.Count, s.seen.Written = s.seen.Count+1, s.seen.Written || written
	return s.err
}

// function is a handler of fakes.
type function struct {
	*Handler
	engine   *engine
	sweeper  *sweeper
	accounts *accounts
	pauses   *pauses
	requests *requests
	shapes   *shapes
	flows    *dataflows
	commands *commands
	out      *bytes.Buffer
}

func newFunction() *function {
	f := &function{
		engine: &engine{}, sweeper: &sweeper{}, accounts: &accounts{}, pauses: &pauses{}, requests: &requests{}, shapes: &shapes{}, flows: &dataflows{}, commands: &commands{},
		out: &bytes.Buffer{},
	}
	f.Handler = New(Parts{
		Engine: f.engine, Sweeper: f.sweeper, Accounts: f.accounts, Throttle: f.pauses, Requests: f.requests, Shapes: f.shapes,
		Commands: f.commands, Status: statuses{}, Dataflows: f.flows,
		Metrics: telemetry.NewMetrics(f.out, "f", time.Now), Log: telemetry.NewLogger(f.out, slog.LevelInfo), Concurrency: 1, CallTimeout: time.Second,
	})
	return f
}

// metrics are the counts of the last invocation.
func (f *function) metrics(t *testing.T) map[string]any {
	t.Helper()
	var last map[string]any
	for line := range bytes.Lines(f.out.Bytes()) {
		var one map[string]any
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		if one["_aws"] != nil {
			last = one
		}
	}
	return last
}

// log is the records that are no metrics, as they were written.
func (f *function) log() string {
	var records []string
	for line := range strings.Lines(f.out.String()) {
		if !strings.Contains(line, `"_aws"`) {
			records = append(records, line)
		}
	}
	return strings.Join(records, "")
}

// sent is a message of the request queue.
type sent struct {
	id, body string
	receives int
	age      time.Duration
}

// poll delivers messages and returns the ids of those that come again.
func (f *function) poll(t *testing.T, messages ...sent) []string {
	t.Helper()
	batch := events.SQSEvent{Records: []events.SQSMessage{}}
	for i, m := range messages {
		if m.id == "" {
			m.id = fmt.Sprint("m", i+1)
		}
		batch.Records = append(batch.Records, events.SQSMessage{
			MessageId: m.id, ReceiptHandle: m.id, Body: m.body, EventSource: "aws:sqs", EventSourceARN: ownQueue,
			Attributes: map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(max(m.receives, 1)), "SentTimestamp": strconv.FormatInt(time.Now().Add(-m.age).UnixMilli(), 10),
			},
		})
	}
	payload, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var response events.SQSEventResponse
	if err := json.Unmarshal(answer, &response); err != nil {
		t.Fatal(err)
	}
	var again []string
	for _, item := range response.BatchItemFailures {
		again = append(again, item.ItemIdentifier)
	}
	return again
}

// direct invokes the function with a payload of its own.
func (f *function) direct(t *testing.T, payload string) (Answer, error) {
	t.Helper()
	raw, err := f.Invoke(t.Context(), []byte(payload))
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatal(err)
	}
	return answer, nil
}

// successOf is Adobe's event of a run's success.
func successOf(runID string) string {
	return fmt.Sprintf(`{"id":%q,"flowId":%q,"imsOrgId":%q,"metrics":{"statusSummary":{"status":"success"}}}`, runID, knownFlow, testOrg)
}

var errAway = errors.New("it is away")
