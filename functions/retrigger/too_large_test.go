package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// tooLarge makes a run's document larger than an answer may be. The id comes before what
// is large, as in Adobe's samples.
func tooLarge(document map[string]any) { document["padding"] = strings.Repeat("x", 8200<<10) }

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
