package retry_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestTheRunThatALostCallMadeIsFoundAndLinked(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.unanswered(true)
		r := w.deliver(req)
		w.want(r, Retriggered, Reconciled)
		if child := w.entries(r.NewRunID); r.NewRunID != w.adobe.MadeOf("run") || child.Run.Parent != "run" || child.Flow.Slot != nil {
			t.Errorf("%+v\n%+v", r, child)
		}
		w.wantRetriggers(1)
	})
}

func TestTheNextRunOfTheDataflowFindsOutWhatALostCallDid(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.lose(w.fail("run"), true)
		other := w.fail("other")
		pass(reconcile)
		w.want(w.deliver(other), Retriggered, "")
		w.wantState("run", ledger.Retriggered)
		w.wantRetriggers(2)
	})
}

func TestALostCallThatMadeNothingIsSentOnceMoreAfterHalfAnHour(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.searchedInVain()
		if e := w.entries("run"); e.Flow.Slot != nil || len(e.Flow.Kept) != 1 {
			t.Errorf("the dataflow is not free: %+v", e.Flow)
		}
		w.want(w.deliver(w.fail("other")), Retriggered, "") // its dataflow waits half a minute only

		pass(secondSearch)
		r := w.deliver(w.message())
		w.want(r, Retriggered, "")
		if !r.Extra || r.Attempt != 2 {
			t.Errorf("%+v", r)
		}
		w.wantRetriggers(3)
	})
}

func TestARunThatIsListedLateIsLinkedByTheSecondSearch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		until := time.Now()
		w.lose(req, false)
		pass(reconcile)
		w.want(w.deliver(req), Deferred, OutcomeUnknown)
		w.adobe.made("late", until.Add(time.Minute))
		pass(secondSearch)
		r := w.deliver(w.message())
		w.want(r, Retriggered, Reconciled)
		if e := w.entries("late"); e.Run.Parent != "run" || len(e.Flow.Kept) != 0 {
			t.Errorf("%+v", e)
		}
		w.wantRetriggers(1)
	})
}

func TestOnlyARunBetweenTheBordersIsACandidate(t *testing.T) {
	t.Parallel()
	const late = secondSearch + 2*time.Minute // after the end of the call's lease
	for name, c := range map[string]struct {
		created time.Duration // after the call
		client  string
		flow    string
		found   bool
	}{
		"two minutes before the call": {-2 * time.Minute, ourClient, flow, true},
		"earlier":                     {-2*time.Minute - time.Millisecond, ourClient, flow, false},
		"just before the window ends": {late - time.Millisecond, ourClient, flow, true},
		"when the window has ended":   {late, ourClient, flow, false},
		"of another client":           {time.Second, "somebody", flow, false},
		"of another dataflow":         {time.Second, ourClient, "another", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.adobe.AddFlow(flowsim.Flow{ID: "another", OrgID: org, Sandbox: sandbox})
				req := w.fail("run")
				at := time.Now()
				w.lose(req, false)
				w.adobe.AddRun(flowsim.Run{ID: "candidate", FlowID: c.flow, Status: flowsim.InProgress, CreatedClient: c.client, CreatedAt: at.Add(c.created)})
				pass(time.Hour)
				r := w.deliver(req)
				if found := r.Outcome == Retriggered && r.Reason == Reconciled; found != c.found {
					t.Errorf("found: %t, want %t: %+v", found, c.found, r)
				}
			})
		})
	}
}

func TestTheOldestCandidateOnAnyPageCounts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		at := time.Now()
		w.lose(req, false)
		for i := range 250 { // three pages
			w.adobe.made(fmt.Sprintf("made-%03d", i), at.Add(time.Duration(i)*time.Second))
		}
		pass(time.Hour)
		r := w.deliver(req)
		w.want(r, Retriggered, Reconciled)
		if r.NewRunID != "made-000" {
			t.Errorf("%s was linked", r.NewRunID)
		}
	})
}

func TestARunThatTheLedgerKnowsIsNoCandidate(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first := w.deliver(w.fail("first")) // its child is not the lost call's
		w.want(first, Retriggered, "")
		req := w.fail("run")
		w.lose(req, false)
		pass(time.Hour)
		w.want(w.deliver(req), Retriggered, "")
		w.wantRetriggers(3)
	})
}

func TestARunThatTwoLostCallsMayHaveMadeIsNobodys(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		first, second := w.fail("first"), w.fail("second")
		w.lose(first, false)
		pass(reconcile)
		w.want(w.deliver(first), Deferred, OutcomeUnknown) // its call is kept
		w.lose(second, true)
		pass(reconcile)
		w.want(w.deliver(second), DeadLettered, OutcomeUnknown)
		if e := w.entries("second"); !e.Run.Unclear() || e.Flow.Slot != nil || len(e.Flow.Kept) != 2 {
			t.Errorf("%+v", e)
		}
		// The run that was made fails: one of two calls made it.
		child := w.adobe.MadeOf("second")
		w.adobe.End(child, flowsim.Fail("X", "no"))
		w.want(w.deliver(w.event(child)), DeadLettered, MadeByUnknownCall)
		w.wantRetriggers(2)
		// A person sends it on. It may be the first one's, which is not sent again.
		w.want(w.deliver(event.Request{RunID: child, OrgID: org, Force: true}), Retriggered, "")
		pass(secondSearch)
		w.want(w.deliver(w.message()), DeadLettered, OutcomeUnknown)
		w.wantRetriggers(3)
	})
}

func TestAFailedRunOfAKeptCallIsLinkedToItsParent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.Policy = atOnce(3)
		w.searchedInVain()
		w.adobe.made("late", time.Now())
		w.adobe.End("late", flowsim.Fail("X", "no"))
		pass(10 * time.Minute)
		r := w.deliver(w.event("late"))
		w.want(r, Retriggered, "")
		if e := w.entries("late"); e.Run.Parent != "run" || e.Run.Root != "run" || r.Attempt != 2 || len(e.Flow.Kept) != 0 {
			t.Errorf("%+v\n%+v", r, e)
		}
		pass(secondSearch)
		w.want(w.deliver(w.message()), Retriggered, ReasonDuplicate)
	})
}

func TestTheFailureOfTheRunThatALostCallMadeIsLinkedThoughNothingIsListed(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.lose(w.fail("run"), true)
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable, Times: 999})
		child := w.adobe.MadeOf("run")
		w.adobe.End(child, flowsim.Fail("X", "no"))
		w.want(w.deliver(w.event(child)), Deferred, RetryDelay)
		w.wantState("run", ledger.Retriggered)
		if e := w.entries(child); e.Run.Parent != "run" || e.Flow.Slot != nil {
			t.Errorf("%+v", e)
		}
	})
}

func TestASearchThatCanNotBeMadeMakesADeadLetterOfItsRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wait  time.Duration
		fault func(*world)
	}{
		"forbidden": {reconcile, func(w *world) {
			w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Times: 9, Status: 403, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2118-403","status":403}`})
		}},
		"too many": {reconcile, func(w *world) {
			for i := range 2001 {
				w.adobe.made(fmt.Sprintf("made-%d", i), time.Now())
			}
		}},
		"failing for a day": {25 * time.Hour, func(w *world) {
			w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Times: 9, Status: 503})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				w.lose(req, false)
				pass(c.wait)
				c.fault(w)
				w.want(w.deliver(req), DeadLettered, OutcomeUnknown)
				e := w.entries("run")
				if e.Flow.Slot != nil || !e.Run.Unclear() || len(w.letters.sent) != 1 {
					t.Errorf("%+v", e)
				}
				w.adobe.Heal()
				again := byHand("run") // a redrive does not send it
				w.want(w.deliver(again), DeadLettered, OutcomeUnknown)
				w.wantRetriggers(1)
				pass(time.Minute)
				again.Force = true // a person who has looked does
				pass(time.Hour)
				w.deliver(again)
				w.wantRetriggers(2)
			})
		})
	}
}

func TestASearchThatFailsIsAFaultOfItsOwnRunAlone(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		other := w.fail("other")
		w.lose(req, true)
		pass(reconcile)
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Times: 2, Status: 503})
		r := w.deliver(other)
		w.want(r, Returned, FlowBusy)
		if e := w.entries("other"); !r.Waits() || e.Run.Faults != 0 || e.Flow.Slot == nil {
			t.Errorf("%+v", e)
		}
		w.want(w.deliver(req), Returned, AdobeUnavailable)
		if e := w.entries("run"); e.Run.Faults != 1 || e.Flow.Slot == nil {
			t.Errorf("%+v", e)
		}
		w.want(w.deliver(req), Retriggered, Reconciled)
	})
}

func TestASearchOnlyWaitsForACredentialAndForAdobesPace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault  flowsim.Fault
		reason Reason
	}{
		"a refused credential": {flowsim.Fault{Op: flowsim.OpRuns, Times: 9, Status: 401, Body: `{"error_code":"401013"}`}, CredentialsRefused},
		"too many calls":       {flowsim.Fault{Op: flowsim.OpRuns, Times: 9, Status: 429, Header: map[string]string{"Retry-After": "60"}}, Throttled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.fail("run")
				w.lose(req, true)
				pass(48 * time.Hour) // however long it takes
				w.adobe.Inject(c.fault)
				r := w.deliver(req)
				w.want(r, Returned, c.reason)
				if e := w.entries("run"); !r.Waits() || e.Run.Faults != 0 || e.Flow.Slot == nil {
					t.Errorf("%+v", e)
				}
				w.adobe.Heal()
				w.want(w.deliver(req), Retriggered, Reconciled)
			})
		})
	}
}

func TestASearchWithoutTimeIsMadeByTheNextDelivery(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.lose(req, true)
		pass(25 * time.Hour)
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Hang: true})
		ctx, cancel := context.WithTimeout(w.Context(), RecordTime+time.Second)
		defer cancel()
		w.want(w.engine().Retry(ctx, req, Delivery{}), Returned, AdobeUnavailable) // and not the ledger
		w.wantState("run", ledger.Unconfirmed)
		w.want(w.deliver(req), Retriggered, Reconciled)
	})
}

func TestAListingIsReadToItsEndThoughItsPagesChange(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		at := time.Now()
		w.lose(req, false)
		for i := range 150 {
			w.adobe.made(fmt.Sprintf("made-%03d", i), at.Add(time.Duration(i)*time.Second))
		}
		pass(time.Hour)
		refuse := 1
		w.adobe.onCall = func(r *http.Request) { // a token is refused once
			if strings.Contains(r.URL.RawQuery, "continuationToken") && refuse > 0 {
				refuse--
				w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: 400, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","status":400}`})
			}
		}
		r := w.deliver(req)
		w.want(r, Retriggered, Reconciled)
		if r.NewRunID != "made-000" {
			t.Errorf("%s was linked", r.NewRunID)
		}
	})
}

func TestTheSecretsNewClientIdDoesNotHideTheRunOfALostCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		w.lose(req, true)
		w.accounts.rotate("new-client")
		pass(reconcile)
		w.want(w.deliver(req), Retriggered, Reconciled)
		w.wantRetriggers(1)
	})
}

func TestTheSearchUsesTheSandboxOfTheCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.unanswered(true)
		other := w.fail("other")
		other.Sandbox = "dev"
		w.deliver(other)
		for _, c := range w.adobe.Calls() {
			if c.Op == flowsim.OpRuns && c.Sandbox != sandbox {
				t.Errorf("%+v", c)
			}
		}
		w.wantState("run", ledger.Retriggered)
	})
}

func TestAFoundRunThatFailsMeanwhileIsSearchedForAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.unanswered(true)
		child := w.adobe.MadeOf("run")
		reads := 0
		w.table.onRead = func() error {
			if reads++; reads != 3 { // the entries, the candidates, and then the parent
				return nil
			}
			w.table.onRead = nil
			e := w.entries(child) // another delivery has met the child's failure
			_, err := w.ledger.CountFault(w.Context(), e, ledger.AnEvent, "another/1", "adobe_unavailable")
			return err
		}
		r := w.deliver(req)
		w.want(r, Retriggered, Reconciled)
		if e := w.entries(child); e.Run.Parent != "run" {
			t.Errorf("%+v", e)
		}
	})
}

func TestACallThatIsLostDuringASearchMayHaveMadeTheRunAsWell(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.searchedInVain()
		pass(secondSearch)
		w.adobe.made("late", time.Now().Add(-time.Minute))
		reads := 0
		w.table.onRead = func() error {
			if reads++; reads != 3 { // the entries, the candidates, and then the parent
				return nil
			}
			w.table.onRead = nil // meanwhile another process loses a call, and its search finds nothing
			_, e, err := w.ledger.Claim(w.Context(), w.entries("other"), ledger.ClaimOptions{By: ledger.AnEvent, ClientID: ourClient, Until: time.Now().Add(time.Second)})
			if err == nil {
				_, err = laterOf(w, time.Minute).Settle(w.Context(), e, ledger.Searched, "")
			}
			return err
		}
		w.want(w.deliver(w.message()), DeadLettered, OutcomeUnknown)
		if e := w.entries("late"); e.Run.Parent != "" {
			t.Errorf("%+v", e.Run)
		}
	})
}
