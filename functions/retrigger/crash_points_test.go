package main

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// crashes are the points at which a process can die while it retries the run of an event.
// The first calls are answered, as many as calls says. With after, the next call still takes
// effect. A cold start makes these calls: it reads the entries and the pauses, reads the
// secrets of two orgs (at any time before the token), requests the token, claims,
// re-triggers and records.
func crashes() []struct {
	name                         string
	calls                        int
	after                        bool
	retriggers, extra, reconcile int
} {
	return []struct {
		name                         string
		calls                        int
		after                        bool
		retriggers, extra, reconcile int
	}{
		{"before the claim", 0, false, 1, 0, 0},
		{"after the claim", 4, true, 1, 1, 0},
		{"before sending", 5, false, 1, 1, 0},
		{"after sending, before the answer", 5, true, 1, 0, 1},
		{"after the answer, before the record", 6, false, 1, 0, 1},
		{"after the record", 6, true, 1, 0, 0},
		{"before the message's deletion", 7, false, 1, 0, 0},
	}
}

// TestCrashDuringARetryEndsWithOneNewRun: The process dies before or after each call of a
// retry. The redelivered message ends with one new run.
func TestCrashDuringARetryEndsWithOneNewRun(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"queue", "direct"} {
		for _, crash := range crashes() {
			t.Run(how+"/"+crash.name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					root := w.Fail("f")
					pass(5 * time.Minute)
					event := string(w.Adobe.FailureEvent(root))
					dying := w.Start(crash.calls, crash.after)
					if crash.name == "before the message's deletion" {
						dying = w.Start(-1, false)
					}
					if how == "queue" {
						w.Send(event)
						w.Poll(lost{dying})
					} else if _, err := dying.Invoke(t.Context(), []byte(event)); err == nil {
						t.Log("the invocation was answered; EventBridge delivers it again all the same")
					}
					if how == "direct" {
						pass(time.Minute)
						w.Direct([]byte(event), func() *process { return w.Start(-1, false) })
					}
					w.Drain(24 * time.Hour)
					calls := 0
					for _, c := range w.Adobe.Calls() {
						if c.Op == flowsim.OpRetrigger {
							calls++
						}
					}
					extra := 0
					for _, one := range w.Logs.All() {
						extra += one.Extra
					}
					reconciled := 0
					for _, one := range w.Logs.Ends(root) {
						if one.Reason == "reconciled" {
							reconciled++
						}
					}
					if calls != crash.retriggers || w.Adobe.Retriggers(root) != 1 || extra != crash.extra || reconciled != crash.reconcile {
						t.Errorf("%d calls, %d runs made, %d extra, %d reconciled; want %d, 1, %d, %d\n%v",
							calls, w.Adobe.Retriggers(root), extra, reconciled, crash.retriggers, crash.extra, crash.reconcile, w.Logs.Outcomes())
					}
					if e := w.Entry(root); e["state"] != "retriggered" || e["newRunId"] != w.Adobe.MadeOf(root) {
						t.Errorf("the ledger has %v", e)
					}
				})
			})
		}
	}
}

// TestRetriggerThatCouldNotBeRecordedIsFoundBySearch: The ledger fails when the answer is
// to be recorded. The next delivery finds the new run and sends no second re-trigger.
func TestRetriggerThatCouldNotBeRecordedIsFoundBySearch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			w.Adobe.ServeHTTP(answer, r)
			if isRetrigger(r) {
				w.Faults.Fail(1, 0)
			}
		})
		root := w.Fail("f")
		w.Direct(w.Adobe.FailureEvent(root), func() *process { return w.Start(-1, false) })
		w.Drain(24 * time.Hour)
		if e := w.Entry(root); len(w.sent()) != 1 || e["state"] != "retriggered" || e["newRunId"] != w.Adobe.MadeOf(root) {
			t.Errorf("%d re-triggers; the entry is %v", len(w.sent()), e)
		}
	})
}

// panicking panics when the ledger records the answer of a re-trigger.
type panicking struct{ store.Table }

func (t panicking) Commit(ctx context.Context, writes ...store.Write) error {
	for _, w := range writes {
		if w.New["state"] == string(ledger.Retriggered) {
			panic("a defect")
		}
	}
	return t.Table.Commit(ctx, writes...)
}

// TestPanicAfterTheCallKeepsTheClaim: The process panics while it records the answer. The
// claim stays in the ledger, and the new run is linked to its parent.
func TestPanicAfterTheCallKeepsTheClaim(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		root := w.Fail("f")
		pass(5 * time.Minute)
		w.Mutate = func(t store.Table) store.Table { return panicking{t} }
		w.Told(root)
		w.Poll(w.Start(-1, false))
		if e := w.Entry(root); e["state"] != "in_flight" || e["faults"] != "1" || e["sends"] != "1" {
			t.Errorf("the entry is %v", e)
		}
		w.Mutate = nil
		w.Drain(24 * time.Hour)
		if n := w.Lineages()[root]; n != 3 || w.Entry(w.Adobe.MadeOf(root))["parent"] != root {
			t.Errorf("%d re-triggers of the lineage, want 3; %v", n, w)
		}
	})
}
