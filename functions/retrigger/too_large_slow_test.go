//go:build slow

package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestTooLargeRunDoesNotStopASweep: Two of twelve failed runs are above the answer's
// limit, the first and one in the middle. The others are retried, and each of the two
// becomes one dead letter that says so.
func TestTooLargeRunDoesNotStopASweep(t *testing.T) {
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
		// A size that works is looked for anew after each of the two. One call more is in search
		// of a retry by hand.
		if n := w.Adobe.Count(flowsim.OpRuns); n > 26 {
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
		letters := w.AWS.Messages(w.DeadLetterQueue)
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

// TestSweepSaysThatItCannotExcludeATooLargeRun: Flow Service refuses the filter on ids.
func TestSweepSaysThatItCannotExcludeATooLargeRun(t *testing.T) {
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

// TestLostCallIsFoundBesideATooLargeRun: The search links the new run, also if a newer
// run can't be listed.
func TestLostCallIsFoundBesideATooLargeRun(t *testing.T) {
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

// TestLostCallWhoseRunMayBeTooLargeIsNotSentAgain: The run that can't be read may be the
// one that the lost call made.
func TestLostCallWhoseRunMayBeTooLargeIsNotSentAgain(t *testing.T) {
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

// TestTooLargeRunIsSentAgainAfterALostCall: The failed run itself can't be read, and
// there is no other run. Where Flow Service can't leave it out of the list, another run
// may be behind it, and nothing is sent.
func TestTooLargeRunIsSentAgainAfterALostCall(t *testing.T) {
	t.Parallel()
	for _, filters := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) { tooLargeItself(t, w, filters) })
	}
}

// TestSweepListsLargePagesAgainAfterALargeRun: The first of 151 runs just fits into an
// answer by itself.
func TestSweepListsLargePagesAgainAfterALargeRun(t *testing.T) {
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

// TestSweepListsATooLargePageInParts: The function asks for a page above the answer's
// limit in parts. The next parts begin with the size that worked.
func TestSweepListsATooLargePageInParts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		at := time.Now().Add(-time.Hour)
		padding := strings.Repeat("x", 230_000)
		const runs = 40 // 9.2 MB
		for i := range runs {
			w.Adobe.AddRun(flowsim.Run{
				ID: "huge-" + string(rune('a'+i%26)) + string(rune('a'+i/26)), FlowID: "f", Status: flowsim.Failed, CreatedAt: at.Add(time.Duration(i) * time.Second), CompletedAt: at.Add(time.Hour / 2),
				Document: func(d map[string]any) { d["padding"] = padding },
			})
		}
		report := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`)
		if report.Seen != runs || len(report.Failures) != 0 {
			t.Errorf("the report is %+v", report)
		}
		// 100 and 50 are too many; 25, and the rest. One call more is in search of a retry by hand.
		if n := w.Adobe.Count(flowsim.OpRuns); n != 5 {
			t.Errorf("%d calls, want 5", n)
		}
	})
}

// TestPageThatTakesTooLongIsAskedForInSmallerParts: Flow Service's gateway times out for
// more than thirty runs at once.
func TestPageThatTakesTooLongIsAskedForInSmallerParts(t *testing.T) {
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
		if letters := w.AWS.Messages(w.DeadLetterQueue); len(letters) != 0 || len(w.sent()) != runs {
			t.Errorf("%d runs were re-triggered, and there are %d dead letters", len(w.sent()), len(letters))
		}
	})
}

// TestTooLargeRunIsNamedInItsDeadLetter: A request by hand for a run above the answer's
// limit becomes a dead letter that says so, and is not tried again.
func TestTooLargeRunIsNamedInItsDeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "f", Status: flowsim.Failed, Document: func(d map[string]any) { d["padding"] = strings.Repeat("x", 9<<20) }})
		w.Send(`{"runId":"huge","orgId":"` + worldOrg + `"}`)
		w.Poll(w.Start(-1, false))
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if text := fmt.Sprintf("%+v", letters); len(letters) != 1 || !strings.Contains(text, "answer too large: the answer is longer than 8 MiB") {
			t.Errorf("%d dead letters: %s", len(letters), text)
		}
		if n := w.Adobe.Count(flowsim.OpRun); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}
