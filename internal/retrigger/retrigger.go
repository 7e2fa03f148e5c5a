// Package retrigger is the one path on which a failed run is retried, whatever
// brought the request.
//
// [Service.Retry] takes a request through it: choose the org's credential and
// the sandbox, call Flow Service, and settle what came of it. Each request ends
// in exactly one [Outcome], which is for the caller to carry out where it is
// [Returned]. What can't be retried is written to the dead-letter queue before
// the outcome says so; where that fails, the request is returned.
//
// Flow Service has no idempotency key. A re-trigger that may have taken effect
// although no answer came is therefore never sent again: it becomes a dead
// letter with the reason [OutcomeUnknown], and a person decides.
package retrigger

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Accounts gives the account of an org; see [credentials.Store].
type Accounts interface {
	ForOrg(ctx context.Context, orgID string) (*credentials.Account, error)
	Renew(ctx context.Context, refused *credentials.Account) (*credentials.Account, error)
}

// DeadLetters keeps what can't be retried; see [deadletter.Queue].
type DeadLetters interface {
	Send(ctx context.Context, l deadletter.Letter) error
}

// SettleTime is kept back from the deadline for writing a dead letter and for
// the answer.
const SettleTime = 5 * time.Second

// writeTime is how much of it a dead letter may take.
const writeTime = 4 * time.Second

// Service retries runs. It is safe for concurrent use.
type Service struct {
	accounts       Accounts
	deadLetters    DeadLetters
	defaultSandbox string
	callTimeout    time.Duration
	now            func() time.Time
	log            *slog.Logger

	memory *memory

	mu        sync.Mutex
	throttled map[string]time.Time // by org: no call before then
}

// Options are the settings of a [Service].
type Options struct {
	// DefaultSandbox is for requests whose event and secret name none.
	DefaultSandbox string
	// CallTimeout is what the client allows for one call. No re-trigger is sent
	// when less than it and [SettleTime] remain.
	CallTimeout time.Duration
	// Now is the clock.
	Now func() time.Time
	// Log receives what no result can carry: the stack of a panic.
	Log *slog.Logger
}

// New returns a Service.
func New(accounts Accounts, deadLetters DeadLetters, o Options) *Service {
	return &Service{
		accounts: accounts, deadLetters: deadLetters,
		defaultSandbox: o.DefaultSandbox, callTimeout: o.CallTimeout, now: o.Now, log: o.Log,
		memory: newMemory(), throttled: map[string]time.Time{},
	}
}

// Retry takes one request through the path and says what became of it. It never
// panics, and ends before the context's deadline.
func (s *Service) Retry(ctx context.Context, req event.Request) (result Result) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "panic while retrying a run", "runId", req.RunID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result = s.deadLetter(ctx, req, verdict{reason: InternalError, message: "the function failed while it worked on this run; its log has the details. Whether the run was re-triggered is not known"})
		}
	}()
	if req.FirstSeen.IsZero() {
		req.FirstSeen = s.now()
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-SettleTime))
		defer cancel()
	}
	result = s.retry(ctx, req)
	if req.DryRun && result.Outcome == Returned {
		return result.skipped(DryRun, fmt.Sprintf("would be returned (%s): %s", result.Reason, result.Message))
	}
	return result
}

// Refuse settles input, or a part of it, that can't be read as a request.
func (s *Service) Refuse(ctx context.Context, payload []byte, fault *event.Error) Result {
	result := Result{
		RunID: fault.RunID, FlowID: fault.FlowID, OrgID: fault.OrgID,
		Outcome: DeadLettered, Reason: Reason(fault.Reason), Message: fault.Message,
	}
	now := s.now()
	err := s.write(ctx, deadletter.Letter{
		Unreadable: payload, Reason: string(fault.Reason), Message: fault.Message, FirstTime: now, LastTime: now,
	})
	if err != nil {
		result = result.returned(DeadLetterQueueUnavailable, fmt.Sprintf("%v (was to be a dead letter: %s)", err, fault.Message))
	}
	return result
}

// GiveUp makes a dead letter of a request that can't be delivered again.
func (s *Service) GiveUp(ctx context.Context, req event.Request, r Result) Result {
	if req.FirstSeen.IsZero() {
		req.FirstSeen = s.now()
	}
	return s.deadLetter(ctx, req, verdict{reason: r.Reason, message: r.Message})
}

// TimeFor reports whether a request may be started: whether a call and its
// settlement fit before the deadline.
func (s *Service) TimeFor(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return !ok || deadline.Sub(s.now()) >= s.callTimeout+SettleTime
}

// verdict is why a request is not retried.
type verdict struct {
	reason  Reason
	message string
	answer  *flowclient.Error // Adobe's answer, if there was one
}

func (s *Service) retry(ctx context.Context, req event.Request) Result {
	account, err := s.accounts.ForOrg(ctx, req.OrgID)
	if err != nil {
		return s.noAccount(ctx, req, err)
	}
	req.OrgID = account.OrgID
	req.Sandbox = firstOf(req.Sandbox, account.Sandbox, s.defaultSandbox)
	if req.Sandbox == "" {
		return s.deadLetter(ctx, req, verdict{reason: SandboxMissing, message: "neither the request nor the org's secret names a sandbox and DEFAULT_SANDBOX is not set: send the request again with sandbox"})
	}
	if until := s.throttledUntil(req.OrgID); until.After(s.now()) {
		result := newResult(req).returned(Throttled, "Adobe asked this org to slow down; nothing was sent for this run")
		result.RetryAfter = until.Sub(s.now())
		return result
	}
	if req.DryRun {
		return s.dryRun(ctx, req, account)
	}
	result, err := s.memory.once(ctx, runKey{req.OrgID, req.Sandbox, req.RunID}, func() Result {
		return s.call(ctx, req, account)
	})
	if err != nil {
		return newResult(req).returned(Deadline, "the same run is being retried by another request and the invocation has no time left: "+err.Error())
	}
	return result
}

// call sends the re-trigger, with a renewed credential if the first is refused.
func (s *Service) call(ctx context.Context, req event.Request, account *credentials.Account) Result {
	made, err := s.send(ctx, req, account)
	if refused(err) {
		if account, err = s.accounts.Renew(ctx, account); err != nil {
			return s.noAccount(ctx, req, err)
		}
		made, err = s.send(ctx, req, account)
		if refused(err) {
			if _, err := s.accounts.Renew(ctx, account); err != nil {
				return s.noAccount(ctx, req, err)
			}
			return newResult(req).returned(CredentialsRefused, "the secret changed again while its credential was refused")
		}
	}
	if err != nil {
		return s.notSent(ctx, req, account, err)
	}
	result := newResult(req)
	result.Outcome, result.NewRunID, result.Attempt = Retriggered, made.RunID, req.Attempts+1
	return result
}

// errNoTime means that the deadline is too near for a call.
var errNoTime = errors.New("the deadline of the invocation is too near for a call to Flow Service")

func (s *Service) send(ctx context.Context, req event.Request, account *credentials.Account) (flowclient.Retriggered, error) {
	// The token is fetched first, so that what is left of the time is known
	// before the call that can't be repeated.
	if err := account.Client.Authorize(ctx); err != nil {
		return flowclient.Retriggered{}, err
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(s.now()) < s.callTimeout {
		return flowclient.Retriggered{}, errNoTime
	}
	return account.Client.Retrigger(ctx, req.Sandbox, req.RunID)
}

func refused(err error) bool { return errors.Is(err, flowclient.KindUnauthorized) }

// notSent decides on a re-trigger that gave no new run.
func (s *Service) notSent(ctx context.Context, req event.Request, account *credentials.Account, err error) Result {
	result := newResult(req)
	if errors.Is(err, errNoTime) {
		return result.returned(Deadline, err.Error())
	}
	var answer *flowclient.Error
	if !errors.As(err, &answer) {
		return s.deadLetter(ctx, req, verdict{reason: InternalError, message: err.Error()})
	}
	v := verdict{message: err.Error(), answer: answer}
	switch answer.Kind {
	case flowclient.KindThrottled:
		result = result.returned(Throttled, v.message)
		result.RetryAfter = answer.RetryAfter
		s.throttle(req.OrgID, answer.RetryAfter)
		return result
	case flowclient.KindForbidden:
		v.reason = Forbidden
	case flowclient.KindNotFound:
		v.reason = RunNotFound
	case flowclient.KindRejected:
		return s.rejected(ctx, req, account, v)
	case flowclient.KindUnknownOutcome:
		v.reason = OutcomeUnknown
		v.message += ". The run may have been re-triggered: look for a newer run of its dataflow before this is sent again"
	default: // transient, or a token answer that can't be read: nothing was sent
		result = result.returned(AdobeUnavailable, v.message)
		result.RetryAfter = answer.RetryAfter
		return result
	}
	return s.deadLetter(ctx, req, v)
}

// rejected asks for the run's state to tell a run that needs no retry from one
// that can't have one. Without an answer it is a dead letter, with the words of
// the rejection.
func (s *Service) rejected(ctx context.Context, req event.Request, account *credentials.Account, v verdict) Result {
	v.reason = Rejected
	run, err := account.Client.Run(ctx, req.Sandbox, req.RunID)
	if err != nil {
		return s.deadLetter(ctx, req, v)
	}
	if reason := needsNone(run); reason != "" {
		return newResult(req).skipped(reason, v.message)
	}
	return s.deadLetter(ctx, req, v)
}

// needsNone returns why a run in this state needs no retry, or nothing.
func needsNone(run *flowclient.Run) Reason {
	switch {
	case run.Status().Failed():
		return ""
	case run.Status().Running():
		return RunInProgress
	case run.Status().Succeeded():
		return RunSucceeded
	default:
		return ""
	}
}

// dryRun says what would happen, as far as reading tells.
func (s *Service) dryRun(ctx context.Context, req event.Request, account *credentials.Account) Result {
	run, err := account.Client.Run(ctx, req.Sandbox, req.RunID)
	message := "would be re-triggered: it has failed"
	switch {
	case err != nil:
		message = "could not be read: " + err.Error()
	case needsNone(run) != "":
		message = fmt.Sprintf("would be skipped (%s)", needsNone(run))
	case !run.Status().Failed():
		message = fmt.Sprintf("would be sent to Flow Service, which decides: its status is %q", run.Status())
	}
	return newResult(req).skipped(DryRun, message)
}

// noAccount decides on a request for which there is no usable credential. A
// fault of a secret is an alarm and not a dead letter for each run: those
// requests come back when it is mended.
func (s *Service) noAccount(ctx context.Context, req event.Request, err error) Result {
	var fault *credentials.Error
	if !errors.As(err, &fault) {
		return newResult(req).returned(CredentialsUnavailable, err.Error())
	}
	switch fault.Kind {
	case credentials.OrgUnknown:
		return s.deadLetter(ctx, req, verdict{reason: OrgUnknown, message: err.Error()})
	case credentials.OrgMissing:
		return s.deadLetter(ctx, req, verdict{reason: OrgMissing, message: err.Error()})
	case credentials.Refused:
		result := newResult(req).returned(CredentialsRefused, err.Error())
		result.RetryAfter = credentials.RefusalPause
		return result
	default:
		return newResult(req).returned(CredentialsUnavailable, err.Error())
	}
}

func (s *Service) deadLetter(ctx context.Context, req event.Request, v verdict) Result {
	if req.DryRun {
		return newResult(req).skipped(DryRun, fmt.Sprintf("would be dead-lettered (%s): %s", v.reason, v.message))
	}
	l := deadletter.Letter{Request: req, Reason: string(v.reason), Message: v.message, FirstTime: req.FirstSeen, LastTime: s.now()}
	if v.answer != nil {
		l.Code, l.HTTPStatus, l.AdobeRequestID = v.answer.Code, v.answer.Status, v.answer.RequestID
	}
	result := newResult(req)
	result.Outcome, result.Reason, result.Message = DeadLettered, v.reason, v.message
	if err := s.write(ctx, l); err != nil {
		return result.returned(DeadLetterQueueUnavailable, fmt.Sprintf("%v (was to be a dead letter: %s)", err, v.message))
	}
	return result
}

// write sends a dead letter in the time that is kept back for it, even where the
// time for the work is over.
func (s *Service) write(ctx context.Context, l deadletter.Letter) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTime)
	defer cancel()
	return s.deadLetters.Send(ctx, l)
}

func (s *Service) throttledUntil(orgID string) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.throttled[orgID]
}

// throttle holds the org's other requests back as long as Adobe asked for.
func (s *Service) throttle(orgID string, wait time.Duration) {
	if wait <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if until := s.now().Add(wait); until.After(s.throttled[orgID]) {
		s.throttled[orgID] = until
	}
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
