package ledger_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func idsOf(runs []ledger.Run) []string {
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.RunID)
	}
	return ids
}

func TestARunIsOnTheListOfItsStateAndOnNoOther(t *testing.T) {
	t.Parallel()
	want := map[ledger.State]string{
		ledger.Made: "open", ledger.Deferred: "waiting", ledger.Returned: "waiting", ledger.InFlight: "waiting", ledger.Unconfirmed: "waiting",
		ledger.Reserved: "waiting", ledger.Searched: "waiting", ledger.CannotTell: "waiting", ledger.DeadLettered: "dead",
	}
	for _, s := range ledger.States() {
		w := newWorld(t)
		w.inState("a", s)
		var on []string
		for name, list := range map[string]func() ([]ledger.Run, error){
			"open":    func() ([]ledger.Run, error) { return w.lists().Open(t.Context(), org, time.Time{}, 9) },
			"waiting": func() ([]ledger.Run, error) { return w.lists().Waiting(t.Context(), org, time.Time{}, 9) },
			"dead":    func() ([]ledger.Run, error) { return w.lists().DeadLetters(t.Context(), org, time.Time{}, 9) },
		} {
			runs, err := list()
			if err != nil {
				t.Fatal(err)
			}
			if slices.Contains(idsOf(runs), "a") {
				on = append(on, name)
			}
		}
		if got := strings.Join(on, " and "); got != want[s] {
			t.Errorf("a run that is %q is on the list %q, want %q", s, got, want[s])
		}
	}
}

func TestDeadLettersOfOneTimeAreListedTogetherAndNotMoreThanTheLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 30 { // all are first seen at one time
		w.note(w.reserve(fmt.Sprint("run-", i)), ledger.Outcome{State: ledger.DeadLettered, Reason: "rejected"})
	}
	all, err := w.lists().DeadLetters(t.Context(), org, time.Time{}, 100)
	if err != nil || len(all) != 30 {
		t.Errorf("%d dead letters, %v", len(all), err)
	}
	some, err := w.lists().DeadLetters(t.Context(), org, time.Time{}, 7)
	if err != nil || len(some) != 7 {
		t.Errorf("%d dead letters, %v", len(some), err)
	}
	if later, err := w.lists().DeadLetters(t.Context(), org, w.now, 100); err != nil || len(later) != 0 {
		t.Errorf("after their time: %d, %v", len(later), err)
	}
}

// TestFailingDataflowsAreListedWhetherPeopleWereToldOrNot: with notices an episode whose news
// is yet to be told is on another list than one that is told.
func TestFailingDataflowsAreListedWhetherPeopleWereToldOrNot(t *testing.T) {
	t.Parallel()
	for _, options := range [][]func(*ledger.Ledger){nil, {ledger.KeepNews}} {
		w := newWorld(t)
		l := ledger.New(w.table, ledger.DefaultTTL, func() time.Time { return w.now }, options...)
		for _, id := range []string{"late", "early", "mended"} {
			w.after(time.Minute)
			if id == "early" {
				w.after(-time.Hour)
			}
			e, err := l.Load(t.Context(), ledger.Ref{OrgID: org, FlowID: id, RunID: "run of " + id})
			if err != nil {
				t.Fatal(err)
			}
			e = w.must(l.Note(t.Context(), e, ledger.AnEvent, ledger.Outcome{State: ledger.Skipped}))
			e = w.must(l.Reserve(t.Context(), e, ledger.AnEvent, w.now.Add(lease)))
			e = w.must(l.Note(t.Context(), e, ledger.AnEvent, ledger.Outcome{State: ledger.DeadLettered, Reason: "rejected", GivenUp: true}))
			switch id {
			case "mended":
				w.must(l.CloseBreaker(t.Context(), e))
			case "late":
				if options != nil {
					if _, err := ledger.NewEpisodes(l).MarkTold(t.Context(), e.Flow, e.Flow.Untold()...); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		flows, err := w.lists().Failing(t.Context(), org, 9)
		if err != nil || len(flows) != 2 || flows[0].FlowID != "early" || flows[1].FlowID != "late" {
			t.Errorf("failing are %+v, %v", flows, err)
		}
		if one, err := w.lists().Failing(t.Context(), org, 1); err != nil || len(one) != 1 || one[0].FlowID != "early" {
			t.Errorf("with a limit of one: %+v, %v", one, err)
		}
	}
}

func TestAnOrgIsListedWithItsLastSignsOfLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	write := func(p ledger.Pulse) {
		t.Helper()
		p.Version, p.Mode, p.Schema = "1.0", "retry", ledger.Schema
		if err := ledger.WritePulses(t.Context(), w.table, w.now, p); err != nil {
			t.Fatal(err)
		}
	}
	event := w.now
	write(ledger.Pulse{OrgID: org, Sandbox: sandbox, LastEvent: event})
	w.after(time.Hour)
	write(ledger.Pulse{OrgID: "A@AdobeOrg"})
	write(ledger.Pulse{OrgID: org, LastSweep: w.now}) // what it does not know stays
	orgs, err := w.lists().Orgs(t.Context())
	want := []ledger.Pulse{
		{OrgID: "A@AdobeOrg", Version: "1.0", Mode: "retry", Schema: ledger.Schema},
		{OrgID: org, Sandbox: sandbox, LastEvent: event, LastSweep: w.now, Version: "1.0", Mode: "retry", Schema: ledger.Schema},
	}
	if diff := cmp.Diff(want, orgs); err != nil || diff != "" {
		t.Errorf("%v, orgs (-want +got):\n%s", err, diff)
	}
}

func TestADeadLetterWithoutARunIsListedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	want := ledger.Letter{ID: ledger.NewLetterID(), Reason: "unreadable", Error: "it is not JSON", Body: "?", At: w.now, Bytes: 1}
	large := ledger.Letter{ID: ledger.NewLetterID(), Reason: "unreadable", Error: strings.Repeat("é", 5000), Body: strings.Repeat("é", 100_000), At: w.now.Add(time.Second), Bytes: 200_000}
	for _, l := range []ledger.Letter{large, want} {
		if err := ledger.PutLetter(t.Context(), w.table, l); err != nil {
			t.Fatal(err)
		}
	}
	letters, err := w.lists().Letters(t.Context(), time.Time{}, 9)
	if err != nil || len(letters) != 2 || letters[0] != want {
		t.Fatalf("letters are %+v, %v", letters, err)
	}
	if l := letters[1]; len(l.Body) > ledger.MaxLetterBody || l.Bytes != 200_000 || !strings.HasPrefix(large.Body, l.Body) || len(l.Error) > 1024 {
		t.Errorf("of the large letter %d bytes are kept, and it has %d", len(l.Body), l.Bytes)
	}
	found, err := w.Read(t.Context(), ledger.LetterKey(want.ID))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []store.Record{found[ledger.LetterKey(want.ID)], found[ledger.LetterKey(want.ID)], nil} { // the second time somebody else was faster
		if err := ledger.DropLetter(t.Context(), w.table, r); err != nil {
			t.Error(err)
		}
	}
	if left, err := w.lists().Letters(t.Context(), time.Time{}, 9); err != nil || len(left) != 1 {
		t.Errorf("left are %+v, %v", left, err)
	}
}

func TestAnEntryRemembersItsNewestTwelveDecisions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 20 {
		w.after(time.Minute)
		e := w.load("a")
		e.Because(ledger.Decision{Rule: 23, Detail: strings.Repeat("é", 400), By: "arn", Why: "\x00\xff", Code: "c", HTTPStatus: 503, AdobeRequestID: "q"})
		w.must(w.Note(t.Context(), e, ledger.AMessage, ledger.Outcome{State: ledger.Deferred, Reason: fmt.Sprint("reason-", i), Due: w.now}))
	}
	got := w.load("a").Run.Decisions
	if len(got) != 12 || got[0].Reason != "reason-8" || got[11].Reason != "reason-19" {
		t.Fatalf("decisions are %+v", got)
	}
	want := ledger.Decision{
		At: w.now, Outcome: "deferred", Reason: "reason-19", Rule: 23, Detail: strings.Repeat("é", 148) + "…", By: "arn", Why: "\x00\uFFFD",
		Code: "c", HTTPStatus: 503, AdobeRequestID: "q",
	}
	if diff := cmp.Diff(want, got[11]); diff != "" {
		t.Errorf("the last one (-want +got):\n%s", diff)
	}
	e := w.load("a")
	e.Because(want)
	w.after(time.Minute)
	w.must(w.Note(t.Context(), e, ledger.AMessage, ledger.Outcome{State: ledger.Deferred, Reason: "reason-19", Due: w.now}))
	again := w.load("a").Run.Decisions
	if len(again) != 12 || again[10].Reason != "reason-18" || !again[11].At.Equal(w.now) {
		t.Errorf("one that is repeated takes a place of its own: %+v", again)
	}
	if want.Why = strings.Repeat("\x01", 300); ledgerSize(t, w, want) > store.MaxItem {
		t.Errorf("the entry has %d bytes", ledgerSize(t, w, want))
	}
}

// ledgerSize is the size of an entry whose decisions have the longest texts that there can be.
func ledgerSize(t *testing.T, w *world, d ledger.Decision) int {
	t.Helper()
	d.Detail, d.By, d.Code, d.AdobeRequestID, d.NewRunID, d.Reason = d.Why, d.Why, d.Why, d.Why, d.Why, d.Why
	w.put("a", func(e *ledger.Entries) {
		e.Run.Decisions = nil
		for range 12 {
			e.Run.Decisions = append(e.Run.Decisions, d)
		}
	})
	return w.stored()[ledger.RunKey(org, "a")].Size()
}

func TestALineageSaysWhatWasDecidedOnEachOfItsRuns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.load("a")
	e.Because(ledger.Decision{Rule: 4})
	claim, e, err := w.Claim(t.Context(), e, w.options())
	if err != nil {
		t.Fatal(err)
	}
	w.after(time.Second)
	w.must(w.Confirm(t.Context(), claim, e, "b"))
	began := w.now.Add(-time.Second)
	want := []ledger.Decision{
		{At: began, Outcome: "in_flight", Rule: 4, Attempt: 1},
		{At: w.now, Outcome: "retriggered", Attempt: 1, NewRunID: "b"},
	}
	if diff := cmp.Diff(want, w.load("a").Run.Decisions); diff != "" {
		t.Errorf("of the parent (-want +got):\n%s", diff)
	}
	want = []ledger.Decision{{At: w.now, Outcome: "made", Rule: 2, Attempt: 1, Detail: "a re-trigger of run a made this run"}}
	if diff := cmp.Diff(want, w.load("b").Run.Decisions); diff != "" {
		t.Errorf("of the child (-want +got):\n%s", diff)
	}
}

func TestDecisionsThatCantBeReadDoNotKeepAnEntryFromBeingWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.note(w.load("a"), ledger.Outcome{State: ledger.Skipped, Reason: "too_old"})
	key := ledger.RunKey(org, "a")
	for _, r := range w.table.Records() {
		if old := r[store.AttributeRev]; r[store.AttributeKey] == key {
			r["decisions"], r[store.AttributeRev] = "?", "by hand"
			if err := w.table.Commit(t.Context(), store.Write{Key: key, Old: old, New: r}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.must(w.Note(t.Context(), w.load("a"), ledger.AtHand, ledger.Outcome{State: ledger.Deferred, Reason: "retry_delay"}))
	if got := w.load("a").Run.Decisions; len(got) != 1 || got[0].Reason != "retry_delay" {
		t.Errorf("decisions are %+v", got)
	}
}
