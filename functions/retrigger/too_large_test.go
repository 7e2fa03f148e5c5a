package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// tooLarge makes a run's document larger than an answer may be. The id comes before what
// is large, as in Adobe's samples.
func tooLarge(document map[string]any) { document["padding"] = strings.Repeat("x", 8200<<10) }

// TestARunThatIsTooLargeKeepsNoOtherFromASweep: of twelve failed runs two are above
// the answer's limit, the first and one in the middle. The others are retried, and the two are
// dead letters that say so, once.
func TestARunThatIsTooLargeKeepsNoOtherFromASweep(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		at := time.Now().Add(-time.Hour)
		const runs = 12
		huge := map[string]bool{"run-00": true, "run-06": true}
		for i := range runs {
			run := flowsim.Run{ID: fmt.Sprintf("run-%02d", i), FlowID: "f", Status: flowsim.Failed, CreatedAt: at.Add(time.Duration(i) * time.Second), CompletedAt: at.Add(time.Hour / 2)}
			if huge[run.ID] {
				run.Document = tooLarge
			}
			w.Adobe.AddRun(run)
		}
		w.Config.FlowBudget, w.Config.OrgBudget = 0, 0
		report := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		if report.State != sweep.Finished || len(report.Failures) != 0 || report.Failed != runs || report.Requested != runs {
			t.Fatalf("the report is %+v", report)
		}
		// A size that works is looked for anew after each of the two.
		if n := w.Adobe.Count(flowsim.OpRuns); n > 25 {
			t.Errorf("%d listings", n)
		}
		w.Drain(48 * time.Hour)
		report = w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","since":"72h","dryRun":true}}`)
		if report.State != sweep.Finished || report.Requested != 0 || report.Skipped["run_too_large"] != len(huge) || report.Skipped[sweep.Superseded] != runs-len(huge) {
			t.Errorf("the second report is %+v", report)
		}
		for i := range runs {
			id, want := fmt.Sprintf("run-%02d", i), 1
			if huge[id] {
				want = 0
			}
			if n := w.Adobe.Retriggers(id); n != want {
				t.Errorf("%s was re-triggered %d times, want %d", id, n, want)
			}
		}
		letters := w.AWS.Messages(w.Letters)
		for _, letter := range letters {
			if id, reason := letter.Attributes[deadletter.AttributeRunID].StringValue, letter.Attributes[deadletter.AttributeReason].StringValue; !huge[id] || reason != "run_too_large" {
				t.Errorf("a dead letter of run %s: %s", id, reason)
			}
		}
		if len(letters) != len(huge) {
			t.Errorf("%d dead letters, want %d", len(letters), len(huge))
		}
	})
}

// TestASweepThatCannotLeaveARunOutSaysSo: Flow Service refuses the filter on ids.
func TestASweepThatCannotLeaveARunOutSaysSo(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.RawQuery, "id%21%3D") {
				http.Error(rw, `{"errorCode":"1449-400","message":"The property id is not valid"}`, http.StatusBadRequest)
				return
			}
			w.Adobe.ServeHTTP(rw, r)
		})
		w.Adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "f", Status: flowsim.Failed, CompletedAt: time.Now(), Document: tooLarge})
		pass(time.Minute)
		report := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","flowId":"f"}}`)
		if report.Requested != 1 || len(report.Failures) != 1 || !strings.Contains(report.Failures[0].Message, "1449-400") {
			t.Errorf("the report is %+v", report)
		}
	})
}

// TestALostReTriggerIsLookedForBesideARunThatIsTooLarge: the run that it made is adopted,
// also if a newer one can't be listed.
func TestALostReTriggerIsLookedForBesideARunThatIsTooLarge(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		run := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable, AfterEffect: true})
		w.Told(run)
		w.Poll(w.Start(-1, false))
		pass(time.Second)
		w.Adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "f", Status: flowsim.Success, CompletedAt: time.Now(), Document: tooLarge})
		w.Drain(time.Hour)
		if ends := w.Logs.Ends(run); len(ends) != 1 || ends[0].Reason != "reconciled" || w.Adobe.Retriggers(run) != 1 {
			t.Errorf("the run ended so: %+v\n%s", ends, w)
		}
	})
}

// TestALostReTriggerWhoseRunMayBeTooLargeIsNotSentAgain: the run that can't be read may be
// the one that the re-trigger made.
func TestALostReTriggerWhoseRunMayBeTooLargeIsNotSentAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		run := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable})
		w.Told(run)
		w.Poll(w.Start(-1, false))
		w.Adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "f", Status: flowsim.Success, CreatedClient: "client-W", CompletedAt: time.Now(), Document: tooLarge})
		w.Drain(24 * time.Hour)
		ends := w.Logs.Ends(run)
		if len(ends) != 1 || ends[0].Outcome != "dead_lettered" || ends[0].Reason != "outcome_unknown" || !strings.Contains(ends[0].Detail, `"huge"`) {
			t.Errorf("the run ended so: %+v", ends)
		}
		if n := w.Adobe.Count(flowsim.OpRetrigger); n != 1 {
			t.Errorf("%d re-triggers were sent, want 1", n)
		}
	})
}

// TestARunThatIsTooLargeItselfIsSentAgainAfterALostReTrigger: the run that can't be read is
// the failed one, and no other is there. Where Flow Service does not leave it out of the
// list, another may be behind it, and nothing is sent.
func TestARunThatIsTooLargeItselfIsSentAgainAfterALostReTrigger(t *testing.T) {
	t.Parallel()
	for _, filters := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) { tooLargeItself(t, w, filters) })
	}
}

func tooLargeItself(t *testing.T, w *world, filters bool) {
	t.Helper()
	if !filters {
		w.AdobeHandler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			query := r.URL.Query()
			query["property"] = slices.DeleteFunc(query["property"], func(p string) bool { return strings.HasPrefix(p, "id!=") })
			r.URL.RawQuery = query.Encode()
			w.Adobe.ServeHTTP(rw, r)
		})
	}
	now := time.Now()
	w.Adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "f", Status: flowsim.Failed, CreatedAt: now.Add(-time.Minute), CompletedAt: now, Document: tooLarge})
	event := `{"event_id":"e","event":{"id":"huge","flowId":"f","imsOrgId":"` + worldOrg + `","sandboxName":"prod","metrics":{"statusSummary":{"status":"failed"}}}}`
	w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable})
	w.Send(event)
	w.Drain(time.Hour)
	outcome, calls := "retriggered", 2
	if !filters {
		outcome, calls = "dead_lettered", 1
	}
	if ends := w.Logs.Ends("huge"); len(ends) != 1 || ends[0].Outcome != outcome || w.Adobe.Count(flowsim.OpRetrigger) != calls {
		t.Errorf("filters are taken: %t; the run ended so: %+v", filters, ends)
	}
}

// TestALargeRunDoesNotMakeASweepListOneRunAtATime: of 151 runs the first just fits into an
// answer, by itself.
func TestALargeRunDoesNotMakeASweepListOneRunAtATime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		at := time.Now().Add(-time.Hour)
		const runs = 151
		for i := range runs {
			run := flowsim.Run{ID: fmt.Sprintf("run-%03d", i), FlowID: "f", Status: flowsim.Failed, CreatedAt: at.Add(time.Duration(i) * time.Second), CompletedAt: at.Add(time.Hour / 2)}
			if i == 0 {
				run.Document = func(document map[string]any) { document["padding"] = strings.Repeat("x", 8190<<10) }
			}
			w.Adobe.AddRun(run)
		}
		report := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`)
		if n := w.Adobe.Count(flowsim.OpRuns); n > 20 || report.State != sweep.Finished || report.Failed != runs {
			t.Errorf("%d listings, and the report is %+v", n, report.Counts)
		}
	})
}

// TestAPageThatTakesTooLongIsAskedForInSmallerParts: Flow Service's gateway times out for
// more than thirty runs at once.
func TestAPageThatTakesTooLongIsAskedForInSmallerParts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if limit, _ := strconv.Atoi(r.URL.Query().Get("limit")); limit > 30 && strings.HasSuffix(r.URL.Path, "/runs") {
				http.Error(rw, "", http.StatusGatewayTimeout)
				return
			}
			w.Adobe.ServeHTTP(rw, r)
		})
		w.Config.FlowBudget, w.Config.OrgBudget = 0, 0
		const runs = 70
		for i := range runs {
			w.Adobe.AddRun(flowsim.Run{ID: fmt.Sprint("run-", i), FlowID: "f", Status: flowsim.Failed, CompletedAt: time.Now()})
			pass(time.Second)
		}
		w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(24 * time.Hour)
		if letters := w.AWS.Messages(w.Letters); len(letters) != 0 || len(w.sent()) != runs {
			t.Errorf("%d runs were re-triggered, and there are %d dead letters", len(w.sent()), len(letters))
		}
	})
}
