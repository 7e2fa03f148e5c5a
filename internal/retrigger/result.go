package retrigger

import (
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// Outcome is what became of a request. The same word stands in the answer, the
// log and the metrics.
type Outcome string

// The outcomes.
const (
	// Retriggered means that Flow Service made a new run.
	Retriggered Outcome = "retriggered"
	// Deferred means that the request waits on the request queue.
	Deferred Outcome = "deferred"
	// Skipped means that there is nothing to retry, for the reason given.
	Skipped Outcome = "skipped"
	// DeadLettered means that the request is on the dead-letter queue.
	DeadLettered Outcome = "dead_lettered"
	// Returned means that the request is to be delivered again.
	Returned Outcome = "returned"
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
	// Reasons of skipped requests.

	// DryRun means that the request asked for no change.
	DryRun Reason = "dry_run"
	// ReasonDuplicate means that another request stands for the run.
	ReasonDuplicate Reason = "duplicate"
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
	// OutcomeUnknown means that no answer tells whether the run was retried.
	OutcomeUnknown Reason = "outcome_unknown"
	// InternalError means a defect of the function.
	InternalError Reason = "internal_error"

	// Reasons of returned and deferred requests.

	// Throttled means that Adobe asked to slow down (HTTP 429).
	Throttled Reason = "throttled"
	// AdobeUnavailable means that Flow Service or IMS could not be reached and
	// nothing was sent.
	AdobeUnavailable Reason = "adobe_unavailable"
	// CredentialsRefused means that IMS or Adobe refuse the org's secret.
	CredentialsRefused Reason = "credentials_refused"
	// CredentialsUnavailable means that the secret can't be had or read.
	CredentialsUnavailable Reason = "credentials_unavailable"
	// DeadLetterQueueUnavailable means that the dead letter could not be written.
	DeadLetterQueueUnavailable Reason = "dead_letter_queue_unavailable"
	// Deadline means that the invocation had no time left to start it.
	Deadline Reason = "deadline"
)

// Result is what became of one request, as the function answers and logs it.
type Result struct {
	RunID    string  `json:"runId,omitempty"`
	Outcome  Outcome `json:"outcome"`
	Reason   Reason  `json:"reason,omitempty"`
	Message  string  `json:"message,omitempty"`
	NewRunID string  `json:"newRunId,omitempty"`
	// Attempt counts the re-triggers known for this run, this one included.
	Attempt int    `json:"attempt,omitempty"`
	FlowID  string `json:"flowId,omitempty"`
	Sandbox string `json:"sandbox,omitempty"`
	OrgID   string `json:"orgId,omitempty"`
	// RetryAfter is the least time before a returned request is worth another
	// delivery; zero if nothing is known.
	RetryAfter time.Duration `json:"-"`
}

// Skip is the result of an event that asks for nothing.
func Skip(skip event.Skip) Result {
	return Result{
		RunID: skip.RunID, FlowID: skip.FlowID, OrgID: skip.OrgID, Sandbox: skip.Sandbox,
		Outcome: Skipped, Reason: Reason(skip.Reason), Message: skip.Detail,
	}
}

// Return is the result of a request that was not started.
func Return(req event.Request, reason Reason, message string) Result {
	return newResult(req).returned(reason, message)
}

// Duplicate is the result of a request for a run that another request stands
// for: one before it in the same invocation, or one that this process has
// re-triggered. Should that one be delivered again, the run is retried then.
func Duplicate(first Result) Result {
	message := "another request asked for the same run; it was " + string(first.Outcome)
	if first.Reason != "" {
		message += " (" + string(first.Reason) + ")"
	}
	return first.skipped(ReasonDuplicate, message)
}

func newResult(req event.Request) Result {
	return Result{RunID: req.RunID, FlowID: req.FlowID, Sandbox: req.Sandbox, OrgID: req.OrgID}
}

func (r Result) returned(reason Reason, message string) Result {
	r.Outcome, r.Reason, r.Message = Returned, reason, message
	return r
}

func (r Result) skipped(reason Reason, message string) Result {
	r.Outcome, r.Reason, r.Message = Skipped, reason, message
	return r
}
