package sweep

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// noon is the present of these tests.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const org = "A@AdobeOrg"

var prod = Target{OrgID: org, Sandbox: "prod"}

// listed is a run of dataflow f as Flow Service lists it, which failed an hour ago.
func listed(id string, change ...func(*flowclient.Run)) *flowclient.Run {
	run := &flowclient.Run{ID: id, FlowID: "f", OrgID: org, SandboxName: "prod", CreatedClient: "acp_ui_platform"}
	run.CreatedAt = flowclient.Millis(noon.Add(-2 * time.Hour).UnixMilli())
	run.Metrics.Duration.CompletedAt = flowclient.Millis(noon.Add(-time.Hour).UnixMilli())
	run.Metrics.Status.Status = "failed"
	run.Metrics.Status.Errors = []flowclient.RunError{{Code: "CONNECTOR-1001-500", Message: "no connection"}}
	for _, c := range change {
		c(run)
	}
	return run
}

// known is the ledger's entry of run r, changed ten minutes ago.
func known(state ledger.State, reason string, change ...func(*ledger.Run)) *ledger.Run {
	run := ledger.NewRun(org, "f", "prod", "r")
	run.State, run.Reason, run.ChangedAt = state, reason, noon.Add(-10*time.Minute)
	for _, c := range change {
		c(&run)
	}
	return &run
}

// asked is a sweep of the last day.
func asked() question {
	return question{
		id: "s", requeues: 2, since: noon.Add(-24 * time.Hour), until: noon.Add(time.Minute), limit: 100,
		rules: retry.Rules{Policy: &policy.Policy{Delays: policy.DefaultDelays(), MaxAge: policy.DefaultMaxAge}},
	}
}

func TestPlanOfAFailedRun(t *testing.T) {
	t.Parallel()
	paused := throttle.PauseStatus{Wait: time.Minute, Detail: "org A is paused"}
	rules, err := policy.ParseRules(`[{"flowId":"f","action":"skip"}]`)
	if err != nil {
		t.Fatal(err)
	}
	old := func(r *ledger.Run) { r.ChangedAt, r.Due = noon.Add(-13*time.Hour), noon.Add(-13*time.Hour) }
	flight := func(until time.Duration) func(*ledger.Run) {
		return func(r *ledger.Run) { r.Sends, r.Call = 1, ledger.Call{ID: "c", RunID: "r", Until: noon.Add(until)} }
	}
	dev := func(r *ledger.Run) { r.Sandbox = "dev" }
	downstream := func(r *flowclient.Run) { r.Predecessors = json.RawMessage(`[{"id":"p"}]`) }
	dataError := func(r *flowclient.Run) { r.Metrics.Status.Errors[0].Code = "MAPPER-3100-400" }
	tests := map[string]struct {
		run       *flowclient.Run
		entry     *ledger.Run
		pause     throttle.PauseStatus
		streaming bool
		requested int
		rules     []policy.Rule

		reason Reason // empty: requested
		sent   bool   // a request goes on the queue
		detail string
	}{
		"nobody knows it": {sent: true},
		"it was made by a retry of ours, which failed": {entry: known(ledger.Made, ""), sent: true},

		"this sweep has requested it already":                    {entry: known(ledger.Deferred, "sweep s")},
		"this sweep has requested it already, of streaming, too": {entry: known(ledger.Deferred, "sweep s"), streaming: true},
		"another sweep has requested it":                         {entry: known(ledger.Deferred, "sweep t"), reason: Waiting, detail: "a request for it waits: sweep t"},
		"its request waits for a delay":                          {entry: known(ledger.Deferred, "retry_delay"), reason: Waiting, detail: "a request for it waits: retry_delay"},
		"its waiting request was lost half a day ago":            {entry: known(ledger.Deferred, "retry_delay", old), sent: true},
		"its request has waited for days, in a pause":            {entry: known(ledger.Deferred, "paused", old), pause: paused, reason: Waiting, detail: "a request for it waits: paused"},
		"its request is delivered again soon":                    {entry: known(ledger.Returned, "throttled"), reason: Waiting, detail: "a request for it will be delivered again: throttled"},
		"its returned request was lost half a day ago":           {entry: known(ledger.Returned, "throttled", old), sent: true},

		"it was re-triggered":         {entry: known(ledger.Retriggered, "", func(r *ledger.Run) { r.Successor = "child" }), reason: Superseded, detail: "it was re-triggered as run child, with which its lineage goes on"},
		"it succeeded":                {entry: known(ledger.Succeeded, ""), reason: Reason(retry.RunSucceeded), detail: "it has succeeded"},
		"it is being re-triggered":    {entry: known(ledger.InFlight, "", flight(time.Minute)), reason: InProgress, detail: "it is being re-triggered"},
		"it is reserved":              {entry: known(ledger.Reserved, "", func(r *ledger.Run) { r.ReservedUntil = noon.Add(time.Minute) }), reason: InProgress, detail: "it is being re-triggered"},
		"its re-trigger got lost":     {entry: known(ledger.InFlight, "", flight(-time.Minute)), sent: true},
		"a search found no child":     {entry: known(ledger.Searched, "outcome_unknown"), sent: true},
		"no search can tell":          {entry: known(ledger.CannotTell, "outcome_unknown"), sent: true},
		"it is a dead letter":         {entry: known(ledger.DeadLettered, "data_error"), reason: "data_error", detail: "its dead letter was written"},
		"it is a dead letter of old":  {entry: known(ledger.DeadLettered, ""), reason: DeadLettered, detail: "its dead letter was written"},
		"its dataflow was disabled":   {entry: known(ledger.DeadLettered, string(retry.FlowDisabled)), sent: true},
		"it was skipped":              {entry: known(ledger.Skipped, "policy"), reason: "policy", detail: "an earlier request for it was skipped"},
		"it was skipped while it ran": {entry: known(ledger.Skipped, string(retry.RunInProgress)), sent: true},
		"it was skipped for another sandbox that a person named": {entry: known(ledger.Skipped, "run_not_found", dev), sent: true},

		"it follows another dataflow's run":             {run: listed("r", downstream), reason: DownstreamRun, detail: "it follows a run of another dataflow, which is the one to retry"},
		"its dataflow is of a streaming source":         {streaming: true, reason: StreamingRun, detail: "its dataflow has no schedule, as those of streaming sources"},
		"its dataflow is paused":                        {pause: paused, sent: true, detail: "it waits on the request queue: org A is paused"},
		"the limit is reached":                          {requested: 100, reason: OverLimit, detail: "the sweep has requested 100 runs, its limit"},
		"the limit is reached, and it was requested":    {requested: 100, entry: known(ledger.Deferred, "sweep s")},
		"the limit is reached, and it was re-triggered": {requested: 100, entry: known(ledger.Succeeded, ""), reason: Reason(retry.RunSucceeded), detail: "it has succeeded"},
		"one more is within the limit":                  {requested: 99, sent: true},
		"it failed too long ago": {run: listed("r", func(r *flowclient.Run) {
			r.Metrics.Duration.CompletedAt = flowclient.Millis(noon.AddDate(0, 0, -8).UnixMilli())
			r.CreatedAt = 0
		}), reason: Reason(policy.TooOld)},
		"its data is wrong: a dead letter, by a request": {run: listed("r", dataError), sent: true},
		"a rule of the user's skips it":                  {rules: rules, reason: Reason(policy.ByPolicy)},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if tt.run == nil {
				tt.run = listed("r")
			}
			f := facts{
				target: prod, runs: []*flowclient.Run{tt.run}, entries: map[string]*ledger.Run{}, requested: tt.requested, now: noon,
				pauses: map[string]throttle.PauseStatus{"f": tt.pause},
				flows:  dataflows{flowKey(prod, "f"): {name: "Orders", streaming: tt.streaming}},
			}
			if tt.entry != nil {
				f.entries["r"] = tt.entry
			}
			q := asked()
			q.rules.Policy.Rules = tt.rules
			verdicts, limited := q.plan(f, q.consider(f, nil), nil)
			if len(verdicts) != 1 {
				t.Fatalf("%d verdicts", len(verdicts))
			}
			v := verdicts[0]
			if v.reason != tt.reason || (v.request != nil) != tt.sent || limited != (tt.reason == OverLimit) {
				t.Errorf("the run is skipped for %q (%s), sent: %t, limited: %t", v.reason, v.detail, v.request != nil, limited)
			}
			if tt.detail != "" && v.detail != tt.detail {
				t.Errorf("the detail is %q, want %q", v.detail, tt.detail)
			}
			if v.entry.FlowName != "Orders" || v.entry.ErrorCode != tt.run.Metrics.Status.Errors[0].Code {
				t.Errorf("the entry says of the run: %q, %q", v.entry.FlowName, v.entry.ErrorCode)
			}
		})
	}
}

func TestARequestTellsWhatTheListingTold(t *testing.T) {
	t.Parallel()
	entry := known(ledger.Skipped, "run_not_found", func(r *ledger.Run) { r.Sandbox, r.FlowID, r.FlowName = "dev", "wrong", "Old name" })
	q, f := asked(), facts{target: prod, runs: []*flowclient.Run{listed("r")}, entries: map[string]*ledger.Run{"r": entry}, now: noon.Add(time.Microsecond)}
	verdicts, _ := q.plan(f, q.consider(f, nil), nil)
	want := &event.Request{
		RunID: "r", FlowID: "f", OrgID: org, Sandbox: "prod", Reason: "found by sweep s",
		Origin: event.Origin{
			FlowName: "Old name", FailedAt: noon.Add(-time.Hour), CreatedAt: noon.Add(-2 * time.Hour), CreatedClient: "acp_ui_platform",
			Errors: []event.RunError{{Code: "CONNECTOR-1001-500", Message: "no connection"}}, FirstSeen: noon, Requeues: 3,
		},
	}
	if diff := cmp.Diff(want, verdicts[0].request); diff != "" {
		t.Errorf("the request (-want +got):\n%s", diff)
	}
	if e := verdicts[0].entry; e.Sandbox != "prod" || e.FlowID != "f" {
		t.Errorf("the entry is of dataflow %s in %s", e.FlowID, e.Sandbox)
	}
}

func TestTheLimitHoldsWithinAPage(t *testing.T) {
	t.Parallel()
	q := asked()
	q.limit = 3
	runs := []*flowclient.Run{listed("own"), listed("1"), listed("2"), listed("3"), listed("done")}
	own := ledger.NewRun(org, "f", "prod", "own")
	own.State, own.Reason = ledger.Deferred, "sweep s"
	done := ledger.NewRun(org, "f", "prod", "done")
	done.State = ledger.Succeeded
	f := facts{target: prod, runs: runs, entries: map[string]*ledger.Run{"own": &own, "done": &done}, now: noon}
	verdicts, limited := q.plan(f, q.consider(f, nil), nil)
	var got []Reason
	for _, v := range verdicts {
		got = append(got, v.reason)
	}
	if diff := cmp.Diff([]Reason{"", "", "", OverLimit, Reason(retry.RunSucceeded)}, got); diff != "" || !limited {
		t.Errorf("limited: %t; the verdicts (-want +got):\n%s", limited, diff)
	}
}

func TestOnlyRunsThatAreAskedForAreWanted(t *testing.T) {
	t.Parallel()
	ended := func(at time.Time) func(*flowclient.Run) {
		return func(r *flowclient.Run) {
			r.CreatedAt, r.Metrics.Duration.CompletedAt = flowclient.Millis(at.Add(-time.Minute).UnixMilli()), flowclient.Millis(at.UnixMilli())
		}
	}
	status := func(s flowclient.Status) func(*flowclient.Run) {
		return func(r *flowclient.Run) { r.Metrics.Status.Status = s }
	}
	f, codes := asked(), asked()
	f.flows = []string{"f"}
	codes.codes = []string{"CONNECTOR-*"}
	begin, end := f.since, f.until
	tests := map[string]struct {
		q    question
		run  *flowclient.Run
		want bool
	}{
		"a failed run":                       {asked(), listed("r"), true},
		"a status in capital letters":        {asked(), listed("r", status("FAILED")), true},
		"a run that succeeded":               {asked(), listed("r", status("success")), false},
		"a run in progress":                  {asked(), listed("r", status("inProgress")), false},
		"just when the sweep's time begins":  {asked(), listed("r", ended(begin)), true},
		"before the sweep's time":            {asked(), listed("r", ended(begin.Add(-time.Millisecond))), false},
		"just before its end":                {asked(), listed("r", ended(end.Add(-time.Millisecond))), true},
		"at its end":                         {asked(), listed("r", ended(end)), false},
		"a time to come says nothing":        {asked(), listed("r", ended(noon.Add(time.Hour))), true},
		"no time says nothing":               {asked(), listed("r", func(r *flowclient.Run) { r.CreatedAt, r.Metrics.Duration.CompletedAt = 0, 0 }), true},
		"another org":                        {asked(), listed("r", func(r *flowclient.Run) { r.OrgID = "B@AdobeOrg" }), false},
		"another sandbox":                    {asked(), listed("r", func(r *flowclient.Run) { r.SandboxName = "dev" }), false},
		"neither org nor sandbox":            {asked(), listed("r", func(r *flowclient.Run) { r.OrgID, r.SandboxName = "", "" }), true},
		"a dataflow that is asked for":       {f, listed("r"), true},
		"another dataflow":                   {f, listed("r", func(r *flowclient.Run) { r.FlowID = "g" }), false},
		"no dataflow: the filter chose it":   {f, listed("r", func(r *flowclient.Run) { r.FlowID = "" }), true},
		"a code that is asked for":           {codes, listed("r"), true},
		"another code":                       {codes, listed("r", func(r *flowclient.Run) { r.Metrics.Status.Errors[0].Code = "MAPPER-1" }), false},
		"no code, where codes are asked for": {codes, listed("r", func(r *flowclient.Run) { r.Metrics.Status.Errors = nil }), false},
	}
	for name, tt := range tests {
		if got := len(tt.q.wanted(prod, []*flowclient.Run{tt.run, tt.run}, noon)); (got == 1) != tt.want || got > 1 {
			t.Errorf("%s: %d runs are wanted of one that is listed twice, want one: %t", name, got, tt.want)
		}
	}
}

func TestFlowServiceIsAskedAboutTheDataflowsOfRunsThatMayBeRequested(t *testing.T) {
	t.Parallel()
	of := func(flow string) func(*flowclient.Run) {
		return func(r *flowclient.Run) { r.FlowID = flow }
	}
	runs := []*flowclient.Run{
		listed("1", of("new")), listed("2", of("new")), listed("3", of("known")), listed("4", of("")), listed("5", of("a,b")),
		listed("done", of("over")), listed("own", of("mine")), listed("6", of("downstream"), func(r *flowclient.Run) { r.Predecessors = json.RawMessage(`[{}]`) }),
	}
	done, own := ledger.NewRun(org, "over", "prod", "done"), ledger.NewRun(org, "mine", "prod", "own")
	done.State = ledger.Succeeded
	own.State, own.Reason = ledger.Deferred, "sweep s"
	f := facts{target: prod, runs: runs, entries: map[string]*ledger.Run{"done": &done, "own": &own}, flows: dataflows{flowKey(prod, "known"): {}}, now: noon}
	if diff := cmp.Diff([]string{"new", "downstream"}, f.unknownFlows(asked().consider(f, nil))); diff != "" {
		t.Errorf("the dataflows to ask about (-want +got):\n%s", diff)
	}
}
