package notice

import (
	"cmp"
	"encoding/json"
	"time"
)

// detail is the event's detail. The fields without omitempty are in every notice.
type detail struct {
	SchemaVersion int     `json:"schemaVersion"`
	ID            string  `json:"id"`
	At            string  `json:"at"`
	ThreadID      string  `json:"threadId"`
	Title         string  `json:"title"`
	Message       string  `json:"message"`
	NextStep      string  `json:"nextStep"`
	OrgID         string  `json:"orgId"`
	Sandbox       string  `json:"sandbox,omitempty"`
	FlowID        string  `json:"flowId,omitempty"`
	FlowName      string  `json:"flowName,omitempty"`
	Root          string  `json:"root,omitempty"`
	RunID         string  `json:"runId,omitempty"`
	Attempts      *int    `json:"attempts,omitempty"`
	Count         *int    `json:"count,omitempty"`
	FirstFailure  string  `json:"firstFailure,omitempty"`
	Window        *window `json:"window,omitempty"`
	Cause         string  `json:"cause,omitempty"`
	Code          string  `json:"code,omitempty"`
	Text          string  `json:"text,omitempty"`
	DaysLeft      *int    `json:"daysLeft,omitempty"`
}

// window is the data window as the event has it.
type window struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// detail returns the event's detail as JSON.
func (n *Notice) detail() ([]byte, error) {
	s := n.shown()
	d := detail{
		SchemaVersion: SchemaVersion, ID: s.ID, At: timestamp(s.At), ThreadID: cmp.Or(s.FlowID, s.OrgID),
		Title: plain(s.title()), Message: plain(s.message()), NextStep: plain(s.NextStep),
		OrgID: s.OrgID, Sandbox: s.Sandbox, FlowID: s.FlowID, FlowName: s.FlowName, Root: s.Root, RunID: s.RunID,
		FirstFailure: timestamp(s.FirstFailure), Cause: s.Cause, Code: s.Code, Text: s.Text, DaysLeft: s.DaysLeft,
	}
	if w := (window{timestamp(s.Window.Start), timestamp(s.Window.End)}); w.Start != "" && w.End != "" {
		d.Window = &w
	}
	if s.Kind != CredentialRefused {
		d.Attempts, d.Count = &s.Attempts, &s.Count
	}
	return json.Marshal(d)
}

// shown returns the notice with texts that can be shown.
func (n *Notice) shown() Notice {
	s := *n
	for _, name := range []*string{&s.ID, &s.OrgID, &s.Sandbox, &s.FlowID, &s.FlowName, &s.Root, &s.RunID, &s.Code} {
		*name = shown(*name, maxName)
	}
	s.NextStep = cmp.Or(s.NextStep, s.Kind.nextStep())
	for _, text := range []*string{&s.Text, &s.Cause, &s.NextStep} {
		*text = shown(*text, maxText)
	}
	s.Attempts, s.Count = max(s.Attempts, 0), max(s.Count, 0)
	if n.DaysLeft != nil {
		s.DaysLeft = new(max(*n.DaysLeft, 0))
	}
	return s
}

// timestamp is a time as the event has it; "" for no time, and for one that RFC 3339 can't
// write.
func timestamp(t time.Time) string {
	if year := t.UTC().Year(); t.IsZero() || year < 0 || year > 9999 {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
