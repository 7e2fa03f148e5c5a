package event

import (
	"encoding/json"
	"time"
)

// Sweep asks to look for failed runs and to retry them.
type Sweep struct {
	// Since bounds the runs' age: a duration such as "24h" or a time in RFC 3339.
	// Empty means the default.
	Since string
	// Sandbox and FlowID narrow the search; may be empty.
	Sandbox, FlowID string
	// Limit is the most runs to retry; 0 means the default.
	Limit int
	// DryRun asks for the list instead of the retries.
	DryRun bool
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
		switch f.name {
		case "since":
			if s.Since, fault = f.text(); fault == nil && !validSince(s.Since) {
				fault = faultf(InvalidField, "field \"since\" is %s, want a duration such as \"24h\" or a time such as \"2026-11-23T06:00:00Z\"", excerpt([]byte(s.Since)))
			}
		case "sandbox":
			s.Sandbox, fault = f.sweepName()
		case "flowId":
			s.FlowID, fault = f.sweepName()
		case "limit":
			if s.Limit, fault = f.whole(); fault == nil && s.Limit < 1 {
				fault = faultf(InvalidField, "field \"limit\" is %d, want at least 1", s.Limit)
			}
		case "dryRun":
			s.DryRun, fault = f.flag()
		default:
			fault = unknownField(f.name, []string{"since", "sandbox", "flowId", "limit", "dryRun"})
		}
		if fault != nil {
			return nil, fault
		}
	}
	return &s, nil
}

// sweepName reads a name that may be empty.
func (f member) sweepName() (string, *Error) {
	name, fault := f.text()
	if fault != nil || name == "" {
		return "", fault
	}
	if err := validName(f.name, name); err != nil {
		return "", faultf(InvalidField, "%v", err)
	}
	return name, nil
}

func validSince(text string) bool {
	if d, err := time.ParseDuration(text); err == nil {
		return d > 0
	}
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}
