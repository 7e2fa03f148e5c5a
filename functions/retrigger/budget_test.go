package main

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

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
