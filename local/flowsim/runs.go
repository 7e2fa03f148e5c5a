package flowsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// RunError is why a run failed.
type RunError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Run is one run of a dataflow.
type Run struct {
	ID, FlowID, Status     string
	Errors                 []RunError
	CreatedAt, CompletedAt time.Time
	CreatedClient          string
	// Of is the run whose re-trigger made this one.
	Of string
	// ByHandOf is the run that a person has retried with this one; see [Server.RetryByHand].
	ByHandOf string
	// Downstream marks a run that follows another dataflow's run.
	Downstream bool
	// NeverStarted marks a run that failed before it began.
	NeverStarted bool
	// Records is how many records the run ingested.
	Records int
	// Window is the run's data window. A run that [Server.AddRun] adds without one gets the
	// hour before its creation, moved by some milliseconds so that no two runs share one; a
	// re-trigger's run has that of the run that it repeats, unless [Flow.Windows] says
	// otherwise. NoWindow keeps it out of the run's document, as for sources that tell none.
	Window   flowclient.Window
	NoWindow bool
	// Document changes the run's document before it is shown, in every answer and
	// event; may be nil. Example: times in seconds, or a field that makes it huge.
	Document func(map[string]any) `json:"-"`
}

// Result is the fate of a run that a re-trigger makes.
type Result struct {
	// Error is why it fails; nil means that it succeeds.
	Error *RunError
}

// Succeed and Fail make results.
func Succeed() Result { return Result{} }

// Fail is the result of a run that fails with the code and message.
func Fail(code, message string) Result { return Result{Error: &RunError{code, message}} }

// AddRun adds a run of a dataflow that was added before.
func (s *Server) AddRun(r Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.CreatedAt.IsZero() {
		r.CreatedAt = s.now()
	}
	if r.Window.IsZero() {
		r.Window = ownWindow(s, r.CreatedAt)
	}
	addRun(s, &r)
}

// ownWindow is the data window of a run that is added next, which no other run has.
func ownWindow(s *Server, createdAt time.Time) flowclient.Window {
	end := createdAt.Add(-time.Duration(len(s.order)) * time.Millisecond)
	return flowclient.Window{Start: end.Add(-time.Hour), End: end}
}

func addRun(s *Server, r *Run) {
	s.sorted = nil
	if r.Status == InProgress {
		s.running = append(s.running, r.ID)
	}
	if _, known := s.runs[r.ID]; !known {
		s.order = append(s.order, r.ID)
	}
	s.runs[r.ID] = r
}

// ByHandClient makes the runs of [Server.RetryByHand]: Adobe's UI.
const ByHandClient = "exc_app"

// RetryByHand retries a run as a person does in Adobe's UI: a new run of the same data window
// is in progress, which another client than ours has made. It returns the new run's id.
func RetryByHand(s *Server, runID string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[runID]
	s.serial++
	made := &Run{
		ID: fmt.Sprintf("by-hand-%d-of-%s", s.serial, runID), FlowID: r.FlowID, Status: InProgress, CreatedAt: s.now(), CreatedClient: ByHandClient,
		ByHandOf: runID, Window: r.Window, NoWindow: r.NoWindow,
	}
	addRun(s, made)
	return made.ID
}

// Script sets the fate of the next runs that re-triggers make of a dataflow.
// Without a script they succeed.
func (s *Server) Script(flowID string, results ...Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[flowID] = append(s.scripts[flowID], results...)
}

// Settle ends every run in progress as scripted, and returns them.
func (s *Server) Settle() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ended []Run
	for _, id := range s.running {
		r := s.runs[id]
		if r.Status != InProgress {
			continue
		}
		result := Succeed()
		if script := s.scripts[r.FlowID]; len(script) > 0 {
			result = script[0]
			s.scripts[r.FlowID] = script[1:]
		}
		endRun(s, r, result)
		ended = append(ended, *r)
	}
	s.running = nil
	return ended
}

// Running reports whether a run is in progress.
func (s *Server) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.running, func(id string) bool { return s.runs[id].Status == InProgress })
}

// End ends one run in progress.
func (s *Server) End(runID string, result Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	endRun(s, s.runs[runID], result)
}

func endRun(s *Server, r *Run, result Result) {
	r.Status, r.CompletedAt, r.Records = Success, s.now(), 1000
	if result.Error != nil {
		r.Status, r.Errors, r.Records = Failed, []RunError{*result.Error}, 0
	}
}

// Runs returns all runs in the order they were made.
func (s *Server) Runs() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	runs := make([]Run, len(s.order))
	for i, id := range s.order {
		runs[i] = *s.runs[id]
	}
	return runs
}

// Retriggers returns how many runs re-triggers of a run have made.
func (s *Server) Retriggers(runID string) int {
	n := 0
	for _, r := range s.Runs() {
		if r.Of == runID {
			n++
		}
	}
	return n
}

// MadeOf returns the run that the last re-trigger of a run made; empty if there is
// none.
func (s *Server) MadeOf(runID string) string {
	made := ""
	for _, r := range s.Runs() {
		if r.Of == runID {
			made = r.ID
		}
	}
	return made
}

// byCreation returns the ids of all runs in the order in which they were created.
func byCreation(s *Server) []string {
	if s.sorted == nil {
		s.sorted = slices.Clone(s.order)
		slices.SortStableFunc(s.sorted, func(a, b string) int { return s.runs[a].CreatedAt.Compare(s.runs[b].CreatedAt) })
	}
	return s.sorted
}

// updatedAt is when the run was last changed.
func (r *Run) updatedAt() time.Time {
	if r.CompletedAt.After(r.CreatedAt) {
		return r.CompletedAt
	}
	return r.CreatedAt
}

// document is a run as Flow Service shows it.
func document(r *Run, f *Flow) map[string]any {
	duration := map[string]any{"startedAtUTC": r.CreatedAt.UnixMilli(), "completedAtUTC": 0}
	if !r.CompletedAt.IsZero() {
		duration["completedAtUTC"] = r.CompletedAt.UnixMilli()
	}
	if r.NeverStarted {
		delete(duration, "startedAtUTC")
	}
	d := map[string]any{
		"id": r.ID, "flowId": r.FlowID, "imsOrgId": f.OrgID, "sandboxName": f.Sandbox, "sandboxId": "5f6d1ba0-0000-4000-8000-000000000000",
		"createdAt": r.CreatedAt.UnixMilli(), "updatedAt": r.updatedAt().UnixMilli(),
		"createdBy": "service@AdobeID", "createdClient": r.CreatedClient, "etag": "\"1\"",
		"metrics": map[string]any{
			"durationSummary": duration,
			"recordSummary":   map[string]any{"inputRecordCount": r.Records, "outputRecordCount": r.Records, "failedRecordCount": 0},
			"statusSummary":   map[string]any{"status": r.Status, "errors": append([]RunError{}, r.Errors...)},
		},
		"activities": []any{},
	}
	if !r.NoWindow && f.Windows != WindowsHidden {
		d["activities"] = []any{map[string]any{"id": "copyActivity", "name": "Copy Activity", "durationSummary": map[string]any{
			"extensions": map[string]any{"windowStart": r.Window.Start.UnixMilli(), "windowEnd": r.Window.End.UnixMilli()},
		}}}
	}
	if r.Downstream {
		d["predecessors"] = []any{map[string]string{"id": "upstream"}}
	}
	if r.Document != nil {
		r.Document(d)
	}
	return d
}

// EventCode is the code of Adobe's event of a run: that of a failure, or of anything else.
func EventCode(r Run) string {
	if r.Status == Failed {
		return "source_flow_run_error"
	}
	return "source_flow_run_info"
}

// FailureEvent is the payload that Adobe I/O Events sends about a run: the first
// generation of facts, a flat run with the dataflow's name and a header.
func (s *Server) FailureEvent(runID string) json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[runID]
	f := s.flows[r.FlowID]
	d := document(r, f)
	d["flowName"] = f.Name
	d["header"] = map[string]any{"_adobeio": map[string]string{
		"imsOrgId": f.OrgID, "providerMetadata": "aep_observability_catalog_events", "eventCode": EventCode(*r),
	}}
	raw, err := json.Marshal(d)
	if err != nil {
		panic(err) // maps of strings and numbers always encode
	}
	return raw
}
