package retry

import (
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
)

// Outcome is what became of a request. The same word stands in the answer, the
// log, the metrics and the ledger.
type Outcome string

// The outcomes.
const (
	// Retriggered means that Flow Service made a new run.
	Retriggered = Outcome(ledger.Retriggered)
	// Deferred means that the request waits on the request queue.
	Deferred = Outcome(ledger.Deferred)
	// Skipped means that there is nothing to retry, for the reason given.
	Skipped = Outcome(ledger.Skipped)
	// DeadLettered means that the request is on the dead-letter queue.
	DeadLettered = Outcome(ledger.DeadLettered)
	// Returned means that the request is to be delivered again.
	Returned = Outcome(ledger.Returned)
)

// Outcomes are all outcomes.
func Outcomes() []Outcome {
	return []Outcome{Retriggered, Deferred, Skipped, DeadLettered, Returned}
}

// Reason is the one word why a request was not retried. Those of events that
// ask for nothing and of input that can't be read are in package event.
type Reason string

// The reasons.
const (
	// ReasonDuplicate means that another request stands for the run. The outcome
	// and the new run are that one's.
	ReasonDuplicate Reason = "duplicate"
	// Reconciled means that a re-trigger without an answer was found to have made
	// the new run.
	Reconciled Reason = "reconciled"

	// Reasons of the policy; see there.
	TooOld            = Reason(policy.TooOld)
	ByPolicy          = Reason(policy.ByPolicy)
	AttemptsExhausted = Reason(policy.AttemptsExhausted)
	BreakerOpen       = Reason(policy.BreakerOpen)
	DataError         = Reason(policy.DataError)
	DuplicateBatch    = Reason(policy.DuplicateBatch)
	RetryDelay        = Reason(policy.RetryDelay)

	// Reasons of skipped requests.

	// Cancelled means that a person has ended the waiting of the run.
	Cancelled = Reason(ledger.ReasonCancelled)
	// Dropped means that a person has deleted the run's dead letter.
	Dropped = Reason(ledger.ReasonDropped)
	// NotWaiting means that a command was for a run that does not wait, NotDeadLettered that
	// one was for a run or an id that is no dead letter. Nothing was changed.
	NotWaiting      Reason = "not_waiting"
	NotDeadLettered Reason = "not_dead_lettered"
	// DryRun means that the request asked for no change.
	DryRun Reason = "dry_run"
	// WouldRetrigger means that the function only observes, and would otherwise have
	// re-triggered the run, now or after a wait.
	WouldRetrigger Reason = "would_retrigger"
	// Superseded means that the run is not the one to retry: its lineage goes on with
	// another run.
	Superseded = Reason(ledger.ReasonSuperseded)
	// SupersededByHand means that a newer run of the same dataflow and the same data
	// window, which this function did not make, has succeeded or is running.
	SupersededByHand Reason = "superseded_by_hand"
	// Waiting means that a sweep has found a run for which a request waits.
	Waiting Reason = "waiting"
	// RunInProgress and RunSucceeded are the run's state when Flow Service
	// rejected the re-trigger.
	RunInProgress = Reason(event.RunInProgress)
	RunSucceeded  = Reason(event.RunSucceeded)

	// Reasons of dead letters.

	// OrgUnknown means that no secret is of the run's org.
	OrgUnknown Reason = "org_unknown"
	// OrgMissing means that there are several orgs and the request names none.
	OrgMissing Reason = "org_missing"
	// SandboxMissing means that nothing names the sandbox.
	SandboxMissing Reason = "sandbox_missing"
	// Forbidden means that the credential may not do it (HTTP 403).
	Forbidden Reason = "forbidden"
	// RunNotFound means that the sandbox has no such run (HTTP 404).
	RunNotFound Reason = "run_not_found"
	// Rejected means that Flow Service refused to retry this run.
	Rejected Reason = "rejected"
	// SandboxNotFound means that the org has no such sandbox.
	SandboxNotFound = Reason(aepcodes.SandboxNotFound)
	// FlowDisabled means that the run's dataflow is switched off: Adobe re-triggers
	// nothing of it.
	FlowDisabled = Reason(aepcodes.FlowDisabled)
	// NotRetryable means that Adobe does not re-trigger runs of this source, or in this
	// state, whatever the spelling of the operation.
	NotRetryable = Reason(aepcodes.NotRetryable)
	// RunTooLarge means that Flow Service's answer about the run is above the limit.
	RunTooLarge Reason = "run_too_large"
	// MadeByUnknownCall means that one of several lost re-triggers has made the run, so
	// that its lineage is not known.
	MadeByUnknownCall Reason = "made_by_unknown_call"
	// OutcomeUnknown means that no answer tells whether the run was retried: the
	// request is returned until that can be looked up, and a dead letter where it
	// can't be told.
	OutcomeUnknown Reason = "outcome_unknown"
	// Unsendable means that the request must wait and that SQS refuses it on the request
	// queue, because of its content.
	Unsendable Reason = "unsendable"
	// InternalError means a defect of the function.
	InternalError Reason = "internal_error"

	// Reasons of returned and deferred requests.

	// Throttled means that Adobe asked to slow down (HTTP 429), or that the limit
	// on calls to it is reached.
	Throttled Reason = "throttled"
	// BudgetSpent means that the dataflow or the org has had its re-triggers for now.
	BudgetSpent Reason = "budget_spent"
	// Paused means that everything, the org or the dataflow is paused, or was, and
	// what waited is let go one after the other.
	Paused Reason = "paused"
	// Observing means that the function only observes, and that the request waits since its
	// message was there before.
	Observing Reason = "observing"
	// NotYet means that Adobe does not re-trigger the run yet, and says to try again.
	NotYet = Reason(aepcodes.StateNotYet)
	// AdobeUnavailable means that Flow Service or IMS could not be reached and
	// nothing was sent.
	AdobeUnavailable Reason = "adobe_unavailable"
	// CredentialsRefused means that IMS or Adobe refuse the org's secret.
	CredentialsRefused Reason = "credentials_refused"
	// CredentialsUnavailable means that the secret can't be had or read.
	CredentialsUnavailable Reason = "credentials_unavailable"
	// DeadLetterQueueUnavailable means that the dead letter could not be written.
	DeadLetterQueueUnavailable Reason = "dead_letter_queue_unavailable"
	// LedgerUnavailable means that the ledger could not be asked: nothing was sent,
	// or what was sent could not be recorded and will be looked up.
	LedgerUnavailable Reason = "ledger_unavailable"
	// LedgerBusy means that other deliveries kept changing the same entries.
	LedgerBusy Reason = "ledger_busy"
	// QueueUnavailable means that a request that must wait could not be put on the
	// request queue.
	QueueUnavailable Reason = "request_queue_unavailable"
	// NoticesUnavailable means that a notice could not be sent. It is no outcome of a
	// request: it is counted beside that, and a sweep sends the notice.
	NoticesUnavailable Reason = "notices_unavailable"
	// InProgress means that another delivery works on the same run, or did so when
	// it ended without a trace.
	InProgress Reason = "in_progress"
	// FlowBusy means that a re-trigger of the same dataflow is under way, or was
	// lost and is yet to be looked up. It may have made this very run.
	FlowBusy Reason = "flow_busy"
	// NotDue means that a message that waits came early.
	NotDue Reason = "not_due"
	// Deadline means that the invocation had no time left to start it.
	Deadline Reason = "deadline"
	// NeverFinished means that a message was delivered again and again and no
	// delivery came to an end.
	NeverFinished Reason = "never_finished"
	// WaitedTooLong means that a message would soon be deleted by its queue.
	WaitedTooLong Reason = "waited_too_long"
)

// Result is what became of one request, as the function answers and logs it.
type Result struct {
	RunID string `json:"runId,omitempty"`
	// LetterID is the dead letter without a run that a command has named.
	LetterID string  `json:"letterId,omitempty"`
	Outcome  Outcome `json:"outcome"`
	Reason   Reason  `json:"reason,omitempty"`
	Message  string  `json:"message,omitempty"`
	NewRunID string  `json:"newRunId,omitempty"`
	// SupersededBy is the run with which somebody has retried this one by hand.
	SupersededBy string `json:"supersededBy,omitempty"`
	// Attempt counts the re-triggers sent for the run's lineage, this one included.
	Attempt int `json:"attempt,omitempty"`
	// Root is the first run of the lineage, where the ledger knows the run.
	Root   string `json:"root,omitempty"`
	FlowID string `json:"flowId,omitempty"`
	// FlowName is the dataflow's name for people, where it is known.
	FlowName string `json:"flowName,omitempty"`
	// ErrorCode and ErrorText are why the run failed, as its source says, where that is
	// known.
	ErrorCode string `json:"errorCode,omitempty"`
	ErrorText string `json:"errorText,omitempty"`
	// WindowStart and WindowEnd are the run's data window, where that is known: a
	// re-trigger works on the source's files of this time, and on none that came later.
	WindowStart time.Time `json:"windowStart,omitzero"`
	WindowEnd   time.Time `json:"windowEnd,omitzero"`
	Sandbox     string    `json:"sandbox,omitempty"`
	OrgID       string    `json:"orgId,omitempty"`
	// RetryAfter is the least time before a returned request is worth another
	// delivery; zero if nothing is known.
	RetryAfter time.Duration `json:"-"`
	// Due is when a returned request is to be delivered again, neither sooner nor
	// later; zero for one that may come at any time.
	Due time.Time `json:"-"`
	// Released means that a pause has kept a returned request, and that it is over.
	Released bool `json:"-"`
	// Extra means that the run was re-triggered once more since an earlier
	// re-trigger of it had left no trace.
	Extra bool `json:"-"`
	// Parent is the run whose re-trigger made this one, where a success is recorded.
	Parent string `json:"-"`
	// Recovered means that the run is ours and has succeeded, RecoveredAfter is the time
	// since its lineage's first failure was seen; zero if that is not known any more.
	Recovered      bool          `json:"-"`
	RecoveredAfter time.Duration `json:"-"`
	// Also are further reasons that metrics count, beside Reason. For example, where a
	// throttled request could be put on neither queue, Reason is
	// dead_letter_queue_unavailable and Also has request_queue_unavailable.
	Also []Reason `json:"-"`

	// [Engine.Requeue] and [Engine.GiveUp] go on from here: the facts of the request, and
	// Adobe's answer if there was one.
	facts  Facts
	answer answer
	// toldBySkip means that an event of Adobe's about a run has brought it, which asks for
	// nothing.
	toldBySkip bool
}

// Waits reports whether a returned request waits its turn, or for a credential that is
// to be mended. There is no fault of the request in that, however long it takes.
func (r Result) Waits() bool { return r.Reason.waits() }

// waits reports whether a request that is returned for the reason only waits.
//
// Rule 20: waiting costs no fault, however long it takes; a refused or unreadable credential
// is a wait.
func (r Reason) waits() bool {
	return slices.Contains([]Reason{NotDue, InProgress, FlowBusy, LedgerBusy, Throttled, Paused, Observing, OutcomeUnknown, CredentialsRefused, CredentialsUnavailable}, r)
}

// Skip is the result of an event that asks for nothing.
func Skip(skip event.Skip) Result {
	return Result{
		RunID: skip.RunID, FlowID: skip.FlowID, OrgID: skip.OrgID, Sandbox: skip.Sandbox,
		Outcome: Skipped, Reason: Reason(skip.Reason), Message: skip.Detail, toldBySkip: skip.RunID != "",
	}
}

// Return is the result of a request that was not started.
func Return(req event.Request, reason Reason, message string) Result {
	return newResult(req).returned(reason, message)
}

func newResult(req event.Request) Result {
	return Result{
		RunID: req.RunID, FlowID: req.FlowID, FlowName: req.FlowName, ErrorCode: req.Cause().Code, ErrorText: req.Cause().Message,
		WindowStart: req.Window.Start, WindowEnd: req.Window.End, Sandbox: req.Sandbox, OrgID: req.OrgID, facts: Facts{Request: req},
	}
}

func (r Result) returned(reason Reason, message string) Result {
	return r.became(Returned, reason, message)
}

func (r Result) skipped(reason Reason, message string) Result {
	return r.became(Skipped, reason, message)
}

func (r Result) became(outcome Outcome, reason Reason, message string) Result {
	r.Outcome, r.Reason, r.Message = outcome, reason, message
	return r
}
