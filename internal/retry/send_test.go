package retry_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestARunIsClaimedBeforeItIsSentAndItsChildIsRecorded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.onCall = func(r *http.Request) {
			if e := w.entries("run"); isRetrigger(r) && (e.Flow.Slot == nil || e.Flow.Slot.RunID != "run" || e.Flow.Slot.ClientID != ourClient || e.Run.State != ledger.InFlight) {
				t.Errorf("it was sent without a claim: %+v", e)
			}
		}
		r := w.deliver(req)
		w.want(r, Retriggered, "")
		child := w.entries(r.NewRunID)
		if r.Attempt != 1 || r.FlowName != "Orders" || child.Run.Parent != "run" || child.Run.Root != "run" || child.Run.Attempt != 1 || child.Flow.Slot != nil {
			t.Errorf("%+v\n%+v", r, child)
		}
		w.wantState("run", ledger.Retriggered)
		w.wantState(r.NewRunID, ledger.Made)

		again := w.deliver(req) // Adobe delivers an event twice
		w.want(again, Retriggered, ReasonDuplicate)
		if again.NewRunID != r.NewRunID {
			t.Errorf("the duplicate names run %s", again.NewRunID)
		}
		w.wantRetriggers(1)
	})
}

func TestARefusedCallDoesNotCount(t *testing.T) {
	t.Parallel()
	refusal := func(status int, code string) flowsim.Fault {
		return flowsim.Fault{Op: flowsim.OpRetrigger, Status: status, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-` + code + `","title":"no","status":` + code[5:] + `,"errorMessage":"no"}`}
	}
	for name, c := range map[string]struct {
		fault   flowsim.Fault
		outcome Outcome
		reason  Reason
		faults  int
		slows   bool
	}{
		"throttled":              {flowsim.Fault{Op: flowsim.OpRetrigger, Status: 429, Header: map[string]string{"Retry-After": "60"}, Body: `{"error_code":"429050"}`}, Returned, Throttled, 0, true},
		"forbidden":              {refusal(403, "2118-403"), DeadLettered, Forbidden, 0, false},
		"not found":              {refusal(404, "1439-404"), DeadLettered, RunNotFound, 0, false},
		"another sandbox":        {refusal(404, "2100-404"), DeadLettered, SandboxNotFound, 0, false},
		"rejected":               {refusal(400, "1437-400"), DeadLettered, NotRetryable, 0, false},
		"switched off":           {refusal(400, "1388-400"), DeadLettered, FlowDisabled, 0, false},
		"not yet":                {refusal(400, "1387-400"), Returned, NotYet, 1, false},
		"it passes":              {refusal(500, "2102-500"), Returned, AdobeUnavailable, 1, false},
		"a credential's refusal": {flowsim.Fault{Op: flowsim.OpRetrigger, Status: 403, Times: 9, Body: `{"error_code":"403025","message":"Profile is not valid"}`}, Returned, CredentialsRefused, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				w.adobe.Inject(c.fault)
				w.want(w.deliver(req), c.outcome, c.reason)
				e := w.entries("run")
				if e.Flow.Slot != nil || e.Run.Sends != 0 || e.Run.Faults != c.faults {
					t.Errorf("%+v", e)
				}
				if (w.throttle.published > 0) != c.slows || len(w.letters.sent) > 0 != (c.outcome == DeadLettered) {
					t.Errorf("%d slow-downs, %d dead letters", w.throttle.published, len(w.letters.sent))
				}
			})
		})
	}
}

func TestARejectedRunThatSucceededMeanwhileIsSkipped(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.onCall = func(r *http.Request) {
			if isRetrigger(r) {
				w.adobe.AddRun(flowsim.Run{ID: "run", FlowID: flow, Status: flowsim.Success, Records: 5})
			}
		}
		w.want(w.deliver(req), Skipped, RunSucceeded)
		w.wantState("run", ledger.Skipped)
	})
}

func TestACallWithoutAnAnswerStaysInTheSlot(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		r := w.lose(w.fail("run"), true)
		e := w.entries("run")
		if e.Flow.Slot == nil || e.Flow.Slot.InFlight(time.Now()) || e.Run.Sends != 1 || r.RetryAfter != reconcile || !r.Waits() {
			t.Errorf("%+v\n%+v", e, r)
		}
		w.wantState("run", ledger.Unconfirmed)
		w.want(w.deliver(w.fail("other")), Returned, FlowBusy)
		w.wantRetriggers(1)
	})
}

func TestAClaimWhoseOwnResultIsUnknownIsLookedUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		written, unread bool
		outcome         Outcome
		reason          Reason
		sent            int
	}{
		"it is in the slot: it is sent":             {true, false, Retriggered, "", 1},
		"it is not in the slot: it is claimed anew": {false, false, Retriggered, "", 1},
		"nobody can tell: nothing is sent":          {true, true, Returned, LedgerUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				claims := 0
				w.table.onCommit = func(writes []store.Write) (before, after error) {
					if !isClaim(writes) {
						return nil, nil
					}
					if claims++; claims > 1 {
						return nil, nil
					}
					if c.unread {
						w.table.onRead = func() error { return errDown }
					}
					if c.written {
						return nil, errDown
					}
					return errDown, nil
				}
				w.want(w.deliver(req), c.outcome, c.reason)
				w.wantRetriggers(c.sent)
			})
		})
	}
}

func TestARenewedCredentialIsInTheSlotBeforeTheSecondCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.accounts.onRenew = func() (string, error) { return "new-client", nil }
		w.adobe.refuseToken(flowsim.OpRetrigger, 2)
		checked := false
		w.adobe.onCall = func(r *http.Request) {
			if isRetrigger(r) && r.Header.Get("X-Api-Key") == "new-client" {
				e := w.entries("run")
				if checked = true; e.Flow.Slot.ClientID != "new-client" || e.Run.Call.ClientID != "new-client" {
					t.Errorf("%+v", e)
				}
			}
		}
		w.want(w.deliver(req), Retriggered, "")
		if !checked {
			t.Error("it was not sent with the new credential")
		}
	})
}

func TestWithoutItsClientIdInTheSlotARenewedCredentialSendsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.refuseToken(flowsim.OpRetrigger, 2)
		w.accounts.onRenew = func() (string, error) {
			w.table.onCommit = func([]store.Write) (before, after error) {
				w.table.onCommit = nil
				return errDown, nil
			}
			return "new-client", nil
		}
		w.want(w.deliver(req), Returned, LedgerUnavailable)
		if e := w.entries("run"); e.Flow.Slot != nil || e.Run.Sends != 0 || w.adobe.Retriggers("run") != 0 {
			t.Errorf("%+v", e)
		}
	})
}

func TestASecretThatIsRefusedTwiceOnlyWaits(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.accounts.onRenew = func() (string, error) { return ourClient, nil }
		w.adobe.refuseToken(flowsim.OpRetrigger, 9)
		r := w.deliver(req)
		w.want(r, Returned, CredentialsRefused)
		if e := w.entries("run"); !r.Waits() || e.Flow.Slot != nil || e.Run.Faults != 0 {
			t.Errorf("%+v", e)
		}
	})
}

// closedMeanwhile lets another delivery settle the call while it is on its way.
func closedMeanwhile(w *world, then func(ledger.Entries)) {
	w.adobe.onAnswer = func(r *http.Request) {
		if !isRetrigger(r) {
			return
		}
		e, err := laterOf(w, 2*time.Hour).Settle(w.Context(), w.entries("run"), ledger.Searched, "")
		if err != nil {
			w.Fatal(err)
		}
		if then != nil {
			then(e)
		}
	}
}

func TestAnAnswerThatComesAfterTheSlotWasClosedIsLinked(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		closedMeanwhile(w, nil)
		r := w.deliver(req)
		w.want(r, Retriggered, "")
		e := w.entries("run")
		if child := w.entries(r.NewRunID).Run; child.Parent != "run" || e.Run.Successor != r.NewRunID || len(e.Flow.Kept) != 0 {
			t.Errorf("%+v\n%+v", child, e)
		}
	})
}

func TestALateAnswerWaitsForADeadLetterThatIsBeingWritten(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		closedMeanwhile(w, func(e ledger.Entries) {
			reserved, err := w.ledger.Reserve(w.Context(), e, ledger.AMessage, time.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				pass(time.Second)
				if _, err := w.ledger.Note(w.Context(), reserved, ledger.AMessage, ledger.Outcome{State: ledger.DeadLettered}); err != nil {
					t.Error(err)
				}
			}()
		})
		r := w.deliver(req)
		w.want(r, Retriggered, "")
		w.wantState("run", ledger.Retriggered)
		if child := w.entries(r.NewRunID).Run; child.Parent != "run" {
			t.Errorf("%+v", child)
		}
	})
}

func TestARunThatCouldNotBeRecordedIsFoundByTheNextDelivery(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.onAnswer = func(r *http.Request) {
			if isRetrigger(r) {
				w.table.onCommit = func([]store.Write) (before, after error) { return errDown, nil }
			}
		}
		r := w.deliver(req)
		w.want(r, Returned, LedgerUnavailable)
		w.table.onCommit = nil
		pass(r.RetryAfter)
		w.want(w.deliver(req), Retriggered, Reconciled)
		w.wantRetriggers(1)
		w.wantState("run", ledger.Retriggered)
	})
}

func TestNothingIsSentThatCouldNotEndInTime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.onCall = func(r *http.Request) {
			if !isRetrigger(r) {
				pass(8 * time.Second) // the token takes long
			}
		}
		w.options.CallTimeout = 50 * time.Second
		r := w.deliver(req)
		w.want(r, Returned, Deadline)
		w.wantRetriggers(0)
	})
}
