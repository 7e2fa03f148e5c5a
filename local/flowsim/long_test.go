package flowsim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestOldRunsAndCallsAreForgottenAndRunsInProgressAreNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := time.Now().Add(-2 * time.Hour)
	w.sim.AddRun(flowsim.Run{ID: "old", FlowID: "flow", Status: flowsim.Failed, CreatedAt: old, CompletedAt: old})
	w.sim.AddRun(flowsim.Run{ID: "long", FlowID: "flow", Status: flowsim.InProgress, CreatedAt: old})
	w.sim.AddRun(flowsim.Run{ID: "new", FlowID: "flow", Status: flowsim.Failed})
	flowsim.Forget(w.sim, time.Now().Add(-time.Hour))
	for id, want := range map[string]bool{"old": false, "long": true, "new": true} {
		if _, found := flowsim.Find(w.sim, id); found != want {
			t.Errorf("%s: found %t, want %t", id, found, want)
		}
	}
	if runs := flowsim.Ongoing(w.sim); len(runs) != 1 || runs[0].ID != "long" {
		t.Errorf("in progress: %v", runs)
	}
	w.sim.End("long", flowsim.Succeed())
	if runs := flowsim.Ongoing(w.sim); len(runs) != 0 {
		t.Errorf("in progress: %v", runs)
	}
	if status, _, _ := w.do(t, http.MethodGet, flowsim.FlowServicePath+"/runs?limit=100", "", w.headers(t)); status != http.StatusOK || len(w.sim.Calls()) == 0 {
		t.Errorf("status %d", status)
	}
	flowsim.Forget(w.sim, time.Now().Add(time.Hour))
	if n := len(w.sim.Calls()); n != 0 {
		t.Errorf("%d calls are left", n)
	}
}
