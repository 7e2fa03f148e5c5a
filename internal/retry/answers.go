package retry

import (
	"errors"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// answer is what a dead letter tells of Adobe's answer, if there was one.
type answer struct {
	code      string
	status    int
	requestID string
}

// refusalOf reads a fault of a call that changed nothing. The catalog of Adobe's codes gives
// the reason of a refusal; for a code that it does not know the fault's kind does.
func refusalOf(fault *flowclient.Error) *Refusal {
	r := &Refusal{
		Kind: fault.Kind, Reason: AdobeUnavailable, Detail: fault.Error(), RetryAfter: fault.RetryAfter,
		answer: answer{fault.Code, fault.Status, fault.RequestID},
	}
	switch fault.Kind {
	case flowclient.KindForbidden:
		r.Reason = Forbidden
	case flowclient.KindNotFound:
		r.Reason = RunNotFound
	case flowclient.KindRejected:
		r.Reason = Rejected
	case flowclient.KindNotYet:
		r.Reason = NotYet
	case flowclient.KindTooLarge:
		r.Reason = RunTooLarge
		return r
	case flowclient.KindThrottled:
		r.Reason = Throttled
		return r
	default:
		return r
	}
	if entry, known := fault.Catalog(); known && entry.Reason != "" {
		r.Reason = Reason(entry.Reason)
	}
	return r
}

// unread decides on a request for which Flow Service could not be read: nothing was sent.
func unread(err error) Step {
	if credential := credentialFault(err); credential != nil {
		return *credential
	}
	var fault *flowclient.Error
	if !errors.As(err, &fault) {
		return Step{Do: DeadLetter, Reason: InternalError, Detail: err.Error()}
	}
	r := refusalOf(fault)
	switch fault.Kind {
	case flowclient.KindForbidden, flowclient.KindNotFound, flowclient.KindRejected, flowclient.KindTooLarge:
		return Step{Do: DeadLetter, Reason: r.Reason, Detail: r.Detail, answer: r.answer}
	}
	step := Step{Do: End, Outcome: Returned, Reason: r.Reason, Detail: r.Detail, After: r.RetryAfter, answer: r.answer}
	step.Fault = !step.waits()
	return step
}

// unsent decides on a re-trigger that was not sent.
func unsent(err error) Step {
	switch {
	case errors.Is(err, flowclient.ErrNoTime):
		return Step{Do: End, Outcome: Returned, Reason: Deadline, Detail: err.Error(), Fault: true}
	case errors.As(err, new(*unclaimedError)):
		return Step{Do: End, Outcome: Returned, Reason: LedgerUnavailable, Detail: err.Error()}
	case errors.As(err, new(*credentials.Error)):
		return noAccount(err)
	}
	return unread(err)
}

// credentialFault decides on a request for which there is no usable credential; nil where
// the error is of another kind.
func credentialFault(err error) *Step {
	fault, ok := errors.AsType[*accountError](err)
	if !ok {
		return nil
	}
	return new(noAccount(fault.err))
}

// noAccount decides on a request for which there is no usable credential. A bad credential
// fails every run of its org alike, so the messages are returned and one alarm is raised,
// instead of a dead letter for each run.
func noAccount(err error) Step {
	back := Step{Do: End, Outcome: Returned, Reason: CredentialsUnavailable, Detail: err.Error()}
	var fault *credentials.Error
	if !errors.As(err, &fault) {
		return back
	}
	switch fault.Kind {
	case credentials.OrgUnknown:
		return Step{Do: DeadLetter, Reason: OrgUnknown, Detail: err.Error()}
	case credentials.OrgMissing:
		return Step{Do: DeadLetter, Reason: OrgMissing, Detail: err.Error()}
	case credentials.Refused:
		back.Reason, back.After = CredentialsRefused, credentials.RefusalPause
	}
	return back
}
