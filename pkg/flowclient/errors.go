package flowclient

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
)

// Kind says what to do about a failure. Each kind is an error itself, so that
// errors.Is(err, flowclient.KindThrottled) works.
type Kind string

// The kinds of failure.
const (
	// KindTransient is a failure that may pass: no connection, a time-out, 5xx.
	// A re-trigger that failed with it had certainly no effect: it was not sent, or
	// Adobe says that it could not begin it.
	KindTransient Kind = "transient"
	// KindThrottled is a request refused because there were too many (429). It
	// had no effect. See [Error.RetryAfter].
	KindThrottled Kind = "throttled"
	// KindUnauthorized is a credential or token that was refused, even a fresh
	// token.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden is a valid credential without the right to do this.
	KindForbidden Kind = "forbidden"
	// KindNotYet is a re-trigger that Adobe refuses for now: the run or its dataflow
	// is in a state that passes. Nothing was changed; try again in a while, but not
	// without end.
	KindNotYet Kind = "not yet"
	// KindNotFound is an unknown run, dataflow or sandbox, or one that the
	// credential must not see.
	KindNotFound Kind = "not found"
	// KindRejected is a request that was refused for what it asks. It comes
	// with the answer's status, or without one if the input was refused before
	// anything was sent. A redirect is one, too.
	KindRejected Kind = "rejected"
	// KindUnknownOutcome is a re-trigger that may have taken effect, although no
	// usable answer came.
	KindUnknownOutcome Kind = "unknown outcome"
	// KindMalformed is an answer that can't be read.
	KindMalformed Kind = "malformed answer"
	// KindTooLarge is an answer above [MaxAnswer] that can't be asked for in smaller
	// parts: one run or one dataflow. [Error.Resource] names it where that is known.
	KindTooLarge Kind = "answer too large"
)

// Error makes a kind a target of [errors.Is].
func (k Kind) Error() string { return string(k) }

// Error is a failed call. It must not be changed: callers that waited for the
// same token share one.
type Error struct {
	// Op is what failed: [OpRetrigger], [OpRun], [OpRuns], [OpFlow], [OpFlows] or
	// [OpToken]. A call on Flow Service fails with OpToken if it had no token;
	// then the fault lies with IMS, the credential or the way there, nothing took
	// effect at Flow Service, and from an [IMS] the kind is transient, throttled,
	// unauthorized or malformed.
	Op string
	// Resource is the id that the call was about, if there was one. In a listing it is
	// the run that is too large.
	Resource string
	// Kind says what to do.
	Kind Kind
	// Status is the HTTP status, or 0 without an answer.
	Status int
	// Code is Adobe's own: "401013" from the gateway, "FLOW-1434-400" from Flow
	// Service, "invalid_client" from IMS; or empty.
	Code string
	// Message is Adobe's, or the beginning of an answer that is none of Adobe's.
	// It is cleaned of secrets and control characters and bounded.
	Message string
	// RequestID is what Adobe's support asks for, or empty.
	RequestID string
	// RetryAfter is the wait that the answer asks for, at most [MaxRetryAfter],
	// or 0.
	RetryAfter time.Duration
	// Attempts is how often sending the request was tried, in all spellings of op.
	Attempts int
	// Err is the cause within this process, if there is one.
	Err error
}

// Error describes the failure in one line, which ends with the next step for a person
// where the catalog of Adobe's codes has one.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Resource != "" {
		fmt.Fprintf(&b, " %q", e.Resource)
	}
	b.WriteString(": ")
	b.WriteString(e.verdict())
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		b.WriteString(": " + scrubber{}.clean(e.Err.Error(), maxMessage))
	}
	if notes := e.notes(); len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	if step := e.NextStep(); step != "" {
		b.WriteString(". Next step: " + step)
	}
	return b.String()
}

// verdict is kind, status and code. IMS's refusal begins with who refuses what, since
// that is what its readers look for.
func (e *Error) verdict() string {
	status := ""
	if e.Status != 0 {
		status = "HTTP " + strconv.Itoa(e.Status) + " "
	}
	code := e.Code
	if e.Op == OpToken && e.Kind == KindUnauthorized {
		return strings.TrimSuffix("IMS refused the credential: "+status+code, " ")
	}
	if code != "" {
		code = ": " + code
	}
	return status + string(e.Kind) + code
}

func (e *Error) notes() []string {
	var notes []string
	if e.RequestID != "" {
		notes = append(notes, "request-id "+e.RequestID)
	}
	if e.RetryAfter > 0 {
		notes = append(notes, "retry after "+e.RetryAfter.String())
	}
	if e.Attempts > 0 {
		notes = append(notes, "attempts "+strconv.Itoa(e.Attempts))
	}
	return notes
}

// Catalog returns what the catalog of Adobe's codes says about the failure. It is
// false if the catalog does not know the code; then the status has decided.
func (e *Error) Catalog() (aepcodes.Entry, bool) {
	if e.Status == 0 {
		return aepcodes.Entry{}, false
	}
	return aepcodes.Find(operation(e.Op), e.Code, e.Status, e.Message)
}

// NextStep says in one sentence what a person does about the failure; empty where the
// catalog of Adobe's codes does not know it.
func (e *Error) NextStep() string {
	entry, _ := e.Catalog()
	return entry.NextStep
}

// operation is what the catalog calls an operation of this package.
func operation(op string) aepcodes.Operation {
	switch op {
	case OpRetrigger:
		return aepcodes.Retrigger
	case OpToken:
		return aepcodes.Token
	default:
		return aepcodes.AnyCall
	}
}

// Unwrap returns the cause, such as [context.DeadlineExceeded].
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's [Kind].
func (e *Error) Is(target error) bool { return target == error(e.Kind) }

// MayHaveTakenEffect reports whether the request may have changed something
// although it failed. Only a re-trigger can.
func (e *Error) MayHaveTakenEffect() bool { return e.Kind == KindUnknownOutcome }

// requestID returns the request id that an answer's header gives. Adobe's support asks
// for IMS's X-Debug-Id where there is one.
func requestID(header http.Header) string {
	for _, name := range []string{"X-Debug-Id", "X-Request-Id", "X-Correlation-Id"} {
		if id := header.Get(name); id != "" {
			return id
		}
	}
	return ""
}

// retryAfter reads the header, which is seconds or a date.
func retryAfter(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		wait = time.Duration(min(max(seconds, 0), MaxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), MaxRetryAfter)
}

// flowKind is the kind of Flow Service's or its gateway's answer that is not 2xx. Too
// many requests, and an effect that a 5xx may have had, come before the catalog of
// Adobe's codes; where the catalog does not know the code the status decides.
func (e *Error) flowKind(mutates bool) Kind {
	entry, known := e.Catalog()
	mayPass := e.Status >= 500 || e.Status == http.StatusRequestTimeout
	switch {
	case e.Status == http.StatusTooManyRequests:
		return KindThrottled
	case mayPass && mutates && !entry.NoEffect:
		return KindUnknownOutcome
	case mayPass:
		return KindTransient
	case known:
		return kindOf(entry)
	case e.Status == http.StatusUnauthorized:
		return KindUnauthorized
	case e.Status == http.StatusForbidden:
		return KindForbidden
	case e.Status == http.StatusNotFound:
		return KindNotFound
	default:
		return KindRejected
	}
}

// imsKind is the kind of IMS's refusal, which may have HTTP 200.
func (e *Error) imsKind() Kind {
	entry, known := e.Catalog()
	switch {
	case e.Status == http.StatusTooManyRequests:
		return KindThrottled
	case e.Status >= 500 || e.Status == http.StatusRequestTimeout:
		return KindTransient
	case known:
		return kindOf(entry)
	case e.Status == http.StatusOK, e.Status == http.StatusBadRequest, e.Status == http.StatusUnauthorized, e.Status == http.StatusForbidden:
		return KindUnauthorized
	default:
		return KindMalformed // not the token endpoint: a wrong address, a redirect
	}
}

// kindOf is the kind of a 4xx that the catalog of Adobe's codes knows.
func kindOf(entry aepcodes.Entry) Kind {
	switch entry.Kind {
	case aepcodes.Passing:
		return KindTransient
	case aepcodes.NotYet:
		return KindNotYet
	case aepcodes.Credential:
		return KindUnauthorized
	case aepcodes.Permission:
		return KindForbidden
	case aepcodes.NotFound:
		return KindNotFound
	default: // permanent; data and done are no answers to a call
		return KindRejected
	}
}
