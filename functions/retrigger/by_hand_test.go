package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestRunRequestedWhileItRunsIsRetriedAfterItFails: A request by hand for a run in
// progress is skipped. When the run has failed, its event is retried.
func TestRunRequestedWhileItRunsIsRetriedAfterItFails(t *testing.T) {
	t.Parallel()
	for _, of := range []string{"the schedule's", "a lineage's"} {
		t.Run(of, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				p := w.Start(-1, false)
				w.failing(1)
				run := "running"
				if of == "the schedule's" {
					w.Adobe.AddRun(flowsim.Run{ID: run, FlowID: "f", Status: flowsim.InProgress, CreatedClient: "acp_ui_platform"})
				} else {
					root := w.Fail("f")
					w.Told(root)
					w.Poll(p)
					run = w.Adobe.MadeOf(root)
				}
				w.Send(`{"runId":"` + run + `","orgId":"` + worldOrg + `"}`)
				w.Poll(p)
				w.Drain(24 * time.Hour)
				want := []string{"skipped run_in_progress", "retriggered"}
				if diff := cmp.Diff(want, w.outcomesOf(run)); diff != "" || w.Adobe.Retriggers(run) != 1 {
					t.Errorf("%d re-triggers; outcomes (-want +got):\n%s", w.Adobe.Retriggers(run), diff)
				}
			})
		})
	}
}

// TestRequestWithAWrongDataflowUsesTheDataflowOfTheRun: The function takes the dataflow
// that Adobe names for the run, also after the request has waited for the end of a pause.
// So it finds the run that a lost call has made.
func TestRequestWithAWrongDataflowUsesTheDataflowOfTheRun(t *testing.T) {
	t.Parallel()
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprintf("waits %t", waits), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
				root := w.Fail("f")
				if waits {
					w.pausing("pause", "")
				}
				w.Send(`{"runId":"` + root + `","flowId":"typo","orgId":"` + worldOrg + `"}`)
				if waits {
					w.Drain(time.Minute)
					w.pausing("resume", "")
				}
				w.Drain(24 * time.Hour)
				if n, e := len(w.sent()), w.Entry(root); n != 1 || w.Adobe.Retriggers(root) != 1 || e["flowId"] != "f" {
					t.Errorf("%d re-triggers; the entry is %v", n, e)
				}
			})
		})
	}
}

// TestRequestWithAWrongSandboxDoesNotBlockTheEvent: A request by hand names a wrong
// sandbox and becomes a dead letter, or waits. The event of the same run is retried all
// the same.
func TestRequestWithAWrongSandboxDoesNotBlockTheEvent(t *testing.T) {
	t.Parallel()
	for _, waiting := range []string{"nothing", "the request", "the event"} {
		t.Run(waiting+" waits", func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				root := w.Fail("f")
				p := w.Start(-1, false)
				switch waiting {
				case "the request":
					w.pausing("pause", "")
				case "the event":
					w.Config.RetryDelays = []time.Duration{10 * time.Minute}
					w.Told(root)
					w.Poll(w.Start(-1, false))
				}
				w.Send(`{"runId":"` + root + `","sandbox":"dev","orgId":"` + worldOrg + `"}`)
				w.Poll(p)
				switch waiting {
				case "the request":
					w.pausing("resume", "")
					pass(time.Minute)
					w.Told(root)
				case "nothing":
					w.Told(root)
				}
				w.Drain(24 * time.Hour)
				if w.Adobe.Retriggers(root) != 1 || w.Entry(root)["state"] != "retriggered" || w.Entry(root)["sandbox"] != worldSandbox {
					t.Errorf("%d re-triggers; entry %v; outcomes %v", w.Adobe.Retriggers(root), w.Entry(root), w.Logs.Outcomes())
				}
				// A second event is a duplicate.
				w.Told(root)
				w.Drain(time.Hour)
				if w.Adobe.Retriggers(root) != 1 {
					t.Errorf("%d re-triggers", w.Adobe.Retriggers(root))
				}
			})
		})
	}
}

// TestDuplicateRequestWaitsAndIsAnsweredWithTheNewRun: Two requests by hand for one run
// reach one process. The second waits for the first and is answered with the same new
// run.
func TestDuplicateRequestWaitsAndIsAnsweredWithTheNewRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		slowly(w, 5*time.Second)
		root := w.Fail("f")
		byHand := `{"runId":"` + root + `","orgId":"` + worldOrg + `"}`
		p := w.Start(-1, false)
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.invoke(p, byHand)
		}()
		pass(time.Second)
		r := w.invoke(p, byHand).Results[0]
		if r.Outcome != "retriggered" || r.Reason != "duplicate" || r.NewRunID != w.Adobe.MadeOf(root) {
			t.Errorf("%+v", r)
		}
		<-done
	})
}

// TestDuplicateRequestForAPurgedRunIsAnsweredFromTheLedger: Adobe no longer has the run,
// but the ledger knows that it was re-triggered. A dry run says the same.
func TestDuplicateRequestForAPurgedRunIsAnsweredFromTheLedger(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.Told(root)
		w.Drain(time.Hour)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRun, Status: http.StatusNotFound, Times: 10, Body: `{}`})
		w.Send(`{"runId":"` + root + `","orgId":"` + worldOrg + `"}`)
		w.Drain(time.Hour)
		if diff := cmp.Diff([]string{"retriggered", "retriggered duplicate"}, w.outcomesOf(root)); diff != "" || len(w.reasons()) > 0 {
			t.Errorf("letters %v; outcomes (-want +got):\n%s", w.reasons(), diff)
		}
		dry := w.invoke(w.Start(-1, false), `{"runId":"`+root+`","orgId":"`+worldOrg+`","dryRun":true}`).Results[0]
		if dry.Outcome != "skipped" || dry.Reason != "dry_run" || !strings.Contains(dry.Message, "retriggered (duplicate)") {
			t.Errorf("the dry run says %+v", dry)
		}
	})
}

// TestDryRunOfAMissingRunWritesNothing: A dry run for a run that does not exist writes
// neither a dead letter nor a ledger entry.
func TestDryRunOfAMissingRunWritesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		r := w.invoke(w.Start(-1, false), `{"runId":"no-such-run","orgId":"`+worldOrg+`","dryRun":true}`).Results[0]
		if r.Outcome != "skipped" || r.Reason != "dry_run" || !strings.Contains(r.Message, "run_not_found") {
			t.Errorf("%+v", r)
		}
		if n, e := len(w.AWS.Messages(w.DeadLetterQueue)), w.Entry("no-such-run"); n != 0 || e != nil {
			t.Errorf("%d letters; the entry is %v", n, e)
		}
	})
}
