//go:build slow

package main

import (
	"fmt"
	"slices"
	"testing"
	"time"
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
