// Package retry is the one path on which a failed run is retried, whatever brought the
// request: look, decide, act.
//
// [Engine.Retry] looks: it takes what the ledger has of the run. [Decide] says what is to be
// done next, as a pure function of the [Facts]. Engine.apply does it: it learns one more
// fact, or it acts, which changes the ledger, and then the engine looks again. This goes on
// until a step ends the request in exactly one [Outcome].
//
// Flow Service has no idempotency key. A re-trigger is therefore claimed in the ledger
// before it is sent. If no answer comes, the claim stays in the dataflow's slot, and the next
// delivery of any run of the dataflow searches for the run that the call has made, before
// anything else is sent for the dataflow.
package retry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// Accounts gives the account of an org; see [credentials.Store].
type Accounts interface {
	ForOrg(ctx context.Context, orgID string) (*credentials.Account, error)
	Renew(ctx context.Context, refused *credentials.Account, cause error) (*credentials.Account, error)
}

// DeadLetters keeps what can't be retried; see [deadletter.Queue].
type DeadLetters interface {
	Send(ctx context.Context, l deadletter.Message) error
}

// Requests is where requests wait; see [requestqueue.Queue].
type Requests interface {
	Send(ctx context.Context, requests []requestqueue.Waiting) []error
}

// Ledger is the memory of what was done; see [ledger.Ledger].
type Ledger interface {
	Read(ctx context.Context, keys ...string) (ledger.Snapshot, error)
	Load(ctx context.Context, ref ledger.Ref) (ledger.Entries, error)
	Runs(ctx context.Context, orgID string, runIDs ...string) (map[string]ledger.Run, error)
	Claim(ctx context.Context, e ledger.Entries, o ledger.ClaimOptions) (ledger.Claim, ledger.Entries, error)
	Confirm(ctx context.Context, c ledger.Claim, e ledger.Entries, childID string) (ledger.Entries, error)
	Release(ctx context.Context, c ledger.Claim, e ledger.Entries, reason string, window time.Duration) (ledger.Entries, error)
	MarkUnconfirmed(ctx context.Context, c ledger.Claim, e ledger.Entries) (ledger.Entries, error)
	ChangeClient(ctx context.Context, c ledger.Claim, e ledger.Entries, clientID string) (ledger.Claim, ledger.Entries, error)
	Link(ctx context.Context, parent ledger.Entries, child ledger.Run, call ledger.Call) (ledger.Entries, error)
	Settle(ctx context.Context, e ledger.Entries, to ledger.State, reason string) (ledger.Entries, error)
	Reserve(ctx context.Context, e ledger.Entries, by ledger.Asker, until time.Time) (ledger.Entries, error)
	Unreserve(ctx context.Context, e ledger.Entries, by ledger.Asker, reason string) (ledger.Entries, error)
	Note(ctx context.Context, e ledger.Entries, by ledger.Asker, o ledger.Outcome) (ledger.Entries, error)
	CloseBreaker(ctx context.Context, e ledger.Entries) (ledger.Entries, error)
	CountFault(ctx context.Context, e ledger.Entries, by ledger.Asker, delivery, reason string) (ledger.Entries, error)
	Succeed(ctx context.Context, e ledger.Entries, r ledger.Recovery) (after ledger.Entries, done bool, err error)
}

// Throttle holds calls back; see [throttle.Throttle].
type Throttle interface {
	PauseStatus(ctx context.Context, orgID, flowID string, due time.Time) (throttle.PauseStatus, error)
	Busy(orgID string) time.Duration
	PublishSlowDown(ctx context.Context, orgID string) error
}

// RecordTime is kept back from the deadline for recording what was done: in the ledger, on
// the queues and in the answer.
const RecordTime = 5 * time.Second

const (
	// writeTime is how much of it the records of one request may take.
	writeTime = 4 * time.Second
	// ledgerTime bounds a call of the ledger before anything is sent.
	ledgerTime = 5 * time.Second
	// leaseTime is how long a claim lasts where the invocation has no deadline.
	leaseTime = 5 * time.Minute
	// maxSteps bounds the steps of one request.
	maxSteps = 40
	// maxFaults is how many faults of one run make a dead letter.
	maxFaults = 10
)

// Options are the settings of an [Engine].
type Options struct {
	Rules
	// OrgBudget is how many re-triggers of an org are sent in a BudgetWindow; 0 for any
	// number.
	OrgBudget int
	// DefaultSandbox is for requests whose event and secret name none.
	DefaultSandbox string
	// CallTimeout is what the client allows for one call. No re-trigger is sent when less
	// than it and [RecordTime] remain.
	CallTimeout time.Duration
	// Observe makes a dry run of every request, whatever it asks for. What was on the queue
	// before waits.
	Observe bool
	// Paused says in the pulses of orgs that the deployment has paused everything; the
	// [Throttle] is what makes requests wait.
	Paused bool
	// Episodes ends failing episodes; Teller tells people of them, nil where notices are off.
	Episodes Episodes
	Teller   *Teller
	// Version is that of the function, for the pulses of orgs.
	Version string
	// Now is the clock.
	Now func() time.Time
	// Log receives what no result can carry.
	Log *slog.Logger
}

// Engine retries runs. It is safe for concurrent use.
type Engine struct {
	accounts    Accounts
	ledger      Ledger
	throttle    Throttle
	deadLetters DeadLetters
	requests    Requests // nil where no request queue is configured
	budgets     *budgets
	Options
	locks flowLocks
	names names
	// newest are the newest runs of dataflows.
	newest newest
	pulses pulses
}

// New returns an Engine. Without a request queue (nil) nothing can wait, and what would
// have to is returned.
func New(accounts Accounts, memory Ledger, table store.Table, throttle Throttle, deadLetters DeadLetters, requests Requests, o Options) *Engine {
	return &Engine{
		accounts: accounts, ledger: memory, throttle: throttle, deadLetters: deadLetters, requests: requests, Options: o,
		budgets: &budgets{table: table, limit: o.OrgBudget, window: o.BudgetWindow, now: o.Now},
	}
}

// Delivery is one delivery of a message or an event.
type Delivery struct {
	// Name is the same as long as the delivery lasts, and another for each delivery of the
	// same message: faults are counted under it.
	Name string
	// Batch is what was read for the whole batch; nil for a delivery by itself.
	Batch *Batch
	// Again means that the message was delivered before, or was a dead letter of ours.
	Again bool
}

// Early tells of a message of our own that came before it is due, and its result, without
// asking anybody.
func (e *Engine) Early(req event.Request) (result Result, early bool) {
	if !req.Due.After(e.Now()) {
		return Result{}, false
	}
	result = newResult(req).returned(NotDue, "it waits until it is due")
	result.Due = req.Due
	return result, true
}

// TimeFor reports whether a request may be started: whether a call and its record fit
// before the deadline. A function that only observes sends and records nothing.
func (e *Engine) TimeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || e.Observe || deadline.Sub(e.Now()) >= e.CallTimeout+RecordTime
}

// Retry takes one request through the path and says what became of it. It never panics,
// and ends before the context's deadline.
func (e *Engine) Retry(ctx context.Context, req event.Request, d Delivery) (result Result) {
	w := e.attempt(ctx, req, d)
	defer w.cancel()
	defer func() {
		result.Extra = w.extra && w.sent
		if req.DryRun && result.Outcome == Returned {
			result = w.facts.wouldBeReturned(result)
		}
	}()
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic while retrying a run", "runId", req.RunID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result = caller{w}.panicked()
		}
	}()
	if result, early := e.Early(w.facts.Request); early {
		return result
	}
	if w.facts.kept() {
		return w.end(keptStep())
	}
	return w.retry()
}

// attempt is one request on its way. Only its methods change it, and the decision sees
// nothing but the facts.
type attempt struct {
	*Engine
	ctx      context.Context // ends RecordTime before the deadline
	cancel   context.CancelFunc
	until    time.Time // the end of the invocation, and of a claim's lease
	delivery Delivery
	facts    Facts
	account  func() (*credentials.Account, error)

	locked    string       // the dataflow whose lock this attempt has
	claimed   ledger.Claim // a re-trigger may be sent, or was, and its answer is not recorded
	reserved  bool         // the run's entry is reserved by this attempt
	sending   bool         // the call may have left
	taken     time.Time    // when the window began of which a re-trigger was taken; zero where none is
	unclaimed bool         // a claim could not be written: it is tried once more
	named     bool         // the dataflow's name was asked for
	extra     bool         // what is sent now is one more, since an earlier call left no trace
	sent      bool         // a re-trigger was sent that took effect, or may have
	untold    bool         // a notice could not be sent

	why because // of what the ledger is about to write
}

func (e *Engine) attempt(ctx context.Context, req event.Request, d Delivery) *attempt {
	now := e.Now()
	if req.FirstSeen.IsZero() || req.FirstSeen.After(now.Add(time.Minute)) { // however often its message is delivered, this is the same
		req.FirstSeen = cmp.Or(req.SentAt, now)
	}
	req.FirstSeen = req.FirstSeen.UTC().Truncate(time.Millisecond) // as a message keeps it
	w := &attempt{Engine: e, until: now.Add(leaseTime), delivery: d, facts: Facts{Request: req, By: askerOf(req), Observed: e.Observe, Again: d.Again}}
	w.facts.Entries = ledger.Snapshot(nil).Entries(w.ref())
	deadline, ok := ctx.Deadline()
	if !ok {
		w.ctx, w.cancel = context.WithCancel(ctx)
		return w
	}
	w.until = deadline
	w.ctx, w.cancel = context.WithDeadline(ctx, deadline.Add(-RecordTime))
	return w
}

func askerOf(req event.Request) ledger.Asker {
	switch {
	case req.Force:
		return ledger.AForce
	case req.Now: // it stands for the message that waits
		return ledger.AMessage
	case req.Source == event.FromAdobe:
		return ledger.AnEvent
	case req.Source == event.FromQueue && !req.Due.IsZero():
		return ledger.AMessage
	}
	return ledger.AtHand
}

func (w *attempt) ref() ledger.Ref {
	r := &w.facts.Request
	return ledger.Ref{OrgID: r.OrgID, FlowID: r.FlowID, Sandbox: r.Sandbox, RunID: r.RunID}
}

func (w *attempt) retry() Result {
	w.account = w.fetchAccount()
	if end := (learner{w}).whose(); end != nil {
		return *end
	}
	w.names.remember(&w.facts.Request, w.facts.By)
	if end := w.look(w.delivery.Batch); end != nil {
		return *end
	}
	locked := func() {}
	defer func() {
		if w.locked != "" {
			w.delivery.Batch.learn(w.facts.Entries) // before another run of the dataflow goes
		}
		locked()
	}()
	for range maxSteps {
		step := Decide(&w.facts, &w.Rules, w.Now())
		if w.facts.dry() && step.Acts() || step.Do == End && !step.busy() {
			return w.end(step)
		}
		if step.needsLock() {
			again, end := w.lock(&locked, step.busy())
			if end != nil {
				return *end
			}
			if again { // another run of the dataflow went first
				continue
			}
		}
		if end := w.apply(step); end != nil {
			return *end
		}
	}
	return w.end(Step{Do: End, Outcome: Returned, Reason: LedgerBusy, Detail: "other deliveries keep changing the ledger's entries of this run or its dataflow"})
}

// lock waits until no other request of this process acts on the dataflow. Across
// processes the ledger's slot sees to that, by sending requests back; here they need not
// come again. again means that the lock was not free, so that the facts are old.
// A request that would end since another works on the dataflow looks again in any case: the
// other may have ended between the look and the lock.
func (w *attempt) lock(held *func(), busy bool) (again bool, end *Result) {
	flow := w.facts.Request.OrgID + "#" + cmp.Or(w.facts.Request.FlowID, w.facts.Entries.Run.FlowID)
	if w.locked == flow {
		return false, nil
	}
	if w.locked != "" { // the request named another dataflow than Flow Service does
		w.delivery.Batch.learn(w.facts.Entries)
	}
	(*held)()
	*held = func() {}
	hadTime := w.timeToCall()
	leave, waited, err := w.locks.take(w.ctx, flow)
	if err != nil || hadTime && !w.timeToCall() {
		if err == nil {
			leave()
		}
		return false, new(w.end(Step{Do: End, Outcome: Returned, Reason: FlowBusy, Detail: "other runs of the same dataflow took all the time of the invocation"}))
	}
	*held, w.locked = leave, flow
	if !waited && !busy {
		return false, nil
	}
	return true, w.look(w.delivery.Batch)
}

// whose completes the request with its org and its sandbox.
func (w learner) whose() *Result {
	req := &w.facts.Request
	if req.OrgID != "" && req.Sandbox != "" {
		return nil
	}
	account, err := w.account()
	if err != nil {
		return w.apply(noAccount(err))
	}
	req.OrgID = account.OrgID
	req.Sandbox = cmp.Or(req.Sandbox, account.Sandbox, w.DefaultSandbox)
	w.facts.Entries = ledger.Snapshot(nil).Entries(w.ref())
	if req.Sandbox == "" {
		return w.apply(Step{Do: DeadLetter, Reason: SandboxMissing, Detail: "neither the request nor the org's secret names a sandbox and DEFAULT_SANDBOX is not set: send the request again with sandbox"})
	}
	return nil
}

// look takes what the ledger and the pauses' record have: of the whole batch if it was read
// for that, and otherwise anew.
//
// Rule 1: one read serves a whole batch, and after a conflict the engine looks and decides
// again.
func (w *attempt) look(batch *Batch) *Result {
	ctx, cancel := w.asking()
	defer cancel()
	req := &w.facts.Request
	var err error
	if entries, ok := batch.entries(w.ref()); ok {
		w.facts.Entries = entries
	} else if w.facts.Entries, err = w.ledger.Load(ctx, w.ref()); err != nil {
		return new(w.unavailable(err))
	}
	status, err := w.throttle.PauseStatus(ctx, req.OrgID, req.FlowID, req.Due)
	if err != nil {
		return new(w.unavailable(err))
	}
	w.facts.Pause = Pause{Wait: status.Wait, Released: status.Released, Detail: status.Detail}
	w.facts.SlowDown = w.throttle.Busy(req.OrgID)
	if spent := batch.budgetSpent(req.OrgID); !spent.IsZero() {
		w.facts.BudgetSpent = spent
	}
	w.facts.Parent = nil
	w.names.put(req.OrgID, w.facts.Entries.Run.FlowID, w.facts.Entries.Run.FlowName)
	w.describe()
	return nil
}

// describe puts into the run's entry what this request knows of the run.
func (w *attempt) describe() {
	f := &w.facts
	run, cause := &f.Entries.Run, f.Request.Cause()
	if run.State == ledger.Retriggered || run.State == ledger.Succeeded {
		return
	}
	if run.StateAt(w.Now()) != ledger.InFlight && f.Request.FlowID != "" { // an earlier request may have named others
		if !f.otherSandbox() {
			run.Sandbox = f.Request.Sandbox
		}
		run.FlowID = f.Request.FlowID
	}
	told := ""
	if f.By == ledger.AnEvent || f.Run != nil { // otherwise it is a message's origin, which may be forged
		told = f.Request.Fingerprint()
	}
	f.Entries.Describe(f.Request.FlowName, cause.Code, cause.Message, told)
	if told != "" && !f.Request.Window.IsZero() {
		run.Window = f.Request.Window
	}
}

// unavailable returns a request whose entries could not be read or written: nothing was sent.
func (w *attempt) unavailable(err error) Result {
	if newer, ok := errors.AsType[*ledger.NewerError](err); ok {
		return w.end(Step{Do: End, Outcome: Returned, Reason: LedgerUnavailable, Detail: newer.Error()})
	}
	return w.end(Step{Do: End, Outcome: Returned, Reason: LedgerUnavailable, Detail: err.Error() + "; nothing was sent"})
}

// asking bounds a call of the ledger before anything is sent.
func (w *attempt) asking() (context.Context, context.CancelFunc) {
	return context.WithTimeout(w.ctx, ledgerTime)
}

// recording bounds what records an outcome: it has the time that is kept back for it, even
// where the time for the work is over.
func (w *attempt) recording() (context.Context, context.CancelFunc) {
	end := w.Now().Add(writeTime)
	if last := w.until.Add(-time.Second / 4); last.Before(end) {
		end = last
	}
	return context.WithDeadline(context.WithoutCancel(w.ctx), end)
}

// timeToCall reports whether a whole call fits before the work must end.
func (w *attempt) timeToCall() bool {
	deadline, ok := w.ctx.Deadline()
	return !ok || deadline.Sub(w.Now()) >= w.CallTimeout
}

// learner learns what an attempt's decision asks for; see learn.go.
type learner struct{ *attempt }

// caller claims a run, calls Flow Service and records the answer; see send.go.
type caller struct{ *attempt }

// closer acts on what was decided, other than by a call; see act.go.
type closer struct{ *attempt }
