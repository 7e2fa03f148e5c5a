package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Reason is the one word why input can't be read. It is the reason of the dead
// letter.
type Reason string

// The reasons.
const (
	// Unreadable is input that is not JSON, or empty.
	Unreadable Reason = "unreadable"
	// Unrecognized is JSON that is neither a request nor an event about a run, and an
	// event of Adobe's that holds no run that the decoder can find.
	Unrecognized Reason = "unrecognized"
	// EmptyObject is {}, as a scheduler without an input sends it.
	EmptyObject Reason = "empty"
	// OwnOutput is an event or an answer of the function itself.
	OwnOutput Reason = "own_output"
	// EventIDsOnly is a dead-letter record that has ids of events and no events.
	EventIDsOnly Reason = "event_ids_only"
	// StoredInS3 is a message whose content an extended SQS client has put into S3.
	StoredInS3 Reason = "stored_in_s3"
	// HTTPEvent is the event of a Function URL, an API Gateway or a load balancer.
	HTTPEvent Reason = "http_event"
	// NotDirect is a pause or resume that did not come as a direct invocation.
	NotDirect Reason = "not_direct"
	// RunStatusUnknown is a run whose status is none that Adobe documents.
	RunStatusUnknown Reason = "run_status_unknown"
	// WrongType is a value of another JSON type than expected.
	WrongType Reason = "wrong_type"
	// UnknownField is a field that requests don't have.
	UnknownField Reason = "unknown_field"
	// RepeatedField is a field that stands twice.
	RepeatedField Reason = "repeated_field"
	// MissingRunID is a request, or a failed run, without a run id.
	MissingRunID Reason = "missing_run_id"
	// InvalidRunID is a run id that can't be one.
	InvalidRunID Reason = "invalid_run_id"
	// InvalidField is another field's value that can't be.
	InvalidField Reason = "invalid_field"
	// OrgMismatch is an event that names two orgs.
	OrgMismatch Reason = "org_mismatch"
	// TooDeep is more than [MaxDepth] wrappings.
	TooDeep Reason = "too_deep"
	// SweepFailed is a sweep that can't be begun, or not gone on with. The dead
	// letter asks for what is left of it.
	SweepFailed Reason = "sweep_failed"
	// TooLarge is more than [MaxPayload] bytes or [MaxItems] items.
	TooLarge Reason = "too_large"
)

// Error tells the sender what is wrong with the input.
type Error struct {
	Reason  Reason
	Message string
	// RunID, FlowID and OrgID are what could be read of a run all the same.
	RunID, FlowID, OrgID string
	// Shape tells the kinds of Adobe's events apart that hold no run: detail-type and
	// names of fields. It is empty for other input.
	Shape string
	// ByHand means that the payload itself is what a person writes: a request, a sweep, a
	// pause or a command with a mistake in it. Who invokes the function with it directly is
	// answered with the mistake.
	ByHand bool
}

// byHand marks the error of a payload that a person writes, if it stands for itself.
func (e *Error) byHand(a around) *Error {
	if e != nil && a.depth == 0 && a.sender == person {
		e.ByHand = true
	}
	return e
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

func faultf(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func wrongType(name, want string, got json.RawMessage) *Error {
	return faultf(WrongType, "field %q is %s, want %s", name, literal(got), want)
}

// unknownField names the field and the known one it may stand for.
func unknownField(name string, known []string) *Error {
	for _, k := range known {
		if similar(name, k) {
			return faultf(UnknownField, "unknown field %s (did you mean %q?)", excerpt([]byte(name)), k)
		}
	}
	return faultf(UnknownField, "unknown field %s (known: %s)", excerpt([]byte(name)), strings.Join(known, ", "))
}

// similar reports whether a field's name is another one's but for case and
// separators, or for an s at the end.
func similar(a, b string) bool { return bare(a) == bare(b) }

// bare is a name without case, separators and an s at the end.
func bare(name string) string { return strings.TrimSuffix(folded(name), "s") }

// folded is a name without case and separators.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("_- ", r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// SkipReason is the one word why an event asks for nothing.
type SkipReason string

// The reasons.
const (
	// RunSucceeded is a run that ended well.
	RunSucceeded SkipReason = "run_succeeded"
	// RunPartlySucceeded is a run that ended with some records failed: only
	// failed runs can be retried.
	RunPartlySucceeded SkipReason = "run_partly_succeeded"
	// RunInProgress is a run that has not ended.
	RunInProgress SkipReason = "run_in_progress"
	// DownstreamRun is a run that follows another dataflow's run.
	DownstreamRun SkipReason = "downstream_run"
	// RunDelayedAlert is Adobe's alert that a run takes long.
	RunDelayedAlert SkipReason = "run_delayed_alert"
	// ErrorRateAlert is Adobe's alert on a dataflow's error rate; it names no
	// run.
	ErrorRateAlert SkipReason = "error_rate_alert"
	// IngestionEvent is a data-ingestion event; it names no run.
	IngestionEvent SkipReason = "ingestion_event"
	// ForeignEvent is another sender's event about something else.
	ForeignEvent SkipReason = "foreign_event"
	// OwnNotice is a notice of the function itself, which a rule has sent back to it.
	OwnNotice SkipReason = "own_notice"
)

// Skip is an event that asks for nothing.
type Skip struct {
	Reason SkipReason
	// RunID and the like are empty where the event does not name them.
	RunID, FlowID, OrgID, Sandbox string
	// Detail says more in a sentence; may be empty.
	Detail string
}

// maxExcerpt is how many bytes of input a message shows.
const maxExcerpt = 40

// excerpt quotes the beginning of input for a message.
func excerpt(raw []byte) string {
	if len(raw) > maxExcerpt {
		return fmt.Sprintf("%.*q…", maxExcerpt, string(raw[:maxExcerpt]))
	}
	return fmt.Sprintf("%q", string(raw))
}

// literal shows the beginning of a JSON value as it is written: 5 is a number, and
// "5" a text.
func literal(raw json.RawMessage) string {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return excerpt(raw)
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, bounded(compact.String(), maxExcerpt))
	if compact.Len() > maxExcerpt {
		text += "…"
	}
	return text
}
