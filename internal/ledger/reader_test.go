package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

func TestEntriesAreReadAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := func(n int) time.Time { return w.now.Add(time.Duration(n) * time.Millisecond) }
	call := func(n int) ledger.Call {
		return ledger.Call{ID: fmt.Sprint("id-", n), RunID: "a", ClientID: client, Sandbox: sandbox, At: at(n), Until: at(n + 1)}
	}
	run := ledger.Run{
		OrgID: org, RunID: "a", FlowID: flow, Sandbox: sandbox, FlowName: "Örders", ErrorCode: "code", ErrorText: "text\n\"", Fingerprint: "told",
		Window: aeptime.Window{Start: at(-2), End: at(-1)},
		State:  ledger.Reserved, Reason: "reason", Root: "root", Parent: "parent", Successor: "successor", Attempt: 3, Sends: 2, Forgiven: 1,
		Call: call(1), Lost: call(2), Settled: ledger.CannotTell, Due: at(3), Before: ledger.Deferred, Earlier: ledger.DeadLettered, ReservedBy: "me", ReservedUntil: at(4),
		Faults: 5, LastFault: "m/1", FaultAt: at(5), Counted: true, Superseded: true, SupersededBy: "by hand", FirstSeen: at(6), ChangedAt: w.now,
		Decisions: []ledger.Decision{{At: at(21), Outcome: "deferred", Reason: "r", Rule: 16, Attempt: 1, Detail: "d", By: "b", Why: "w", HTTPStatus: 503, Code: "c", AdobeRequestID: "q", NewRunID: "n"}},
	}
	slot := call(7)
	f := ledger.Flow{
		OrgID: org, FlowID: flow, Slot: &slot, Kept: []ledger.Call{call(8), call(9)}, Cut: &ledger.CutMark{ClientIDs: []string{"x", "y"}, Until: at(10)},
		Exhausted: 2, Since: at(11), BlockedUntil: at(12), Window: at(13), Sent: 4, Listed: true,
		Episodes: []ledger.Episode{{Began: at(14), Since: at(15), Last: at(16), Opened: at(17), Ended: at(18), RunID: "a", Root: "root", Attempts: 1, Reason: "r", Code: "c", Text: "t", Sandbox: sandbox, FlowName: "o", Window: aeptime.Window{Start: at(19), End: at(20)}, Count: 2, Told: []ledger.News{ledger.RunGivenUp}}},
	}
	for _, v := range []any{run, f} { // none is forgotten here
		for i := range reflect.ValueOf(v).NumField() {
			if field := reflect.TypeOf(v).Field(i); field.IsExported() && reflect.ValueOf(v).Field(i).IsZero() {
				t.Errorf("the test does not set %s", field.Name)
			}
		}
	}
	w.put("a", func(e *ledger.Entries) { e.Run, e.Flow = run, f })
	got := w.load("a")
	if diff := cmp.Diff(ledger.Entries{Run: run, Flow: f}, got, cmpopts.IgnoreUnexported(ledger.Entries{}, ledger.Run{}, ledger.Flow{})); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
}

func TestRunsWithoutAnEntryAreLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.reserve("a")
	w.reserve("b")
	runs, err := w.Runs(t.Context(), org, "a", "b", "c", "a")
	if err != nil || len(runs) != 2 || runs["a"].RunID != "a" || runs["b"].State != ledger.Reserved {
		t.Errorf("the runs are %+v, %v", runs, err)
	}
}

func TestARunWithoutADataflowHasNoEntryOfOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := ledger.Ref{OrgID: org, Sandbox: sandbox, RunID: "a"}
	if keys := ref.Keys(); len(keys) != 1 {
		t.Errorf("its keys are %v", keys)
	}
	e, err := w.Load(t.Context(), ref)
	w.must(e, err)
	w.must(w.CountFault(t.Context(), e, ledger.AnEvent, "m", "x"))
	if all := w.stored(); len(all) != 1 {
		t.Errorf("the store has %v, want the run alone", all)
	}
}

func TestTheRunsOfADataflowAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"a", "b", "c"} {
		w.reserve(id)
		w.after(time.Second)
	}
	runs, err := w.OfFlow(t.Context(), org, flow, 2)
	if err != nil || len(runs) != 2 || runs[0].RunID != "c" || runs[1].RunID != "b" {
		t.Errorf("the runs are %+v, %v", runs, err)
	}
}

func TestAReadThatFailsIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, load := w.Load(ctx, ledger.Ref{OrgID: org, FlowID: flow, RunID: "a"})
	_, runs := w.Runs(ctx, org, "a")
	_, list := w.OfLineage(ctx, org, "a", 1)
	for _, err := range []error{load, runs, list} {
		if !errors.As(err, new(*store.UnavailableError)) {
			t.Errorf("error = %v", err)
		}
	}
}

func TestAnEntryOfANewerVersionIsNotWritten(t *testing.T) {
	t.Parallel()
	for name, key := range map[string]string{
		"of the run": ledger.RunKey(org, "a"), "of the dataflow": ledger.FlowKey(org, flow), "of the child": ledger.RunKey(org, "b"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.reserve("b")
			call := w.lose("a")
			for _, r := range w.table.Records() {
				if r[store.AttributeKey] == key {
					old := r[store.AttributeRev]
					r[ledger.SchemaAttribute], r[store.AttributeRev] = ledger.NewerSchema(), "newer"
					if err := w.table.Commit(t.Context(), store.Write{Key: key, Old: old, New: r}); err != nil {
						t.Fatal(err)
					}
				}
			}
			before := w.stored()
			_, err := w.Link(t.Context(), w.load("a"), w.run("b"), call)
			newer, ok := errors.AsType[*ledger.NewerError](err)
			if !ok || newer.Key != key || newer.Schema != ledger.Schema+1 || !strings.Contains(err.Error(), "deploy the newer version again") {
				t.Errorf("error = %v", err)
			}
			w.unchanged(before)
		})
	}
}

// If an unreadable slot counted as empty, a second call of the dataflow could be sent.
func TestAnEntryThatCannotBeReadIsNotWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, attribute, text string }{
		{ledger.FlowKey(org, flow), "slot", `{"id": `},
		{ledger.FlowKey(org, flow), "kept", "x"},
		{ledger.FlowKey(org, flow), "cut", "[]"},
		{ledger.RunKey(org, "a"), "sends", "two"},
		{ledger.RunKey(org, "a"), "call", "x"},
		{ledger.RunKey(org, "a"), "reservedUntil", "tomorrow"},
	} {
		t.Run(tt.attribute, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.note(w.reserve("a"), ledger.Outcome{State: ledger.Deferred, Exhausted: true})
			for _, r := range w.table.Records() {
				if r[store.AttributeKey] == tt.key {
					old := r[store.AttributeRev]
					r[tt.attribute], r[store.AttributeRev] = tt.text, "edited"
					if err := w.table.Commit(t.Context(), store.Write{Key: tt.key, Old: old, New: r}); err != nil {
						t.Fatal(err)
					}
				}
			}
			before := w.stored()
			c, _, err := w.Claim(t.Context(), w.load("a"), w.options())
			if err == nil || c.Valid() || !strings.Contains(err.Error(), tt.attribute+" of the ledger's entry "+tt.key) {
				t.Errorf("claim %v, %v", c, err)
			}
			w.unchanged(before)
		})
	}
}

// A type with more methods is to be split.
func TestTheLedgerHasAtMostTwentyMethods(t *testing.T) {
	t.Parallel()
	if n := reflect.TypeFor[*ledger.Ledger]().NumMethod(); n > 20 {
		t.Errorf("the ledger has %d methods", n)
	}
}

// TestAnOperationOnABriefEntryKeepsItsDecisions: a sweep reads entries without their
// decisions, and changes some.
func TestAnOperationOnABriefEntryKeepsItsDecisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	note := func(e ledger.Entries, reason string) {
		w.after(time.Minute)
		w.must(w.Note(t.Context(), e, ledger.AMessage, ledger.Outcome{State: ledger.Deferred, Reason: reason, Due: w.now}))
	}
	brief := func() ledger.Entries {
		snapshot, err := w.Read(t.Context(), ledger.RunKeys(org, "a", "without an entry")...)
		runs := snapshot.RunsInBrief()
		if err != nil || len(runs) != 1 || runs["a"].Decisions != nil {
			t.Fatalf("%+v, %v", runs, err)
		}
		e := w.load("a")
		e.Run = *runs["a"]
		return e
	}
	note(w.load("a"), "first")
	note(brief(), "second")
	w.must(w.Reserve(t.Context(), brief(), ledger.AMessage, w.now.Add(time.Minute))) // which decides nothing
	if all := w.load("a").Run.Decisions; len(all) != 2 || all[0].Reason != "first" || all[1].Reason != "second" {
		t.Errorf("decisions are %+v", all)
	}
}
