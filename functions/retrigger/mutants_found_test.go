package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// Each of these tests finds a mutant of local/mutants that no other test finds.

// loseCalls lets the first re-triggers get no answer. Each takes effect after the time that
// late has for it; 0 means never.
func loseCalls(w *world, late ...time.Duration) {
	calls := 0
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if calls >= len(late) || !isRetrigger(r) {
			w.Adobe.ServeHTTP(answer, r)
			return
		}
		calls++
		if wait := late[calls-1]; wait > 0 {
			again := r.Clone(context.WithoutCancel(r.Context()))
			go func() {
				pass(wait)
				w.Adobe.ServeHTTP(httptest.NewRecorder(), again)
			}()
		}
		answer.WriteHeader(http.StatusGatewayTimeout)
	})
}

func TestLostCallThatTakesEffectLateIsFoundByTheSecondSearch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		loseCalls(w, 10*time.Minute) // long after the first search; the run that it makes succeeds
		root := w.Fail("f")
		w.Told(root)
		w.Drain(24 * time.Hour)
		if made, e := w.Adobe.Retriggers(root), w.Entry(root); made != 1 || e["state"] != "retriggered" || e["newRunId"] != w.Adobe.MadeOf(root) {
			t.Errorf("%d runs were made, want 1, and the entry is %v", made, e)
		}
	})
}

func TestDeadLetterThatCantBeWrittenComesAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{0}
		w.failing(1)
		w.AWS.Inject(awssim.Fault{Op: "SendMessage", Times: 30, Code: "AccessDenied", Of: `"lastTime"`})
		root := w.Fail("f")
		w.Told(root)
		w.Drain(24 * time.Hour)
		child := w.Adobe.MadeOf(root)
		if n, e := w.DeadLetters()[child], w.Entry(child); n != 1 || e["state"] != "dead_lettered" {
			t.Errorf("%d dead letters, want 1, and the entry is %v", n, e)
		}
	})
}

func TestNothingIsSentWhenNeitherTheClaimNorItsReadingWorks(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		tokens := 0
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			w.Adobe.ServeHTTP(answer, r)
			if strings.HasPrefix(r.URL.Path, "/ims/token") { // the claim comes next
				if tokens++; tokens == 1 {
					w.Faults.Fail(2, 0)
				}
			}
		})
		root := w.Fail("f")
		w.Told(root)
		w.Poll(w.Start(-1, false))
		if n := w.Adobe.Count(flowsim.OpRetrigger); tokens != 1 || w.Faults.Left() != 0 || n != 0 {
			t.Errorf("%d calls, want none; %d tokens, %d faults left", n, tokens, w.Faults.Left())
		}
		w.Drain(24 * time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 {
			t.Errorf("when the ledger is well again: %d re-triggers, want 1", n)
		}
	})
}

func TestRunThatEitherOfTwoLostCallsMayHaveMadeIsADeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.showing(flowsim.WindowsHidden)
		loseCalls(w, 0, 10*time.Minute) // the second one makes the run
		w.failing(100)
		first, second := w.Fail("f"), w.Fail("f")
		w.Told(first)
		w.Drain(time.Minute)
		w.Told(second)
		w.Drain(24 * time.Hour)
		made := w.Adobe.MadeOf(second)
		if e := w.Entry(made); e["state"] != "dead_lettered" || e["reason"] != "made_by_unknown_call" || e["parent"] != "" {
			t.Errorf("the entry of run %s is %v", made, e)
		}
		if letters := w.reasons(); letters["made_by_unknown_call"] != 1 || letters["outcome_unknown"] != 2 {
			t.Errorf("letters %v", letters)
		}
	})
}

func TestReleasedCallIsGivenBackToTheBudgetOfItsOrg(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.OrgBudget = 24*time.Hour, 1
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "20"}})
		root := w.Fail("f")
		w.Told(root)
		w.Drain(10 * time.Minute)
		if n, e := w.Adobe.Retriggers(root), w.Entry(root); n != 1 {
			t.Errorf("%d re-triggers after a 429, want 1, which is the budget; the entry is %v", n, e)
		}
	})
}

func TestCallThatIsAnsweredLateInTheInvocationIsRecorded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Timeout = 30 * time.Second
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			pass(9 * time.Second) // the token and the call, each: the answer comes after 18
			w.Adobe.ServeHTTP(answer, r)
		})
		root := w.Fail("f")
		w.Told(root)
		w.Poll(w.Start(-1, false))
		if e := w.Entry(root); e["state"] != "retriggered" {
			t.Errorf("after one delivery the entry is %v, want retriggered", e)
		}
	})
}

func TestRunForWhichNoTimeIsLeftCostsNoCall(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Timeout = 12 * time.Second // less than a call, its record and the answer may take
		root := w.Fail("f")
		w.Told(root)
		w.Poll(w.Start(-1, false))
		all := w.Logs.Outcomes()
		if len(all) != 1 || all[0].Outcome != "returned" || all[0].Reason != "deadline" || len(w.Adobe.Calls()) != 0 || w.Entry(root) != nil {
			t.Errorf("outcomes %+v after the calls %v, want deadline and none; the entry is %v", all, w.Adobe.Calls(), w.Entry(root))
		}
		w.Timeout = worldTimeout
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 {
			t.Errorf("%d re-triggers in the end, want 1", n)
		}
	})
}

func TestEachRequeueOfARequestIsCounted(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{time.Hour}
		root := w.Fail("f")
		w.Direct(w.Adobe.FailureEvent(root), func() *process { return w.Start(-1, false) })
		messages := w.AWS.Messages(w.Requests)
		if len(messages) != 1 || !strings.Contains(messages[0].Body, `"requeues":1`) {
			t.Errorf("on the request queue are %+v, want one message that was requeued once", messages)
		}
	})
}

func TestSecondDeliveryOfASweepListsNothingWhileTheFirstWorks(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(3, 1)
		var listed atomic.Int32
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/runs") {
				listed.Add(1)
				pass(5 * time.Second)
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		var group sync.WaitGroup
		for range 2 {
			p := w.Start(-1, false)
			group.Go(func() { _, _ = p.Invoke(t.Context(), []byte(bareSchedule)) })
			pass(2 * time.Second)
		}
		if n := listed.Load(); n != 1 {
			t.Errorf("%d listings while the first delivery works, want its own alone", n)
		}
		group.Wait()
		w.Drain(3 * time.Hour)
		w.wantOnce(t, ids)
	})
}

// meeting is a store in which something happens just before a run's entry gets a state. An
// error of that is the commit's.
type meeting struct {
	store.Table
	state  string
	before func() error
}

func (m meeting) Commit(ctx context.Context, writes ...store.Write) error {
	if slices.ContainsFunc(writes, func(w store.Write) bool { return w.New["state"] == m.state }) {
		if err := m.before(); err != nil {
			return err
		}
	}
	return m.Table.Commit(ctx, writes...)
}

func TestAfterAConflictTheDecisionIsMadeAnew(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{time.Hour}
		root := w.Fail("f")
		deliver := func() {
			if _, err := w.Start(-1, false).Invoke(t.Context(), w.Adobe.FailureEvent(root)); err != nil {
				t.Error(err)
			}
		}
		met := false
		w.Mutate = func(table store.Table) store.Table {
			return meeting{table, "reserved", func() error {
				if !met {
					met = true
					deliver() // another process is faster
				}
				return nil
			}}
		}
		deliver()
		all := w.Logs.Outcomes()
		if len(all) != 2 || all[0].Outcome != "deferred" || all[1].Outcome != "deferred" || all[1].Reason != "duplicate" || len(w.AWS.Messages(w.Requests)) != 1 {
			t.Errorf("%d messages wait, want one; outcomes %+v, want the second to be a duplicate", len(w.AWS.Messages(w.Requests)), all)
		}
	})
}

func TestClaimIsReleasedWhenTheCredentialIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusUnauthorized, Body: `{"error_code":"401013"}`, Times: 10})
		root := w.Fail("f")
		w.Told(root)
		w.Poll(w.Start(-1, false))
		if e := w.Entry(root); e["state"] != "returned" || e["reason"] != "credentials_refused" || e["sends"] != "" {
			t.Errorf("the entry is %v, want returned with no send", e)
		}
		w.Adobe.Heal()
		w.Drain(20 * time.Minute)
		if n := w.Adobe.Retriggers(root); n != 1 {
			t.Errorf("%d re-triggers when the credential is mended, want 1", n)
		}
	})
}
