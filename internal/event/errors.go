package event

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Reason is the one word why input can't be read. It is the reason of the dead
// letter.
type Reason string

// The reasons.
const (
	// Unreadable is input that is not JSON, or empty.
	Unreadable Reason = "unreadable"
	// Unrecognized is JSON that is neither a request nor an event.
	Unrecognized Reason = "unrecognized"
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
func similar(a, b string) bool {
	bare := func(s string) string {
		return strings.TrimSuffix(strings.NewReplacer("_", "", "-", "", " ", "").Replace(strings.ToLower(s)), "s")
	}
	return bare(a) == bare(b)
}

// firstKeys returns some keys in a fixed order, quoted.
func firstKeys(fields map[string]json.RawMessage, most int) []string {
	keys := make([]string, 0, len(fields))
	for key := range fields {
		keys = append(keys, excerpt([]byte(key)))
	}
	if len(keys) == 0 {
		return []string{"none"}
	}
	slices.Sort(keys)
	if len(keys) > most {
		keys = append(keys[:most], "…")
	}
	return keys
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
	// RunStatusUnknown is a run whose status is missing or none that Adobe
	// documents.
	RunStatusUnknown SkipReason = "run_status_unknown"
	// DownstreamRun is a run that follows another dataflow's run.
	DownstreamRun SkipReason = "downstream_run"
	// RunDelayedAlert is Adobe's alert that a run takes long.
	RunDelayedAlert SkipReason = "run_delayed_alert"
	// ErrorRateAlert is Adobe's alert on a dataflow's error rate; it names no
	// run.
	ErrorRateAlert SkipReason = "error_rate_alert"
	// IngestionEvent is a data-ingestion event; it names no run.
	IngestionEvent SkipReason = "ingestion_event"
	// ForeignEvent is an event about something else.
	ForeignEvent SkipReason = "foreign_event"
)

// Skip is an event that asks for nothing.
type Skip struct {
	Reason SkipReason
	// RunID and the like are empty where the event does not name them.
	RunID, FlowID, OrgID, Sandbox string
	// Detail says more in a sentence; may be empty.
	Detail string
}
