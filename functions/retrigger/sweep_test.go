package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

const bareSchedule = `{"version":"0","id":"9d1de2a0","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-23T07:00:00Z","detail":{}}`

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
