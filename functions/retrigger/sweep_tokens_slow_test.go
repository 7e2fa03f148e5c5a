//go:build slow

package main

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestSweepGoesOnAfterAStaleContinuationToken: The listing begins again at the last time
// seen and counts no run twice.
func TestSweepGoesOnAfterAStaleContinuationToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(450, 5)
		for _, after := range []int{2, 1} {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, After: after, Status: http.StatusBadRequest, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","title":"Bad request","status":400}`})
		}
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(5 * time.Hour)
		w.wantOnce(t, ids)
		if last := w.lastSweep(); last.State != "finished" || last.Seen != 450 || last.Requested != 450 || last.Restarts != 2 {
			t.Errorf("the sweep is %+v", last)
		}
	})
}

// TestSweepWorksWithoutContinuationTokens: The sweep lists by time instead. It is given
// up where more runs were created at one moment than fit on a page.
func TestSweepWorksWithoutContinuationTokens(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("continuationToken") {
					http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","status":400}`, http.StatusBadRequest)
					return
				}
				w.Adobe.ServeHTTP(answer, r)
			})
			ids := w.backlog(300, 5)
			want := sweepRecord{State: "finished", Seen: 300, Requested: 300, Pages: 7, Restarts: 6}
			if together { // as many as a page has no room for, at the same time
				at := time.Now().Add(-time.Hour)
				for _, id := range ids {
					w.Adobe.AddRun(flowsim.Run{ID: id, FlowID: "b0", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at})
				}
				ids = ids[:flowclient.DefaultPageSize]
				want = sweepRecord{State: "finished", Seen: 100, Requested: 100, Pages: 10, Restarts: 9, Failures: 1}
			}
			w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
			w.Drain(5 * time.Hour)
			w.wantOnce(t, ids)
			last := w.lastSweep()
			last.SweepID, last.Failed, last.Skipped = "", 0, nil
			if diff := cmp.Diff(want, last); diff != "" {
				t.Errorf("the sweep (-want +got):\n%s", diff)
			}
			if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != want.Failures {
				t.Errorf("there are %d dead letters", n)
			}
		})
	}
}

// TestSweepGoesOnWithShortLivedContinuationTokens: An unordered listing begins again and
// again. The sweep goes on as long as it requests runs.
func TestSweepGoesOnWithShortLivedContinuationTokens(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 1200
		ids := w.backlog(600, 30)
		var mu sync.Mutex
		last := time.Now()
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); listsRuns(r) {
				mu.Lock()
				defer mu.Unlock()
				if q.Has("continuationToken") && time.Since(last) > 5*time.Minute {
					http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","status":400}`, http.StatusBadRequest)
					return
				}
				last = time.Now()
				q.Set("orderby", "-createdAt")
				r.URL.RawQuery = q.Encode()
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(24 * time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestSweepGoesOnAfterTokensRefusedNowAndThen: Only a listing that begins again and again
// at the same place is given up.
func TestSweepGoesOnAfterTokensRefusedNowAndThen(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var ids []string
		for i := range 240 { // two times, each of more runs than a page has
			at := time.Now().Add(time.Duration(i/120-3) * time.Hour)
			ids = append(ids, fmt.Sprint("together-", i))
			w.Adobe.AddRun(flowsim.Run{ID: ids[i], FlowID: "f", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at, Errors: []flowsim.RunError{{Code: "X"}}})
		}
		tokens := 0
		w.runsCalls(func(answer http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("continuationToken") {
				return true
			}
			// Three in a row at the first time, two at the second.
			if tokens++; tokens <= 3 || tokens == 5 || tokens == 6 {
				refuseToken(answer)
				return false
			}
			return true
		})
		w.sweep(onlySweep)
		w.Drain(time.Hour)
		if last := w.lastSweep(); last.State != "finished" || last.Restarts != 5 || last.Failures != 0 || len(w.AWS.Messages(w.DeadLetterQueue)) != 0 {
			t.Errorf("the sweep is %+v, and there are %d dead letters", last, len(w.AWS.Messages(w.DeadLetterQueue)))
		}
		for _, id := range ids {
			if w.Entry(id) == nil {
				t.Fatalf("run %s was not found", id)
			}
		}
	})
}

// TestUnorderedListingThatBeginsAgainLosesNoRun: The runs of the pages before are kept.
func TestUnorderedListingThatBeginsAgainLosesNoRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(150, 5)
		listed := 0
		w.runsCalls(func(answer http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("property") != "" && r.Header.Get("X-Gw-Ims-Org-Id") == worldOrg {
				listed++
			}
			switch listed {
			case 1: // the first page has the newest
				q := r.URL.Query()
				q.Set("orderby", "-createdAt")
				r.URL.RawQuery = q.Encode()
			case 2:
				refuseToken(answer)
				return false
			}
			return true
		})
		w.sweep(onlySweep)
		w.Drain(3 * time.Hour)
		w.wantOnce(t, ids)
		if last := w.lastSweep(); last.State != "finished" || last.Restarts != 1 || last.Failures != 0 {
			t.Errorf("the sweep is %+v", last)
		}
	})
}
