package stack

import (
	"cmp"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// Seed makes Adobe know each run that the payload asks to retry, as failed. Runs
// that it knows already stay as they are.
func (s *Stack) Seed(payload []byte) {
	bodies := [][]byte{payload}
	if records, isBatch, err := event.SQSRecords(payload); isBatch && err == nil {
		bodies = nil
		for _, r := range records {
			bodies = append(bodies, []byte(r.Body))
		}
	}
	known := map[string]bool{}
	for _, r := range s.Adobe.Runs() {
		known[r.ID] = true
	}
	for _, body := range bodies {
		decoded, err := event.Decode(body)
		if err != nil {
			continue // the function says so
		}
		switch { // what a person asks of a dataflow
		case decoded.PauseCommand != nil && decoded.PauseCommand.FlowID != "":
			addFlow(s, decoded.PauseCommand.FlowID, decoded.PauseCommand.OrgID, decoded.PauseCommand.Sandbox)
		case decoded.Command != nil && decoded.Command.FlowID != "":
			addFlow(s, decoded.Command.FlowID, decoded.Command.OrgID, decoded.Command.Sandbox)
		}
		for _, item := range decoded.Items {
			if r := item.Request; r != nil && !known[r.RunID] {
				known[r.RunID] = true
				s.AddFailedRun(r.RunID, cmp.Or(r.FlowID, "flow-of-"+r.RunID), cmp.Or(r.OrgID, OrgID), cmp.Or(r.Sandbox, Sandbox))
			}
		}
	}
}

// addFlow makes Adobe know a dataflow.
func addFlow(s *Stack, flowID, orgID, sandbox string) {
	s.Adobe.AddFlow(flowsim.Flow{ID: flowID, Name: "Flow " + flowID, OrgID: cmp.Or(orgID, OrgID), Sandbox: cmp.Or(sandbox, Sandbox)})
}

// AddFailedRun makes Adobe know a run that began an hour ago and has just failed, and its
// dataflow.
func (s *Stack) AddFailedRun(runID, flowID, orgID, sandbox string) {
	addFlow(s, flowID, orgID, sandbox)
	s.Adobe.AddRun(flowsim.Run{
		ID: runID, FlowID: flowID, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CreatedAt: time.Now().Add(-time.Hour), CompletedAt: time.Now(),
		Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500", Message: "Copying from the source failed"}},
	})
}
