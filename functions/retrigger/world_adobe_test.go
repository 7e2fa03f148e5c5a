package main

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// script is what Adobe does in a world.
type script struct{ *simulation.World }

// failing scripts the next runs of dataflow f to fail.
func (s script) failing(times int) {
	for range times {
		s.Adobe.Script("f", flowsim.Fail("CONNECTOR-1001-500", "Copying from the source failed"))
	}
}

// showing lets Adobe show the data windows of dataflow f in this way.
func (w *world) showing(windows flowsim.Windows) {
	w.Adobe.AddFlow(flowsim.Flow{ID: "f", Name: "f", OrgID: worldOrg, Sandbox: simulation.Sandbox, Windows: windows})
}

// slowly makes each re-trigger take the duration d.
func slowly(w *world, d time.Duration) {
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if isRetrigger(r) {
			pass(d)
		}
		w.Adobe.ServeHTTP(answer, r)
	})
}

// isRetrigger reports whether the request is a re-trigger, the call that makes a run.
func isRetrigger(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/action")
}

// backlog adds failed runs, one a second up to now, and spreads them over the given number
// of dataflows.
func (s script) backlog(runs, flows int) []string {
	ids := make([]string, runs)
	for i := range runs {
		flow := fmt.Sprintf("b%d", i%flows)
		if i < flows {
			s.Flow(flow, worldOrg)
		}
		ids[i] = fmt.Sprintf("lost-%05d", i)
		at := time.Now().Add(time.Duration(i-runs) * time.Second)
		s.Adobe.AddRun(flowsim.Run{
			ID: ids[i], FlowID: flow, Status: flowsim.Failed, CreatedAt: at, CompletedAt: at.Add(time.Millisecond),
			CreatedClient: "acp_ui_platform", Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500"}},
		})
	}
	return ids
}

// answering makes Adobe answer the matching calls of the world's first org with the
// status, header and body. The simulator answers all other calls.
func answering(w *world, status int, header http.Header, body string, match func(*http.Request) bool) {
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Gw-Ims-Org-Id") != worldOrg || !match(r) {
			w.Adobe.ServeHTTP(answer, r)
			return
		}
		maps.Copy(answer.Header(), header)
		answer.WriteHeader(status)
		_, _ = answer.Write([]byte(body)) // into memory
	})
}

func listsRuns(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/runs") }

// runsCalls calls before for each list of runs. The simulator answers if before returns
// true, and all other calls.
func (s script) runsCalls(before func(answer http.ResponseWriter, r *http.Request) bool) {
	s.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if !listsRuns(r) || before(answer, r) {
			s.Adobe.ServeHTTP(answer, r)
		}
	})
}

// refuseToken answers that a continuation token is no longer valid.
func refuseToken(answer http.ResponseWriter) {
	http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","title":"Bad request","status":400}`, http.StatusBadRequest)
}
