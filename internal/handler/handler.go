// Package handler takes what Lambda delivers and gives Lambda its answer: payload in, answer
// out. The way of a payload:
//
//	handler.go      Invoke: a batch of SQS messages, or a direct invocation
//	batch.go        each message of a batch, and which of them come again
//	direct.go       one event or request, and its [Answer]
//	delivery.go     one payload: what it asks for, and what became of that
//	work.go         one result for each request, each success and each unreadable part
//	refuse.go       what can't be read, and Adobe's events without a run
//	control.go      sweeps
//	pause.go        pauses and resumes
//	commands.go     what else people ask for
//	deadletters.go  the dead letters of sweeps
//	disposition.go  what becomes of a message, as a table
//	answer.go       what happens to requests that were returned
//	results.go      what the results of one payload say together
//	report.go       the log
//	metrics.go      the metrics
package handler

import (
	"context"
	"log/slog"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/internal/unrecognized"
)

// Engine takes each request through the one path; see [retry.Engine].
type Engine interface {
	Early(req event.Request) (result retry.Result, early bool)
	TimeFor(ctx context.Context) bool
	Read(ctx context.Context, requests []event.Request, extra ...retry.Extra) *retry.Batch
	Retry(ctx context.Context, req event.Request, d retry.Delivery) retry.Result
	Succeed(ctx context.Context, s event.Skip, seen time.Time, b *retry.Batch) retry.Result
	Requeue(ctx context.Context, r retry.Result, delay time.Duration) retry.Result
	GiveUp(ctx context.Context, r retry.Result) retry.Result
	Refuse(ctx context.Context, payload []byte, fault *event.Error) retry.Result
	Close(ctx context.Context, b *retry.Batch)
	Received(ctx context.Context, letters []store.Record)
	Pulse(ctx context.Context, results []retry.Result, swept []retry.Swept)
}

// Sweeper works on sweeps; see [sweep.Sweeper].
type Sweeper interface {
	Run(ctx context.Context, req event.Sweep, asked time.Time) sweep.Result
}

// Accounts tells which orgs there are; see [credentials.Store].
type Accounts interface {
	ForOrg(ctx context.Context, orgID string) (*credentials.Account, error)
}

// Throttle keeps the pauses; see [throttle.Throttle].
type Throttle interface {
	Fresh() bool
	Learn(record store.Record) error
	Pause(ctx context.Context, scope throttle.Scope, why throttle.Cause, asked time.Time) ([]throttle.Pause, error)
	Resume(ctx context.Context, scope throttle.Scope, asked time.Time) ([]throttle.Pause, error)
	Lasting(ctx context.Context) ([]throttle.Pause, error)
}

// Requests is the request queue; see [requestqueue.Queue].
type Requests interface {
	Is(arn string) bool
	Postpone(ctx context.Context, messages []requestqueue.Postponed) error
	SendSweep(ctx context.Context, sweep event.Sweep, delay time.Duration) error
}

// Shapes counts Adobe's events that hold no run; see [unrecognized.Counter].
type Shapes interface {
	Seen(ctx context.Context, shape string) (unrecognized.Seen, error)
	Add(ctx context.Context, shape string, written bool) error
}

// Parts are what a [Handler] is made of.
type Parts struct {
	Engine   Engine
	Sweeper  Sweeper
	Accounts Accounts
	Throttle Throttle
	Commands Commands
	Status   Status
	// Dataflows finds those that people name.
	Dataflows Dataflows
	// Requests is nil where no request queue is configured.
	Requests Requests
	Shapes   Shapes
	Metrics  *telemetry.Metrics
	// Adobe has how long each call to Flow Service took since the last invocation ended.
	Adobe *telemetry.Samples
	Log   *slog.Logger
	// Concurrency is how many requests of one invocation are worked on at once.
	Concurrency int
	// CallTimeout is what the client allows for one call to Adobe.
	CallTimeout time.Duration
}

// Handler takes every payload that Lambda delivers: SQS batches, events of
// EventBridge and requests by hand. It is safe for concurrent use. Make it with [New].
type Handler struct {
	worker  *worker
	control *controller
	returns *returns
	report  *reporter
	engine  Engine
	// sweepTime is how much of an invocation a sweep from the queue may take.
	sweepTime time.Duration
}

// New returns the Handler of the parts.
func New(p Parts) *Handler {
	report := &reporter{metrics: p.Metrics, adobe: p.Adobe, log: p.Log}
	return &Handler{
		worker: &worker{
			engine: p.Engine, throttle: p.Throttle, concurrency: p.Concurrency,
			refuser: &refuser{engine: p.Engine, shapes: p.Shapes, log: p.Log},
		},
		control: &controller{
			engine: p.Engine, sweeper: p.Sweeper, accounts: p.Accounts, throttle: p.Throttle, requests: p.Requests,
			commands: p.Commands, status: p.Status, dataflows: p.Dataflows,
			deadLetters: NewDeadLetters(p.Engine, p.Log), log: p.Log,
		},
		returns:   &returns{engine: p.Engine, requests: p.Requests, log: p.Log, concurrency: p.Concurrency},
		report:    report,
		engine:    p.Engine,
		sweepTime: max(sweepTime, 2*p.CallTimeout+sweepTime/3),
	}
}

// answerTime is kept back from Lambda's deadline for the answer. Lambda kills an
// invocation that passes the deadline and delivers its whole batch again, finished
// messages included.
const answerTime = 500 * time.Millisecond

// sweepTime is how much of an invocation a sweep from the queue may take, or more where
// calls may take longer. Few environments work on the queue, and a sweep keeps one of them
// from requests that become due.
const sweepTime = 30 * time.Second

// finish tells what became of the deliveries: in the log, the metrics and the pulses of orgs.
func (h *Handler) finish(ctx context.Context, deliveries []delivery) {
	h.report.report(ctx, deliveries)
	all := make([]retry.Result, 0, len(deliveries)) // most have one, and it is large
	var swept []retry.Swept
	var letters []store.Record
	for i := range deliveries {
		if d := &deliveries[i]; d.letter != nil && !d.comesAgain() {
			letters = append(letters, d.letter)
		}
		all = append(all, deliveries[i].results...)
		swept = append(swept, deliveries[i].sweepResult.Swept...)
	}
	h.engine.Received(ctx, letters)
	h.engine.Pulse(ctx, all, swept)
}

// Invoke implements Lambda's Handler. For an SQS batch the answer is a partial
// batch response and an error means that nothing was done. Otherwise the answer
// is an [Answer], and an error means that Lambda is to deliver the event again:
// it could not be handled and could not be put on the request queue. The error of an
// event that is too large for a dead letter is for its sender.
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-answerTime))
		defer cancel()
	}
	records, isBatch, err := event.SQSRecords(payload)
	switch {
	case err != nil:
		return nil, err
	case isBatch:
		return h.batch(ctx, records)
	default:
		return h.direct(ctx, payload)
	}
}
