//go:build slow

package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestSweepSelectsTheRunsOfItsQuery: There is a run of each kind, and a dry run says the
// same as the sweep. This holds also where Flow Service ignores filters or refuses those
// that its documents have no example of.
func TestSweepSelectsTheRunsOfItsQuery(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) { sweepSelects(t, w, nil) })
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); strings.HasSuffix(r.URL.Path, "/runs") {
				q.Del("property")
				r.URL.RawQuery = q.Encode()
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		sweepSelects(t, w, nil)
	})
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.RawQuery, "updatedAt") {
				http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","status":400}`, http.StatusBadRequest)
				return
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		sweepSelects(t, w, []string{"very-long", "never-started"})
	})
}

// TestSweepRequestsTheNewestRunOfALineage: No event told of the failure of a run that our
// re-trigger made. The sweep finds the run, and its attempts go on being counted.
func TestSweepRequestsTheNewestRunOfALineage(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		root := w.Fail("f")
		w.Told(root)
		tell := w.Told
		w.Told = func(string) {} // events are lost from now on
		w.Drain(time.Hour)
		for range 5 {
			w.sweep(`{"sweep":{}}`)
			w.Drain(time.Hour)
		}
		w.Told = tell
		if n := w.Lineages()[root]; n != 3 {
			t.Errorf("the lineage has had %d re-triggers, want 3", n)
		}
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "attempts_exhausted" {
			t.Errorf("the dead letters are %+v", letters)
		}
		r := w.sweep(`{"sweep":{}}`)
		if r.Requested != 0 || r.Skipped[sweep.Superseded] != 3 || r.Skipped["attempts_exhausted"] != 1 {
			t.Errorf("the report of the last sweep is %+v", r)
		}
	})
}

// TestSweepReadsAHundredDataflowsInTwoCalls: The sweep asks Flow Service whether they are
// of streaming sources.
func TestSweepReadsAHundredDataflowsInTwoCalls(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(250, 250)
		for i := 0; i < len(ids); i += 50 {
			flow := fmt.Sprintf("b%d", i)
			w.Adobe.AddFlow(flowsim.Flow{ID: flow, Name: flow, OrgID: worldOrg, Sandbox: worldSandbox, Streaming: true})
		}
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`)
		if r.State != sweep.Finished || r.Requested != 245 || r.Skipped[sweep.StreamingRun] != 5 {
			t.Errorf("the report is %+v", r)
		}
		if n := w.Adobe.Count(flowsim.OpFlows); n != 5 || w.Adobe.Count(flowsim.OpFlow) != 0 {
			t.Errorf("%d calls for dataflows, want 5", n)
		}
	})
}

// TestSweepIgnoresRunsOfOtherOrgsAndSandboxes: Flow Service might list some of them.
func TestSweepIgnoresRunsOfOtherOrgsAndSandboxes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.runsCalls(func(answer http.ResponseWriter, _ *http.Request) bool {
			at := time.Now().Add(-time.Hour).UnixMilli()
			var items []string
			for id, of := range map[string][2]string{"mine": {"prod", worldOrg}, "of-a-sandbox": {"dev", worldOrg}, "of-an-org": {"prod", worldOther}} {
				items = append(items, fmt.Sprintf(`{"id":%q,"flowId":"f","createdAt":%d,"updatedAt":%[2]d,"sandboxName":%[3]q,"imsOrgId":%[4]q,"metrics":{"statusSummary":{"status":"failed"}}}`, id, at, of[0], of[1]))
			}
			_, _ = fmt.Fprintf(answer, `{"items":[%s],"_links":{}}`, strings.Join(items, ","))
			return false
		})
		if r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`); len(r.Runs) != 1 || r.Runs[0].RunID != "mine" {
			t.Errorf("the report is %+v", r)
		}
	})
}

// TestSweepRequestsARunWhoseMessageIsLost: Twelve hours after a message should have come,
// a sweep requests its run again, and no sooner.
func TestSweepRequestsARunWhoseMessageIsLost(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		id := w.Fail("f")
		w.Told(id)
		w.Poll(w.Start(-1, false))
		due, err := time.Parse(time.RFC3339Nano, w.Entry(id)["due"])
		if err != nil || time.Until(due) < 2*time.Hour {
			t.Fatalf("it is due at %s, %v: too soon for this test", due, err)
		}
		pass(time.Until(w.Next()))
		lose(w, t)
		for _, at := range []struct {
			after time.Duration
			want  int
		}{{11 * time.Hour, 0}, {13 * time.Hour, 1}} {
			pass(time.Until(due.Add(at.after)))
			r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","since":"48h"}}`)
			if r.Failed != 1 || r.Requested != at.want || r.Skipped[sweep.Waiting] != 1-at.want {
				t.Errorf("%s after it was due the report is %+v", at.after, r)
			}
		}
		w.Drain(13 * time.Hour) // its delay begins anew
		w.wantOnce(t, []string{id})
	})
}
