package handler

import (
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

func TestEveryResultOfAnInvocationIsAddedUpOnce(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.poll(t, sent{body: request("good-1")}, sent{body: `{"requests":[` + request("good-2") + `,` + request("throttled-1") + `]}`}, sent{body: `noise`})
	if f.engine.addedUp != 4 {
		t.Errorf("%d results are added up, want 4", f.engine.addedUp)
	}
	if _, err := f.direct(t, request("good-3")); err != nil || f.engine.addedUp != 5 {
		t.Errorf("%d results are added up, want 5; %v", f.engine.addedUp, err)
	}
}

func TestASuccessThatASweepHasFoundIsLoggedAndCountedAsRecovered(t *testing.T) {
	t.Parallel()
	f := newFunction()
	found := retry.Result{RunID: "b", Root: "a", Outcome: retry.Skipped, Reason: retry.RunSucceeded, Recovered: true, RecoveredAfter: 90 * time.Second}
	f.sweeper.result = sweep.Result{Report: sweep.Report{State: sweep.Finished}, Ends: []retry.Result{found, {RunID: "c", Outcome: retry.Skipped, Reason: retry.RunSucceeded, Recovered: true}}}
	if _, err := f.direct(t, `{"sweep":{}}`); err != nil {
		t.Fatal(err)
	}
	m := f.metrics(t)
	if values, _ := m[RecoveryMinutes].([]any); m[Recovered] != 2.0 || len(values) != 1 || values[0] != 1.5 || m["skipped"] != nil {
		t.Errorf("the metrics are %v", m)
	}
	if log := f.log(); !strings.Contains(log, `"runId":"b"`) || !strings.Contains(log, `"recoveryMinutes":1.5`) || f.engine.addedUp != 0 {
		t.Errorf("%d results are added up; the log is %s", f.engine.addedUp, log)
	}
}
