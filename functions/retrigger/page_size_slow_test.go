//go:build slow

package main

import (
	"fmt"
	"net/http"
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
				if n, letters := len(w.sent()), len(w.AWS.Messages(w.DeadLetterQueue)); n != runs-2 || letters != 2 {
					t.Errorf("%d re-triggers and %d dead letters, want %d and 2", n, letters, runs-2)
				}
			})
		})
	}
}

// TestLostCallIsFoundWhenATokenFitsOnePageSizeOnly: The new run is on the second page of
// the dataflow's runs. That page is too large in the first page's size, or the other way
// round.
func TestLostCallIsFoundWhenATokenFitsOnePageSizeOnly(t *testing.T) {
	t.Parallel()
	for name, large := range map[string]func(i int) bool{
		"pages that shrink": func(i int) bool { return i < 60 },
		"pages that grow":   func(i int) bool { return i >= 60 },
		"one run a page":    func(i int) bool { return i%2 == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				tokensForOneSize(w)
				run := w.Fail("f")
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable, AfterEffect: true})
				w.Told(run)
				w.Poll(w.Start(-1, false))
				pass(time.Second)
				for i := range 150 {
					newer := flowsim.Run{ID: fmt.Sprint("newer-", i), FlowID: "f", Status: flowsim.Success, CompletedAt: time.Now()}
					if large(i) {
						newer.Document = func(d map[string]any) { d["padding"] = strings.Repeat("x", 100_000) }
					}
					w.Adobe.AddRun(newer)
				}
				w.Drain(time.Hour)
				if ends := w.Logs.Ends(run); len(ends) != 1 || ends[0].Reason != "reconciled" || w.Adobe.Retriggers(run) != 1 {
					t.Errorf("the run ended so: %+v, after %d re-triggers", ends, w.Adobe.Retriggers(run))
				}
			})
		})
	}
}

// TestSweepWithoutProgressIsGivenUp: Adobe takes no continuation token, every other page
// times out, and all runs were created at once. So a listing that begins again gets no
// further.
func TestSweepWithoutProgressIsGivenUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		calls := 0
		w.runsCalls(func(answer http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("orderby") == "-createdAt" { // in search of a retry by hand
				return true
			}
			calls++
			switch {
			case r.URL.Query().Has("continuationToken"):
				refuseToken(answer)
			case calls%2 == 1:
				http.Error(answer, "", http.StatusGatewayTimeout)
			default:
				return true
			}
			return false
		})
		at := time.Now().Add(-time.Hour)
		for i := range 150 {
			w.Adobe.AddRun(flowsim.Run{ID: fmt.Sprint("run-", i), FlowID: "f", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at})
		}
		w.Send(onlySweep)
		w.Drain(24 * time.Hour)
		if last := w.lastSweep(); last.State != string(sweep.Finished) || last.Failures != 1 || calls > 60 {
			t.Errorf("after %d calls the sweep ended so: %+v", calls, last)
		}
	})
}
