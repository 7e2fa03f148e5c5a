package retry

import (
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// learn gives the facts one more answer. It returns a result where that ends the request.
func (w learner) learn(s Step) *Result {
	switch s.Do {
	case ReadRun:
		return w.readRun()
	case SearchCall:
		return w.search(s.Call)
	case ReadParent:
		return w.readParent(s.Call)
	case AskSuccess:
		return w.askSuccess()
	}
	return w.askNewer()
}

// readRun completes the request by what Flow Service tells of its run.
func (w learner) readRun() *Result {
	f := &w.facts
	var run *flowclient.Run
	fault := w.withAccount(func(client *flowclient.Client) (err error) {
		run, err = client.Run(w.ctx, f.Request.Sandbox, f.Request.RunID)
		return err
	})
	if f.Refusal != nil { // whatever it says, the run was refused
		f.Refusal.Read = true
		if fault == nil {
			f.Run = run
		}
		return nil
	}
	if fault != nil {
		return w.apply(unread(fault))
	}
	believed := f.believed()
	f.Run = run
	req := &f.Request
	if !believed { // the name may be forged, as the rest of an origin
		req.FlowName = ""
	}
	moved := run.FlowID != "" && run.FlowID != req.FlowID
	if moved {
		req.FlowID, req.FlowName = run.FlowID, "" // it is another dataflow's
	}
	if !believed && f.By == ledger.AMessage && !req.Now && f.Entries.Run.State != ledger.Deferred { // it is no message of ours: its due time is forged
		f.By, req.Due = ledger.AtHand, time.Time{}
	}
	req.CreatedAt, req.CreatedClient = run.CreatedAt.Time(), run.CreatedClient
	req.FailedAt, req.Window, req.Errors = run.Ended(), run.Window(), ErrorsOf(run)
	w.names.remember(&w.facts.Request, w.facts.By)
	if moved {
		return w.look(nil)
	}
	w.describe()
	return nil
}

// readParent reads the entries of the run whose lost call is to be linked or settled.
func (w learner) readParent(call ledger.Call) *Result {
	ctx, cancel := w.asking()
	defer cancel()
	r := w.ref()
	parent, err := w.ledger.Load(ctx, ledger.Ref{OrgID: r.OrgID, FlowID: r.FlowID, Sandbox: call.Sandbox, RunID: call.RunID})
	if err != nil {
		return new(w.unavailable(err))
	}
	w.facts.Parent = &parent
	w.facts.Entries.Flow = parent.Flow // as it is now
	w.facts.compare(call)
	return nil
}

// askSuccess finds out whether a run of the dataflow has succeeded since the breaker
// began to count.
func (w learner) askSuccess() *Result {
	f := &w.facts
	succeeded := false
	fault := w.withAccount(func(client *flowclient.Client) error {
		for page, err := range client.RunPages(w.ctx, f.Request.Sandbox, newestRuns(f.Request.FlowID)) {
			if err != nil {
				return err
			}
			succeeded = slices.ContainsFunc(page.Runs, func(run flowclient.Run) bool {
				return run.Status().Succeeded() && run.FlowID == f.Request.FlowID && run.Ended().After(f.Entries.Flow.Since)
			})
			break // the newest page tells
		}
		return nil
	})
	if fault != nil {
		w.Log.WarnContext(w.ctx, "whether a run of the dataflow has succeeded could not be found out", "flowId", f.Request.FlowID, "error", fault.Error())
	}
	if credential := credentialFault(fault); credential != nil {
		return w.apply(*credential)
	}
	f.Succeeded = No
	if succeeded {
		f.Succeeded = Yes
	}
	return nil
}

// newestRuns selects the runs of the dataflow, the newest first.
func newestRuns(flowID string) flowclient.RunQuery {
	return flowclient.RunQuery{Filters: []flowclient.Filter{flowclient.Where(flowclient.PropertyFlowID, "==", flowID)}, OrderBy: "-createdAt"}
}
