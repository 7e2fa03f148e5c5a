package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// week has the results of a week of an hourly dataflow.
type week struct {
	failures, retriggers, extra, letters, lost, notices int
	// waits are the times from a scheduled run's failure to the success of its
	// lineage.
	waits []time.Duration
}

// aWeek lets a dataflow run every hour for a week. fails says whether a run, made
// by the schedule or by a re-trigger, fails; disturb is called every minute.
func aWeek(t *testing.T, breaker int, fails func(now time.Duration, scheduled bool) bool, disturb func(w *world)) week {
	t.Helper()
	const (
		hours   = 7 * 24
		runTime = 5 * time.Minute // of a run that a re-trigger made
	)
	var result week
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 30*time.Second, 0)
		w.Config.BreakerThreshold, w.Config.NoticeBus = breaker, simulation.NoticeBus
		w.Flow("hourly", worldOrg)
		began := time.Now()
		failedAt := map[string]time.Time{}
		settleAt := map[string]time.Time{}
		p := w.Start(-1, false)
		for minute := range hours*60 + 24*60 {
			now := time.Since(began)
			if minute%60 == 0 && minute < hours*60 {
				switch {
				case fails(now, true):
					id := w.Fail("hourly")
					failedAt[id] = time.Now()
					w.Told(id)
				default:
					w.Adobe.AddRun(flowsim.Run{ID: fmt.Sprintf("good-%d", minute), FlowID: "hourly", Status: flowsim.Success, Records: 1, CreatedClient: "acp_ui_platform", CompletedAt: time.Now()})
				}
			}
			disturb(w)
			for next := w.Next(); !next.IsZero() && !next.After(time.Now()); next = w.Next() {
				w.Poll(p)
			}
			for _, r := range w.Adobe.Runs() {
				if r.Status == flowsim.InProgress && settleAt[r.ID].IsZero() {
					settleAt[r.ID] = time.Now().Add(runTime)
				}
				if r.Status != flowsim.InProgress || time.Now().Before(settleAt[r.ID]) {
					continue
				}
				if fails(now, false) {
					w.Adobe.End(r.ID, flowsim.Fail("CONNECTOR-1001-500", "Copying from the source failed"))
					w.Told(r.ID)
				} else {
					w.Adobe.End(r.ID, flowsim.Succeed())
				}
			}
			pass(time.Minute)
		}
		result.count(w, failedAt)
	})
	return result
}

// count counts the results at the end of the week.
func (r *week) count(w *world, failedAt map[string]time.Time) {
	runs := w.Adobe.Runs()
	r.failures, r.letters, r.notices = len(failedAt), len(w.AWS.Messages(w.DeadLetterQueue)), len(w.notices())
	for _, one := range w.Logs.All() {
		r.extra += one.Extra
	}
	letters := w.DeadLetters()
	for _, run := range runs {
		if run.Of != "" {
			r.retriggers++
		}
		if failed, ok := failedAt[run.ID]; ok {
			last := run
			for made := w.Adobe.MadeOf(last.ID); made != ""; made = w.Adobe.MadeOf(last.ID) {
				last = runs[slices.IndexFunc(runs, func(r flowsim.Run) bool { return r.ID == made })]
			}
			switch {
			case last.Status == flowsim.Success:
				r.waits = append(r.waits, last.CompletedAt.Add(-30*time.Second).Sub(failed))
			case letters[last.ID] == 0:
				r.lost++
			}
		}
	}
	slices.Sort(r.waits)
}

func (r *week) percentile(p int) string {
	if len(r.waits) == 0 {
		return "–"
	}
	return r.waits[(len(r.waits)-1)*p/100].Round(time.Minute).String()
}
