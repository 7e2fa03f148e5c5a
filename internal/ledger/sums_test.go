package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func (v *view) lists() ledger.Lists { return ledger.Lists{Table: v.table} }

// days are the sums of a month.
func (v *view) days() []ledger.Sum {
	v.Helper()
	sums, err := v.lists().Days(v.Context(), org, v.now.Add(-30*24*time.Hour), 1000)
	if err != nil {
		v.Fatal(err)
	}
	return sums
}

// made lets a re-trigger of a run make another one.
func (w *world) made(of, child string) {
	w.Helper()
	c, e := w.claim(of)
	w.must(w.Confirm(w.Context(), c, e, child))
}

func TestARecoveryIsAddedOnceToTheSumsOfItsDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put("a", func(e *ledger.Entries) { e.Run.FlowName, e.Run.State = "Orders", ledger.Returned })
	w.made("a", "b")
	w.made("b", "c")
	r := ledger.Recovery{ErrorCode: "CONNECTOR-1001-500", At: w.now.Add(-13 * time.Hour), After: 89 * time.Second} // it succeeded yesterday
	for range 3 {
		if _, _, err := w.Succeed(t.Context(), w.load("c"), r); err != nil {
			t.Fatal(err)
		}
	}
	want := []ledger.Sum{
		{OrgID: org, Day: "2026-02-28", FlowID: flow, FlowName: "Orders", ErrorCode: "CONNECTOR-1001-500", Recovered: 1, Minutes: 1, Attempts: 2},
		{OrgID: org, Day: "2026-03-01", FlowID: flow, FlowName: "Orders", ErrorCode: ledger.NoCode, Retriggered: 2},
	}
	if diff := cmp.Diff(want, w.days()); diff != "" {
		t.Errorf("the sums (-want +got):\n%s", diff)
	}
}

func TestARecoveryWhoseAnswerIsLostIsAddedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.made("a", "b")
	w.table.lost = 1
	if _, _, err := w.Succeed(t.Context(), w.load("b"), ledger.Recovery{At: w.now}); !errors.As(err, new(*store.UnavailableError)) {
		t.Fatal(err)
	}
	if _, ok, err := w.Succeed(t.Context(), w.load("b"), ledger.Recovery{At: w.now}); ok || err != nil {
		t.Fatalf("told again: %t, %v", ok, err)
	}
	w.made("x", "y")
	w.table.twice = func() {} // the AWS client sends it again
	if _, ok, err := w.Succeed(t.Context(), w.load("y"), ledger.Recovery{At: w.now}); !ok || err != nil {
		t.Fatalf("sent again: %t, %v", ok, err)
	}
	if sums := w.days(); len(sums) != 1 || sums[0].Recovered != 2 || sums[0].ErrorCode != ledger.NoCode {
		t.Errorf("the sums are %+v", sums)
	}
}

func TestNothingIsAddedWhereARunDoesNotSucceed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.made("a", "b")
	stale := w.load("b")
	w.reserve("b") // its failure is seen
	if _, _, err := w.Succeed(t.Context(), stale, ledger.Recovery{At: w.now}); !isConflict(err) {
		t.Errorf("error = %v", err)
	}
	if sums := w.days(); len(sums) != 1 || sums[0].Recovered != 0 {
		t.Errorf("the sums are %+v", sums)
	}
}

func TestEachRetriggerAndEachDeadLetterIsCountedInTheTransactionThatWritesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"a", "b", "late", "dead"} {
		w.put(id, func(e *ledger.Entries) {
			e.Run.FlowName, e.Run.ErrorCode, e.Run.State = "Orders", "C-1", ledger.Returned
		})
	}
	w.made("a", "a2")
	call := w.lose("b")
	w.must(w.Link(t.Context(), w.load("b"), ledger.NewRun(org, flow, sandbox, "b2"), call))
	w.lose("late")
	w.settle("late", ledger.Searched)
	e := w.reserve("dead")
	w.must(w.Note(t.Context(), e, ledger.AnEvent, ledger.Outcome{State: ledger.DeadLettered, Reason: "forbidden"}))
	want := []ledger.Sum{{OrgID: org, Day: "2026-03-01", FlowID: flow, FlowName: "Orders", ErrorCode: "C-1", Retriggered: 2, GivenUp: 1}}
	if diff := cmp.Diff(want, w.days()); diff != "" {
		t.Errorf("the sums (-want +got):\n%s", diff)
	}
}

func TestARetriggerWhoseRecordIsWrittenAgainIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c, e := w.claim("a")
	w.table.twice = func() {} // the AWS client sends it again
	w.must(w.Confirm(t.Context(), c, e, "b"))
	if sums := w.days(); len(sums) != 1 || sums[0].Retriggered != 1 {
		t.Errorf("the sums are %+v", sums)
	}
}

func TestACodeInASumIsShortAndPlain(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"CONNECTOR-1001-500": "CONNECTOR-1001-500", "": "-", "a b#1\n": "a_b_1_", "żółw": "___w", "\xff\xfe": "__", "v1.2_x": "v1.2_x",
		strings.Repeat("x", 1000): strings.Repeat("x", 64),
	} {
		if got := ledger.NewSum(org, flow, "", code, time.Now()).ErrorCode; got != want {
			t.Errorf("code %q is %q in a sum, want %q", code, got, want)
		}
	}
}

func TestSumsAreKeptLongerThanAYearAndAreReadFromADayOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for day := range 5 {
		s := ledger.NewSum(org, flow, "", "C", w.now.Add(time.Duration(day)*24*time.Hour))
		s.Retriggered = 1
		if err := w.table.Commit(t.Context(), s.Write()); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := w.lists().Days(t.Context(), org, time.Date(2026, 3, 3, 23, 59, 0, 0, time.FixedZone("", 3600)), 2)
	if err != nil || len(sums) != 2 || sums[0].Day != "2026-03-03" || sums[1].Day != "2026-03-04" {
		t.Errorf("the sums are %+v, %v", sums, err)
	}
	if other, err := w.lists().Days(t.Context(), "other@AdobeOrg", time.Time{}, 10); err != nil || len(other) != 0 {
		t.Errorf("of another org: %+v, %v", other, err)
	}
	for _, r := range w.table.Records() {
		if want := store.TTL(time.Date(2027, 4, 5, 0, 0, 0, 0, time.UTC)); r["day"] == "2026-03-01" && r[store.AttributeTTL] != want {
			t.Errorf("a sum lives until %s, want %s", r[store.AttributeTTL], want)
		}
	}
}

func TestARunThatWeMadeIsOnTheOpenListUntilItsEndIsKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	open := func() (ids []string) {
		t.Helper()
		runs, err := w.lists().Open(t.Context(), org, w.now.Add(-time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range runs {
			ids = append(ids, r.RunID)
		}
		return ids
	}
	want := func(ids ...string) {
		t.Helper()
		if diff := cmp.Diff(ids, open()); diff != "" {
			t.Errorf("the open runs (-want +got):\n%s", diff)
		}
	}
	w.made("a", "b")
	w.after(time.Minute)
	w.made("x", "y")
	want("b", "y") // the oldest first
	w.must(w.CountFault(t.Context(), w.load("y"), ledger.AnEvent, "m/1", "r"))
	want("b", "y")
	w.reserve("y") // its failure is seen
	want("b")
	w.after(time.Minute)
	w.made("b", "c")
	want("c")
	w.after(time.Minute)
	if _, ok, err := w.Succeed(t.Context(), w.load("c"), ledger.Recovery{At: w.now}); !ok || err != nil {
		t.Fatal(ok, err)
	}
	want()
	w.made("m", "n")
	w.after(61 * time.Minute)
	want() // it is too old
}

// TestALinkThatChangesNothingIsCountedOnce: The run that was made has its place already, so that
// its entry does not tell that it was linked.
func TestALinkThatChangesNothingIsCountedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	call := w.lose("a")
	w.settle("a", ledger.Searched)
	w.put("b", func(e *ledger.Entries) { e.Run.State, e.Run.Sends = ledger.Returned, 1 })
	for range 2 {
		w.must(w.Link(t.Context(), w.load("a"), w.load("b").Run, call))
	}
	if sums := w.days(); len(sums) != 1 || sums[0].Retriggered != 1 {
		t.Errorf("the sums are %+v", sums)
	}
}
