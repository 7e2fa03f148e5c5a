//go:build slow

package main

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestBudgetSendsTheOldestRunFirst: 60 dataflows fail within half an hour, and a budget of 20
// an hour lets them go. The run that has waited longest goes first, and none is left behind.
func TestBudgetSendsTheOldestRunFirst(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		const runs, budget = 60, 20
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, budget
		var ids []string
		for i := range runs {
			flow := fmt.Sprint("p", i)
			w.Flow(flow, worldOrg)
			ids = append(ids, w.Fail(flow))
			w.Told(ids[i])
			w.Drain(10 * time.Second)
			pass(10 * time.Second)
		}
		failed := time.Now()
		w.Drain(24 * time.Hour)
		w.wantOnce(t, ids)
		calls := w.sent()
		for place, c := range calls {
			if first := slices.Index(ids, c.RunID); place < first-10 || place > first+10 {
				t.Errorf("run %d was the %dth to go", first, place)
			}
		}
		if took := calls[len(calls)-1].At.Sub(failed); took > (runs/budget+2)*time.Hour {
			t.Errorf("it took %s", took)
		}
	})
}

// TestRetriggersStayWithinTheBudget: A dataflow and an org have no more re-triggers in an
// hour than their budgets allow. A call that Adobe answers with 429 does not count.
func TestRetriggersStayWithinTheBudget(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		flow, org, flows, limit int
	}{
		"a dataflow's": {flow: 5, flows: 1, limit: 5},
		"an org's":     {org: 8, flows: 12, limit: 8},
		"both":         {flow: 3, org: 5, flows: 3, limit: 5},
		"in shards":    {org: 96, flows: 200, limit: 96},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.BudgetWindow, w.Config.FlowBudget, w.Config.OrgBudget = time.Hour, tt.flow, tt.org
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: 3, Status: http.StatusTooManyRequests}) // what has no effect does not count
				ids := w.backlog(max(24, tt.flows), tt.flows)
				w.tellAll(ids)
				began := time.Now()
				w.Drain(48 * time.Hour)
				w.wantOnce(t, ids)
				most := 0
				for hour := range 48 {
					n := 0
					flows := map[string]int{}
					for _, r := range w.Adobe.Runs() {
						if r.Of != "" && !r.CreatedAt.Before(began.Add(time.Duration(hour)*time.Hour)) && r.CreatedAt.Before(began.Add(time.Duration(hour+1)*time.Hour)) {
							n++
							flows[r.FlowID]++
							if tt.flow > 0 && flows[r.FlowID] > tt.flow {
								t.Errorf("dataflow %s had more than %d re-triggers in hour %d", r.FlowID, tt.flow, hour)
							}
						}
					}
					most = max(most, n)
				}
				if most > tt.limit || most < tt.limit*2/3 {
					t.Errorf("at most %d re-triggers in an hour, want up to %d", most, tt.limit)
				}
				if !slices.ContainsFunc(w.Logs.Outcomes(), func(r record) bool { return r.Outcome == "deferred" && r.Reason == "budget_spent" }) {
					t.Error("no request waited for the budget")
				}
				if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
					t.Errorf("there are %d dead letters", n)
				}
			})
		})
	}
}
