package ledger_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

const (
	testOrg  = "A@AdobeOrg"
	testFlow = "flow"
)

// book is a ledger whose clock the test sets.
type book struct {
	*ledger.Ledger
	t     *testing.T
	table *memory.Table
	now   time.Time
}

func newBook(t *testing.T) *book {
	t.Helper()
	b := &book{t: t, table: memory.New(), now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)}
	b.Ledger = ledger.New(b.table, ledger.DefaultTTL, func() time.Time { return b.now })
	return b
}

func (b *book) load(runID string) ledger.Entries {
	b.t.Helper()
	return must(b.Load(b.t.Context(), ledger.Ref{OrgID: testOrg, FlowID: testFlow, Sandbox: "prod", RunID: runID}))(b.t)
}

// claim claims a run with a lease of a minute and a budget's window of an hour.
func (b *book) claim(runID string, by ledger.Asker) (ledger.Claim, ledger.Entries) {
	b.t.Helper()
	claim, e, err := b.Claim(b.t.Context(), b.load(runID), ledger.ClaimOptions{
		By: by, ClientID: "client", Until: b.now.Add(time.Minute), Forgive: by == ledger.AForce, Window: time.Hour,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return claim, e
}

// lose claims a run, lets the call get no clear answer, and settles it in the end.
func (b *book) lose(runID string) {
	b.t.Helper()
	claim, e := b.claim(runID, ledger.AnEvent)
	must(b.MarkUnconfirmed(b.t.Context(), claim, e))(b.t)
	b.settle(runID, ledger.Searched)
}

func (b *book) settle(runID string, to ledger.State) {
	b.t.Helper()
	b.now = b.now.Add(time.Minute)
	must(b.Settle(b.t.Context(), b.load(runID), to, "outcome_unknown"))(b.t)
}

// confirm claims a run and records the run that the call has made.
func (b *book) confirm(runID, childID string, by ledger.Asker) ledger.Run {
	b.t.Helper()
	claim, e := b.claim(runID, by)
	must(b.Confirm(b.t.Context(), claim, e, childID))(b.t)
	return b.load(childID).Run
}

// must ends the test at an error.
func must[T any](value T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func runsOf(calls []ledger.Call) (ids []string) {
	for _, c := range calls {
		ids = append(ids, c.RunID)
	}
	return ids
}

func TestAKeptCallIsDroppedAfterSevenDays(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.lose("old")
	b.now = b.now.Add(ledger.LostCallRetention - time.Hour)
	b.lose("young")
	if got := runsOf(b.load("x").Flow.Kept); !slices.Equal(got, []string{"old", "young"}) {
		t.Errorf("kept are %v, want both", got)
	}
	b.now = b.now.Add(2 * time.Hour)
	b.lose("last")
	if got := runsOf(b.load("x").Flow.Kept); !slices.Equal(got, []string{"young", "last"}) {
		t.Errorf("kept are %v, want those of seven days", got)
	}
}

func TestAKeptCallIsDroppedWhenItsRunIsLinked(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.lose("root")
	b.lose("other")
	parent := b.load("root")
	must(b.Link(t.Context(), parent, ledger.NewRun(testOrg, testFlow, "prod", "child"), parent.Run.Lost))(t)
	if got := runsOf(b.load("root").Flow.Kept); !slices.Equal(got, []string{"other"}) {
		t.Errorf("kept are %v, want the other run's call alone", got)
	}
}

func TestALostCallMayHaveMadeRunsOfItsClientAndItsWindowAlone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	call := ledger.Call{RunID: "root", ClientID: "client", At: at, Until: at.Add(time.Minute)}
	first, last := at.Add(-2*time.Minute), at.Add(33*time.Minute) // 12:01 and 30 minutes and 2
	for _, c := range []struct {
		run, client string
		created     time.Time
		want        bool
	}{
		{"child", "client", first, true},
		{"child", "client", first.Add(-time.Millisecond), false},
		{"child", "client", last.Add(-time.Millisecond), true},
		{"child", "client", last, false},
		{"child", "client", time.Time{}, true},
		{"child", "other", at, false},
		{"root", "client", at, false},
	} {
		if got := call.MayHaveMade(c.run, c.client, c.created); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestNoClaimIsWrittenOverACallInTheSlot(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.claim("root", ledger.AnEvent)
	b.now = b.now.Add(48 * time.Hour) // however long its lease is over
	other := b.load("other")
	claim, _, err := b.Claim(t.Context(), other, ledger.ClaimOptions{By: ledger.AForce, ClientID: "client", Until: b.now.Add(time.Minute)})
	if err == nil || claim.Valid() {
		t.Errorf("another run was claimed: %v", err)
	}
	if got := b.load("other").Flow.Slot; got == nil || got.RunID != "root" {
		t.Errorf("the slot has %+v, want the call of root", got)
	}
}

func TestAnUnclearAnswerEndsTheLease(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	claim, e := b.claim("root", ledger.AnEvent)
	b.now = b.now.Add(10 * time.Second)
	must(b.MarkUnconfirmed(t.Context(), claim, e))(t)
	got := b.load("root")
	if !got.Flow.Slot.Until.Equal(b.now) || got.Run.StateAt(b.now) != ledger.Unconfirmed {
		t.Errorf("the lease ends at %s, and the state is %s, want now and unconfirmed", got.Flow.Slot.Until, got.Run.StateAt(b.now))
	}
}

func TestADeadLetterRemembersThatNobodyCanTellWhatItsCallDid(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	claim, e := b.claim("root", ledger.AnEvent)
	must(b.MarkUnconfirmed(t.Context(), claim, e))(t)
	b.settle("root", ledger.CannotTell)
	reserved := must(b.Reserve(t.Context(), b.load("root"), ledger.AnEvent, b.now.Add(time.Minute)))(t)
	must(b.Note(t.Context(), reserved, ledger.AnEvent, ledger.Outcome{State: ledger.DeadLettered, Reason: "outcome_unknown"}))(t)
	if got := b.load("root").Run; got.State != ledger.DeadLettered || got.Before != ledger.CannotTell {
		t.Errorf("the run is %s, and was %s before; want dead_lettered and cannot_tell", got.State, got.Before)
	}
}

func TestEveryEntryLivesAsLongAsTheLedgerSays(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.confirm("root", "child", ledger.AnEvent)
	records := slices.DeleteFunc(b.table.Records(), func(r store.Record) bool { return r["day"] != "" }) // a sum has a life of its own
	if len(records) != 3 {
		t.Errorf("%d records, want those of two runs and their dataflow", len(records))
	}
	for _, r := range records {
		if want := store.TTL(b.now.Add(ledger.DefaultTTL)); r[store.AttributeTTL] != want {
			t.Errorf("%s: its time to live is %s, want %s", r[store.AttributeKey], r[store.AttributeTTL], want)
		}
	}
}
