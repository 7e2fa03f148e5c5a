package sweep

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// State is how far a sweep is.
type State string

// The states.
const (
	Finished State = "finished"
	// Continues means that it goes on by itself.
	Continues State = "continues"
	// Refused means that it can't be begun as it is asked for.
	Refused State = "refused"
	// CutOff means that a dry run could not look at everything: it had no more time, or
	// Error says why. It does not go on.
	CutOff State = "cut_off"
)

// Reason is the one word why a sweep does not request a run. Those of the ledger's
// entries (attempts_exhausted, policy and the like) come besides.
type Reason string

// The reasons.
const (
	// Superseded means that the run was re-triggered: only the newest run of a
	// lineage counts, and this one's lineage goes on with another, or has succeeded.
	Superseded Reason = "superseded"
	// Waiting means that a request for the run is on the request queue.
	Waiting Reason = "waiting"
	// InProgress means that the run is being re-triggered.
	InProgress Reason = "in_progress"
	// DeadLettered means that the run is, or was, on the dead-letter queue.
	DeadLettered Reason = "dead_lettered"
	// Skipped means that an earlier request for the run was skipped.
	Skipped Reason = "skipped"
	// DownstreamRun means that the run follows another dataflow's run.
	DownstreamRun Reason = "downstream_run"
	// StreamingRun means that the run is of a streaming source.
	StreamingRun Reason = "streaming_run"
	// OverLimit means that the sweep has requested as many runs as it may.
	OverLimit Reason = "over_limit"
)

// Counts are what a sweep has found.
type Counts struct {
	// Seen are the runs that Flow Service listed, Failed those of them that failed
	// in the time and of the dataflows and errors that are asked for.
	Seen   int `json:"seen"`
	Failed int `json:"failed"`
	// Requested are on the request queue, or would be.
	Requested int `json:"requested"`
	// Skipped are the failed runs that were not requested, by reason.
	Skipped map[Reason]int `json:"skipped,omitempty"`
}

// FlowCounts are the counts of one dataflow.
type FlowCounts struct {
	// Name is the dataflow's for people; empty where the sweep did not learn it.
	Name string `json:"name,omitempty"`
	Counts
}

func (c *Counts) skip(reason Reason) {
	if c.Skipped == nil {
		c.Skipped = map[Reason]int{}
	}
	c.Skipped[reason]++
}

// AllSkipped is how many failed runs were not requested.
func (c *Counts) AllSkipped() int {
	n := 0
	for _, one := range c.Skipped {
		n += one
	}
	return n
}

// maxFlows is how many dataflows a report tells apart, and maxListed how many runs
// a dry run lists.
const (
	maxFlows  = 200
	maxListed = 1000
)

// maxReported is how many failures a report tells of, and maxMessage how many bytes of
// what each says.
const (
	maxReported = 20
	maxMessage  = 500
)

// fail puts into the report what could not be swept.
func (r *Report) fail(target Target, message string) {
	if len(r.Failures) == maxReported {
		r.MoreFailures++
		return
	}
	if len(message) > maxMessage {
		message = strings.ToValidUTF8(message[:maxMessage], "") + " …"
	}
	r.Failures = append(r.Failures, Failure{target, message})
}

// OtherFlows is under which the dataflows are counted that a report has no room for, and
// the runs of which Flow Service does not tell the dataflow.
const OtherFlows = "(others)"

// Report is what a sweep has done.
type Report struct {
	ID    string    `json:"id"`
	State State     `json:"state"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Born is the ledger's birth where Since was cut to it; zero otherwise.
	Born time.Time `json:"born,omitzero"`
	Counts
	// Flows are the counts of each dataflow whose runs were listed, by its id.
	Flows map[string]*FlowCounts `json:"flows,omitempty"`
	// Pages were listed. Restarts are how often the listing began again, since the
	// continuation token was no longer valid.
	Pages    int `json:"pages"`
	Restarts int `json:"restarts,omitempty"`
	// Repeated means that the sweep was finished before this delivery, which has done
	// nothing: the report is that of the first one.
	Repeated bool `json:"repeated,omitempty"`
	// Limited means that the limit ended the sweep before its time.
	Limited bool `json:"limited,omitempty"`
	// Failures are the sandboxes that could not be swept to the end. What was left
	// of each is on the dead-letter queue. MoreFailures counts those that the report
	// has no room for.
	Failures     []Failure `json:"failures,omitempty"`
	MoreFailures int       `json:"moreFailures,omitempty"`

	// Error is why it was refused, or what is wrong where it goes on or was cut off.
	Error string `json:"error,omitempty"`

	DryRun bool `json:"dryRun,omitempty"`
	// Observed means that it is a dry run since the function only observes.
	Observed bool `json:"observed,omitempty"`
	// Runs are those that a dry run found, and Left how many more there were.
	Runs []RunReport `json:"runs,omitempty"`
	Left int         `json:"left,omitempty"`
}

// Target is a sandbox of an org.
type Target struct {
	OrgID   string `json:"orgId,omitempty"`
	Sandbox string `json:"sandbox,omitempty"`
}

// Failure is why a sandbox could not be swept, or an org whose secret can't be read.
type Failure struct {
	Target
	Message string `json:"message"`
}

// RunReport is what a dry run says of a failed run.
type RunReport struct {
	RunID  string `json:"runId"`
	FlowID string `json:"flowId"`
	// FlowName is the dataflow's for people, ErrorCode and ErrorText why the run failed,
	// as its source says; each is empty where it is not known.
	FlowName  string `json:"flowName,omitempty"`
	ErrorCode string `json:"errorCode,omitempty"`
	ErrorText string `json:"errorText,omitempty"`
	OrgID     string `json:"orgId"`
	Sandbox   string `json:"sandbox"`
	// Decision is requested or skipped, the latter with a reason.
	Decision string `json:"decision"`
	Reason   Reason `json:"reason,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// flow returns the counts of a dataflow.
func (r *Report) flow(id string) *FlowCounts {
	if r.Flows == nil {
		r.Flows = map[string]*FlowCounts{}
	}
	id = cmp.Or(id, OtherFlows)
	if r.Flows[id] == nil {
		if len(r.Flows) >= maxFlows {
			id = OtherFlows
		}
		if r.Flows[id] == nil {
			r.Flows[id] = &FlowCounts{}
		}
	}
	return r.Flows[id]
}

func (c Counts) clone() Counts {
	c.Skipped = maps.Clone(c.Skipped)
	return c
}

func (r Report) clone() Report {
	r.Counts = r.Counts.clone()
	r.Failures = slices.Clone(r.Failures)
	flows := make(map[string]*FlowCounts, len(r.Flows))
	for id, c := range r.Flows {
		flows[id] = &FlowCounts{c.Name, c.clone()}
	}
	r.Flows = flows
	return r
}
