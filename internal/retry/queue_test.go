package retry_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestARunIsReservedWhileItsDeadLetterIsWritten(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.forbidden()
		w.letters.onSend = func() {
			w.wantState("run", ledger.Reserved)
			w.want(w.deliver(req), Returned, InProgress)
		}
		r := w.deliver(req)
		w.want(r, DeadLettered, Forbidden)
		w.wantState("run", ledger.DeadLettered)
		w.letters.onSend = nil
		w.want(w.deliver(req), DeadLettered, ReasonDuplicate)
		if len(w.letters.sent) != 1 || w.letters.sent[0].HTTPStatus != 403 || w.letters.sent[0].Code != "FLOW-2118-403" {
			t.Errorf("%+v", w.letters.sent)
		}
	})
}

func TestADeadLetterQueueThatIsDownReservesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.forbidden()
		w.letters.err = errDown
		w.want(w.deliver(req), Returned, DeadLetterQueueUnavailable)
		w.wantState("run", ledger.Returned)
		w.letters.err = nil
		w.want(w.deliver(req), Retriggered, "") // the right was granted meanwhile
	})
}

func TestARequestQueueThatIsDownReservesNothing(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*world){
		"down":       func(w *world) { w.queue.err = &requestqueue.UnavailableError{Err: errDown} },
		"not set up": func(w *world) { w.noQueue = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				w.throttle.status.Wait = time.Minute
				breaks(w)
				w.want(w.deliver(req), Returned, QueueUnavailable)
				if e := w.entries("run"); e.Run.State != ledger.Returned || e.Run.Faults != 1 {
					t.Errorf("%+v", e.Run)
				}
				w.throttle.status.Wait = 0
				w.want(w.deliver(req), Retriggered, "")
			})
		})
	}
}

func TestARequestThatSQSRefusesIsADeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.throttle.status.Wait = time.Minute
		w.queue.err = &requestqueue.RefusedError{Message: "no"}
		w.want(w.deliver(req), DeadLettered, Unsendable)
		w.wantState("run", ledger.DeadLettered)
		again := Return(w.fail("other"), Deadline, "no time")
		w.want(w.engine().Requeue(w.Context(), again, time.Minute), DeadLettered, Unsendable)
	})
}

func TestANoteThatCanNotBeWrittenUndoesNoDeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.forbidden()
		w.letters.onSend = func() {
			w.table.onCommit = func([]store.Write) (before, after error) { return errDown, nil }
		}
		w.want(w.deliver(req), DeadLettered, Forbidden)
		w.wantState("run", ledger.Reserved)
		pass(time.Minute)
		w.wantState("run", ledger.Returned)
	})
}

func TestANoteIsWrittenThoughTheDataflowHasChanged(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		other := w.fail("other")
		w.adobe.forbidden()
		w.letters.onSend = func() { w.want(w.deliver(other), Retriggered, "") }
		w.want(w.deliver(req), DeadLettered, Forbidden)
		w.wantState("run", ledger.DeadLettered)
	})
}

func TestAReturnedRequestIsPutOnTheQueue(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		r := w.engine().Requeue(w.Context(), Return(w.fail("run"), Deadline, "no time"), time.Minute)
		w.want(r, Deferred, Deadline)
		w.wantState("run", ledger.Deferred)
		if sent := w.queue.sent[0]; sent.Delay != time.Minute || sent.Request.Requeues != 1 || sent.Request.Due.After(time.Now()) {
			t.Errorf("%+v", sent)
		}
		w.queue.err = &requestqueue.UnavailableError{Err: errDown}
		r = w.engine().Requeue(w.Context(), Return(w.fail("other"), Deadline, "no time"), time.Hour)
		w.want(r, Returned, Deadline)
		if !slices.Contains(r.Also, QueueUnavailable) {
			t.Errorf("%+v", r)
		}
		w.wantState("other", ledger.Returned)
	})
}

// overtaken returns a result whose entries are old: another delivery has come to the end
// that the fault leads to.
func (w *world) overtaken(fault *flowsim.Fault) Result {
	req := w.fail("run")
	w.throttle.busy = time.Hour
	r := w.deliver(req)
	w.want(r, Returned, Throttled)
	w.throttle.busy = 0
	if fault != nil {
		w.adobe.Inject(*fault)
	}
	w.deliver(req)
	return r
}

func TestWhatAnotherDeliveryHasEndedIsNotPutOnTheQueue(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   *flowsim.Fault
		outcome Outcome
		reason  Reason
	}{
		"re-triggered":          {nil, Retriggered, ReasonDuplicate},
		"a dead letter":         {&flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2118-403","status":403}`}, DeadLettered, ReasonDuplicate},
		"on its way, unclear":   {&flowsim.Fault{Op: flowsim.OpRetrigger, Reset: true}, Deferred, Throttled},
		"returned with a fault": {&flowsim.Fault{Op: flowsim.OpRetrigger, Status: 500, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2102-500","status":500}`}, Deferred, Throttled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				r := w.overtaken(c.fault)
				w.want(w.engine().Requeue(w.Context(), r, time.Minute), c.outcome, c.reason)
				if put := len(w.queue.sent) > 0; put != (c.outcome == Deferred) {
					t.Errorf("put on the queue: %t", put)
				}
			})
		})
	}
}

func TestWhatAnotherDeliveryHasEndedIsNoSecondDeadLetter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault   *flowsim.Fault
		outcome Outcome
		letters int
	}{
		"re-triggered":  {nil, Retriggered, 0},
		"a dead letter": {&flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2118-403","status":403}`}, DeadLettered, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				r := w.overtaken(c.fault)
				w.want(w.engine().GiveUp(w.Context(), r), c.outcome, ReasonDuplicate)
				if len(w.letters.sent) != c.letters {
					t.Errorf("%d dead letters", len(w.letters.sent))
				}
			})
		})
	}
}

func TestGivingUpWhatMayHaveBeenSentLooksAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		lost := w.lose(req, true)
		pass(reconcile)
		w.want(w.deliver(req), Retriggered, Reconciled)
		w.want(w.engine().GiveUp(w.Context(), lost), Retriggered, ReasonDuplicate)
		if len(w.letters.sent) != 0 {
			t.Errorf("%d dead letters", len(w.letters.sent))
		}
	})
}

func TestAPoisonousRequestIsGivenUpUnread(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.want(w.engine().GiveUp(w.Context(), Return(req, NeverFinished, "50 receives")), DeadLettered, NeverFinished)
		w.wantState("run", ledger.DeadLettered)
		w.table.onRead = func() error { return errDown }
		w.table.onCommit = func([]store.Write) (before, after error) { return errDown, nil }
		r := w.engine().GiveUp(w.Context(), Return(w.fail("other"), NeverFinished, "50 receives"))
		w.want(r, Returned, LedgerUnavailable)
		nobodys := byHand("nobodys") // without an org there is no entry, and no need of one
		nobodys.OrgID = ""
		w.want(w.engine().GiveUp(w.Context(), Return(nobodys, NeverFinished, "50 receives")), DeadLettered, NeverFinished)
	})
}

func TestInputThatCanNotBeReadIsADeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		fault := &event.Error{Reason: event.Unrecognized, Message: "what is it?"}
		w.want(w.engine().Refuse(w.Context(), []byte("?"), fault), DeadLettered, Reason(event.Unrecognized))
		w.letters.err = &deadletter.TooLargeError{Bytes: 2, Most: 1}
		w.want(w.engine().Refuse(w.Context(), []byte("?"), fault), Returned, Reason(event.TooLarge))
		w.letters.err = errDown
		r := w.engine().Refuse(w.Context(), []byte("?"), fault)
		w.want(r, Returned, DeadLetterQueueUnavailable)
		if !slices.Contains(r.Also, Reason(event.Unrecognized)) {
			t.Errorf("%+v", r)
		}
		w.want(Skip(event.Skip{Reason: event.RunSucceeded}), Skipped, RunSucceeded)
	})
}

func TestAMessageThatIsEarlyIsReturnedUnread(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		req.Source, req.Due = event.FromQueue, time.Now().Add(time.Hour)
		reads := w.table.reads
		r := w.deliver(req)
		w.want(r, Returned, NotDue)
		if !r.Due.Equal(req.Due) || w.table.reads != reads {
			t.Errorf("%+v", r)
		}
	})
}

func TestAMessageIsMadeToWaitWhereItIs(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.throttle.status.Wait = time.Minute
		w.want(w.deliver(req), Deferred, Paused)
		w.throttle.status.Wait = 0
		w.options.FlowBudget, w.options.BudgetWindow = 1, time.Hour
		w.want(w.deliver(w.fail("other")), Retriggered, "")
		r := w.deliver(w.message())
		w.want(r, Returned, NotDue)
		if e := w.entries("run"); !r.Due.After(time.Now()) || e.Run.Reason != string(BudgetSpent) || len(w.queue.sent) != 1 {
			t.Errorf("%+v %+v", r, e.Run)
		}
		pass(time.Until(r.Due))
		w.want(w.deliver(w.message()), Retriggered, "")
	})
}
