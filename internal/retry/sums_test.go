package retry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// failWithCode is the event of a failed run with the error code C-1.
func (w *world) failWithCode(runID string) event.Request {
	w.Helper()
	req := w.fail(runID)
	req.Errors = []event.RunError{{Code: "C-1"}}
	return req
}

func TestRetriggersAndDeadLettersAreAddedUpInOneWrite(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		e := w.engine()
		sent, again := w.failWithCode("a"), w.failWithCode("b")
		var results []Result
		for _, req := range []event.Request{sent, again, sent} { // the third is a duplicate
			results = append(results, w.deliverTo(e, req, Delivery{Name: "m"}))
		}
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		results = append(results, w.deliverTo(e, w.failWithCode("c"), Delivery{Name: "m"}))
		results = append(results, Counted(&event.Error{Reason: event.InvalidField, RunID: "x", OrgID: org}), // no request of a run
			Skip(event.Skip{Reason: event.RunSucceeded, RunID: "y", OrgID: org}), Return(sent, Deadline, "no time"))
		w.want(results[2], Retriggered, ReasonDuplicate)
		w.want(results[3], DeadLettered, Forbidden)
		e.AddUp(w.Context(), results, nil)
		w.wantSums(ledger.Sum{FlowID: flow, ErrorCode: "C-1", Retriggered: 2, GivenUp: 1})
		e.AddUp(w.Context(), results[:1], nil)
		w.wantSums(ledger.Sum{FlowID: flow, ErrorCode: "C-1", Retriggered: 3, GivenUp: 1})
		e.AddUp(w.Context(), results[2:3], nil)
		e.AddUp(w.Context(), nil, nil)
		w.wantSums(ledger.Sum{FlowID: flow, ErrorCode: "C-1", Retriggered: 3, GivenUp: 1})
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
		w.wantSums(ledger.Sum{FlowID: flow, ErrorCode: "C-1", Recovered: 1, Minutes: 7, Attempts: 2})
	})
}

func TestSumsThatCantBeWrittenAreLogged(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		e := w.engine()
		r := w.deliverTo(e, w.fail("a"), Delivery{Name: "m"})
		w.table.onCommit = func([]store.Write) (before, after error) { return errDown, nil }
		e.AddUp(w.Context(), []Result{r}, nil)
		w.table.onCommit = func([]store.Write) (before, after error) { panic("a defect") }
		e.AddUp(w.Context(), []Result{r}, nil)
		if log := w.log.String(); !strings.Contains(log, "the sums of the day lack what this invocation has done") || !strings.Contains(log, "panic while adding up") || len(w.sums()) != 0 {
			w.Errorf("the log is %s", log)
		}
	})
}
