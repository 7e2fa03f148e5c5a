package flowclient

import (
	"context"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

// Run is one execution of a dataflow, with the fields that Adobe's OpenAPI
// description of Flow Service and its samples agree on. Fields that are not
// here, and fields of another type than here, are ignored.
type Run struct {
	// ID names the run. It is never empty.
	ID string `json:"id"`
	// FlowID names the dataflow.
	FlowID string `json:"flowId"`
	// OrgID is the IMS org, "…@AdobeOrg".
	OrgID string `json:"imsOrgId"`
	// SandboxID and SandboxName are the sandbox's UUID and the name that calls
	// take.
	SandboxID   string `json:"sandboxId"`
	SandboxName string `json:"sandboxName"`
	// ProviderRefID is the run's id at the service that did the work.
	ProviderRefID string `json:"providerRefId"`
	// CreatedBy is the user, and CreatedClient the client id, that made the run.
	CreatedBy     string `json:"createdBy"`
	CreatedClient string `json:"createdClient"`
	// ETag is the run's version, quoted as Adobe sends it.
	ETag      string `json:"etag"`
	CreatedAt Millis `json:"createdAt"`
	UpdatedAt Millis `json:"updatedAt"`
	// Metrics hold the run's status, times and record counts.
	Metrics Metrics `json:"metrics"`
	// Activities are the run's steps.
	Activities []Activity `json:"activities"`
	// Predecessors are the runs of other dataflows that this one follows, as
	// Adobe sends them. See [Run.Downstream].
	Predecessors json.RawMessage `json:"predecessors,omitempty"`
}

// Metrics are a run's totals.
type Metrics struct {
	Duration Duration      `json:"durationSummary"`
	Records  RecordSummary `json:"recordSummary"`
	Status   StatusSummary `json:"statusSummary"`
}

// Duration are the times of a run or of an activity.
type Duration struct {
	StartedAt   Millis `json:"startedAtUTC"`
	CompletedAt Millis `json:"completedAtUTC"`
	Extensions  struct {
		// WindowStart and WindowEnd are the data window; see [Run.Window].
		WindowStart Millis `json:"windowStart"`
		WindowEnd   Millis `json:"windowEnd"`
	} `json:"extensions"`
}

// Window is a run's data window; see [aeptime.Window].
type Window = aeptime.Window

// RecordSummary counts a run's records.
type RecordSummary struct {
	Input   Count `json:"inputRecordCount"`
	Created Count `json:"createdRecordCount"`
	Output  Count `json:"outputRecordCount"`
	Failed  Count `json:"failedRecordCount"`
}

// StatusSummary is the state of a run or of an activity.
type StatusSummary struct {
	Status Status `json:"status"`
	// Errors may be there even when the status is a success.
	Errors     []RunError `json:"errors"`
	Extensions struct {
		// Errors are those of the service that did the work. What is beside them
		// (errorDetail) may name hosts and files, and is not read.
		Errors []RunError `json:"errors"`
	} `json:"extensions"`
}

// Activity is a step of a run.
type Activity struct {
	ID       string        `json:"id"`
	Name     string        `json:"name"`
	Duration Duration      `json:"durationSummary"`
	Status   StatusSummary `json:"statusSummary"`
}

// RunError is why a run failed, such as CONNECTOR-1001-500.
type RunError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// UnmarshalJSON reads an error whose code may also be a number.
func (e *RunError) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(data, &fields) // an error of another shape is one without code
	*e = RunError{Code: scalar(fields["code"]), Message: scalar(fields["message"])}
	return nil
}

// Status returns the run's status.
func (r *Run) Status() Status { return r.Metrics.Status.Status }

// StartedAt returns when the run began, zero where unknown.
func (r *Run) StartedAt() time.Time { return r.Metrics.Duration.StartedAt.Time() }

// CompletedAt returns when the run ended, zero if it has not or where unknown.
func (r *Run) CompletedAt() time.Time { return r.Metrics.Duration.CompletedAt.Time() }

// Ended returns when the run ended, as far as its times can be believed: when it was
// completed, or else last updated, started or created. It is zero where no time can be.
// See [aeptime.Run.Ended].
func (r *Run) Ended() time.Time {
	return aeptime.Run{
		Created: r.CreatedAt.Time(), Started: r.StartedAt(), Completed: r.CompletedAt(), Updated: r.UpdatedAt.Time(),
	}.Ended()
}

// Window returns the run's data window, from the earliest windowStart to the latest
// windowEnd that the run or an activity tells: usually it is the copy activity alone that
// does. It is zero unless there is a start and a later end.
func (r *Run) Window() Window {
	window := r.Metrics.Duration.window()
	for _, activity := range r.Activities {
		window = window.Join(activity.Duration.window())
	}
	return window.Whole()
}

func (d *Duration) window() Window {
	return Window{Start: d.Extensions.WindowStart.Time(), End: d.Extensions.WindowEnd.Time()}
}

// Downstream reports whether the run follows a run of another dataflow, as runs
// of identity and profile do. Such a run is no source run, and can't be
// re-triggered.
func (r *Run) Downstream() bool {
	var some []json.RawMessage
	if json.Unmarshal(r.Predecessors, &some) == nil {
		return len(some) > 0
	}
	return len(r.Predecessors) > 0
}

// Errors returns the errors of the run and of its activities, each once, those
// of the run first. A run that succeeded may have some, too.
func (r *Run) Errors() []RunError {
	all := slices.Concat(r.Metrics.Status.Errors, r.Metrics.Status.Extensions.Errors)
	for _, activity := range r.Activities {
		all = slices.Concat(all, activity.Status.Errors, activity.Status.Extensions.Errors)
	}
	seen := map[RunError]bool{{}: true}
	return slices.DeleteFunc(all, func(e RunError) bool {
		known := seen[e]
		seen[e] = true
		return known
	})
}

// Status is the state of a run as Adobe writes it. Adobe's documents write it
// in several ways (failed, Failed, FAILED; inProgress, IN_PROGRESS), so compare
// it by its methods. Partial successes and partial failures are none of them.
type Status string

// Failed reports whether the run has failed.
func (s Status) Failed() bool { return s.is("failed") }

// Succeeded reports whether the run has ended well.
func (s Status) Succeeded() bool { return s.is("success", "completed") }

// Running reports whether the run has not ended yet: it is in progress, queued
// or scheduled.
func (s Status) Running() bool { return s.is("inprogress", "queued", "scheduled") }

func (s Status) is(names ...string) bool {
	return slices.Contains(names, strings.ToLower(strings.ReplaceAll(string(s), "_", "")))
}

// Millis is a time in milliseconds since 1970, or 0 where unknown. It decodes by package
// aeptime, so Adobe may write it as seconds, milliseconds, microseconds or text.
type Millis int64

// Time returns the time in UTC, zero for 0.
func (m Millis) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// UnmarshalJSON reads a time by [aeptime.Parse]; what is no time is 0.
func (m *Millis) UnmarshalJSON(data []byte) error {
	*m = 0
	if t := aeptime.Parse(data); !t.IsZero() {
		*m = Millis(t.UnixMilli())
	}
	return nil
}

// Count is a number of things.
type Count int64

// UnmarshalJSON reads a number, also as a text or with a fraction; anything
// else is 0.
func (c *Count) UnmarshalJSON(data []byte) error {
	*c = Count(lenientInt(data))
	return nil
}

// lenientInt reads a whole number that Adobe's samples write as number, as text
// or with a fraction.
func lenientInt(raw json.RawMessage) int64 {
	text := scalar(raw)
	if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
		return whole
	}
	number, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(number) || math.Abs(number) >= math.MaxInt64 {
		return 0
	}
	return int64(number)
}

// Run returns a run.
func (c *Client) Run(ctx context.Context, sandbox, runID string) (*Run, error) {
	k := call{op: OpRun, resource: runID, sandbox: sandbox}
	if err := checkID("run id", runID); err != nil {
		return nil, k.refuse(err)
	}
	k.path = "/runs/" + url.PathEscape(runID)
	return getOne(ctx, c, k, func(r *Run) string { return r.ID })
}
