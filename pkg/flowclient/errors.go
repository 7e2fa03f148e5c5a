package flowclient

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Kind says what to do about a failure. Each kind is an error itself, so that
// errors.Is(err, flowclient.KindThrottled) works.
type Kind string

// The kinds of failure.
const (
	// KindTransient is a failure that may pass: no connection, a time-out, 5xx.
	// A re-trigger that failed with it was certainly not sent.
	KindTransient Kind = "transient"
	// KindThrottled is a request refused because there were too many (429). It
	// had no effect. See [Error.RetryAfter].
	KindThrottled Kind = "throttled"
	// KindUnauthorized is a credential or token that was refused, even a fresh
	// token.
	KindUnauthorized Kind = "unauthorized"
	// KindForbidden is a valid credential without the right to do this.
	KindForbidden Kind = "forbidden"
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
	// Resource is the id that the call was about, if there was one.
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
	// Attempts is how often sending the request was tried.
	Attempts int
	// Err is the cause within this process, if there is one.
	Err error
}

// Error describes the failure in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Resource != "" {
		fmt.Fprintf(&b, " %q", e.Resource)
	}
	b.WriteString(": ")
	if e.Status != 0 {
		fmt.Fprintf(&b, "HTTP %d ", e.Status)
	}
	b.WriteString(string(e.Kind))
	for _, part := range []string{e.Code, e.Message} {
		if part != "" {
			b.WriteString(": " + part)
		}
	}
	if e.Err != nil {
		b.WriteString(": " + scrubber{}.clean(e.Err.Error(), maxMessage))
	}
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
	if len(notes) > 0 {
		b.WriteString(" (" + strings.Join(notes, ", ") + ")")
	}
	return b.String()
}

// Unwrap returns the cause, such as [context.DeadlineExceeded].
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is the error's [Kind].
func (e *Error) Is(target error) bool { return target == error(e.Kind) }

// MayHaveTakenEffect reports whether the request may have changed something
// although it failed. Only a re-trigger can.
func (e *Error) MayHaveTakenEffect() bool { return e.Kind == KindUnknownOutcome }

// refusal reads an answer that is not 2xx; the caller adds operation and kind.
func (s *settings) refusal(answer reply, secrets scrubber) *Error {
	said := parseRefusal(answer.body)
	if said.requestID == "" {
		said.requestID = requestID(answer.header)
	}
	if said.message == "" && answer.status/100 == 3 {
		said.message = "a redirect, which is not followed"
	}
	return &Error{
		Status:     answer.status,
		Code:       secrets.clean(said.code, maxCode),
		Message:    secrets.clean(said.message, maxMessage),
		RequestID:  secrets.clean(said.requestID, maxCode),
		RetryAfter: retryAfter(answer.header.Get("Retry-After"), s.now()),
	}
}

// requestID returns the request id that an answer's header gives.
func requestID(header http.Header) string {
	for _, name := range []string{"X-Request-Id", "X-Debug-Id", "X-Correlation-Id"} {
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

// said is what the body of a refusal says.
type said struct{ code, message, requestID string }

// parseRefusal understands the three families of Adobe's errors:
//
//	gateway:      {"error_code":"401013","message":"…"}
//	Flow Service: {"type":"https://ns.adobe.com/aep/errors/FLOW-1439-404","title":"…",
//	               "report":{"detailed-message":"…","request-id":"…"},"errorMessage":"…"}
//	IMS:          {"error":"invalid_client","error_description":"…"}
//
// The message of any other body is its beginning. errorDetails is left out: it
// may name hosts and files.
func parseRefusal(body []byte) said {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return said{message: string(body)}
	}
	var report map[string]json.RawMessage
	_ = json.Unmarshal(fields["report"], &report)
	s := said{
		code:      firstText(fields, "error_code", "error", "code"),
		message:   firstText(fields, "errorMessage", "message", "error_description", "detail"),
		requestID: firstText(report, "request-id", "requestId"),
	}
	if kind := firstText(fields, "type"); kind != "" && s.code == "" {
		if i := strings.LastIndex(kind, "/"); i >= 0 {
			s.code = kind[i+1:]
		}
	}
	if detailed := firstText(report, "detailed-message"); detailed != "" {
		s.message = detailed
	}
	if title := firstText(fields, "title"); title != "" && !strings.Contains(s.message, title) {
		s.message = strings.TrimSuffix(title+": "+s.message, ": ")
	}
	if s.code == "" && s.message == "" {
		s.message = string(body)
	}
	return s
}

// firstText returns the first of the fields that is a text or number.
func firstText(fields map[string]json.RawMessage, names ...string) string {
	for _, name := range names {
		if text := scalar(fields[name]); text != "" {
			return text
		}
	}
	return ""
}

// scalar returns a JSON text or number as a text, and nothing else.
func scalar(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}

// flowKind is the kind of Flow Service's or its gateway's answer that is not
// 2xx. Adobe's catalog codes are matched by their number alone: the status in
// them varies between its documents.
func flowKind(status int, code string, mutates bool) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return KindThrottled
	case status == http.StatusUnauthorized, status == http.StatusForbidden && code == "403010":
		return KindUnauthorized
	case (status >= 500 || status == http.StatusRequestTimeout) && mutates:
		return KindUnknownOutcome
	case status >= 500 || status == http.StatusRequestTimeout:
		return KindTransient
	case status == http.StatusForbidden:
		return KindForbidden
	case status == http.StatusNotFound:
		return KindNotFound
	case status != http.StatusBadRequest:
		return KindRejected
	}
	switch number, _, _ := strings.Cut(strings.TrimPrefix(code, "FLOW-"), "-"); number {
	case "2114", "2115": // token empty, token invalid
		return KindUnauthorized
	case "1100", "1427", "2118", "2120", "2121": // not entitled, no right to make runs, no permission
		return KindForbidden
	case "1101", "1439", "2100", "2101", "2103": // object, run, sandbox not found
		return KindNotFound
	}
	return KindRejected
}

// imsKind is the kind of IMS's answer that is not 2xx.
func imsKind(status int) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return KindThrottled
	case status >= 500 || status == http.StatusRequestTimeout:
		return KindTransient
	case status == http.StatusBadRequest, status == http.StatusUnauthorized, status == http.StatusForbidden:
		return KindUnauthorized
	}
	return KindMalformed // not the token endpoint: a wrong address, a redirect
}
