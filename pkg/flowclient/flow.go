package flowclient

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Flow is a dataflow, with the fields that matter to its runs. Fields that are
// not here, and fields of another type than here, are ignored.
type Flow struct {
	// ID names the dataflow. It is never empty.
	ID   string `json:"id"`
	Name string `json:"name"`
	// OrgID is the IMS org, "…@AdobeOrg".
	OrgID       string `json:"imsOrgId"`
	SandboxName string `json:"sandboxName"`
	// SourceConnections are the ids of where it reads from: one, where the source has one.
	SourceConnections []string `json:"sourceConnectionIds"`
	// State is "enabled" or "disabled"; see [Flow.Enabled].
	State string `json:"state"`
	// Schedule is when a batch dataflow runs.
	Schedule Schedule `json:"scheduleParams"`
	// LastRun is the latest run that Flow Service knows of.
	LastRun struct {
		ID          string `json:"id"`
		State       Status `json:"state"`
		StartedAt   Millis `json:"startedAtUTC"`
		CompletedAt Millis `json:"completedAtUTC"`
	} `json:"lastRunDetails"`
}

// Schedule is when a dataflow runs: from a time on, each so many units.
type Schedule struct {
	// StartTime is in seconds since 1970.
	StartTime Count `json:"startTime"`
	// Frequency is the unit: once, minute, hour, day or week.
	Frequency string `json:"frequency"`
	// Interval counts units.
	Interval Count `json:"interval"`
}

// Start returns the start time in UTC, zero if there is none.
func (s Schedule) Start() time.Time {
	if s.StartTime == 0 {
		return time.Time{}
	}
	return time.Unix(int64(s.StartTime), 0).UTC()
}

// Batch reports whether the dataflow has a schedule, as those of batch sources do.
// Adobe's guides give one to every dataflow of a batch source, and none to those of
// streaming sources; no document says that it is so for all.
func (f *Flow) Batch() bool { return f.Schedule.Frequency != "" }

// Enabled reports whether the dataflow is switched on.
func (f *Flow) Enabled() bool { return strings.EqualFold(f.State, "enabled") }

// Flow returns a dataflow.
func (c *Client) Flow(ctx context.Context, sandbox, flowID string) (*Flow, error) {
	k := call{op: OpFlow, resource: flowID, sandbox: sandbox}
	if err := checkID("flow id", flowID); err != nil {
		return nil, k.refuse(err)
	}
	k.path = "/flows/" + url.PathEscape(flowID)
	return getOne(ctx, c, k, func(f *Flow) string { return f.ID })
}

// MaxFlows is how many dataflows [Client.Flows] may be asked for at a time: their
// ids stand in the URL.
const MaxFlows = 50

// Flows returns those of the dataflows that the sandbox has, in any order. Ids have
// no commas. Both the filter on id and several values with == are in Adobe's guide
// (https://experienceleague.adobe.com/en/docs/experience-platform/dataflows/api/sort-and-filter).
func (c *Client) Flows(ctx context.Context, sandbox string, flowIDs ...string) ([]Flow, error) {
	k := call{op: OpFlows, sandbox: sandbox, method: http.MethodGet, path: "/flows"}
	if n := len(flowIDs); n == 0 || n > MaxFlows {
		return nil, k.refuse(fmt.Errorf("%d dataflows are asked for, want 1 to %d", n, MaxFlows))
	}
	for _, id := range flowIDs {
		if err := checkID("flow id", id); err != nil {
			return nil, k.refuse(err)
		}
		if strings.Contains(id, ",") {
			return nil, k.refuse(errors.New("the flow id has a comma in it, which separates ids"))
		}
	}
	return c.flows(ctx, k, flowIDs)
}

// flows asks for dataflows, in two halves if their answer is too large.
func (c *Client) flows(ctx context.Context, k call, ids []string) ([]Flow, error) {
	k.query = url.Values{"property": {Where("id", "==", strings.Join(ids, ",")).String()}, "limit": {strconv.Itoa(MaxFlows)}}
	if len(ids) == 1 {
		k.resource = ids[0]
	}
	var found []Flow
	k.decode = func(body []byte) error {
		var answer struct {
			Items []Flow `json:"items"`
		}
		if err := decodeLenient(body, &answer); err != nil {
			return err
		}
		found = answer.Items
		return checkItems(found, func(f *Flow) string { return f.ID })
	}
	err := c.do(ctx, k)
	if errors.Is(err, KindTooLarge) && len(ids) > 1 {
		half := len(ids) / 2
		first, err := c.flows(ctx, k, ids[:half])
		if err != nil {
			return nil, err
		}
		second, err := c.flows(ctx, k, ids[half:])
		if err != nil {
			return nil, err
		}
		return slices.Concat(first, second), nil
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}
