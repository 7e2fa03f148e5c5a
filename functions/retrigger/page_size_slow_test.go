//go:build slow

package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestFilteredSweepReportsTooLargeRuns: Flow Service does not tell a too large run's
// dataflow or errors. A sweep of two dataflows requests the run, since Flow Service's
// filter has selected it. A sweep of some codes names the run in its report.
func TestFilteredSweepReportsTooLargeRuns(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Flow("g", worldOrg)
		w.Adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "g", Status: flowsim.Failed, CompletedAt: time.Now(), Document: tooLarge})
		pass(time.Minute)
		report := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","code":"CONNECTOR-*"}}`)
		if report.Requested != 0 || len(report.Failures) != 1 || !strings.Contains(report.Failures[0].Message, "run huge is too large") {
			t.Errorf("the report of the sweep of codes is %+v", report)
		}
		report = w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","flowId":["f","g"]}}`)
		if report.Requested != 1 || len(report.Failures) != 0 {
			t.Errorf("the report of the sweep of dataflows is %+v", report)
		}
		w.Drain(time.Hour)
		if letter := w.letter(); letter.Attributes["reason"].StringValue != "run_too_large" || letter.Attributes["runId"].StringValue != "huge" {
			t.Errorf("the dead letter has %v", letter.Attributes)
		}
	})
}

// TestSweepEndsWhenATokenFitsOnePageSizeOnly: Half of the runs are large, and two are too
// large for any page. All failed in the same minute, so a listing that begins again lists
// the same runs again.
func TestSweepEndsWhenATokenFitsOnePageSizeOnly(t *testing.T) {
	t.Parallel()
	for _, largeFirst := range []bool{true, false} {
		t.Run(strconv.FormatBool(largeFirst), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				tokensForOneSize(w)
				w.Config.FlowBudget, w.Config.OrgBudget = 0, 0
				at := time.Now().Add(-time.Hour)
				const runs = 150
				for i := range runs {
					run := flowsim.Run{ID: fmt.Sprint("run-", i), FlowID: "f", Status: flowsim.Failed, CreatedAt: at.Add(time.Duration(i) * time.Second), CompletedAt: at.Add(time.Hour / 2)}
					switch {
					case i == 80, i == 120:
						run.Document = tooLarge
					case i%100 < 50 == largeFirst:
						run.Document = func(d map[string]any) { d["padding"] = strings.Repeat("x", 200_000) }
					}
					w.Adobe.AddRun(run)
				}
				w.Send(onlySweep)
				w.Drain(3 * time.Hour)
				if last := w.lastSweep(); last.State != string(sweep.Finished) || last.Failed != runs || last.Failures != 0 {
					t.Errorf("the sweep ended so: %+v", last)
				}
				if n, letters := len(w.sent()), len(w.AWS.Messages(w.Letters)); n != runs-2 || letters != 2 {
					t.Errorf("%d re-triggers and %d dead letters, want %d and 2", n, letters, runs-2)
				}
			})
		})
	}
}
