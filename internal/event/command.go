package event

import (
	"encoding/json"
	"slices"
)

// Command is what a person asks of the function besides retries, sweeps and pauses. It is
// taken from a direct invocation alone.
type Command struct {
	// Name says what to do; it is one of the names below.
	Name string
	// OrgID is the org of the runs or the dataflow. It may be empty where one org has a
	// secret.
	OrgID string
	// RunIDs are the runs of cancel, now and drop, LetterIDs the dead letters without a run
	// of drop. There are at most [MaxCommandIDs] together.
	RunIDs, LetterIDs []string
	// FlowID or FlowName, and Sandbox, name the dataflow of connections.
	FlowID, FlowName, Sandbox string
	// Reason is free text of who asks, and By who that is: both are what the caller says.
	Reason, By string
}

// The commands.
const (
	// ListPauses lists the pauses that are in force.
	ListPauses = "pauses"
	// TellStatus says how the function is set up and whether it is alive.
	TellStatus = "status"
	// CancelRuns ends the waiting of runs.
	CancelRuns = "cancel"
	// RunNow lets runs that wait be retried as if their time had come.
	RunNow = "now"
	// DropLetters tells that a person has deleted dead letters.
	DropLetters = "drop"
	// TestConnection asks Adobe to log in at the source of a dataflow.
	TestConnection = "connections"
)

// MaxCommandIDs is how many runs and dead letters one command may name.
const MaxCommandIDs = 100

// directCommands are the names of all commands. They are common words: only an object that
// has one of them alone, with an object as its value, is a command.
func directCommands() []string {
	return []string{ListPauses, TellStatus, CancelRuns, RunNow, DropLetters, TestConnection}
}

// isCommand recognizes a command.
func isCommand(o object) bool {
	return len(o.members) == 1 && slices.Contains(directCommands(), o.members[0].name) && begins(o.members[0].value, '{')
}

// command reads a command.
func (d *decoder) command(o object, a around) *Error {
	m := o.members[0]
	if a.depth > 0 {
		return faultf(NotDirect, "%q is taken from the payload of a direct invocation alone: invoke the function with {%q:{…}}", m.name, m.name)
	}
	list, fault := members(m.value)
	if fault != nil {
		return fault
	}
	c := &Command{Name: m.name}
	for _, f := range list {
		if fault := c.set(f); fault != nil {
			return fault
		}
	}
	if fault := c.check(); fault != nil {
		return fault
	}
	d.direct, d.controls = c, d.controls+1
	return nil
}

// fields are the names of the command's fields.
func (c *Command) fields() []string {
	switch c.Name {
	case CancelRuns, RunNow:
		return []string{"runIds", "orgId", "reason", "by"}
	case DropLetters:
		return []string{"runIds", "letterIds", "orgId", "reason", "by"}
	case TestConnection:
		return []string{"orgId", "flowId", "flowName", "sandbox"}
	}
	return nil
}

// set reads one field.
func (c *Command) set(f member) (fault *Error) {
	if !slices.Contains(c.fields(), f.name) {
		return unknownField(f.name, c.fields())
	}
	switch f.name {
	case "runIds":
		c.RunIDs, fault = f.ids()
	case "letterIds":
		c.LetterIDs, fault = f.ids()
	case "orgId":
		c.OrgID, fault = f.optionalName()
	case "flowId":
		c.FlowID, fault = f.optionalName()
	case "flowName":
		c.FlowName, fault = f.flowName()
	case "sandbox":
		c.Sandbox, fault = f.optionalName()
	case "reason":
		c.Reason, fault = f.reason()
	case "by":
		c.By, fault = f.by()
	}
	return fault
}

// check refuses a command that lacks what it is about.
func (c *Command) check() *Error {
	n := len(c.RunIDs) + len(c.LetterIDs)
	switch {
	case c.Name == TestConnection && (c.FlowID == "") == (c.FlowName == ""):
		return faultf(InvalidField, "%q names one dataflow, by flowId or by flowName", c.Name)
	case c.Name == DropLetters && n == 0:
		return faultf(InvalidField, "%q names dead letters: those of runs in runIds, others in letterIds", c.Name)
	case (c.Name == CancelRuns || c.Name == RunNow) && n == 0:
		return faultf(InvalidField, "%q names runs in runIds", c.Name)
	case n > MaxCommandIDs:
		return faultf(InvalidField, "%q names %d runs and dead letters, more than %d: send them in parts", c.Name, n, MaxCommandIDs)
	}
	return nil
}

// ids reads a list of ids, each once.
func (f member) ids() ([]string, *Error) {
	var list []json.RawMessage
	if !begins(f.value, '[') || json.Unmarshal(f.value, &list) != nil {
		return nil, wrongType(f.name, "a list of ids", f.value)
	}
	var ids []string
	for _, raw := range list {
		id, fault := member{f.name, raw}.text()
		if fault != nil {
			return nil, fault
		}
		if err := ValidRunID(id); err != nil {
			return nil, faultf(InvalidRunID, "in %q: %v", f.name, err)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
