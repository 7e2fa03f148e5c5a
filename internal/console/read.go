package console

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

const (
	// weekDays is how many days a week's picture has, today included.
	weekDays = 7
	// maxSweeps is how many sweeps are listed: those of 15 days of an hourly schedule, and more.
	maxSweeps = 1000
)

// flow is a dataflow with its week.
type flow struct {
	operate.FlowState

	Week week
}

// Title is the name for people, or else the id.
func (f *flow) Title() string { return cmp.Or(f.Name, f.FlowID, "(dataflow not known)") }

// Failing reports whether the dataflow is in a failing episode, even if it is paused.
func (f *flow) Failing() bool { return !f.FailingSince.IsZero() }

// Status is how the dataflow stands, by word and kind.
func (f *flow) Status() state {
	switch {
	case f.State == operate.FlowPaused:
		return state{Word: "paused", Kind: kindWait}
	case f.State == operate.FlowBreakerOpen:
		return state{Word: "breaker open", Kind: kindBad}
	case f.Failing():
		return state{Word: "failing", Kind: kindBad}
	case f.GivenUp > 0:
		return state{Word: "works again", Kind: kindGood}
	case f.Failed+f.Recovered > 0:
		return state{Word: "retried", Kind: kindGood}
	case f.Waiting > 0:
		return state{Word: "waits", Kind: kindWait}
	}
	return state{Word: "quiet", Kind: kindCalm}
}

// Also is the state that stands behind another one: a dataflow may be paused since it fails.
func (f *flow) Also() *state {
	if f.Failing() && f.State != operate.FlowFailing {
		return &state{Word: "failing", Kind: kindBad}
	}
	return nil
}

// week is what was done for the runs of a dataflow, or of all, in seven days.
type week struct {
	Days  [weekDays]day
	Total day
}

// day has the numbers of a day, of an error code, or of all.
type day struct {
	Date time.Time
	// Failed counts failed runs that were acted on: each was re-triggered or given up.
	// Recovered counts lineages that a re-trigger mended, GivenUp dead letters.
	Failed, Recovered, GivenUp int
}

func dayOf(t operate.Tally) day {
	return day{Failed: t.Failed, Recovered: t.Recovered, GivenUp: t.GivenUp}
}

// Rate is how many of the lineages that came to an end recovered, in percent; -1 for none.
func (d day) Rate() int {
	ended := d.Recovered + d.GivenUp
	if ended == 0 {
		return -1
	}
	return 100 * d.Recovered / ended
}

// Others are the failures of the day that were neither mended nor given up on it: their
// lineages went on.
func (d day) Others() int { return max(0, d.Failed-d.Recovered-d.GivenUp) }

// weekOf adds up the days of dataflows.
func weekOf(now time.Time, flows ...operate.FlowState) week {
	var w week
	for i := range w.Days {
		w.Days[i].Date = now.UTC().AddDate(0, 0, i-weekDays+1)
	}
	for _, f := range flows {
		for i := range w.Days {
			w.Days[i].add(f.ByDay[w.Days[i].Date.Format(time.DateOnly)])
		}
		w.Total.add(f.Tally)
	}
	return w
}

func (d *day) add(t operate.Tally) {
	d.Failed, d.Recovered, d.GivenUp = d.Failed+t.Failed, d.Recovered+t.Recovered, d.GivenUp+t.GivenUp
}

// flows are the dataflows of the week by name. more means that there is more than was read.
func (p *pages) flows(ctx context.Context) (flows []flow, more bool, err error) {
	report, err := operate.ListFlows(ctx, p.operator, "", weekDays)
	if err != nil {
		return nil, false, err
	}
	for _, f := range report.Flows {
		flows = append(flows, flow{FlowState: f, Week: weekOf(p.operator.Now(), f)})
	}
	slices.SortStableFunc(flows, func(a, b flow) int {
		return cmp.Compare(strings.ToLower(a.Title()), strings.ToLower(b.Title()))
	})
	return flows, report.More, nil
}

// waiting are the runs of which something is still to come, those first that are due first.
func (p *pages) waiting(ctx context.Context) (operate.Runs, error) {
	runs, err := operate.WaitingRuns(ctx, p.operator, operate.Filter{})
	slices.SortStableFunc(runs.Runs, func(a, b operate.Run) int {
		return cmp.Or(a.Until.Compare(b.Until), a.FirstSeen.Compare(b.FirstSeen))
	})
	return runs, err
}

// stateOfRun is the state of a run as the pages write it.
func stateOfRun(r operate.Run) state { return stateOf(ledger.State(r.State)) }
