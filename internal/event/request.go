package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

// Limits of a request's texts. They keep it small enough to be written again:
// encoding may make six bytes of one.
const (
	// MaxID is the greatest length in bytes of an id or a name in a request.
	MaxID = 256
	// MaxReason is the greatest length in bytes of [Request.Reason], MaxBy that of
	// [Request.By]: an ARN has 2048 at most.
	MaxReason = 4096
	MaxBy     = 2048

	maxLastError = 4096
)

// Source says who told of a run, and so how far a request can be believed.
type Source string

// The sources.
const (
	// FromAdobe is an event of Adobe's, as it came: its dataflow, errors and times are
	// the run's own.
	FromAdobe Source = "adobe"
	// FromPerson is a request by hand, which may name another dataflow by mistake.
	FromPerson Source = "person"
	// FromQueue is a request that has an origin, as the function writes it to its queues.
	// Whoever may send to the queue can write one, too.
	FromQueue Source = "queue"
)

// Request is "retry this run".
//
// Its JSON is what a person sends by hand, with what an event told and what
// happened to it so far in one more object, "origin". [Decode] reads it back
// unchanged, which makes it the body of queue messages and dead letters.
type Request struct {
	// RunID is the failed run. It is never empty.
	RunID string
	// FlowID is the run's dataflow, OrgID its org ("…@AdobeOrg") and Sandbox its
	// sandbox's name; each may be empty.
	FlowID, OrgID, Sandbox string
	// DryRun asks for a report instead of a re-trigger.
	DryRun bool
	// Force asks to pass over policy and limits.
	Force bool
	// Reason is free text of who asks, and By who that is, such as the ARN of a user: both are
	// what the caller says.
	Reason, By string
	// Now asks, by a command, to take the run up that waits, as if its time had come. It is no
	// part of the JSON.
	Now bool
	// Source says who told of the run. It is no part of the JSON.
	Source Source
	// SentAt is when the message was sent that brought the request; zero for one that
	// came without. It is no part of the JSON.
	SentAt time.Time
	// Origin is where the request came from.
	Origin
}

// Origin is what an event told of the run, and what happened to the request
// since. Times have a precision of 1 ms.
type Origin struct {
	// EventID is Adobe's id of the event.
	EventID string
	// FlowName is the dataflow's name for people.
	FlowName string
	// FailedAt is when the run ended.
	FailedAt time.Time
	// CreatedClient is the client id that made the run.
	CreatedClient string
	// Errors are the run's own, each once, at most [MaxErrors].
	Errors []RunError
	// FirstSeen is when the function first saw the request.
	FirstSeen time.Time
	// CreatedAt is when Adobe made the run.
	CreatedAt time.Time
	// Window is the run's data window; zero where it is not known.
	Window aeptime.Window
	// Root is the first run of the lineage and Parent the run whose re-trigger
	// made this one, where known.
	Root, Parent string
	// Attempts counts the re-triggers already sent for the lineage, Forgiven those
	// of them that limits no longer count.
	Attempts, Forgiven int
	// Due is until when the request waits, in a message that the function sent to
	// the request queue, and zero elsewhere.
	Due time.Time
	// Requeues counts how often the function put the request on the request queue.
	Requeues int
	// LastError is why the request became a dead letter.
	LastError string
}

// WasTold reports whether the origin has what an event or Flow Service tells of a run.
// One without is of a request by hand that had to wait before the run was read.
func (o *Origin) WasTold() bool {
	return o.EventID != "" || o.CreatedClient != "" || !o.FailedAt.IsZero() || !o.CreatedAt.IsZero() || len(o.Errors) > 0
}

// Fingerprint is the same for two requests of which the dataflow and what is told of the
// run are the same, also after one of them was written as a message and read again.
func (r Request) Fingerprint() string {
	sum := sha256.New()
	field := func(text string) { _, _ = fmt.Fprintf(sum, "%q ", text) }
	field(r.FlowID)
	field(r.CreatedClient)
	for _, at := range []time.Time{r.FailedAt, r.CreatedAt, r.Window.Start, r.Window.End} {
		if at.IsZero() {
			field("")
		} else {
			field(strconv.FormatInt(at.UnixMilli(), 10))
		}
	}
	for _, e := range r.Errors {
		field(e.Code)
		field(e.Message)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// Cause is the first of the run's own errors: why it failed, as its source says. It is
// empty where no error is known.
func (o *Origin) Cause() RunError {
	if len(o.Errors) == 0 {
		return RunError{}
	}
	return o.Errors[0]
}

// RunError is why a run failed.
type RunError struct {
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

// NewRunError returns the error with its texts cut to what a request may hold.
func NewRunError(code, message string) RunError {
	return RunError{Code: bounded(code, MaxID), Message: bounded(message, maxErrorText)}
}

// NewFlowName returns a dataflow's name, cut to what a request may hold.
func NewFlowName(name string) string { return bounded(name, maxErrorText) }

type originJSON struct {
	EventID       string     `json:"eventId,omitempty"`
	FlowName      string     `json:"flowName,omitempty"`
	FailedAt      *time.Time `json:"failedAt,omitempty"`
	CreatedClient string     `json:"createdClient,omitempty"`
	Errors        []RunError `json:"errors,omitempty"`
	CreatedAt     *time.Time `json:"createdAt,omitempty"`
	WindowStart   *time.Time `json:"windowStart,omitempty"`
	WindowEnd     *time.Time `json:"windowEnd,omitempty"`
	FirstSeen     *time.Time `json:"firstSeen,omitempty"`
	Root          string     `json:"root,omitempty"`
	Parent        string     `json:"parent,omitempty"`
	Attempts      int        `json:"attempts,omitempty"`
	Forgiven      int        `json:"forgiven,omitempty"`
	Due           *time.Time `json:"due,omitempty"`
	Requeues      int        `json:"requeues,omitempty"`
	LastError     string     `json:"error,omitempty"`
}

// MarshalJSON writes the request as it can be sent again.
func (r Request) MarshalJSON() ([]byte, error) {
	var origin *originJSON
	if o := r.Origin; !o.empty() {
		origin = &originJSON{
			EventID: o.EventID, FlowName: o.FlowName, FailedAt: timeOrNil(o.FailedAt), CreatedClient: o.CreatedClient,
			Errors: o.Errors, CreatedAt: timeOrNil(o.CreatedAt), FirstSeen: timeOrNil(o.FirstSeen), Root: o.Root, Parent: o.Parent,
			WindowStart: timeOrNil(o.Window.Start), WindowEnd: timeOrNil(o.Window.End),
			Attempts: o.Attempts, Forgiven: o.Forgiven, Due: timeOrNil(o.Due), Requeues: o.Requeues, LastError: o.LastError,
		}
	}
	return json.Marshal(struct {
		RunID   string      `json:"runId"`
		FlowID  string      `json:"flowId,omitempty"`
		OrgID   string      `json:"orgId,omitempty"`
		Sandbox string      `json:"sandbox,omitempty"`
		DryRun  bool        `json:"dryRun,omitempty"`
		Force   bool        `json:"force,omitempty"`
		Reason  string      `json:"reason,omitempty"`
		By      string      `json:"by,omitempty"`
		Origin  *originJSON `json:"origin,omitempty"`
	}{r.RunID, r.FlowID, r.OrgID, r.Sandbox, r.DryRun, r.Force, r.Reason, r.By, origin})
}

func (o Origin) empty() bool {
	return o.EventID == "" && o.FlowName == "" && o.FailedAt.IsZero() && o.CreatedClient == "" &&
		len(o.Errors) == 0 && o.CreatedAt.IsZero() && o.Window.IsZero() && o.FirstSeen.IsZero() && o.Root == "" && o.Parent == "" &&
		o.Attempts == 0 && o.Forgiven == 0 && o.Due.IsZero() && o.Requeues == 0 && o.LastError == ""
}

func timeOrNil(t time.Time) *time.Time {
	if t = writable(&t); t.IsZero() { // a year that RFC 3339 can't write
		return nil
	}
	return &t
}

// decodeRequest reads a request by hand, strictly.
func decodeRequest(raw json.RawMessage) (*Request, *Error) {
	list, fault := members(raw)
	if fault != nil {
		return nil, fault
	}
	r := Request{Source: FromPerson}
	named := false
	for _, f := range list {
		named = named || f.name == "runId"
		if fault := r.set(f); fault != nil {
			return nil, fault
		}
	}
	if !named {
		return nil, faultf(MissingRunID, "the request has no field \"runId\"")
	}
	if fault := r.check(); fault != nil {
		return nil, fault
	}
	return &r, nil
}

// set reads one field.
func (r *Request) set(f member) (fault *Error) {
	switch f.name {
	case "runId":
		r.RunID, fault = f.text()
	case "flowId":
		r.FlowID, fault = f.text()
	case "orgId":
		r.OrgID, fault = f.text()
	case "sandbox":
		r.Sandbox, fault = f.text()
	case "reason":
		r.Reason, fault = f.reason()
	case "by":
		r.By, fault = f.by()
	case "dryRun":
		r.DryRun, fault = f.flag()
	case "force":
		r.Force, fault = f.flag()
	case "origin":
		r.Source = FromQueue
		r.Origin, fault = decodeOrigin(f.value)
	default:
		fault = unknownField(f.name, []string{"runId", "sandbox", "orgId", "flowId", "dryRun", "force", "reason", "by"})
	}
	return fault
}

// check refuses values that can't be.
func (r *Request) check() *Error {
	if err := ValidRunID(r.RunID); err != nil {
		return faultf(InvalidRunID, "%v", err)
	}
	if fault := validNames([]named{{"flowId", r.FlowID}, {"orgId", r.OrgID}, {"sandbox", r.Sandbox}}); fault != nil {
		return fault
	}
	return nil
}

// reason reads free text of who asks.
func (f member) reason() (string, *Error) { return f.atMost(MaxReason) }

// by reads who asks.
func (f member) by() (string, *Error) { return f.atMost(MaxBy) }

// atMost reads a text of at most so many bytes.
func (f member) atMost(most int) (string, *Error) {
	text, fault := f.text()
	if fault == nil && len(text) > most {
		return "", faultf(InvalidField, "the %s has %d bytes, more than %d", f.name, len(text), most)
	}
	return text, fault
}

// named is an id or a name, and what it is of.
type named struct{ what, name string }

// validNames refuses the first of the names that can't be one. Empty ones are not looked at.
func validNames(list []named) *Error {
	for _, n := range list {
		if n.name == "" {
			continue
		}
		if err := validName(n.what, n.name); err != nil {
			return faultf(InvalidField, "%v", err)
		}
	}
	return nil
}

// decodeOrigin reads what MarshalJSON wrote.
func decodeOrigin(raw json.RawMessage) (Origin, *Error) {
	if raw[0] == '{' {
		if fault := originFields(raw); fault != nil {
			fault.Message = "in \"origin\": " + fault.Message
			return Origin{}, fault
		}
	}
	var o originJSON
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields() // those of errors
	if raw[0] != '{' || decoder.Decode(&o) != nil {
		return Origin{}, faultf(WrongType, "field \"origin\" is not as the function writes it: leave it out, or send a dead letter's body unchanged")
	}
	origin := Origin{
		EventID: bounded(o.EventID, MaxID), FlowName: bounded(o.FlowName, maxErrorText), CreatedClient: bounded(o.CreatedClient, MaxID),
		FailedAt: writable(o.FailedAt), FirstSeen: writable(o.FirstSeen),
		CreatedAt: writable(o.CreatedAt), Due: writable(o.Due), Root: bounded(o.Root, MaxID), Parent: bounded(o.Parent, MaxID),
		Window:   aeptime.Window{Start: writable(o.WindowStart), End: writable(o.WindowEnd)}.Whole(),
		Attempts: max(o.Attempts, 0), Forgiven: max(o.Forgiven, 0), Requeues: max(o.Requeues, 0), LastError: bounded(o.LastError, maxLastError),
	}
	for _, e := range o.Errors[:min(len(o.Errors), MaxErrors)] {
		origin.Errors = append(origin.Errors, RunError{Code: bounded(e.Code, MaxID), Message: bounded(e.Message, maxErrorText)})
	}
	return origin, nil
}

// originFields refuses what decoding into a struct lets pass: unknown fields,
// other cases and repetitions.
func originFields(raw json.RawMessage) *Error {
	known := []string{"eventId", "flowName", "failedAt", "createdClient", "errors", "createdAt", "windowStart", "windowEnd", "firstSeen", "root", "parent", "attempts", "forgiven", "due", "requeues", "error"}
	list, fault := members(raw)
	if fault != nil {
		return fault
	}
	for _, f := range list {
		if !slices.Contains(known, f.name) {
			return unknownField(f.name, known)
		}
	}
	return nil
}

// writable returns the time with the precision that requests have, and no time
// where its year in UTC is none that RFC 3339 can write.
func writable(t *time.Time) time.Time {
	if t == nil || t.UTC().Year() < 0 || t.UTC().Year() > 9999 {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Millisecond)
}

// ValidRunID reports why text can't be a run id. Adobe's run ids look like
// UUIDs, but the example in its OpenAPI description is none.
func ValidRunID(id string) error {
	if err := validName("run id", id); err != nil {
		return err
	}
	if strings.ContainsAny(id, `/\`) || id == "." || id == ".." {
		return fmt.Errorf("the run id %s is a path", excerpt([]byte(id)))
	}
	return nil
}

func validName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s is empty", what)
	case len(name) > MaxID:
		return fmt.Errorf("the %s has %d bytes, more than %d", what, len(name), MaxID)
	case !utf8.ValidString(name):
		return fmt.Errorf("the %s is not UTF-8", what)
	case strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}):
		return fmt.Errorf("the %s %s has white space or control characters in it", what, excerpt([]byte(name)))
	}
	return nil
}

// members returns an object's fields in their order, and refuses one that stands twice.
func members(raw json.RawMessage) ([]member, *Error) {
	o, fault := parse(raw)
	if fault == nil {
		fault = o.repeated()
	}
	return o.members, fault
}

func (f member) text() (string, *Error) {
	var value *string
	if json.Unmarshal(f.value, &value) != nil || value == nil {
		return "", wrongType(f.name, "a string", f.value)
	}
	return *value, nil
}

func (f member) flag() (bool, *Error) {
	var value *bool
	if json.Unmarshal(f.value, &value) != nil || value == nil {
		return false, wrongType(f.name, "true or false", f.value)
	}
	return *value, nil
}

func (f member) whole() (int, *Error) {
	var value *int
	if json.Unmarshal(f.value, &value) != nil || value == nil {
		return 0, wrongType(f.name, "a whole number", f.value)
	}
	return *value, nil
}
