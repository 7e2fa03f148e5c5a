package console

import (
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// Kinds of states and steps: the pages color them, beside the word.
const (
	kindBad   = "bad"   // failed, given up
	kindGood  = "good"  // succeeded
	kindWait  = "wait"  // waits
	kindGo    = "go"    // sent, running
	kindCalm  = "calm"  // nothing to do
	kindAhead = "ahead" // not yet
)

// story is what became of a lineage.
type story struct {
	Attempts []attempt
	// Points are the steps on the line, in the order of their times.
	Points []point
}

// attempt is one run of the lineage.
type attempt struct {
	Run operate.ExplainedRun
	// Number is the run's place in the lineage, from 1.
	Number int
	// This means that the page was asked for this run.
	This  bool
	State state
	Steps []step
}

// step is something that happened to a run.
type step struct {
	// Point is the number of the step's point on the line.
	Point int
	At    time.Time
	// Since is how long after the lineage's first failure it was.
	Since      time.Duration
	Word, Kind string
	// Decision is what was decided; nil for a failure.
	Decision *operate.Decision
	// Then is what was decided at once on a failure: to wait. It has no point of its own.
	Then *step
}

// point is a place on the line.
type point struct {
	Number     int
	At         time.Time
	Word, Kind string
	// Until says what happens until the next point: "waited" or "ran"; Ahead that the point
	// is yet to come.
	Until string
	Ahead bool
}

const (
	waited = "waited"
	ran    = "ran"
	// wordFailed is the word of a failure, which no state has.
	wordFailed = "failed"
	// foldTime is within how long of a failure the decision to wait is the same point.
	foldTime = 5 * time.Second
)

// newStory tells what became of the runs of a lineage, each parent before its children. asked
// is the run that the page was asked for.
func newStory(runs []operate.ExplainedRun, asked string, now time.Time) story {
	var s story
	for i := range runs {
		run := &runs[i]
		s.Attempts = append(s.Attempts, attempt{Run: *run, Number: i + 1, This: run.RunID == asked, State: stateOfRun(run.Run), Steps: stepsOf(run)})
	}
	s.number()
	if n := len(runs); n > 0 {
		s.goOn(&runs[n-1], now)
	}
	return s
}

// stepsOf are the steps of one run. A run that a re-trigger made begins with that re-trigger,
// which is its parent's step.
func stepsOf(run *operate.ExplainedRun) []step {
	var steps []step
	failed := func(at time.Time) { steps = append(steps, step{At: at, Word: wordFailed, Kind: kindBad}) }
	known := run.Parent == "" // the failure
	if known {
		failed(run.FirstSeen)
	}
	for i := range run.Decisions {
		d := &run.Decisions[i]
		outcome := ledger.State(d.Outcome)
		switch {
		case outcome == ledger.Made || outcome == ledger.NoEntry:
			continue
		case outcome == ledger.InFlight && i+1 < len(run.Decisions) && run.Decisions[i+1].Outcome == string(ledger.Retriggered):
			continue // the call and Adobe's answer are one step
		case !known && outcome != ledger.Succeeded:
			known = true
			failed(d.At)
		}
		s := stateOf(outcome)
		next := step{At: d.At, Word: s.Did, Kind: s.Kind, Decision: d}
		if n := len(steps); n > 0 && steps[n-1].Word == wordFailed && s.Kind == kindWait && steps[n-1].Then == nil && d.At.Sub(steps[n-1].At) < foldTime {
			steps[n-1].Then = &next
			continue
		}
		steps = append(steps, next)
	}
	return steps
}

// number puts the steps of all runs on the line.
func (s *story) number() {
	var all []*step
	for i := range s.Attempts {
		for j := range s.Attempts[i].Steps {
			all = append(all, &s.Attempts[i].Steps[j])
		}
	}
	slices.SortStableFunc(all, func(a, b *step) int { return a.At.Compare(b.At) })
	for _, st := range all {
		st.Since = st.At.Sub(all[0].At)
		s.Points = append(s.Points, point{Number: len(s.Points) + 1, At: st.At, Word: st.Word, Kind: st.Kind, Until: until(st)})
		st.Point = len(s.Points)
	}
}

// until says what the time after a step is spent with.
func until(s *step) string {
	switch {
	case s.Kind == kindGo:
		return ran
	case s.Kind == kindWait || s.Word == wordFailed:
		return waited
	}
	return ""
}

// goOn adds what is to come: when a run is due, or that its end is not known yet.
func (s *story) goOn(last *operate.ExplainedRun, now time.Time) {
	word, at := "", now
	switch ledger.State(last.State) {
	case ledger.Deferred, ledger.Searched:
		if word = "due now"; last.Until.After(now) {
			word, at = "due", last.Until
		}
	case ledger.Made:
		word = "no end yet"
	case ledger.Returned, ledger.InFlight, ledger.Unconfirmed, ledger.Reserved:
		word = "goes on"
	default:
		return
	}
	if n := len(s.Points); n > 0 && at.Before(s.Points[n-1].At) {
		at = s.Points[n-1].At
	}
	s.Points = append(s.Points, point{Number: len(s.Points) + 1, At: at, Word: word, Kind: kindAhead, Ahead: true})
}
