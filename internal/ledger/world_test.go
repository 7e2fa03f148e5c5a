package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

const (
	org     = "O@AdobeOrg"
	flow    = "flow"
	sandbox = "prod"
	client  = "client"
	// lease is how long a claim of the tests lasts.
	lease = time.Minute
)

// world is a ledger over a table in memory, with a clock of its own. Its own methods are the
// steps of the tests; those of the view read what the steps have led to.
type world struct{ *view }

// table is a table between whose calls something can happen.
type table struct {
	*memory.Table

	// each happens before each commit but those of its own.
	each func()
	// lost are how many commits are made without an answer; unmade are how many are not
	// made and have none either.
	lost, unmade int
	// twice happens once, before a commit that was made is sent again.
	twice func()
}

var errLost = &store.UnavailableError{Op: "commit", Err: errors.New("no answer")}

func (t *table) Commit(ctx context.Context, writes ...store.Write) error {
	if f := t.each; f != nil {
		t.each = nil
		f()
		t.each = f
	}
	if t.unmade > 0 {
		t.unmade--
		return errLost
	}
	err := t.Table.Commit(ctx, writes...)
	if t.lost > 0 {
		t.lost--
		return errLost
	}
	if f := t.twice; f != nil {
		t.twice = nil
		f()
		return t.Table.Commit(ctx, writes...)
	}
	return err
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{&view{T: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), table: &table{Table: memory.New()}}}
	w.Ledger = ledger.New(w.table, ledger.DefaultTTL, func() time.Time { return w.now })
	return w
}

func (w *world) after(d time.Duration) { w.now = w.now.Add(d) }

// must ends the test where an operation fails.
func (w *world) must(e ledger.Entries, err error) ledger.Entries {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
	return e
}

func (w *world) options() ledger.ClaimOptions {
	return ledger.ClaimOptions{By: ledger.AnEvent, ClientID: client, Until: w.now.Add(lease)}
}

// claim claims a run as the ledger has it.
func (w *world) claim(runID string) (ledger.Claim, ledger.Entries) {
	w.Helper()
	o := w.options()
	o.By = ledger.AForce // whatever its state is
	c, e, err := w.Claim(w.Context(), w.load(runID), o)
	if err != nil {
		w.Fatal(err)
	}
	return c, e
}

// lose claims a run, and lets its lease end without an answer.
func (w *world) lose(runID string) ledger.Call {
	w.Helper()
	c, e := w.claim(runID)
	w.must(w.MarkUnconfirmed(w.Context(), c, e))
	w.after(time.Second)
	return *w.load(runID).Flow.Slot
}

// settle closes the lost call of a run.
func (w *world) settle(runID string, to ledger.State) {
	w.Helper()
	w.must(w.Settle(w.Context(), w.load(runID), to, "outcome_unknown"))
}

// reserve reserves a run for a minute.
func (w *world) reserve(runID string) ledger.Entries {
	w.Helper()
	return w.must(w.Reserve(w.Context(), w.load(runID), ledger.AnEvent, w.now.Add(lease)))
}

// note writes an outcome of a run.
func (w *world) note(e ledger.Entries, o ledger.Outcome) ledger.Entries {
	w.Helper()
	return w.must(w.Note(w.Context(), e, ledger.AnEvent, o))
}

// put writes a run in a state.
func (w *world) put(runID string, change func(*ledger.Entries)) {
	w.Helper()
	e := w.load(runID)
	change(&e)
	if err := w.Put(w.Context(), e); err != nil {
		w.Fatal(err)
	}
}

func isConflict(err error) bool { return errors.As(err, new(*store.ConflictError)) }

func isTransition(err error) bool { return errors.As(err, new(*ledger.TransitionError)) }
