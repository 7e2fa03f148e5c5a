package event

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Sweep asks to look for failed runs and to retry them.
type Sweep struct {
	// ID names the sweep, so that a second delivery of it goes on where the first
	// one was. It is empty where nothing names it: the deliverer does.
	ID string
	// Since and Until bound when the runs failed: a duration before now such as
	// "24h", or a time in RFC 3339. Empty means the default, or now.
	Since, Until string
	// OrgIDs, Sandboxes and FlowIDs narrow the search. Each may be empty.
	OrgIDs, Sandboxes, FlowIDs []string
	// Codes are patterns for the errors of the runs, with * for any text.
	Codes []string
	// Limit is the most runs to request; 0 means the default.
	Limit int
	// DryRun asks for the list instead of the retries.
	DryRun bool
	// Reason is free text of who asks, and By who that is: both are what the caller says.
	Reason, By string
	// Requeues counts how often the function put the sweep on the request queue.
	Requeues int
}

// ScheduledSweep begins the id of a sweep that a schedule asks for.
const ScheduledSweep = "schedule-"

// MaxSweepNames is how many orgs, sandboxes, dataflows or codes a sweep may name.
const MaxSweepNames = 100

// MarshalJSON writes the payload that asks for the sweep.
func (s Sweep) MarshalJSON() ([]byte, error) {
	type fields struct { // its fields have the order of Sweep's
		ID        string   `json:"id,omitempty"`
		Since     string   `json:"since,omitempty"`
		Until     string   `json:"until,omitempty"`
		OrgIDs    []string `json:"orgId,omitempty"`
		Sandboxes []string `json:"sandbox,omitempty"`
		FlowIDs   []string `json:"flowId,omitempty"`
		Codes     []string `json:"code,omitempty"`
		Limit     int      `json:"limit,omitempty"`
		DryRun    bool     `json:"dryRun,omitempty"`
		Reason    string   `json:"reason,omitempty"`
		By        string   `json:"by,omitempty"`
		Requeues  int      `json:"requeues,omitempty"`
	}
	return json.Marshal(map[string]fields{"sweep": fields(s)})
}

func decodeSweep(raw json.RawMessage) (*Sweep, *Error) {
	list, fault := members(raw)
	switch {
	case fault != nil && fault.Reason == RepeatedField:
		return nil, fault
	case fault != nil:
		return nil, wrongType("sweep", `an object such as {"since":"24h"}`, raw)
	}
	var s Sweep
	for _, f := range list {
		if fault := s.set(f); fault != nil {
			return nil, fault
		}
	}
	return &s, nil
}

// set reads one field.
func (s *Sweep) set(f member) (fault *Error) {
	switch f.name {
	case "id":
		s.ID, fault = f.sweepID()
	case "since":
		s.Since, fault = f.instant()
	case "until":
		s.Until, fault = f.instant()
	case "orgId":
		s.OrgIDs, fault = f.names()
	case "sandbox":
		s.Sandboxes, fault = f.names()
	case "flowId":
		s.FlowIDs, fault = f.names()
	case "code":
		s.Codes, fault = f.names()
	case "limit":
		s.Limit, fault = f.positive()
	case "dryRun":
		s.DryRun, fault = f.flag()
	case "reason":
		s.Reason, fault = f.reason()
	case "by":
		s.By, fault = f.by()
	case "requeues":
		s.Requeues, fault = f.positive()
	default:
		fault = unknownField(f.name, []string{"since", "until", "orgId", "sandbox", "flowId", "code", "limit", "dryRun", "reason", "by"})
	}
	return fault
}

// PauseCommand asks to pause or to resume.
type PauseCommand struct {
	// Pause or resume.
	Pause bool
	// OrgID and FlowID are what it is about. Without them it is everything. FlowName may stand
	// in place of FlowID, and Sandbox says where the dataflow is.
	OrgID, FlowID, FlowName, Sandbox string
	// Reason is free text of who asks, and By who that is: both are what the caller says.
	Reason, By string
}

func decodePauseCommand(name string, raw json.RawMessage) (*PauseCommand, *Error) {
	list, fault := members(raw)
	switch {
	case fault != nil && fault.Reason == RepeatedField:
		return nil, fault
	case fault != nil:
		return nil, wrongType(name, "an object, {} for everything", raw)
	}
	s := PauseCommand{Pause: name == "pause"}
	for _, f := range list {
		if fault := s.set(f); fault != nil {
			return nil, fault
		}
	}
	switch {
	case s.FlowID != "" && s.FlowName != "":
		return nil, faultf(InvalidField, "the %s names a dataflow by flowId and by flowName: leave one of them out", name)
	case s.Sandbox != "" && s.FlowID == "" && s.FlowName == "":
		return nil, faultf(InvalidField, "a sandbox can't be paused or resumed: name a dataflow of it, or leave sandbox out")
	}
	return &s, nil
}

// set reads one field. An empty name is refused: it would mean everything, or the whole org,
// where a variable of the caller has no value.
func (s *PauseCommand) set(f member) (fault *Error) {
	named := ""
	switch f.name {
	case "orgId":
		s.OrgID, fault = f.optionalName()
		named = s.OrgID
	case "flowId":
		s.FlowID, fault = f.optionalName()
		named = s.FlowID
	case "flowName":
		s.FlowName, fault = f.flowName()
		named = s.FlowName
	case "sandbox":
		s.Sandbox, fault = f.optionalName()
	case "reason":
		s.Reason, fault = f.reason()
	case "by":
		s.By, fault = f.by()
	default:
		fault = unknownField(f.name, []string{"orgId", "flowId", "flowName", "sandbox", "reason", "by"})
	}
	if fault == nil && named == "" && slices.Contains([]string{"orgId", "flowId", "flowName"}, f.name) {
		return faultf(InvalidField, "%q is empty: leave it out, or name what is meant", f.name)
	}
	return fault
}

// optionalName reads a name that may be empty.
func (f member) optionalName() (string, *Error) {
	name, fault := f.text()
	if fault != nil || name == "" {
		return "", fault
	}
	if err := validName(f.name, name); err != nil {
		return "", faultf(InvalidField, "%v", err)
	}
	return name, nil
}

// flowName reads the name of a dataflow, which may have spaces in it, or be empty.
func (f member) flowName() (string, *Error) { return f.atMost(maxErrorText) }

// sweepID reads the name of a sweep, which may be empty. EventBridge Scheduler puts its own
// words in place of <aws.scheduler.execution-id>; a rule of EventBridge does not, and each
// of its sweeps would pass for a repetition of the first.
func (f member) sweepID() (string, *Error) {
	id, fault := f.optionalName()
	if fault == nil && isPlaceholder(id) {
		fault = faultf(InvalidField, "field \"id\" is %s, a placeholder that nothing has replaced: all sweeps would have the same id, and only the first would be made; leave id out", excerpt([]byte(id)))
	}
	return id, fault
}

// isPlaceholder reports whether an id has something in it like <aws.scheduler.execution-id>.
func isPlaceholder(id string) bool { return strings.ContainsAny(id, "<>") }

// names reads a name, which may be empty, or a list of names.
func (f member) names() ([]string, *Error) {
	if f.value[0] != '[' {
		name, fault := f.optionalName()
		if fault != nil && fault.Reason == WrongType {
			fault = wrongType(f.name, "a string or a list of strings", f.value)
		}
		if name == "" {
			return nil, fault
		}
		return []string{name}, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(f.value, &list) != nil {
		return nil, wrongType(f.name, "a string or a list of strings", f.value)
	}
	if len(list) == 0 || len(list) > MaxSweepNames {
		return nil, faultf(InvalidField, "field %q has %d elements, want 1 to %d", f.name, len(list), MaxSweepNames)
	}
	var names []string
	for _, raw := range list {
		name, fault := member{f.name, raw}.optionalName()
		switch {
		case fault != nil:
			return nil, fault
		case name == "":
			return nil, faultf(InvalidField, "field %q has an empty element", f.name)
		case !slices.Contains(names, name):
			names = append(names, name)
		}
	}
	return names, nil
}

// instant reads a duration before now, or a time.
func (f member) instant() (string, *Error) {
	text, fault := f.text()
	if fault != nil {
		return "", fault
	}
	readable := len(text) <= MaxID // a duration such as "0h0h…24h" and a fraction of a second have no end
	if d, err := time.ParseDuration(text); readable && err == nil && d > 0 {
		return text, nil
	}
	if t, err := time.Parse(time.RFC3339, text); readable && err == nil && t.UTC().Year() >= 0 && t.UTC().Year() <= 9999 {
		return text, nil
	}
	return "", faultf(InvalidField, "field %q is %s, want a duration such as \"24h\" or a time such as \"2026-11-23T06:00:00Z\"", f.name, excerpt([]byte(text)))
}

func (f member) positive() (int, *Error) {
	n, fault := f.whole()
	if fault == nil && n < 1 {
		fault = faultf(InvalidField, "field %q is %d, want at least 1", f.name, n)
	}
	return n, fault
}
