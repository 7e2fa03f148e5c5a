package operate_test

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func TestStatusCountsWhatLiesThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.defers("f-1", "Orders daily", "run-1")
	w.gives("f-2", "Loyalty", "run-2", "attempts_exhausted")
	if err := ledger.PutLetter(t.Context(), w.table, ledger.Letter{ID: "l-1", Reason: "unreadable", At: w.now}); err != nil {
		t.Fatal(err)
	}
	w.counts = map[string]string{visible: "4", invisible: "1"}
	s, err := operate.ReadStatus(t.Context(), w.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Alive || s.FunctionVersion != "1.2.3+abc" || s.TemplateVersion != "1.2.3" || s.Mode != "retry" || s.LastEvent != w.now.Add(-10*time.Minute) {
		t.Errorf("it lives: %+v", s)
	}
	if s.Waiting.N != 1 || s.DeadLetters.N != 1 || s.Letters.N != 1 || s.Failing.N != 1 || s.Open.N != 0 || s.Others != 3 {
		t.Errorf("counts: %+v", s)
	}
	if s.Paused {
		t.Error("it counts as paused")
	}
	w.now = w.now.Add(4 * time.Hour)
	w.beat(ledger.Pulse{OrgID: org, Schema: ledger.Schema, Paused: true})
	if s, err = operate.ReadStatus(t.Context(), w.Operator); err != nil || s.Alive || !s.Paused {
		t.Errorf("four hours later, with a deployment that is paused: alive %t, paused %t, %v", s.Alive, s.Paused, err)
	}
}

func TestExpiredDeadLettersAreNotCountedAsMessagesOfTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.gives("f-2", "Loyalty", "run-2", "attempts_exhausted")
	w.now = w.now.Add(operate.Retention + time.Hour)
	w.counts = map[string]string{visible: "2"}
	s, err := operate.ReadStatus(t.Context(), w.Operator)
	if err != nil || s.Others != 2 || s.DeadLetters.N != 1 {
		t.Errorf("%d others, %d dead letters, %v; want 2 and 1", s.Others, s.DeadLetters.N, err)
	}
}

func TestFlowsSayWhichDataflowsAreInTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.defers("f-1", "Orders daily", "run-1")
	w.gives("f-2", "Loyalty", "run-2", "attempts_exhausted")
	w.gives("f-3", "Payments", "run-3", "attempts_exhausted")
	w.gives("f-3", "Payments", "run-4", "attempts_exhausted") // the breaker opens
	w.now = w.now.Add(20 * 24 * time.Hour)
	report, err := operate.ListFlows(t.Context(), w.Operator, "", 30)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range report.Flows {
		left := "-"
		if f.DaysLeft != nil {
			left = strconv.Itoa(*f.DaysLeft)
		}
		got = append(got, fmt.Sprintf("%s %s %d %d %s", f.Name, f.State, f.GivenUp, f.Waiting, left))
	}
	want := "Payments failing 2 0 10, Loyalty failing 1 0 10, Orders daily ok 0 1 -"
	if text := strings.Join(got, ", "); text != want || report.Total.GivenUp != 3 || report.More {
		t.Errorf("got %s, want %s; total %+v", text, want, report.Total)
	}
	w.now = w.now.Add(-20 * 24 * time.Hour)
	detail, err := operate.ShowFlow(t.Context(), w.Operator, operate.Filter{Flow: "payments"}, 7, 1)
	if err != nil {
		t.Fatal(err)
	}
	if detail.State != operate.FlowBreakerOpen || detail.BreakerUntil != w.now.Add(24*time.Hour) || len(detail.Days) != 1 || detail.Days[0].GivenUp != 2 || len(detail.Runs) != 1 {
		t.Errorf("one dataflow: %+v", detail)
	}
}

func TestDataflowsGoByNameOrID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.defers("f-1", "Orders daily", "run-1")
	w.defers("f-2", "Twins", "run-2")
	w.gives("f-3", "Twins", "run-3", "rejected")
	for name, want := range map[string]string{"f-1": "f-1", "Orders daily": "f-1", "orders DAILY": "f-1", "f-3": "f-3"} {
		if f, err := operate.ResolveFlow(t.Context(), w.Operator, "", name); err != nil || f.FlowID != want || f.OrgID != org {
			t.Errorf("%q is %+v, %v", name, f, err)
		}
	}
	for name, want := range map[string]struct {
		kind operate.Kind
		text string
	}{
		"Twins":       {operate.Wrong, "f-2 (org W@AdobeOrg, sandbox prod), f-3 (org"},
		"Orders dail": {operate.NotThere, `did you mean "Orders daily"?`},
		"twin":        {operate.NotThere, `did you mean "Twins"?`},
		"nothing":     {operate.NotThere, "aep-retrigger flows lists those that it knows"},
	} {
		_, err := operate.ResolveFlow(t.Context(), w.Operator, "", name)
		if kindOf(t, err) != want.kind || !strings.Contains(err.Error(), want.text) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestOrgsAreAskedForOnlyWhereThereAreSeveral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.defers("f-1", "Orders daily", "run-1")
	if _, err := operate.Explain(t.Context(), w.Operator, "", "run-1"); err != nil {
		t.Error(err)
	}
	w.beat(ledger.Pulse{OrgID: "V@AdobeOrg", Schema: ledger.Schema})
	if _, err := operate.Explain(t.Context(), w.Operator, "", "run-1"); err != nil {
		t.Errorf("one org has the run: %v", err)
	}
	other, err := w.ledger.Load(t.Context(), ledger.Ref{OrgID: "V@AdobeOrg", FlowID: "f-9", Sandbox: sandbox, RunID: "run-1"})
	if err != nil {
		t.Fatal(err)
	}
	w.note(other, ledger.Outcome{State: ledger.Skipped, Reason: "too_old"}, ledger.Decision{})
	_, err = operate.Explain(t.Context(), w.Operator, "", "run-1")
	if kindOf(t, err) != operate.Wrong || !strings.Contains(err.Error(), "name one of V@AdobeOrg, W@AdobeOrg with --org") {
		t.Errorf("two orgs have the run: %v", err)
	}
	if e, err := operate.Explain(t.Context(), w.Operator, "V@AdobeOrg", "run-1"); err != nil || e.FlowID != "f-9" || !strings.Contains(e.Now, "was not retried: the run failed longer ago") {
		t.Errorf("%+v, %v", e, err)
	}
	_, err = operate.Explain(t.Context(), w.Operator, "U@AdobeOrg", "run-1")
	if kindOf(t, err) != operate.NotThere || !strings.Contains(err.Error(), "it knows V@AdobeOrg, W@AdobeOrg") {
		t.Errorf("an unknown org: %v", err)
	}
	_, err = operate.ScopeOfFlow(t.Context(), w.Operator, "", "", "Nothing like it")
	if kindOf(t, err) != operate.Wrong || !strings.Contains(err.Error(), "--org") {
		t.Errorf("which org: %v", err)
	}
}

func TestACommandOlderThanTheLedgerChangesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.answer = `{"pauses":[]}`
	w.defers("f-1", "Orders daily", "run-1")
	w.beat(ledger.Pulse{OrgID: org, Schema: ledger.Schema + 1})
	_, _, err := operate.SetPaused(t.Context(), w.Operator, true, operate.PauseScope{}, operate.Because{Reason: "x"})
	if kindOf(t, err) != operate.Failed || !strings.Contains(err.Error(), "Update the command") {
		t.Errorf("pause: %v", err)
	}
	_, err = operate.Choose(t.Context(), w.Operator, "", "", []string{"run-1"})
	if kindOf(t, err) != operate.Failed || len(w.asked) != 0 {
		t.Errorf("retry: %v; the function was asked for %v", err, w.asked)
	}
}

func TestTheFunctionIsToldWhoAsksAndWhy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.defers("f-1", "Orders daily", "run-1")
	w.answer = `{"results":[{"runId":"run-1","outcome":"skipped","reason":"policy","message":"it waits no more"}]}`
	runs, err := operate.Choose(t.Context(), w.Operator, "", "dev", []string{"run-1", "run-1", "run-9"})
	if err != nil || len(runs) != 2 || !runs[0].Known || runs[0].Sandbox != "prod" || runs[1].Known || runs[1].Sandbox != "dev" {
		t.Fatalf("%+v, %v", runs, err)
	}
	results, err := operate.Cancel(t.Context(), w.Operator, runs[:1], operate.Because{Reason: "loaded by hand"})
	if err != nil || len(results) != 1 || results[0].Why != "a rule of RETRY_POLICY says so" || results[0].Failed() {
		t.Errorf("%+v, %v", results, err)
	}
	if got, want := fmt.Sprint(w.asked), "[map[cancel:map[by:arn:aws:iam::123456789012:user/ada orgId:W@AdobeOrg reason:loaded by hand runIds:[run-1]]]]"; got != want {
		t.Errorf("the function was asked for %s, want %s", got, want)
	}
	w.asked = nil
	if _, err := operate.Retry(t.Context(), w.Operator, runs[1:], true, operate.Because{}); err != nil {
		t.Error(err)
	}
	if got, want := fmt.Sprint(w.asked), "[map[requests:[map[by:arn:aws:iam::123456789012:user/ada force:true runId:run-9 sandbox:dev]]]]"; got != want {
		t.Errorf("the function was asked for %s, want %s", got, want)
	}
}

// TestALineageIsATree: run A was sent twice, and both calls made a run; the second is
// superseded, and the lineage goes on with the first.
func TestALineageIsATree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.defers("f-1", "Orders daily", "A")
	for _, r := range w.table.Records() {
		if r["runId"] != "A" {
			continue
		}
		for i, one := range []map[string]string{
			{"runId": "A", "state": "retriggered", "newRunId": "B"},
			{"runId": "B", "state": "dead_lettered", "reason": "attempts_exhausted", "parent": "A", "attempt": "2"},
			{"runId": "C", "state": "skipped", "reason": "duplicate", "parent": "A", "superseded": "true"},
		} {
			next := store.Record{}
			maps.Copy(next, r)
			maps.Copy(next, one)
			next[store.AttributeKey], next[store.AttributeRev] = ledger.RunKey(org, one["runId"]), strconv.Itoa(i)
			next[store.AttributeAt] = fmt.Sprintf("2026-11-26T12:00:0%d.000Z", i)
			next["firstSeen"] = next[store.AttributeAt]
			old := ""
			if one["runId"] == "A" {
				old = r[store.AttributeRev]
			}
			if err := w.table.Commit(t.Context(), store.Write{Key: next[store.AttributeKey], Old: old, New: next}); err != nil {
				t.Fatal(err)
			}
		}
	}
	e, err := operate.Explain(t.Context(), w.Operator, "", "C")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range e.Runs {
		got = append(got, fmt.Sprintf("%d %s", r.Depth, r.RunID))
	}
	if text := strings.Join(got, ", "); text != "0 A, 1 B, 1 C" || e.Root != "A" || e.Asked != "C" {
		t.Errorf("%s: %+v", text, e)
	}
	if e.Command != "aep-retrigger retry B --force" || !strings.Contains(e.Now, "Run B was given up: the lineage has had its attempts.") || e.Next != "mend the cause, then send the run with force" {
		t.Errorf("next: %q %q %q", e.Now, e.Next, e.Command)
	}
	if d := e.Runs[0].Decisions[0]; d.RuleText != "reserve, write, note" || d.Detail != "attempt 1 is due later" {
		t.Errorf("decision %+v", d)
	}
}

// TestACommandToCopyIsNoOtherCommand: whoever can send an event chooses the run's id.
func TestACommandToCopyIsNoOtherCommand(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]string{
		"57ee05cd-e009-42c7-8d10-9f1e2a6b3d84": "aep-retrigger waiting now 57ee05cd-e009-42c7-8d10-9f1e2a6b3d84",
		"x;reboot":                             "aep-retrigger waiting now 'x;reboot'",
		"$(reboot)'`id`":                       `aep-retrigger waiting now '$(reboot)'\''` + "`id`'",
	} {
		w := newWorld(t)
		w.defers("f-1", "Orders daily", id)
		e, err := operate.Explain(t.Context(), w.Operator, "", id)
		if err != nil || e.Command != want {
			t.Errorf("%s, %v, want %s", e.Command, err, want)
		}
	}
}
