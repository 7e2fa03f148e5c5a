package main

import (
	"net/http"
	"slices"
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
