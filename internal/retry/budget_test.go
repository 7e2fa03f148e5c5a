package retry_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// failElsewhere makes a run of a dataflow of its own fail.
func failElsewhere(w *world, name string) event.Request {
	w.adobe.AddFlow(flowsim.Flow{ID: "flow-" + name, OrgID: org, Sandbox: sandbox})
	now := time.Now()
	w.adobe.AddRun(flowsim.Run{ID: name, FlowID: "flow-" + name, Status: flowsim.Failed, CreatedClient: "a-schedule", CreatedAt: now, CompletedAt: now})
	return w.event(name)
}

func TestWhereTheClaimFailsForADefectTheBudgetIsWaitedFor(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 3
		e, requests := w.engine(), []event.Request{w.fail("run"), failElsewhere(w, "other")}
		taken := false
		w.table.onAdd = func(int) error { pass(time.Second); taken = true; return nil }
		w.table.onCommit = func(writes []store.Write) (before, after error) {
			if isClaim(writes) {
				panic("a defect")
			}
			return nil, nil
		}
		b := e.Read(w.Context(), requests)
		w.want(w.deliverTo(e, requests[0], Delivery{Name: "m", Batch: b}), DeadLettered, InternalError)
		if !taken {
			w.Fatal("the budget is still being taken when the request has ended")
		}
		w.table.onAdd = nil
		e.Close(w.Context(), b)
		w.wantBudget("1") // the other's part is given back
	})
}

func TestWhatARefusedRunPutsBackIsThereForTheOthersOfItsBatch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 1
		e, requests := w.engine(), []event.Request{w.fail("refused"), failElsewhere(w, "early"), failElsewhere(w, "late")}
		b := e.Read(w.Context(), requests)
		deliver := func(i int) Result {
			return w.deliverTo(e, requests[i], Delivery{Name: strconv.Itoa(i), Batch: b})
		}
		w.adobe.onCall = func(r *http.Request) {
			if isRetrigger(r) {
				w.adobe.onCall = nil
				w.want(deliver(1), Deferred, BudgetSpent)
				w.adobe.forbidden()
			}
		}
		w.want(deliver(0), DeadLettered, Forbidden)
		w.want(deliver(2), Retriggered, "")
		e.Close(w.Context(), b)
		w.wantBudget("1")
	})
}

// TestARunIsNotClaimedAnewWhereTheBudgetIsSpent: Its first claim meets a change of its entry, and
// the budget was found to be spent meanwhile.
func TestARunIsNotClaimedAnewWhereTheBudgetIsSpent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 3
		e, requests := w.engine(), []event.Request{w.fail("run")}
		b := e.Read(w.Context(), requests)
		w.others(3)
		times := 0
		w.table.onCommit = func(writes []store.Write) (before, after error) {
			if isClaim(writes) {
				if times++; times == 1 {
					if _, err := w.ledger.CountFault(w.Context(), w.entries("run"), ledger.AnEvent, "another", "r"); err != nil {
						w.Error(err)
					}
				}
			}
			return nil, nil
		}
		w.want(w.deliverTo(e, requests[0], Delivery{Name: "m", Batch: b}), Deferred, BudgetSpent)
		e.Close(w.Context(), b)
		if times != 1 {
			w.Errorf("it is claimed %d times", times)
		}
	})
}

// TestABudgetIsGivenBackToItsOwnWindow: The call begins in one window, and is refused in the next.
func TestABudgetIsGivenBackToItsOwnWindow(t *testing.T) {
	t.Parallel()
	for name, inBatch := range map[string]bool{"in a batch": true, "by itself": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.options.OrgBudget = 1
				pass(time.Until(time.Now().Truncate(time.Hour).Add(time.Hour - time.Second)))
				e, requests := w.engine(), []event.Request{w.fail("refused"), failElsewhere(w, "early"), failElsewhere(w, "late")}
				var b *Batch
				if inBatch {
					b = e.Read(w.Context(), requests)
				}
				deliver := func(i int) Result {
					return w.deliverTo(e, requests[i], Delivery{Name: strconv.Itoa(i), Batch: b})
				}
				w.adobe.onCall = func(r *http.Request) {
					if isRetrigger(r) {
						w.adobe.onCall = nil
						pass(2 * time.Second)
						w.want(deliver(1), Retriggered, "")
						w.adobe.forbidden()
					}
				}
				w.want(deliver(0), DeadLettered, Forbidden)
				w.want(deliver(2), Deferred, BudgetSpent)
				e.Close(w.Context(), b)
				w.wantBudget("1")
			})
		})
	}
}
