// Package retrigger is the one path on which a failed run is retried, whatever
// brought the request.
//
// [Service.Retry] takes a request through it: decide by policy and ledger, claim
// the run in the ledger while the org's credential is being fetched, call Flow
// Service, record what came of it. Each request ends in exactly one [Outcome],
// which is for the caller to carry out where it is [Returned]. What can't be
// retried is written to the dead-letter queue before the outcome says so, and
// what must wait is put on the request queue before the outcome says so.
//
// Flow Service has no idempotency key. A re-trigger that may have taken effect
// although no answer came keeps its claim in the ledger; the request is returned,
// and when the claim has expired the run that it made is looked up before
// anything else is sent ([Service] reconciles).
package retrigger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
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
	Look(ctx context.Context, v ledger.View) (ledger.View, error)
	Runs(ctx context.Context, orgID string, runIDs ...string) (map[string]ledger.Run, error)
	Hold(ctx context.Context, v ledger.View, until time.Time) (ledger.View, error)
	Yield(ctx context.Context, v ledger.View) (ledger.View, error)
	Claim(ctx context.Context, v ledger.View, until time.Time, forgive bool) (ledger.View, error)
	Retriggered(ctx context.Context, v ledger.View, newRunID string) (ledger.View, error)
	Release(ctx context.Context, v ledger.View, state ledger.State, reason string) (ledger.View, error)
	Note(ctx context.Context, v ledger.View, state ledger.State, reason string, due time.Time) (ledger.View, error)
	Exhausted(ctx context.Context, v ledger.View, reason string, restart bool, blockedUntil time.Time) (ledger.View, error)
	CloseBreaker(ctx context.Context, v ledger.View) (ledger.View, error)
	Adopt(ctx context.Context, parent ledger.View, send ledger.Send, others []ledger.Send, newRunID string) (ledger.View, error)
}

// Throttle holds calls back; see [throttle.Throttle].
type Throttle interface {
	PauseStatus(ctx context.Context, orgID, flowID string, due time.Time) (throttle.PauseStatus, error)
	Busy(orgID string) time.Duration
	PublishSlowDown(ctx context.Context, orgID string) error
}

// SettleTime is kept back from the deadline for recording what was done: in the
// ledger, on the queues and in the answer.
const SettleTime = 5 * time.Second

const (
	// writeTime is how much of it the records of one request may take.
	writeTime = 4 * time.Second
	// ledgerTime bounds a call of the ledger before anything is sent.
	ledgerTime = 5 * time.Second
	// claimTime is how long a claim lasts where the invocation has no deadline.
	claimTime = 5 * time.Minute
	// maxRounds is how often a decision is made anew since the ledger had
	// something else than was believed.
	maxRounds = 20
)

// Service retries runs. It is safe for concurrent use.
type Service struct {
	accounts    Accounts
	ledger      Ledger
	throttle    Throttle
	deadLetters DeadLetters
	requests    Requests // nil where no request queue is configured
	Options
	turns turns
	names names
}

// Options are the settings of a [Service].
type Options struct {
	// Policy decides.
	Policy *policy.Policy
	// BreakerThreshold is how many lineages of a dataflow in a row are exhausted
	// before its breaker opens, for BreakerCooldown; 0 for no breaker.
	BreakerThreshold int
	BreakerCooldown  time.Duration
	// ReconcileAfter is how long after a re-trigger without an answer the run that
	// it made is looked for: the time that Flow Service may take to list it.
	ReconcileAfter time.Duration
	// DefaultSandbox is for requests whose event and secret name none.
	DefaultSandbox string
	// CallTimeout is what the client allows for one call. No re-trigger is sent
	// when less than it and [SettleTime] remain.
	CallTimeout time.Duration
	// Now is the clock.
	Now func() time.Time
	// Log receives what no result can carry: the stack of a panic, and what went
	// on in the ledger.
	Log *slog.Logger
}

// New returns a Service. Without a request queue (nil) nothing can wait, and what
// would have to is returned.
func New(accounts Accounts, memory Ledger, hold Throttle, deadLetters DeadLetters, requests Requests, o Options) *Service {
	return &Service{accounts: accounts, ledger: memory, throttle: hold, deadLetters: deadLetters, requests: requests, Options: o}
}

// Retry takes one request through the path and says what became of it. It never
// panics, and ends before the context's deadline.
func (s *Service) Retry(ctx context.Context, req event.Request) (result Result) {
	w := s.work(ctx, req)
	defer w.cancel()
	defer func() { result.Extra = w.extra && w.sent }()
	defer func() {
		if p := recover(); p != nil {
			s.Log.ErrorContext(ctx, "panic while retrying a run", "runId", req.RunID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			if w.held == claim {
				w.held, w.sent = unsure, true
			}
			result = w.giveUp(verdict{reason: InternalError, message: "the function failed while it worked on this run; its log has the details. Whether the run was re-triggered is not known"})
		}
	}()
	result = w.retry()
	if req.DryRun && result.Outcome == Returned {
		return result.skipped(DryRun, fmt.Sprintf("would be returned (%s): %s", result.Reason, result.Message))
	}
	return result
}

// Early tells of a message of our own that came before it is due, and its result,
// without asking anybody.
func (s *Service) Early(req event.Request) (result Result, early bool) {
	if !req.Due.After(s.Now()) {
		return Result{}, false
	}
	result = newResult(req).returned(NotDue, "it waits until it is due")
	result.Due = req.Due
	return result, true
}

// Refuse settles input, or a part of it, that can't be read as a request. Input that is
// too large for a dead letter is returned as too_large: its sender must keep it.
func (s *Service) Refuse(ctx context.Context, payload []byte, fault *event.Error) Result {
	result := Counted(fault)
	now := s.Now()
	w := s.work(ctx, event.Request{})
	defer w.cancel()
	err := w.send(deadletter.Message{
		Payload: payload, Reason: string(fault.Reason), Detail: fault.Message, FirstTime: now, LastTime: now,
	})
	switch {
	case errors.As(err, new(*deadletter.TooLargeError)):
		result = result.returned(Reason(event.TooLarge), fmt.Sprintf("%v (it was to be a dead letter: %s)", err, fault.Message))
	case err != nil:
		result = result.returned(DeadLetterQueueUnavailable, fmt.Sprintf("%v (was to be a dead letter: %s)", err, fault.Message))
		if fault.Reason == event.Unrecognized {
			result.Also = append(result.Also, Reason(event.Unrecognized))
		}
	}
	return result
}

// Counted is the result of input that can't be read, of which another dead letter tells.
func Counted(fault *event.Error) Result {
	return Result{
		RunID: fault.RunID, FlowID: fault.FlowID, OrgID: fault.OrgID,
		Outcome: DeadLettered, Reason: Reason(fault.Reason), Message: fault.Message,
	}
}

// GiveUp makes a dead letter of a returned request that can't be delivered again.
func (s *Service) GiveUp(ctx context.Context, r Result) Result {
	w := s.resume(ctx, r)
	defer w.cancel()
	result := w.giveUp(verdict{reason: r.Reason, message: r.Message, answer: r.answer})
	result.Extra, result.Also = r.Extra, append(result.Also, r.Also...)
	return result
}

// Defer puts a returned request on the request queue, to be delivered after the
// delay. Where that fails the result says so and stays returned. A request that SQS
// refuses becomes a dead letter.
func (s *Service) Defer(ctx context.Context, r Result, delay time.Duration) Result {
	w := s.resume(ctx, r)
	defer w.cancel()
	due := s.Now().UTC().Truncate(time.Millisecond)  // it may be handled at any time, and SQS delays it
	if delay > requestqueue.MaxDelay || r.Released { // what a pause has kept goes in order
		due = due.Add(delay)
	}
	err := w.enqueue(due, delay)
	switch {
	case errors.As(err, new(*requestqueue.RefusedError)):
		result := w.giveUp(unsendable(r.Message, err))
		result.Extra, result.Also = r.Extra, append(result.Also, r.Also...)
		return result
	case err != nil:
		r.Message = fmt.Sprintf("%s (and it could not be deferred: %v)", r.Message, err)
		r.Also = append(r.Also, QueueUnavailable)
		return r
	}
	w.note(ledger.Deferred, r.Reason, due)
	r.Outcome = Deferred
	return r
}

// TimeFor reports whether a request may be started: whether a call and its
// settlement fit before the deadline.
func (s *Service) TimeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || deadline.Sub(s.Now()) >= s.CallTimeout+SettleTime
}

// work is one request on its way.
type work struct {
	*Service
	ctx    context.Context // ends SettleTime before the deadline
	cancel context.CancelFunc
	until  time.Time // a claim made now expires then
	req    event.Request
	// told means that the request's dataflow, errors and times are believed: they are
	// of an event, or of a message that waits and that the ledger knows. A person may
	// have named another dataflow, and whoever may send to the queue could write an
	// origin: then the run is read.
	told bool
	// raw marks an event of Adobe's as it came: no request of a person, no message
	// of our own.
	raw     bool
	account func() (*credentials.Account, error)
	run     *flowclient.Run      // the run as Flow Service tells of it, if it was asked
	paused  throttle.PauseStatus // why it must wait, if it must

	view ledger.View
	held holding

	extra bool // what is sent now is one more, since an earlier one left no trace
	sent  bool // a re-trigger was sent that took effect, or may have
}

// holding is what the work has in the ledger.
type holding int

const (
	nothing holding = iota
	hold            // the run's entry is ours, and nothing is sent
	claim           // a re-trigger may be sent, and has not taken effect
	unsure          // a re-trigger was sent, and may have taken effect
)

func (s *Service) work(ctx context.Context, req event.Request) *work {
	w := &work{Service: s, until: s.Now().Add(claimTime), req: req}
	w.raw = req.Source == event.FromAdobe
	w.told = w.raw || req.Source == event.FromQueue && !req.Due.IsZero() && req.WasTold()
	if req.FirstSeen.IsZero() || req.FirstSeen.After(s.Now().Add(time.Minute)) { // however often its message is delivered, this is the same
		w.req.FirstSeen = cmp.Or(req.SentAt, s.Now())
	}
	w.req.FirstSeen = w.req.FirstSeen.UTC().Truncate(time.Millisecond) // as a message keeps it
	w.view = w.guess()
	deadline, ok := ctx.Deadline()
	if !ok {
		w.ctx, w.cancel = context.WithCancel(ctx)
		return w
	}
	w.until = deadline
	w.ctx, w.cancel = context.WithDeadline(ctx, deadline.Add(-SettleTime))
	return w
}

// resume goes on with a returned request, with what was learned of its run.
func (s *Service) resume(ctx context.Context, r Result) *work {
	w := s.work(ctx, r.req)
	w.view, w.held = r.view, r.held
	if w.view.Run.RunID == "" { // it was returned before anything was known
		w.view = w.guess()
	}
	return w
}

// verdict is why a request is not retried.
type verdict struct {
	reason  Reason
	message string
	answer  answer
}

// answer is what a dead letter tells of Adobe's answer, if there was one.
type answer struct {
	code      string
	status    int
	requestID string
}

func (w *work) retry() Result {
	if result, early := w.Early(w.req); early {
		return result
	}
	w.account = w.fetchAccount()
	if w.req.OrgID == "" || w.req.Sandbox == "" {
		account, err := w.account()
		if err != nil {
			return w.noAccount(err)
		}
		w.req.OrgID = account.OrgID
		if w.req.Sandbox = cmp.Or(w.req.Sandbox, account.Sandbox, w.DefaultSandbox); w.req.Sandbox == "" {
			return w.giveUp(verdict{reason: SandboxMissing, message: "neither the request nor the org's secret names a sandbox and DEFAULT_SANDBOX is not set: send the request again with sandbox"})
		}
		w.view = w.guess()
	}
	w.name()
	if end := w.look(); end != nil {
		return *end
	}
	if wait := w.throttle.Busy(w.req.OrgID); wait > throttle.MaxWait && w.paused.Wait == 0 {
		result := w.result().returned(Throttled, "the calls of this org are slowed down; nothing was sent for this run")
		result.RetryAfter = wait
		return result
	}
	if w.paused.Wait == 0 && (!w.told || w.req.FlowID == "" || !w.raw && w.Policy.NeedsErrors() && len(w.req.Errors) == 0) {
		if end := w.inquire(); end != nil {
			return *end
		}
	}
	if w.paused.Wait == 0 {
		w.askName()
	}
	if w.req.DryRun {
		return w.dryRun()
	}
	hadTime := w.timeToCall()
	leave, err := w.turns.take(w.ctx, w.req.OrgID+"#"+w.req.FlowID)
	if err == nil {
		defer leave()
	}
	switch {
	case !hadTime:
		return w.result().returned(Deadline, flowclient.ErrNoTime.Error())
	case err != nil || !w.timeToCall():
		return w.result().returned(FlowBusy, "other runs of the same dataflow took all the time of the invocation")
	}
	if end := w.look(); end != nil { // a pause may have begun meanwhile
		return *end
	}
	for range maxRounds {
		if end := w.round(); end != nil {
			return *end
		}
	}
	return w.result().returned(LedgerBusy, "other deliveries keep changing the ledger's entries of this run or its dataflow")
}

// fetchAccount begins to fetch the org's account. The function that it returns
// waits for it.
func (w *work) fetchAccount() func() (*credentials.Account, error) {
	type fetched struct {
		account *credentials.Account
		err     error
		panic   any
	}
	done := make(chan fetched, 1)
	go func() {
		var f fetched
		defer func() {
			f.panic = recover() // it is raised again where it is waited for
			done <- f
		}()
		f.account, f.err = w.accounts.ForOrg(w.ctx, w.req.OrgID)
	}()
	return sync.OnceValues(func() (*credentials.Account, error) {
		f := <-done
		if f.panic != nil {
			panic(f.panic)
		}
		return f.account, f.err
	})
}

// guess is what is believed of the run without asking the ledger.
func (w *work) guess() ledger.View {
	r := w.req
	if r.Due.IsZero() {
		return ledger.Guess(r.OrgID, r.FlowID, r.Sandbox, r.RunID)
	}
	return ledger.GuessDeferred(ledger.Run{
		OrgID: r.OrgID, RunID: r.RunID, FlowID: r.FlowID, Sandbox: r.Sandbox, Root: cmp.Or(r.Root, r.RunID), Parent: r.Parent,
		Attempt: r.Attempts, Forgiven: r.Forgiven, Due: r.Due, FirstSeen: r.FirstSeen, Told: r.Fingerprint(),
	})
}

// round decides on what is believed and acts on it. It returns nothing where the
// belief was wrong, and the decision is to be made again.
func (w *work) round() *Result {
	now := w.Now()
	if end := w.known(now); end != nil {
		return end
	}
	if w.paused.Wait > 0 {
		return w.wait(now, w.paused.Wait, Paused, w.paused.Detail)
	}
	if w.told && !w.raw && (w.view.Run.State == ledger.Unknown || w.view.Run.Told != w.req.Fingerprint()) { // the ledger knows of no such message that waits
		w.told, w.req.Due = false, time.Time{} // it must not wait itself, with an origin that may be forged
		if end := w.complete(); end != nil {
			return end
		}
	}
	run := &w.view.Run
	run.FlowID, run.Sandbox = w.req.FlowID, w.req.Sandbox // an earlier request may have named others
	w.describe()
	if run.Parent == "" && run.Sends == 0 && len(w.view.Flow.Sends) > 0 {
		if end, again := w.place(now); end != nil || again {
			return end
		}
	}
	if run.Sends > 0 {
		return w.reconcile()
	}
	d := w.decide(now)
	if d.Reason == policy.BreakerOpen {
		switch succeeded, noAccount := w.succeededSince(w.view.Flow.Since); {
		case noAccount != nil:
			return new(w.noAccount(noAccount))
		case succeeded:
			return w.change(nothing, w.ledger.CloseBreaker)
		}
	}
	switch d.Action {
	case policy.Skip:
		return w.skip(Reason(d.Reason), d.Detail)
	case policy.DeadLetter:
		if end := w.hold(); end != nil || w.held == nothing {
			return end
		}
		return new(w.giveUp(verdict{reason: Reason(d.Reason), message: d.Detail}))
	case policy.Wait:
		return w.wait(d.At, d.At.Sub(now), Reason(d.Reason), d.Detail)
	default:
		if end := w.turn(now, true); end != nil {
			return end
		}
		if end := w.claim(); end != nil || w.held == nothing {
			return end
		}
		return new(w.call())
	}
}

// known answers a request whose run the ledger knows as done, waiting or worked
// on.
func (w *work) known(now time.Time) *Result {
	run := &w.view.Run
	if run.Sandbox != w.req.Sandbox && slices.Contains([]ledger.State{ledger.Deferred, ledger.Skipped, ledger.DeadLettered}, run.State) {
		return nil // one of them names a sandbox that has no such run
	}
	switch run.State {
	case ledger.Retriggered:
		return new(w.duplicate(Retriggered))
	case ledger.Claimed, ledger.Held:
		if run.Open(now) {
			return new(w.result().returned(InProgress, "another delivery is working on this run"))
		}
	case ledger.Deferred:
		switch {
		case w.req.Due.IsZero() && w.paused.Wait > 0: // its own message waits
			return new(w.duplicate(Deferred))
		case !now.Before(run.Due), w.req.Force:
		case w.req.Due.IsZero():
			return new(w.duplicate(Deferred))
		default:
			return new(w.waiting(run.Due, NotDue, "it waits until it is due"))
		}
	case ledger.Skipped:
		// A run that had not failed then may have failed since.
		if w.stale() && Reason(run.Reason) != RunInProgress && Reason(run.Reason) != RunSucceeded {
			return new(w.duplicate(Skipped))
		}
	case ledger.DeadLettered:
		if w.stale() {
			return new(w.duplicate(DeadLettered))
		}
	}
	return nil
}

// stale reports whether nobody asks anew for a run that has come to an end: the
// request is an event as it came, or a message of ours that is older than the end.
func (w *work) stale() bool {
	return w.raw || !w.req.Due.IsZero() && !w.req.Force && w.view.Run.ChangedAt.After(w.req.Due)
}

func (w *work) decide(now time.Time) policy.Decision {
	run := policy.Run{ID: w.req.RunID, FlowID: w.req.FlowID, Sandbox: w.req.Sandbox, FailedAt: w.req.FailedAt}
	for _, e := range w.req.Errors {
		run.Errors = append(run.Errors, policy.Error{Code: e.Code, Message: e.Message})
	}
	return w.Policy.Decide(run, policy.History{
		Attempts: w.view.Lineage.Attempts, Forgiven: w.view.Lineage.Forgiven, FirstSeen: w.req.FirstSeen,
		BlockedUntil: w.view.Flow.BlockedUntil, Force: w.req.Force,
	}, now)
}
