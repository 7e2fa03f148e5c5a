package retry_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// failWithCode is the event of a failed run with the error code C-1.
func (w *world) failWithCode(runID string) event.Request {
	w.Helper()
	req := w.fail(runID)
	req.Errors = []event.RunError{{Code: "C-1"}}
	return req
}

func TestEachRetriggerAndEachDeadLetterIsInTheSumsOfItsDay(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		sent, again := w.failWithCode("a"), w.failWithCode("b")
		for _, req := range []event.Request{sent, again, sent} { // the third is a duplicate
			w.deliver(req)
		}
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		w.want(w.deliver(w.failWithCode("c")), DeadLettered, Forbidden)
		w.wantSums(ledger.Sum{FlowID: flow, ErrorCode: "C-1", Retriggered: 2, GivenUp: 1})
	})
}

func TestARecoveryStandsUnderTheCodeOfTheFirstFailure(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.Policy = atOnce(2)
		first := w.deliver(w.failWithCode("a"))
		w.adobe.End(first.NewRunID, flowsim.Fail("OTHER-1", "another reason"))
		child := w.event(first.NewRunID)
		child.Errors = []event.RunError{{Code: "OTHER-1"}}
		second := w.deliver(child)
		pass(7 * time.Minute)
		success := event.Skip{Reason: event.RunSucceeded, RunID: second.NewRunID, FlowID: flow, OrgID: org, Sandbox: sandbox}
		e := w.engine()
		if r := e.Succeed(w.Context(), success, time.Now(), nil); !r.Recovered || r.RecoveredAfter.Round(time.Minute) != 7*time.Minute {
			w.Errorf("the result is %+v", r)
		}
		if r := e.Succeed(w.Context(), success, time.Now(), nil); r.Recovered {
			w.Errorf("told again: %+v", r)
		}
		w.wantSums(ledger.Sum{FlowID: flow, ErrorCode: "C-1", Recovered: 1, Minutes: 7, Attempts: 2, Retriggered: 1},
			ledger.Sum{FlowID: flow, ErrorCode: "OTHER-1", Retriggered: 1})
	})
}
