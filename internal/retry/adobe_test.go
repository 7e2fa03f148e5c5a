package retry_test

import (
	"net/http"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// adobe is a simulated Flow Service and IMS, between whose calls something can happen.
type adobe struct {
	*flowsim.Server

	onCall   func(*http.Request) // before the simulator has the call
	onAnswer func(*http.Request) // after the call took effect, before its answer
}

func (a *adobe) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if a.onCall != nil {
		a.onCall(r)
	}
	if a.onAnswer != nil {
		defer a.onAnswer(r)
	}
	a.Server.ServeHTTP(rw, r)
}

func isRetrigger(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/action") }

// made adds a run of the dataflow as our client would make it.
func (a *adobe) made(runID string, at time.Time) {
	a.AddRun(flowsim.Run{ID: runID, FlowID: flow, Status: flowsim.InProgress, CreatedClient: ourClient, CreatedAt: at})
}

// refuseToken lets Adobe refuse the token of the next calls of an operation.
func (a *adobe) refuseToken(op string, times int) {
	a.Inject(flowsim.Fault{Op: op, Status: 401, Times: times, Body: `{"error_code":"401013"}`})
}

// unread lets every read of a run fail.
func (a *adobe) unread() {
	a.Inject(flowsim.Fault{Op: flowsim.OpRun, Times: 999, Status: 503})
}

// forbidden lets Adobe refuse the next re-trigger for good.
func (a *adobe) forbidden() {
	a.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2118-403","status":403,"errorMessage":"no"}`})
}
