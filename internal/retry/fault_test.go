package retry_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestTenFaultsAreADeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		w.adobe.unread()
		for i := range 9 {
			w.want(w.deliver(byHand("run")), Returned, AdobeUnavailable)
			if got := w.entries("run").Run.Faults; got != i+1 {
				t.Fatalf("%d faults after %d", got, i+1)
			}
			pass(time.Minute)
		}
		w.want(w.deliver(byHand("run")), DeadLettered, AdobeUnavailable)
		w.wantState("run", ledger.DeadLettered)

		pass(time.Minute) // who sends the dead letter again has ten faults again
		w.want(w.deliver(byHand("run")), Returned, AdobeUnavailable)
	})
}

func TestAFaultIsCountedOnceADelivery(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		w.adobe.unread()
		e := w.engine()
		w.deliverTo(e, byHand("run"), Delivery{Name: "m/1"})
		pass(time.Minute)
		w.deliverTo(e, byHand("run"), Delivery{Name: "m/1"})
		if got := w.entries("run").Run.Faults; got != 1 {
			t.Errorf("one delivery has %d faults", got)
		}
		w.deliverTo(e, byHand("run"), Delivery{Name: "m/2"})
		pass(5 * time.Second)
		w.deliverTo(e, byHand("run"), Delivery{Name: "m/3"})
		if got := w.entries("run").Run.Faults; got != 2 {
			t.Errorf("%d faults: those within ten seconds are one", got)
		}
		pass(13 * time.Hour)
		w.deliverTo(e, byHand("run"), Delivery{Name: "m/4"})
		if got := w.entries("run").Run.Faults; got != 1 {
			t.Errorf("%d faults after twelve hours", got)
		}
	})
}

func TestWaitingIsNoFaultHoweverLongItTakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		waits  func(*world)
		reason Reason
	}{
		"a refused credential": {func(w *world) {
			w.accounts.err = &credentials.Error{Kind: credentials.Refused, Err: errDown}
		}, CredentialsRefused},
		"a secret that can't be read": {func(w *world) {
			w.accounts.err = errDown
		}, CredentialsUnavailable},
		"a slow-down": {func(w *world) { w.throttle.busy = time.Hour }, Throttled},
		"too many calls": {func(w *world) {
			w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: 999, Status: 429})
		}, Throttled},
		"another call of the dataflow": {func(w *world) {
			e := w.entries("other")
			if _, _, err := w.ledger.Claim(w.Context(), e, ledger.ClaimOptions{By: ledger.AnEvent, Until: time.Now().Add(year)}); err != nil {
				w.Fatal(err)
			}
		}, FlowBusy},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				c.waits(w)
				for range 15 {
					r := w.deliver(req)
					w.want(r, Returned, c.reason)
					if !r.Waits() {
						t.Fatal("it is a fault")
					}
					pass(time.Hour)
				}
				if e := w.entries("run"); e.Run.Faults != 0 || len(w.letters.sent) != 0 {
					t.Errorf("%+v", e)
				}
			})
		})
	}
}

const year = 365 * day

func TestAnOrgWithoutASecretIsADeadLetter(t *testing.T) {
	t.Parallel()
	for kind, reason := range map[credentials.Kind]Reason{credentials.OrgUnknown: OrgUnknown, credentials.OrgMissing: OrgMissing} {
		t.Run(string(reason), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				w.accounts.err = &credentials.Error{Kind: kind, Err: errDown}
				w.want(w.deliver(req), DeadLettered, reason)
				req.OrgID = ""
				w.want(w.deliver(req), DeadLettered, reason)
				if len(w.letters.sent) != 2 {
					t.Errorf("%+v", w.letters.sent)
				}
			})
		})
	}
}

func TestARequestGetsItsOrgAndItsSandboxFromTheSecret(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		req := byHand("run")
		req.OrgID, req.Sandbox, req.FlowID = "", "", ""
		r := w.deliver(req)
		w.want(r, Retriggered, "")
		if r.OrgID != org || r.Sandbox != sandbox || r.FlowID != flow {
			t.Errorf("%+v", r)
		}
		w.accounts.account.Sandbox = ""
		req.RunID = "another"
		w.want(w.deliver(req), DeadLettered, SandboxMissing)
	})
}

func TestWithoutTheLedgerNothingIsSent(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*world){
		"it can't be read": func(w *world) { w.table.onRead = func() error { return errDown } },
		"it can't be written": func(w *world) {
			w.table.onCommit = func([]store.Write) (before, after error) { return errDown, nil }
		},
		"the pauses can't be read": func(w *world) { w.throttle.err = &store.UnavailableError{Op: "read", Err: errDown} },
		"the budget can't be taken": func(w *world) {
			w.options.OrgBudget = 5
			w.table.onAdd = func(int) error { return errDown }
		},
		"it is a newer version's": func(w *world) {
			w.deliver(w.fail("run"))
			for _, key := range []string{ledger.RunKey(org, "run"), ledger.FlowKey(org, flow)} {
				records, err := w.table.Table.Read(w.Context(), key)
				if err != nil {
					w.Fatal(err)
				}
				next := records[0]
				version := next["rev"]
				next["rev"], next["schema"], next["state"] = "newer", "99", ""
				if err := w.table.Table.Commit(w.Context(), store.Write{Key: key, Old: version, New: next}); err != nil {
					w.Fatal(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				breaks(w)
				sent := w.adobe.Count(flowsim.OpRetrigger)
				w.want(w.deliver(req), Returned, LedgerUnavailable)
				w.wantRetriggers(sent)
			})
		})
	}
}

func TestADefectOfOursIsADeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.options.Policy = nil
		w.want(w.deliver(req), DeadLettered, InternalError)
		w.wantState("run", ledger.DeadLettered)
		w.table.onCommit = func([]store.Write) (before, after error) { panic("the ledger, too") }
		w.want(w.deliver(w.fail("other")), DeadLettered, InternalError)
	})
}

// brittle is a log that panics when it warns.
type brittle struct{ slog.Handler }

func (b brittle) Handle(ctx context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		panic(r.Message)
	}
	return b.Handler.Handle(ctx, r)
}

func TestAPanicBeforeTheCallReleasesItsClaim(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.Policy = atOnce(3)
		first := w.deliver(w.fail("run"))
		w.adobe.End(first.NewRunID, flowsim.Fail("X", "no"))
		req := w.event(first.NewRunID)
		req.CreatedClient = "a stranger" // the engine warns of that between the claim and the call
		w.options.Log = slog.New(brittle{w.options.Log.Handler()})
		w.want(w.deliver(req), DeadLettered, InternalError)
		if e := w.entries(first.NewRunID); e.Flow.Slot != nil || e.Run.Sends != 0 || e.Run.State != ledger.DeadLettered {
			t.Errorf("%+v", e)
		}
		w.wantRetriggers(1)
	})
}

func TestAPanicInTheCallLeavesItsClaimForASearch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.adobe.onAnswer = func(r *http.Request) {
			if isRetrigger(r) {
				panic("a defect")
			}
		}
		r := w.deliver(req)
		w.want(r, Returned, OutcomeUnknown)
		w.wantState("run", ledger.Unconfirmed)
		w.adobe.onAnswer = nil
		pass(reconcile)
		w.want(w.deliver(req), Retriggered, Reconciled)
		w.wantRetriggers(1)
	})
}

func TestAPanicOfTheSecretsIsRaisedWhereTheyAreNeeded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.accounts.account = nil
		w.want(w.deliver(req), DeadLettered, InternalError)
	})
}

func TestAPauseKeepsARunOnTheQueue(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.throttle.pause(time.Minute)
		w.want(w.deliver(req), Deferred, Paused)
		w.wantState("run", ledger.Deferred)
		w.want(w.deliver(req), Deferred, ReasonDuplicate)
		r := w.deliver(w.message())
		w.want(r, Returned, Paused)
		w.throttle.resume()
		pass(time.Minute)
		w.want(w.deliver(w.message()), Retriggered, "")
	})
}

func TestAForcedMessageWaitsForThePauseWhereItIs(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		w.throttle.pause(time.Minute)
		req := byHand("run")
		req.Force = true
		w.want(w.deliver(req), Deferred, Paused)
		for range 20 { // Lambda ends a chain of sixteen messages
			pass(time.Minute)
			w.want(w.deliver(w.message()), Returned, Paused)
		}
		if len(w.queue.sent) != 1 {
			t.Errorf("%d messages were sent", len(w.queue.sent))
		}
		w.throttle.resume()
		w.want(w.deliver(w.message()), Retriggered, "")
	})
}

func TestASecretThatCanNotBeReadAfterARefusalOnlyWaits(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.accounts.onRenew = func() (string, error) { return "", errDown }
		w.adobe.refuseToken(flowsim.OpRetrigger, 2)
		w.want(w.deliver(req), Returned, CredentialsUnavailable)
		if e := w.entries("run"); e.Flow.Slot != nil || e.Run.Sends != 0 {
			t.Errorf("%+v", e)
		}
	})
}

func TestWhatIsLostInAPauseIsNoFaultOfTheLedger(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.lose(req, true)
		w.throttle.pause(time.Hour)
		pass(time.Hour)
		w.want(w.deliver(req), Returned, Paused)
		w.throttle.resume()
		w.want(w.deliver(req), Retriggered, Reconciled)
	})
}

func TestARunThatCanNotTellIsADeadLetterAfterAPause(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.unanswered(false)
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Times: 9, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2118-403","status":403}`})
		other := w.fail("other")
		w.want(w.deliver(other), Retriggered, "") // which settles the call of the first
		w.wantState("run", ledger.CannotTell)
		w.adobe.Heal()
		w.throttle.pause(time.Hour)
		w.want(w.deliver(req), Deferred, Paused)
		w.throttle.resume()
		pass(time.Hour)
		w.want(w.deliver(w.message()), DeadLettered, OutcomeUnknown)
		w.wantRetriggers(2)
	})
}

func TestAMessageThatNobodyKnowsIsReadLikeAPersonsRequest(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		forged := req
		forged.Source, forged.Due, forged.FlowName = "queue", time.Now().Add(-time.Minute), "forged"
		forged.FlowID = "another"
		r := w.deliver(forged)
		w.want(r, Retriggered, "")
		if r.FlowID != flow || r.FlowName != "Orders" || w.adobe.Count(flowsim.OpRun) != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestAnErrorThatIsNoneOfAdobesNamesItself(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.fail("run")
		w.accounts.onRenew = func() (string, error) { return "", fmt.Errorf("no secret: %w", errors.ErrUnsupported) }
		w.adobe.refuseToken(flowsim.OpRun, 9)
		w.want(w.deliver(byHand("run")), Returned, CredentialsUnavailable)
	})
}
