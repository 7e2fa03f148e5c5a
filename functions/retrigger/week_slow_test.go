//go:build slow

package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestWeekOfAnHourlyDataflow prints the table that is in docs/performance.md.
func TestWeekOfAnHourlyDataflow(t *testing.T) {
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
	_, _ = fmt.Fprintln(w, "an hourly dataflow, for a week\tfailed runs\tre-triggers\tof them extra\tdead letters\tnotices\trecovered\tafter (median)\t(95 %)")
	for _, tt := range []struct {
		name                string
		breaker             int
		fails               func(time.Duration, bool) bool
		disturb             func(*world)
		retriggers, letters [2]int // at least, at most
		notices             int    // at most
	}{
		{"broken credentials of the source", 3, always, quiet, [2]int{27, 33}, [2]int{168, 168}, 5},
		{"the same without a breaker", 0, always, quiet, [2]int{504, 504}, [2]int{168, 168}, 5},
		{"passing network faults", 3, passing, quiet, [2]int{40, 130}, [2]int{0, 20}, 5},
		{"passing network faults, and Flow Service unwell", 3, passing, unwell, [2]int{40, 140}, [2]int{0, 25}, 5},
	} {
		r := aWeek(t, tt.breaker, tt.fails, tt.disturb)
		_, _ = fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", tt.name, r.failures, r.retriggers, r.extra, r.letters, r.notices, len(r.waits), r.percentile(50), r.percentile(95))
		if r.retriggers < tt.retriggers[0] || r.retriggers > tt.retriggers[1] {
			t.Errorf("%s: %d re-triggers, want from %d to %d", tt.name, r.retriggers, tt.retriggers[0], tt.retriggers[1])
		}
		if r.letters < tt.letters[0] || r.letters > tt.letters[1] {
			t.Errorf("%s: %d dead letters, want from %d to %d", tt.name, r.letters, tt.letters[0], tt.letters[1])
		}
		if r.notices > tt.notices {
			t.Errorf("%s: %d notices for %d failures, want at most %d", tt.name, r.notices, r.failures, tt.notices)
		}
		if r.lost > 0 || len(r.waits)+r.letters < r.failures {
			t.Errorf("%s: %d of %d failed runs are neither recovered nor dead-lettered", tt.name, r.lost, r.failures)
		}
	}
	_ = w.Flush()
	t.Logf("\n%s", table.String())
}
