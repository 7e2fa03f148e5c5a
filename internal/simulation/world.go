// Package simulation is Adobe, AWS and the function in one process, in the virtual time
// of a bubble of testing/synctest: events in, HTTP and AWS calls out, and nothing between
// them but their real code. Tests of any package can play in it.
//
// A [World] has the simulators, the ledger's store and the function's configuration. A
// [Process] is one execution environment of the function. It can be made to crash between
// any two of its calls, before or after the call's effect.
//
// The package is for tests alone: nothing that is deployed imports it.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Org and OtherOrg are the orgs of a [World], Sandbox the sandbox of its dataflows.
// Both orgs have a sandbox "dev", too.
const (
	Org      = "W@AdobeOrg"
	OtherOrg = "V@AdobeOrg"
	Sandbox  = "prod"
)

// tableAge is how long before a World begins its ledger's table was made: a sweep sees all
// failed runs. A test of a new stack calls [memory.Table.MadeAt].
const tableAge = 365 * 24 * time.Hour

// NoticeBus is the event bus of a [World]. The function sends its notices there where the
// World's Config.NoticeBus names it.
const NoticeBus = "notices"

// DefaultTimeout is the function's timeout, as in template.yaml.
const DefaultTimeout = time.Minute

// Fataler is the part of [testing.TB] that a World needs; rapid's T has it, too.
type Fataler interface {
	Errorf(format string, args ...any)
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Helper()
}

// Handler is the function's handler.
type Handler interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Parts are what the function is made of in a World.
type Parts struct {
	Config config.Config
	Amazon aws.Config
	Store  store.Table
	// Out receives the log.
	Out io.Writer
	// Adobe are options of the client of Flow Service and IMS.
	Adobe []flowclient.Option
}

// World is Adobe, AWS and the function. Its fields may be changed before a process is
// started. Make it with [New].
type World struct {
	TB     Fataler
	Adobe  *flowsim.Server
	AWS    *awssim.Server
	Memory *memory.Table
	Config config.Config
	// Wire makes the function's handler.
	Wire func(Parts) Handler
	// Mutate puts a fault between the function and its store, for tests of the tests; nil
	// for none.
	Mutate func(store.Table) store.Table
	Faults Faults
	// AdobeHandler serves Adobe's calls; nil for the simulator itself.
	AdobeHandler http.Handler
	// Told tells the function of a failed run: by the queue unless it is replaced.
	Told func(runID string)
	// Timeout is the function's.
	Timeout time.Duration
	// AllowLoops switches Lambda's recursion detection off.
	AllowLoops bool
	// Repeats lets the client repeat calls to Adobe, as in a deployment.
	Repeats bool

	// Requests and DeadLetterQueue are the URLs of the two queues.
	Requests, DeadLetterQueue string
	Logs                      *Records
	// Flows are the dataflows that were added by [World.Flow], Roots counts the runs that
	// were added by [World.Fail].
	Flows []string
	Roots int

	queues func() *sqs.Client
}

// New returns a World in which wire makes the function. Adobe's clock is ahead of ours by
// skew, and Flow Service lists a new run after lag.
func New(tb Fataler, wire func(Parts) Handler, skew, lag time.Duration) *World {
	w := &World{TB: tb, Wire: wire, Timeout: DefaultTimeout, AWS: awssim.New(), Memory: memory.New(), Logs: &Records{}}
	w.queues = sync.OnceValue(func() *sqs.Client { return sqs.NewFromConfig(w.Amazon(loopback.Transport{Handler: w.AWS})) })
	w.Memory.MadeAt(time.Now().Add(-tableAge))
	w.Adobe = flowsim.New(flowsim.Options{Now: func() time.Time { return time.Now().Add(skew) }, ListLag: lag})
	var secrets []string
	for _, org := range []string{Org, OtherOrg} {
		w.Adobe.AddOrg(flowsim.Org{ID: org, ClientID: "client-" + org[:1], Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{Sandbox, "dev"}})
		w.AWS.PutSecret("secret-"+org[:1], fmt.Sprintf(`{"client_id":"client-%s","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, org[:1], org))
		secrets = append(secrets, "secret-"+org[:1])
	}
	w.AWS.EventBuses.Add(NoticeBus)
	w.DeadLetterQueue = w.AWS.AddQueue(awssim.Queue{Name: "dead-letters", VisibilityTimeout: time.Minute, MaximumMessageSize: sqstext.MaxMessage})
	w.Requests = w.AWS.AddQueue(awssim.Queue{
		Name: "requests", VisibilityTimeout: 6 * time.Minute, DeadLetterQueue: "dead-letters", MaxReceives: 1000, Retention: 14 * 24 * time.Hour,
		MaximumMessageSize: sqstext.MaxRequest,
	})
	w.Config = config.Config{
		SecretIDs: secrets, QueueURL: w.Requests, DeadLetterQueueURL: w.DeadLetterQueue, LedgerTTL: ledger.DefaultTTL, RetryDelays: policy.DefaultDelays(), MaxRunAge: policy.DefaultMaxAge,
		BreakerThreshold: policy.DefaultBreakerThreshold, BreakerCooldown: policy.DefaultBreakerCooldown,
		ReconcileAfter: config.DefaultReconcileAfter, ExtraSend: true, ExtraSendAfter: ledger.LostCallWindow, FaultInterval: ledger.DefaultFaultInterval, SweepSince: config.DefaultSweepSince, SweepLimit: config.DefaultSweepLimit,
		FlowServiceURL: "http://127.0.0.1" + flowsim.FlowServicePath, IMSURL: "http://127.0.0.1", RetriggerOp: "re-trigger",
		LogLevel: slog.LevelInfo, MaxConcurrentRuns: 10, CallTimeout: 10 * time.Second, SecretCacheTTL: time.Hour,
	}
	w.Told = func(id string) { w.Send(string(w.Adobe.FailureEvent(id))) }
	return w
}

// Flow adds a dataflow of an org.
func (w *World) Flow(id, orgID string) {
	w.Adobe.AddFlow(flowsim.Flow{ID: id, Name: id, OrgID: orgID, Sandbox: Sandbox})
	w.Flows = append(w.Flows, id)
}

// Fail makes a failed run of a dataflow, as its schedule would.
func (w *World) Fail(flowID string) string {
	w.Roots++
	id := fmt.Sprintf("root-%s-%d", flowID, w.Roots)
	w.Adobe.AddRun(flowsim.Run{ID: id, FlowID: flowID, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CompletedAt: time.Now(), Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500"}}})
	return id
}

// Poll delivers one batch of the queue to a process.
func (w *World) Poll(p lambdaenv.Invoker) int {
	w.TB.Helper()
	m := lambdaenv.Mapping{SQS: w.SQS(), QueueURL: w.Requests, BatchSize: 10, Invoker: p, AllowLoops: w.AllowLoops}
	received, _, err := m.Poll(context.Background(), 0)
	if err != nil && !errors.Is(err, ErrDead) {
		w.TB.Fatal(err)
	}
	return received
}

// Send puts a body on the request queue, as EventBridge does.
func (w *World) Send(body string) {
	w.TB.Helper()
	w.Put(w.Requests, body)
}

// SQS is a client of the queues, which no process's crash concerns.
func (w *World) SQS() *sqs.Client {
	return w.queues()
}

// Put puts a body on a queue, as it is.
func (w *World) Put(queueURL, body string) {
	w.TB.Helper()
	if _, err := w.SQS().SendMessage(context.Background(), &sqs.SendMessageInput{QueueUrl: &queueURL, MessageBody: &body}); err != nil {
		w.TB.Fatal(err)
	}
}

// Direct invokes the function with an event as EventBridge's own target would: up
// to three times, and then to the dead-letter queue.
func (w *World) Direct(payload []byte, start func() *Process) {
	w.TB.Helper()
	for try := range 3 {
		if try > 0 {
			Pass(time.Duration(try) * time.Minute)
		}
		answer, err := start().Invoke(context.Background(), payload)
		if err == nil && answer.FunctionError == "" {
			return
		}
	}
	w.Put(w.DeadLetterQueue, string(payload))
}

// Pass lets the bubble's time pass.
func Pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}

// Drain delivers messages to a new process, until none is left that becomes visible
// within the time. Runs that end meanwhile fail or succeed as
// scripted, and their failures come as events.
func (w *World) Drain(within time.Duration) {
	w.TB.Helper()
	end := time.Now().Add(within)
	p := w.Start(-1, false)
	for {
		if w.Poll(p) > 0 {
			continue
		}
		next := w.Next()
		if w.Adobe.Running() { // a run takes a minute
			if next.IsZero() || next.After(time.Now().Add(time.Minute)) {
				next = time.Now().Add(time.Minute)
			}
			Pass(time.Until(next))
			w.Settle()
			continue
		}
		if next.IsZero() || next.After(end) {
			return
		}
		Pass(time.Until(next))
	}
}

// String tells what happened: Adobe's runs and calls, the outcomes in the log, and the
// ledger.
func (w *World) String() string {
	var b strings.Builder
	for _, r := range w.Adobe.Runs() {
		fmt.Fprintf(&b, "run %s of %s: %s, created %s by %s\n", r.ID, r.Of, r.Status, r.CreatedAt.Format(time.TimeOnly), r.CreatedClient)
	}
	for _, c := range w.Adobe.Calls() {
		fmt.Fprintf(&b, "call %s %s: %d\n", c.Op, c.RunID, c.Status)
	}
	for _, one := range w.Logs.Outcomes() {
		fmt.Fprintf(&b, "%s %+v\n", one.Timestamp.Format(time.TimeOnly), one)
	}
	for _, r := range w.Memory.Records() {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}

// Next is when the next message becomes visible; zero without one.
func (w *World) Next() time.Time {
	var next time.Time
	for _, m := range w.AWS.Messages(w.Requests) {
		if next.IsZero() || m.VisibleAt.Before(next) {
			next = m.VisibleAt
		}
	}
	return next
}

// Settle ends the runs in progress and sends the events of those that failed.
func (w *World) Settle() {
	w.TB.Helper()
	for _, r := range w.Adobe.Settle() {
		if r.Status == flowsim.Failed {
			w.Told(r.ID)
		}
	}
}

// Lineages counts the re-triggers that took effect by the true root of a run.
func (w *World) Lineages() map[string]int {
	parent := map[string]string{}
	counts := map[string]int{}
	for _, r := range w.Adobe.Runs() {
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

// Entry is the ledger's entry of a run.
func (w *World) Entry(runID string) store.Record {
	for _, r := range w.Memory.Records() {
		if r["runId"] == runID {
			return r
		}
	}
	return nil
}

// DeadLetters counts the dead letters by run, those of SQS and Lambda included.
func (w *World) DeadLetters() map[string]int {
	counts := map[string]int{}
	for _, m := range w.AWS.Messages(w.DeadLetterQueue) {
		for _, r := range w.Adobe.Runs() {
			if strings.Contains(m.Body, `"runId":"`+r.ID+`"`) || strings.Contains(m.Body, `"id":"`+r.ID+`"`) {
				counts[r.ID]++
			}
		}
	}
	return counts
}
