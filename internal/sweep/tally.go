package sweep

import (
	"cmp"
	"errors"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// tally is what one invocation tells of its part of a sweep.
type tally struct {
	added   Counts
	gaveUp  int    // dead letters
	fault   string // the last thing that went wrong
	reasons []retry.Reason
	runs    []RunReport // of a dry run
	left    int         // that the list of a dry run has no room for
	ends    []retry.Result
	swept   []retry.Swept // orgs that a scheduled sweep is done with
}

// noteFault keeps the error for the report, and its reason for the metrics.
func (t *tally) noteFault(err error) {
	t.fault = err.Error()
	credential, isCredential := errors.AsType[*credentials.Error](err)
	switch {
	case isCredential && credential.Kind == credentials.Refused, errors.Is(err, flowclient.KindUnauthorized):
		t.addReason(retry.CredentialsRefused)
	case isCredential:
		t.addReason(retry.CredentialsUnavailable)
	case errors.As(err, new(*store.UnavailableError)):
		t.addReason(retry.LedgerUnavailable)
	case errors.As(err, new(*requestqueue.UnavailableError)):
		t.addReason(retry.QueueUnavailable)
	case errors.As(err, new(*flowclient.Error)):
		t.addReason(retry.AdobeUnavailable)
	}
}

func (t *tally) addReason(reason retry.Reason) {
	if !slices.Contains(t.reasons, reason) {
		t.reasons = append(t.reasons, reason)
	}
}

// see counts a run that Flow Service has listed.
func (t *tally) see(r *Report, flowID string) {
	for _, c := range t.counts(r, flowID) {
		c.Seen++
	}
}

// count puts a failed run into the counts, and returns what a dry run says of it.
func (t *tally) count(r *Report, target Target, v *verdict) RunReport {
	one := RunReport{
		RunID: v.run.ID, FlowID: v.run.FlowID, FlowName: v.entry.FlowName, ErrorCode: v.entry.ErrorCode, ErrorText: v.entry.ErrorText,
		OrgID: target.OrgID, Sandbox: target.Sandbox, Decision: "requested", Reason: v.reason, Detail: v.detail,
	}
	if flow := r.flow(v.run.FlowID); r.Flows[v.run.FlowID] != nil { // it is not among the others
		flow.Name = cmp.Or(v.entry.FlowName, flow.Name)
	}
	for _, c := range t.counts(r, v.run.FlowID) {
		c.Failed++
		if v.reason == "" {
			c.Requested++
		} else {
			c.skip(v.reason)
		}
	}
	if v.reason != "" {
		one.Decision = "skipped"
	}
	return one
}

// listRun keeps what a dry run says of a failed run.
func (t *tally) listRun(one RunReport) {
	if len(t.runs) == maxListed {
		t.left++
		return
	}
	t.runs = append(t.runs, one)
}

// unsendable counts a run as skipped that was counted as requested.
func (t *tally) unsendable(r *Report, flowID string) {
	t.gaveUp++
	for _, c := range t.counts(r, flowID) {
		c.Requested--
		c.skip(Reason(retry.Unsendable))
	}
}

func (t *tally) counts(r *Report, flowID string) []*Counts {
	return []*Counts{&r.Counts, &r.flow(flowID).Counts, &t.added}
}
