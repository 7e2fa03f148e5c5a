//go:build slow

package main

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestOverlappingSweepsAndEventsRetryEachRunOnce: Two sweeps run at once, with the events
// of some of the same runs, and a sweep comes after that. TestInvariantsHoldInRandomHistories has the same
// with crashes.
func TestOverlappingSweepsAndEventsRetryEachRunOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(250, 5)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { w.sweep(`{"sweep":{"sandbox":"prod"}}`) })
		}
		for i, id := range ids {
			if i%3 == 0 {
				w.Told(id)
			}
		}
		group.Go(func() { w.Poll(w.Start(-1, false)) })
		group.Wait()
		w.Drain(time.Hour)
		w.sweep(`{"sweep":{}}`)
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

func TestSweepWithoutFailedRunsRequestsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		r := w.sweep(bareSchedule)
		if r.State != sweep.Finished || r.Pages != 2 || r.Seen != 0 || r.Until.Sub(r.Since) != 24*time.Hour+2*time.Minute { // a page of each org
			t.Errorf("the report is %+v", r)
		}
		if n := len(w.AWS.Messages(w.Requests)); n != 0 {
			t.Errorf("%d messages are on the queue", n)
		}
	})
}

func TestSweepRequestsAMissedRunOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		pass(time.Minute)
		r := w.sweep(bareSchedule)
		if r.State != sweep.Finished || r.Seen != 1 || r.Failed != 1 || r.Requested != 1 || len(r.Skipped) != 0 {
			t.Errorf("the report is %+v", r)
		}
		if e := w.Entry(id); e["state"] != "deferred" || !strings.HasPrefix(e["reason"], "sweep schedule-") {
			t.Errorf("its entry is %v", e)
		}
		again := w.sweep(bareSchedule) // the schedule delivers its event twice
		r.Repeated = true
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("the second delivery (-want +got):\n%s", diff)
		}
		if r := w.sweep(`{"sweep":{}}`); r.Skipped[sweep.Waiting] != 1 || r.Requested != 0 {
			t.Errorf("the report of another sweep is %+v", r)
		}
		w.Told(id) // its event comes late
		w.Drain(time.Hour)
		w.wantOnce(t, []string{id})
		if r := w.sweep(`{"sweep":{}}`); r.Skipped[sweep.Superseded] != 1 || r.Requested != 0 {
			t.Errorf("the report of a sweep after the retry is %+v", r)
		}
	})
}

// TestSweepCoversTheNamedOrConfiguredSandboxes: A sweep covers the sandboxes that it
// names, or else the configured ones, in every org.
func TestSweepCoversTheNamedOrConfiguredSandboxes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var ids []string
		for _, org := range []string{worldOrg, worldOther} {
			for _, sandbox := range []string{"prod", "dev"} {
				flow := sandbox + "-of-" + org[:1]
				w.Adobe.AddFlow(flowsim.Flow{ID: flow, Name: flow, OrgID: org, Sandbox: sandbox})
				ids = append(ids, w.Fail(flow))
			}
		}
		pass(time.Minute)
		for payload, want := range map[string]int{
			`{"sweep":{"dryRun":true}}`:                                      2, // the secrets name prod
			`{"sweep":{"dryRun":true,"sandbox":["dev","prod"]}}`:             4,
			`{"sweep":{"dryRun":true,"sandbox":"dev","orgId":"W@AdobeOrg"}}`: 1,
		} {
			if r := w.sweep(payload); r.Requested != want || len(r.Runs) != want {
				t.Errorf("%s: the report is %+v", payload, r)
			}
		}
		w.Config.SweepSandboxes = []string{"prod", "dev"}
		if r := w.sweep(bareSchedule); r.Requested != 4 || r.Pages != 4 {
			t.Errorf("the report is %+v", r)
		}
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestWaitingOrgDoesNotDelayTheSweepOfOthers: Each org has its own place in a sweep.
func TestWaitingOrgDoesNotDelayTheSweepOfOthers(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]func(*world){
		"paused": func(w *world) { w.pausing("pause", `"orgId":"`+worldOrg+`"`) },
		"throttled": func(w *world) {
			answering(w, http.StatusTooManyRequests, http.Header{"Retry-After": {"600"}}, "", listsRuns)
		},
		"ahead of its pace": func(w *world) { w.backlog(2000, 200) },
		"without a secret":  func(w *world) { w.AWS.PutSecret("secret-W", "no credential") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 1200
				w.Flow("other", worldOther)
				hinder(w)
				id := w.Fail("other")
				pass(time.Minute)
				if r := w.sweep(bareSchedule); r.State != sweep.Continues {
					t.Errorf("the report is %+v", r)
				}
				for end := time.Now().Add(15 * time.Minute); time.Now().Before(end); pass(10 * time.Second) {
					w.Poll(w.Start(-1, false))
				}
				w.wantOnce(t, []string{id})
				sweeps := 0
				for _, m := range w.AWS.Messages(w.Requests) {
					if strings.Contains(m.Body, `"sweep"`) {
						sweeps++
					}
				}
				if sweeps != 1 {
					t.Errorf("%d messages of the sweep are on the queue, want one for the rest", sweeps)
				}
			})
		})
	}
}
