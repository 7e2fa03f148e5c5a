package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// week is what a week of an hourly dataflow comes to.
type week struct {
	failures, retriggers, extra, letters, lost int
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
		w.Config.BreakerThreshold = breaker
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

// count looks at what is there at the end.
func (r *week) count(w *world, failedAt map[string]time.Time) {
	runs := w.Adobe.Runs()
	r.failures, r.letters = len(failedAt), len(w.AWS.Messages(w.Letters))
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

// TestAWeek prints the table that is in docs/performance.md.
func TestAWeek(t *testing.T) {
	t.Parallel()
	quiet := func(*world) {}
	always := func(time.Duration, bool) bool { return true }
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // it must be the same each time
	// The source is not to be reached for a quarter of an hour, every eight hours, and
	// one run in ten fails besides.
	passing := func(now time.Duration, _ bool) bool {
		return now%(8*time.Hour) < 15*time.Minute || random.IntN(10) == 0
	}
	// Meanwhile Flow Service is unwell: each of its kinds of faults now and then.
	unwell := func(w *world) {
		if random.IntN(20) == 0 {
			w.Adobe.Heal()
			w.Adobe.Inject([]flowsim.Fault{
				{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable},
				{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "60"}},
				{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true},
				{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true},
				{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable},
				{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable},
			}[random.IntN(6)])
		}
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "an hourly dataflow, for a week\tfailed runs\tre-triggers\tof them extra\tdead letters\trecovered\tafter (median)\t(95 %)")
	for _, tt := range []struct {
		name                string
		breaker             int
		fails               func(time.Duration, bool) bool
		disturb             func(*world)
		retriggers, letters [2]int // at least, at most
	}{
		{"broken credentials of the source", 3, always, quiet, [2]int{27, 33}, [2]int{168, 168}},
		{"the same without a breaker", 0, always, quiet, [2]int{504, 504}, [2]int{168, 168}},
		{"passing network faults", 3, passing, quiet, [2]int{40, 130}, [2]int{0, 20}},
		{"passing network faults, and Flow Service unwell", 3, passing, unwell, [2]int{40, 140}, [2]int{0, 25}},
	} {
		r := aWeek(t, tt.breaker, tt.fails, tt.disturb)
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", tt.name, r.failures, r.retriggers, r.extra, r.letters, len(r.waits), r.percentile(50), r.percentile(95))
		if r.retriggers < tt.retriggers[0] || r.retriggers > tt.retriggers[1] {
			t.Errorf("%s: %d re-triggers, want from %d to %d", tt.name, r.retriggers, tt.retriggers[0], tt.retriggers[1])
		}
		if r.letters < tt.letters[0] || r.letters > tt.letters[1] {
			t.Errorf("%s: %d dead letters, want from %d to %d", tt.name, r.letters, tt.letters[0], tt.letters[1])
		}
		if r.lost > 0 || len(r.waits)+r.letters < r.failures {
			t.Errorf("%s: %d of %d failed runs are neither recovered nor dead-lettered", tt.name, r.lost, r.failures)
		}
	}
	_ = w.Flush()
	t.Logf("\n%s", table.String())
}
