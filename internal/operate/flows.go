package operate

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// The states of a dataflow.
const (
	FlowOK          = "ok"
	FlowFailing     = "failing"
	FlowBreakerOpen = "breaker open"
	FlowPaused      = "paused"
)

// FlowState is a dataflow, how it does, and what was done for it.
type FlowState struct {
	Flow

	// State is ok, failing, "breaker open" or paused: of several the last one.
	State string `json:"state"`
	// FailingSince is when the first failure of the failing episode was seen, BreakerUntil
	// until when nothing of the dataflow is retried unless a run succeeds. Each is left out
	// where there is none.
	FailingSince time.Time `json:"failingSince,omitzero"`
	BreakerUntil time.Time `json:"breakerUntil,omitzero"`
	// DaysLeft is how many full days remain until Adobe disables the dataflow, if it goes on
	// failing; left out for one that does not fail.
	DaysLeft *int `json:"daysLeft,omitempty"`
	// Reason is why a run of the episode was given up first, and Why says it in words.
	Reason string `json:"reason,omitempty"`
	Why    string `json:"why,omitempty"`
	// Tally is what was done since the report's Since.
	Tally
	// Codes are the same by the source's code, where that was asked for.
	Codes []CodeTally `json:"codes,omitempty"`
	// ByDay are the same by day (UTC), such as 2026-11-26, for the console's picture.
	ByDay map[string]Tally `json:"-"`
	// Waiting counts runs that wait now.
	Waiting int `json:"waiting"`
}

// Tally adds up what was done in some days.
type Tally struct {
	// Failed counts the failures that were dealt with: those that were re-triggered and those
	// that were given up.
	Failed      int `json:"failed"`
	Retriggered int `json:"retriggered"`
	// Recovered counts lineages of which a re-trigger made a run that succeeded, and Minutes
	// how long they took together.
	Recovered int `json:"recovered"`
	Minutes   int `json:"recoveryMinutes"`
	GivenUp   int `json:"givenUp"`
}

// CodeTally is the tally of one code of the source; "-" stands for none.
type CodeTally struct {
	Code string `json:"code"`
	Tally
}

func (t *Tally) add(s *ledger.Sum) {
	t.Failed += s.Retriggered + s.GivenUp
	t.Retriggered, t.Recovered, t.Minutes, t.GivenUp = t.Retriggered+s.Retriggered, t.Recovered+s.Recovered, t.Minutes+s.Minutes, t.GivenUp+s.GivenUp
}

// Flows is how the dataflows do.
type Flows struct {
	// Since is the first day that is added up.
	Since time.Time   `json:"since"`
	Flows []FlowState `json:"flows"`
	// Total adds up all of them.
	Total Tally `json:"total"`
	// More means that there is more than was read, so that the numbers are too small.
	More bool `json:"more"`
}

// ListFlows says how the dataflows of the last days do, the worst first.
func ListFlows(ctx context.Context, o *Operator, orgID string, days int) (Flows, error) {
	now := o.Now()
	report := Flows{Since: firstDay(now, days), Flows: []FlowState{}}
	orgs, err := Orgs(ctx, o, orgID)
	if err != nil {
		return report, err
	}
	pauses, err := Pauses(ctx, o)
	if err != nil {
		return report, err
	}
	for _, p := range orgs {
		flows, more, err := flowsIn(ctx, o, p.OrgID, report.Since)
		if err != nil {
			return report, o.fault(err)
		}
		for _, f := range flows {
			f.settle(pauses)
			report.Flows = append(report.Flows, *f)
			report.Total.Failed, report.Total.Retriggered = report.Total.Failed+f.Failed, report.Total.Retriggered+f.Retriggered
			report.Total.Recovered, report.Total.Minutes, report.Total.GivenUp = report.Total.Recovered+f.Recovered, report.Total.Minutes+f.Minutes, report.Total.GivenUp+f.GivenUp
		}
		report.More = report.More || more
	}
	slices.SortFunc(report.Flows, worstFirst)
	return report, nil
}

// firstDay is the first of so many days (UTC), of which the last one is today.
func firstDay(now time.Time, days int) time.Time {
	return now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1-max(days, 1))
}

func worstFirst(a, b FlowState) int {
	rank := func(f *FlowState) int {
		return slices.Index([]string{FlowBreakerOpen, FlowFailing, FlowPaused, FlowOK}, f.State)
	}
	return cmp.Or(
		cmp.Compare(rank(&a), rank(&b)), cmp.Compare(b.GivenUp, a.GivenUp), cmp.Compare(b.Failed, a.Failed),
		cmp.Compare(a.Name, b.Name), cmp.Compare(a.OrgID, b.OrgID), cmp.Compare(a.FlowID, b.FlowID),
	)
}

// flowsIn reads the dataflows of an org, by id, without their pauses.
func flowsIn(ctx context.Context, o *Operator, orgID string, since time.Time) (flows map[string]*FlowState, more bool, err error) {
	lists := o.Lists()
	flows = map[string]*FlowState{}
	of := func(id, name, sandbox string) *FlowState {
		if flows[id] == nil {
			flows[id] = &FlowState{Flow: Flow{OrgID: orgID, FlowID: id}, State: FlowOK}
		}
		f := flows[id]
		f.Name, f.Sandbox = cmp.Or(name, f.Name), cmp.Or(sandbox, f.Sandbox)
		return f
	}
	sums, err := lists.Days(ctx, orgID, since, MaxRows+1)
	if err != nil {
		return nil, false, err
	}
	sums, more = cutToMax(sums)
	for i := range sums {
		s := &sums[i]
		of(s.FlowID, s.FlowName, "").addSum(s)
	}
	failing, err := lists.Failing(ctx, orgID, MaxRows+1)
	if err != nil {
		return nil, false, err
	}
	failing, cut := cutToMax(failing)
	more = more || cut
	for i := range failing {
		e := failing[i].Failing()
		of(failing[i].FlowID, e.FlowName, e.Sandbox).fails(&failing[i], o.Now())
	}
	waiting, err := lists.Waiting(ctx, orgID, time.Time{}, MaxRows+1)
	waiting, cut = cutToMax(waiting)
	for i := range waiting {
		of(waiting[i].FlowID, waiting[i].FlowName, waiting[i].Sandbox).Waiting++
	}
	return flows, more || cut, err
}

func (f *FlowState) addSum(s *ledger.Sum) {
	f.add(s)
	if f.ByDay == nil {
		f.ByDay = map[string]Tally{}
	}
	day := f.ByDay[s.Day]
	day.add(s)
	f.ByDay[s.Day] = day
	for i := range f.Codes {
		if f.Codes[i].Code == s.ErrorCode {
			f.Codes[i].add(s)
			return
		}
	}
	c := CodeTally{Code: s.ErrorCode}
	c.add(s)
	f.Codes = append(f.Codes, c)
}

// fails tells of the failing episode and the breaker.
func (f *FlowState) fails(flow *ledger.Flow, now time.Time) {
	if e := flow.Failing(); e != nil {
		f.State, f.FailingSince, f.Reason = FlowFailing, e.Since, e.Reason
		f.Why, _ = Words(string(ledger.DeadLettered), e.Reason)
		if e.Reason != string(retry.FlowDisabled) { // it is disabled already
			f.DaysLeft = new(notice.DaysLeft(e.Since, now))
		}
	}
	if flow.BlockedUntil.After(now) {
		f.State, f.BreakerUntil = FlowBreakerOpen, flow.BlockedUntil
	}
}

// settle says whether the dataflow is paused, and puts its codes in order.
func (f *FlowState) settle(pauses []Pause) {
	if slices.ContainsFunc(pauses, func(p Pause) bool { return p.covers(f.OrgID, f.FlowID) }) {
		f.State = FlowPaused
	}
	slices.SortFunc(f.Codes, func(a, b CodeTally) int { return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(a.Code, b.Code)) })
}

// FlowDetail is one dataflow.
type FlowDetail struct {
	FlowState

	// Since is the first day that is added up.
	Since time.Time `json:"since"`
	// Days are the sums by day and code, the oldest first.
	Days []DayTally `json:"days"`
	// Runs are its last runs that the ledger knows, the newest first.
	Runs []Run `json:"runs"`
	// Pauses are those in force that cover it.
	Pauses []Pause `json:"pauses"`
}

// DayTally is the tally of a day (UTC) and one code.
type DayTally struct {
	Day string `json:"day"`
	CodeTally
}

// ShowFlow says how one dataflow does: what was done in the last days by day and code, and its
// last runs, at most so many.
func ShowFlow(ctx context.Context, o *Operator, f Filter, days, runs int) (FlowDetail, error) {
	detail := FlowDetail{Since: firstDay(o.Now(), days), Days: []DayTally{}, Pauses: []Pause{}}
	flow, last, err := RunsOfFlow(ctx, o, f, runs)
	if err != nil {
		return detail, err
	}
	detail.FlowState, detail.Runs = FlowState{Flow: flow, State: FlowOK}, last.Runs
	sums, err := o.Lists().Days(ctx, flow.OrgID, detail.Since, MaxRows)
	if err != nil {
		return detail, o.fault(err)
	}
	for i := range sums {
		if s := &sums[i]; s.FlowID == flow.FlowID {
			detail.addSum(s)
			day := DayTally{Day: s.Day, CodeTally: CodeTally{Code: s.ErrorCode}}
			day.add(s)
			detail.Days = append(detail.Days, day)
		}
	}
	entries, err := o.Ledger().Load(ctx, ledger.Ref{OrgID: flow.OrgID, FlowID: flow.FlowID, RunID: "none"})
	if err != nil {
		return detail, o.fault(err)
	}
	detail.fails(&entries.Flow, o.Now())
	waiting, err := WaitingRuns(ctx, o, Filter{OrgID: flow.OrgID, Flow: flow.FlowID})
	if err != nil {
		return detail, err
	}
	detail.Waiting = len(waiting.Runs)
	pauses, err := Pauses(ctx, o)
	if err != nil {
		return detail, err
	}
	for _, p := range pauses {
		if p.covers(flow.OrgID, flow.FlowID) {
			detail.Pauses = append(detail.Pauses, p)
		}
	}
	detail.settle(pauses)
	return detail, nil
}
