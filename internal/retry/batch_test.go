package retry_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// batch delivers requests as one batch, one after the other.
func (w *world) batch(e *Engine, requests ...event.Request) (results []Result) {
	b := e.Read(w.Context(), requests)
	for i, req := range requests {
		results = append(results, w.deliverTo(e, req, Delivery{Name: strconv.Itoa(i), Batch: b}))
	}
	e.Close(w.Context(), b)
	return results
}

func TestABatchIsReadAndBudgetedInOneCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 10
		adds := 0
		w.table.onAdd = func(int) error {
			adds++
			return nil
		}
		var requests []event.Request
		for i := range 5 {
			w.adobe.AddFlow(flowsim.Flow{ID: fmt.Sprint("flow", i), OrgID: org, Sandbox: sandbox})
			req := w.fail(fmt.Sprint("run", i))
			w.adobe.AddRun(flowsim.Run{ID: req.RunID, FlowID: fmt.Sprint("flow", i), Status: flowsim.Failed})
			req.FlowID = fmt.Sprint("flow", i)
			requests = append(requests, req)
		}
		for _, r := range w.batch(w.engine(), requests...) {
			w.want(r, Retriggered, "")
		}
		if w.table.reads != 1 || adds != 1 || w.budget() != "5" {
			t.Errorf("%d reads, %d additions, %s of the budget", w.table.reads, adds, w.budget())
		}
	})
}

func TestWhatABatchDoesNotSendIsGivenBack(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 10
		first, again, refused := w.fail("run"), w.event("run"), w.fail("refused")
		lost := w.fail("lost")
		w.adobe.onCall = func(r *http.Request) {
			if isRetrigger(r) && strings.Contains(r.URL.Path, "refused") {
				w.adobe.forbidden()
			}
			if isRetrigger(r) && strings.Contains(r.URL.Path, "lost") {
				w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Reset: true})
			}
		}
		results := w.batch(w.engine(), first, again, refused, lost)
		w.want(results[0], Retriggered, "")
		w.want(results[1], Retriggered, ReasonDuplicate) // it has the entries as the first has left them
		w.want(results[2], DeadLettered, Forbidden)
		w.want(results[3], Returned, OutcomeUnknown)
		w.wantBudget("2") // the first, and the lost one
		if w.table.reads != 1 {
			t.Errorf("%d reads", w.table.reads)
		}
	})
}

func TestARunWhoseCallAnotherOfItsBatchHasLookedUpIsReadAnew(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		made    bool
		outcome Outcome
		reason  Reason
	}{"it made a run": {true, Retriggered, ReasonDuplicate}, "it made none": {false, Deferred, OutcomeUnknown}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				lost, other := w.fail("lost"), w.fail("other")
				w.lose(lost, tt.made)
				pass(reconcile)
				results := w.batch(w.engine(), other, lost)
				w.want(results[0], Retriggered, "")
				w.want(results[1], tt.outcome, tt.reason)
			})
		})
	}
}

func TestASingleDeliveryGivesItsPartOfTheBudgetBack(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 10
		req := w.fail("run")
		w.adobe.forbidden()
		w.want(w.deliver(req), DeadLettered, Forbidden)
		w.wantBudget("0")
		w.want(w.deliver(w.fail("other")), Retriggered, "")
		w.wantBudget("1")
	})
}

func TestNearTheLimitABatchTakesWhatIsLeft(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 3
		w.options.Policy = atOnce(3)
		var requests []event.Request
		for i := range 7 {
			requests = append(requests, w.fail(fmt.Sprint("run", i)))
		}
		counts := map[Outcome]int{}
		for _, r := range w.batch(w.engine(), requests...) {
			counts[r.Outcome]++
		}
		if counts[Retriggered] != 3 || counts[Deferred] != 4 || w.budget() != "3" {
			t.Errorf("%v, %s of the budget", counts, w.budget())
		}
		forced := byHand("run6")
		forced.Force = true
		w.want(w.deliver(forced), Retriggered, "")
		pass(time.Hour) // another window
		if e := w.entries("run5"); e.Run.Reason != string(BudgetSpent) || !e.Run.Due.After(time.Now()) {
			t.Errorf("%+v", e.Run)
		}
	})
}

func TestNothingIsClaimedWhereTheOrgsBudgetIsSpent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 3
		w.others(3)
		w.table.onCommit = func(writes []store.Write) (before, after error) {
			if isClaim(writes) {
				w.Error("it is claimed")
			}
			return nil, nil
		}
		w.want(w.batch(w.engine(), w.fail("run"))[0], Deferred, BudgetSpent)
	})
}

// TestARunIsReleasedWhereOthersHaveTakenTheLastOfTheBudgetMeanwhile, between the look and the
// claim, and nothing is sent.
func TestARunIsReleasedWhereOthersHaveTakenTheLastOfTheBudgetMeanwhile(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 3
		e, requests := w.engine(), []event.Request{w.fail("run")}
		b := e.Read(w.Context(), requests)
		w.others(3)
		r := w.deliverTo(e, requests[0], Delivery{Name: "m", Batch: b})
		e.Close(w.Context(), b)
		w.want(r, Deferred, BudgetSpent)
		if entry := w.entries("run"); w.adobe.Count(flowsim.OpRetrigger) != 0 || entry.Flow.Slot != nil || entry.Run.Sends != 0 || w.budget() != "3" {
			t.Errorf("%d re-triggers, %s of the budget are used; the entries are %+v", w.adobe.Count(flowsim.OpRetrigger), w.budget(), entry)
		}
		pass(2 * time.Hour)
		w.want(w.deliver(byHand("run")), Retriggered, "")
	})
}

func TestARunIsReleasedWhereTheOrgsBudgetCantBeTaken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 3
		w.table.onAdd = func(int) error { return errDown }
		req := w.fail("run")
		w.want(w.batch(w.engine(), req)[0], Returned, LedgerUnavailable)
		w.table.onAdd = func(int) error { panic("a defect") }
		w.want(w.batch(w.engine(), req)[0], Returned, LedgerUnavailable)
		if w.adobe.Count(flowsim.OpRetrigger) != 0 {
			t.Error("it is sent")
		}
		if !strings.Contains(w.log.String(), "panic while taking a part of an org's budget") {
			t.Errorf("the log is %s", w.log.String())
		}
		w.table.onAdd = nil
		w.want(w.batch(w.engine(), req)[0], Retriggered, "")
	})
}

// TestTheOrgsBudgetIsTakenWhileTheRunIsClaimed, and the org's pulse is written during the call:
// an event takes as long as read, claim, call and record.
func TestTheOrgsBudgetIsTakenWhileTheRunIsClaimed(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.options.OrgBudget = 3
		e := w.engine()
		w.want(w.batch(e, w.fail("warm"))[0], Retriggered, "") // the token is there now
		pass(ledger.PulseInterval)
		second := func() { pass(time.Second) }
		w.table.onRead = func() error { second(); return nil }
		w.table.onAdd = func(int) error { second(); return nil }
		w.table.onCommit = func([]store.Write) (before, after error) { second(); return nil, nil }
		w.table.onPulse = func([]store.Write) (before, after error) { pass(time.Second / 2); return nil, nil }
		w.adobe.onCall = func(*http.Request) { second() }
		req, began := w.fail("run"), time.Now()
		results := w.batch(e, req)
		e.Pulse(w.Context(), results, nil)
		w.want(results[0], Retriggered, "")
		if took := time.Since(began); took != 4*time.Second {
			t.Errorf("it takes %s", took)
		}
		if last := pulseOf(w).LastEvent; last.Before(began) {
			t.Errorf("the last pulse is of %s", last)
		}
	})
}

func TestOneMoreReTriggerWaitsForTheOrgsBudget(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.searchedInVain()
		pass(secondSearch)
		w.options.OrgBudget = 1
		w.want(w.deliver(w.fail("other")), Retriggered, "")
		w.want(w.deliver(w.message()), Returned, NotDue)
		if e := w.entries("run"); e.Run.Reason != string(BudgetSpent) {
			t.Errorf("%+v", e.Run)
		}
	})
}

func TestRunsOfOneDataflowGoOneAfterTheOther(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.adobe.onCall = func(r *http.Request) {
			if isRetrigger(r) {
				pass(time.Second)
			}
		}
		var requests []event.Request
		for i := range 5 {
			requests = append(requests, w.fail(fmt.Sprint("run", i)))
		}
		e := w.engine()
		b := e.Read(w.Context(), requests)
		results := make([]Result, len(requests))
		var all sync.WaitGroup
		for i, req := range requests {
			all.Go(func() { results[i] = w.deliverTo(e, req, Delivery{Name: strconv.Itoa(i), Batch: b}) })
		}
		all.Wait()
		for _, r := range results {
			w.want(r, Retriggered, "")
		}
		if w.table.reads != 1 {
			t.Errorf("%d reads", w.table.reads)
		}
	})
}

func TestARunThatGetsNoTurnIsReturned(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.adobe.onCall = func(r *http.Request) {
			if isRetrigger(r) {
				pass(9 * time.Second)
			}
		}
		first, second := w.fail("first"), w.fail("second")
		e := w.engine()
		var all sync.WaitGroup
		all.Go(func() { w.deliverTo(e, first, Delivery{}) })
		pass(time.Second)
		ctx, cancel := context.WithTimeout(w.Context(), 16*time.Second)
		defer cancel()
		w.want(e.Retry(ctx, second, Delivery{}), Returned, FlowBusy)
		all.Wait()
		if e.TimeFor(ctx) {
			t.Error("there is time for another")
		}
	})
}

func TestABatchThatCanNotBeReadReadsEachByItself(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		e := w.engine()
		w.table.onRead = func() error {
			w.table.onRead = nil
			return errDown
		}
		w.want(w.batch(e, req)[0], Retriggered, "")

		learned := ""
		b := e.Read(w.Context(), []event.Request{req}, Extra{Key: "pauses", Learn: func(r store.Record) error {
			learned = strconv.Itoa(len(r))
			return errDown
		}})
		if learned != "0" || b.ChangedAt(req).IsZero() || !(*Batch)(nil).ChangedAt(req).IsZero() {
			t.Errorf("learned %s, changed at %s", learned, b.ChangedAt(req))
		}
		e.Close(w.Context(), nil)
		w.table.onRead = func() error { panic("a defect") }
		w.table.reads = 0
		if e.Read(w.Context(), []event.Request{req}) == nil || w.table.reads != 1 {
			t.Error("a panic has lost the batch")
		}
		early := req
		early.Due = time.Now().Add(time.Hour)
		if e.Read(w.Context(), []event.Request{early}); w.table.reads != 1 {
			t.Error("what is not due was read")
		}
	})
}

func TestADryRunSaysWhatWouldBecomeOfTheRun(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before func(*world)
		says   string
	}{
		"it would be sent":     {func(*world) {}, "would be re-triggered, as attempt 1: it has failed"},
		"it is being paused":   {func(w *world) { w.throttle.pause(time.Hour) }, "would wait: all is paused"},
		"the calls are slowed": {func(w *world) { w.throttle.busy = time.Hour }, "would be returned (throttled)"},
		"the budget is spent": {func(w *world) {
			w.options.FlowBudget, w.options.BudgetWindow = 1, time.Hour
			w.deliver(w.fail("other"))
		}, "would be deferred (budget_spent)"},
		"it has succeeded": {func(w *world) {
			w.adobe.AddRun(flowsim.Run{ID: "run", FlowID: flow, Status: flowsim.Success, Records: 3})
		}, "would be skipped (run_succeeded)"},
		"Adobe decides": {func(w *world) { w.adobe.AddRun(flowsim.Run{ID: "run", FlowID: flow, Status: flowsim.Success}) }, `would be sent to Flow Service, which decides: its status is "success"`},
		"there is no such run": {func(w *world) {
			w.adobe.AddRun(flowsim.Run{ID: "run", FlowID: "gone"})
			w.adobe.AddFlow(flowsim.Flow{ID: "gone", OrgID: "else"})
		}, "would be dead_lettered (run_not_found)"},
		"it was sent already": {func(w *world) { w.deliver(w.event("run")) }, "would be retriggered (duplicate)"},
		"it is on its way":    {func(w *world) { w.lose(w.event("run"), true) }, "would be returned (outcome_unknown)"},
		"it would be found":   {func(w *world) { w.lose(w.event("run"), true); pass(time.Hour) }, "would be linked to run run, whose re-trigger got no answer and has made it"},
		"it would be settled": {func(w *world) { w.lose(w.event("run"), false); pass(time.Hour) }, "would be decided on when it is known that the re-trigger of run run"},
		"the breaker is open": {func(w *world) { openBreaker(w) }, "would be dead_lettered (breaker_open)"},
		"the breaker would close": {func(w *world) {
			openBreaker(w)
			w.adobe.AddRun(flowsim.Run{ID: "good", FlowID: flow, Status: flowsim.Success, CreatedAt: time.Now(), CompletedAt: time.Now()})
		}, "would be re-triggered, as attempt 1: a run of its dataflow has succeeded, which closes the breaker"},
		"the ledger is down": {func(w *world) { w.table.onRead = func() error { return errDown } }, "would be returned (ledger_unavailable)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				w.fail("run")
				c.before(w)
				sent, letters := w.adobe.Count(flowsim.OpRetrigger), len(w.letters.sent)
				w.table.onCommit = func([]store.Write) (before, after error) {
					t.Error("a dry run has written")
					return nil, nil
				}
				req := byHand("run")
				req.DryRun = true
				r := w.deliver(req)
				w.want(r, Skipped, DryRun)
				if !strings.HasPrefix(r.Message, c.says) {
					t.Errorf("%q, want %q", r.Message, c.says)
				}
				w.want(w.engine().GiveUp(w.Context(), r), Skipped, DryRun)
				if w.wantRetriggers(sent); len(w.letters.sent) != letters || len(w.queue.sent) > 0 && w.queue.sent[len(w.queue.sent)-1].Request.DryRun {
					t.Error("a dry run has sent a message")
				}
			})
		})
	}
}

// openBreaker opens the dataflow's breaker.
func openBreaker(w *world) {
	e := w.entries("exhausted")
	pass(time.Second)
	for range 3 {
		reserved, err := w.ledger.Reserve(w.Context(), e, ledger.AnEvent, time.Now().Add(time.Minute))
		if err != nil {
			w.Fatal(err)
		}
		if e, err = w.ledger.Note(w.Context(), reserved, ledger.AnEvent, ledger.Outcome{State: ledger.DeadLettered, Exhausted: true, Breaker: ledger.Breaker{Threshold: 1, Cooldown: day}}); err != nil {
			w.Fatal(err)
		}
	}
	pass(time.Second)
}

func TestASuccessClosesTheBreaker(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		openBreaker(w)
		w.want(w.deliver(req), DeadLettered, BreakerOpen)
		w.adobe.AddRun(flowsim.Run{ID: "good", FlowID: flow, Status: flowsim.Success, CreatedAt: time.Now(), CompletedAt: time.Now()})
		w.want(w.deliver(w.fail("other")), Retriggered, "")
	})
}

func TestTheNameOfADataflowIsAskedForOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		e := w.engine()
		for i := range 3 {
			if r := w.deliverTo(e, w.fail(fmt.Sprint("run", i)), Delivery{}); r.FlowName != "Orders" {
				t.Errorf("%+v", r)
			}
		}
		if got := w.adobe.Count(flowsim.OpFlow); got != 1 {
			t.Errorf("it was asked for %d times", got)
		}
		named := w.fail("named")
		named.FlowName = "Orders, renamed"
		w.deliverTo(e, named, Delivery{})
		if r := w.deliverTo(e, w.fail("next"), Delivery{}); r.FlowName != "Orders, renamed" {
			t.Errorf("%+v", r)
		}
	})
}

func TestANameThatIsNotToldHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"too many calls": {Op: flowsim.OpFlow, Times: 9, Status: 429},
		"unknown":        {Op: flowsim.OpFlow, Times: 9, Status: 404},
		"down":           {Op: flowsim.OpFlow, Times: 9, Status: 503},
		"slow":           {Op: flowsim.OpFlow, Times: 9, Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				e := w.engine()
				w.adobe.Inject(fault)
				begin := time.Now()
				w.want(w.deliverTo(e, w.fail("run"), Delivery{}), Retriggered, "")
				w.want(w.deliverTo(e, w.fail("other"), Delivery{}), Retriggered, "")
				if asked := w.adobe.Count(flowsim.OpFlow); asked != 1 || time.Since(begin) > 4*time.Second {
					t.Errorf("it was asked for %d times, in %s", asked, time.Since(begin))
				}
			})
		})
	}
}

func TestTheOutcomesAreFive(t *testing.T) {
	t.Parallel()
	if all := Outcomes(); len(all) != 5 || !slices.Contains(all, Returned) {
		t.Errorf("%v", all)
	}
}
