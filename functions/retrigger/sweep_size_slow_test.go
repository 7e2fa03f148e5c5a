//go:build slow

package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

// TestSweepHandlesTenThousandRuns: Most of the runs were dealt with before.
func TestSweepHandlesTenThousandRuns(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.SweepLimit = 500
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 72_000 // a request each 100 ms
		ids := w.backlog(10_000, 20)
		w.sweep(`{"sweep":{}}`)
		w.Drain(24 * time.Hour)
		if last := w.lastSweep(); last.State != "finished" || last.Requested != 500 || last.Seen != 600 || last.Skipped["over_limit"] != 100 {
			t.Errorf("the sweep with a limit: %+v", last)
		}
		w.wantOnce(t, ids[:500])
		w.Config.SweepLimit = 10_000
		r := w.sweep(`{"sweep":{"since":"48h"}}`)
		if r.State != sweep.Continues {
			t.Errorf("ten thousand requests are sent within one invocation: %+v", r)
		}
		most := 0
		p := w.Start(-1, false)
		for {
			waiting := w.AWS.Messages(w.Requests)
			if len(waiting) == 0 {
				break
			}
			most = max(most, len(waiting))
			if w.Poll(p) == 0 {
				pass(time.Until(w.Next()))
			}
			w.Adobe.Settle()
		}
		if last := w.lastSweep(); last.State != "finished" || last.Seen < 10_000 || last.Requested != 9_500 || last.Skipped["superseded"] != 500 {
			t.Errorf("the last record is %+v", last)
		}
		if most > 3_200 { // five minutes and a page or two
			t.Errorf("%d messages were on the queue at once", most)
		}
		w.wantOnce(t, ids)
	})
}

// TestProgressOfASweepFitsAnItemOfDynamoDB: An item may have 400 KB.
func TestProgressOfASweepFitsAnItemOfDynamoDB(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 500 {
			w.Config.SweepSandboxes = append(w.Config.SweepSandboxes, fmt.Sprintf("%s-%03d", strings.Repeat("s", 250), i))
		}
		answering(w, http.StatusForbidden, http.Header{"Content-Type": {"text/html"}}, "<!DOCTYPE html><html><body><h1>403 Forbidden</h1>"+strings.Repeat("<b>Blocked.</b>", 100), listsRuns)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(time.Hour)
		if last := w.lastSweep(); last.Failures != 500 || len(r.Failures) > 20 || len(w.AWS.Messages(w.DeadLetterQueue)) != 500 {
			t.Errorf("the last report is %+v, the first has %d failures; %d dead letters", last, len(r.Failures), len(w.AWS.Messages(w.DeadLetterQueue)))
		}
		most := 0
		for _, e := range w.Memory.Records() {
			most = max(most, len(e["progress"]))
		}
		if most == 0 || most > 200_000 {
			t.Errorf("the progress has %d bytes", most)
		}
	})
}

// TestVeryLongSweepEnds: The sweep takes far more invocations than Lambda allows for a
// chain of messages. SQS delivers the sweep's message again and again, and a requeue copy
// replaces it before SQS gives it up.
func TestVeryLongSweepEnds(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 0, 0)
		w.Flow("f", worldOrg)
		const runs = 46_000 // ten on a page
		pages := &lister{Handler: w.Adobe, runs: runs, page: 10, wait: 9 * time.Second}
		w.AdobeHandler = pages
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		p := w.Start(-1, false)
		invocations, messages := 0, map[string]int{}
		for {
			waiting := w.AWS.Messages(w.Requests)
			if len(waiting) == 0 {
				break
			}
			messages[waiting[0].ID] = waiting[0].Receives
			if w.Poll(p) > 0 {
				invocations++
				continue
			}
			pass(time.Until(w.Next()))
		}
		if last := w.lastSweep(); last.State != "finished" || last.Seen != runs || last.Pages != runs/10 || pages.seen != runs/10 {
			t.Errorf("the last record is %+v, %d pages were listed", last, pages.seen)
		}
		receives := slices.Max(slices.Collect(maps.Values(messages)))
		if invocations < 900 || len(messages) > 5 || receives > 501 {
			t.Errorf("%d invocations by %d messages, received at most %d times", invocations, len(messages), receives)
		}
	})
}
