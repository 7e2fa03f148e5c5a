package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

const org = "A@AdobeOrg"

// clock is a clock that the test moves.
type clock struct{ now time.Time }

func (c *clock) ledger(table store.Table) *ledger.Ledger {
	return ledger.New(table, time.Hour, func() time.Time { return c.now })
}

func claim(t *testing.T, l *ledger.Ledger, v ledger.View, until time.Time) ledger.View {
	t.Helper()
	v, err := l.Claim(t.Context(), v, until, false)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func look(t *testing.T, l *ledger.Ledger, run string) ledger.View {
	t.Helper()
	v, err := l.Look(t.Context(), ledger.Guess(org, "f", "prod", run))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// counting counts the calls of a table.
type counting struct {
	store.Table
	calls int
}

func (c *counting) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	c.calls++
	return c.Table.Read(ctx, keys...)
}

func (c *counting) Commit(ctx context.Context, writes ...store.Write) error {
	c.calls++
	return c.Table.Commit(ctx, writes...)
}

func TestARetriggerTakesTwoCalls(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	table := memory.New()
	counted := &counting{Table: table}
	l := c.ledger(counted)
	v := claim(t, l, ledger.Guess(org, "f", "prod", "root"), c.now.Add(time.Minute))
	if v, err := l.Retriggered(t.Context(), v, "made"); err != nil || v.Run.NewRunID != "made" {
		t.Fatal(v.Run, err)
	}
	if counted.calls != 2 {
		t.Errorf("%d calls, want 2", counted.calls)
	}
	// A run that waits is guessed from its message.
	made := look(t, l, "made")
	due := c.now.Add(time.Hour)
	if _, err := l.Note(t.Context(), made, ledger.Deferred, "retry_delay", due); err != nil {
		t.Fatal(err)
	}
	c.now = due
	counted.calls = 0
	v = claim(t, l, ledger.GuessDeferred(ledger.Run{
		OrgID: org, RunID: "made", FlowID: "f", Sandbox: "prod", Root: "root", Parent: "root", Attempt: 1, Due: due, FirstSeen: c.now,
	}), c.now.Add(time.Minute))
	if _, err := l.Retriggered(t.Context(), v, "third"); err != nil || counted.calls != 2 {
		t.Errorf("%v after %d calls, want 2", err, counted.calls)
	}
	for name, list := range map[string]func() ([]ledger.Run, error){
		"lineage":  func() ([]ledger.Run, error) { return l.OfLineage(t.Context(), org, "root", 10) },
		"dataflow": func() ([]ledger.Run, error) { return l.OfFlow(t.Context(), org, "f", 10) },
	} {
		var ids []string
		runs, err := list()
		for _, r := range runs {
			ids = append(ids, r.RunID)
		}
		if err != nil || !slices.Equal(ids, []string{"third", "made", "root"}) {
			t.Errorf("the %s in order, the newest first, is %v, %v", name, ids, err)
		}
	}
	for _, r := range table.Records() {
		if seconds, _ := strconv.ParseInt(r[store.AttributeTTL], 10, 64); seconds < 1_800_000_000+3600 {
			t.Errorf("%s lives until %s", r[store.AttributeKey], r[store.AttributeTTL])
		}
	}
	if third := look(t, l, "third"); third.Run.Root != "root" || third.Run.Parent != "made" || third.Run.Attempt != 2 || third.Lineage.Attempts != 2 || len(third.Flow.Sends) != 0 {
		t.Errorf("the third run is %+v", third)
	}
}

func TestAConflictBringsTheViewUpToDate(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	l := c.ledger(memory.New())
	until := c.now.Add(time.Minute)
	first := claim(t, l, ledger.Guess(org, "f", "prod", "run"), until)
	second, err := l.Claim(t.Context(), ledger.Guess(org, "f", "prod", "run"), until, false)
	if !errors.As(err, new(*store.ConflictError)) || second.Run.ClaimID != first.Run.ClaimID || second.Run.State != ledger.Claimed || second.Lineage.Attempts != 1 || len(second.Flow.Sends) != 1 {
		t.Errorf("view = %+v, %v", second, err)
	}
	// With the view as it is now the claim could be taken: whether it may be is for
	// the caller to decide.
	third, err := l.Hold(t.Context(), second, until)
	if err != nil || third.Run.State != ledger.Held || third.Run.Sends != 1 {
		t.Errorf("view = %+v, %v", third, err)
	}
	if _, err := l.Retriggered(t.Context(), first, "made"); !errors.As(err, new(*store.ConflictError)) {
		t.Errorf("the first claim recorded after it had been taken over: %v", err)
	}
}

func TestAReleasedClaimLeavesNoTraceOfAnAttempt(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	l := c.ledger(memory.New())
	v := claim(t, l, ledger.Guess(org, "f", "prod", "run"), c.now.Add(time.Minute))
	if _, err := l.Release(t.Context(), v, ledger.Returned, "throttled"); err != nil {
		t.Fatal(err)
	}
	if v := look(t, l, "run"); v.Run.State != ledger.Returned || v.Run.Sends != 0 || v.Lineage.Attempts != 0 || len(v.Flow.Sends) != 0 {
		t.Errorf("view = %+v", v)
	}
}

// TestALostRunIsAdoptedAtItsWorst: where a run may be of two lineages, the one that
// gets it takes on the higher count, and so does the other when its turn comes,
// whichever is the first.
func TestALostRunIsAdoptedAtItsWorst(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"a0", "b2"}, {"b2", "a0"}} {
		t.Run(order[0]+" first", func(t *testing.T) {
			t.Parallel()
			c := &clock{time.UnixMilli(1_800_000_000_000)}
			l := c.ledger(memory.New())
			// Lineage b has had two attempts already.
			v := ledger.Guess(org, "f", "prod", "b0")
			for i := range 2 {
				v = claim(t, l, v, c.now.Add(time.Minute))
				made := fmt.Sprintf("b%d", i+1)
				if _, err := l.Retriggered(t.Context(), v, made); err != nil {
					t.Fatal(err)
				}
				v = look(t, l, made)
			}
			// Both are sent at the same time, and both answers are lost.
			claim(t, l, v, c.now.Add(time.Minute))
			claim(t, l, look(t, l, "a0"), c.now.Add(time.Minute))
			c.now = c.now.Add(2 * time.Minute)
			for i, parent := range order {
				view := look(t, l, parent)
				var own ledger.Send
				var others []ledger.Send
				for _, s := range view.Flow.Sends {
					if s.RunID == parent {
						own = s
					} else {
						others = append(others, s)
					}
				}
				view, err := l.Adopt(t.Context(), view, own, others, "found-for-"+parent)
				if err != nil {
					t.Fatal(err)
				}
				// What is left of the other's counts as much, if it is looked up and not found.
				if other := look(t, l, order[1-i]); i == 0 {
					other.Raise()
					if other.Lineage.Attempts != 3 || view.Lineage.Attempts != 3 {
						t.Errorf("the lineages count %d and %d attempts, want 3", view.Lineage.Attempts, other.Lineage.Attempts)
					}
				}
			}
			for _, run := range []string{"found-for-a0", "found-for-b2"} {
				if v := look(t, l, run); v.Lineage.Attempts != 3 || v.Run.Attempt != 3 || len(v.Flow.Sends) != 0 {
					t.Errorf("%s is %+v", run, v)
				}
			}
		})
	}
}

// TestWhatIsYetToBeLookedUpComesFirst among the lost re-triggers that may have made a
// run: what was looked for and not found is less likely.
func TestWhatIsYetToBeLookedUpComesFirst(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_800_000_000_000)
	send := func(run string, until time.Time, settled bool) ledger.Send {
		return ledger.Send{RunID: run, At: now.Add(-time.Minute), Until: until, Settled: settled}
	}
	v := ledger.Guess(org, "f", "prod", "own")
	v.Flow.Sends = []ledger.Send{
		send("given-up-1", now, true), send("lost-1", now, false), send("own", now, false), send("under-way", now.Add(time.Second), false),
		send("given-up-2", now.Add(time.Second), true), send("lost-2", now.Add(-time.Second), false),
		{RunID: "long-ago", At: now.Add(-time.Hour), Until: now.Add(-time.Hour)},
	}
	var got []string
	for _, s := range v.Lost(now, now) {
		got = append(got, s.RunID)
	}
	if want := []string{"lost-1", "lost-2", "given-up-1", "given-up-2"}; !slices.Equal(got, want) {
		t.Errorf("Lost() = %v, want %v", got, want)
	}
}

func TestTheNewRunsEntryJoinsTheLineage(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	l := c.ledger(memory.New())
	v := claim(t, l, ledger.Guess(org, "f", "prod", "root"), c.now.Add(time.Minute))
	due := c.now.Add(time.Hour)
	if _, err := l.Note(t.Context(), ledger.Guess(org, "f", "prod", "made"), ledger.Deferred, "retry_delay", due); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Retriggered(t.Context(), v, "made"); err != nil {
		t.Fatal(err)
	}
	if r := look(t, l, "made").Run; r.Root != "root" || r.Parent != "root" || r.Attempt != 1 || r.State != ledger.Deferred || !r.Due.Equal(due) {
		t.Errorf("the entry is %+v", r)
	}
}

// TestAFlowsEntryIsBounded: what nobody looks for any more makes room, the oldest
// first; what is yet to be looked up never does.
func TestAFlowsEntryIsBounded(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	l := c.ledger(memory.New())
	lose := func(i int) ledger.View {
		v := claim(t, l, look(t, l, fmt.Sprintf("run-%d", i)), c.now.Add(time.Second))
		c.now = c.now.Add(time.Minute)
		return v
	}
	for i := range 98 {
		lose(i)
	}
	for i := 98; i < 105; i++ { // all but the last two are given up
		v := lose(i)
		if i < 103 {
			if _, err := l.Note(t.Context(), v, ledger.DeadLettered, "outcome_unknown", time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var kept []string
	sends := look(t, l, "one-more").Flow.Sends
	for _, s := range sends[98:] {
		kept = append(kept, s.RunID)
	}
	if len(sends) != 100 || sends[0].RunID != "run-0" || !slices.Equal(kept, []string{"run-103", "run-104"}) {
		t.Errorf("%d re-triggers, the last %v", len(sends), kept)
	}
	if _, err := l.Claim(t.Context(), look(t, l, "one-more"), c.now.Add(time.Second), false); !errors.Is(err, ledger.ErrFlowFull) {
		t.Errorf("error = %v, want it refused", err)
	}
	c.now = c.now.Add(8 * 24 * time.Hour)
	if v := claim(t, l, look(t, l, "one-more"), c.now.Add(time.Second)); len(v.Flow.Sends) != 1 {
		t.Errorf("%d re-triggers after a week, want 1", len(v.Flow.Sends))
	}
}

// TestARetriggerCoversWhatItMayHaveMade: from the claim until half an hour after its
// end, by clocks that are two minutes apart.
func TestARetriggerCoversWhatItMayHaveMade(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_800_000_000_000)
	send := ledger.Send{At: at, Until: at.Add(time.Minute)}
	next := ledger.Send{At: send.Until.Add(ledger.LostCallWindow)} // the first that is not held up by it
	first, over := at.Add(-ledger.MaxClockSkew), next.At.Add(-ledger.MaxClockSkew)
	for createdAt, want := range map[time.Time]bool{
		{}:    true,
		first: true, first.Add(-time.Millisecond): false,
		over: false, over.Add(-time.Millisecond): true,
	} {
		if got := send.Covers(createdAt); got != want {
			t.Errorf("Covers(%s) = %t, want %t", createdAt, got, want)
		}
		if !createdAt.IsZero() && send.Covers(createdAt) && next.Covers(createdAt) {
			t.Errorf("a run that was created at %s may be of both", createdAt)
		}
	}
}

func TestARunThatIsListedTwiceIsReadOnce(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	l := c.ledger(memory.New())
	claim(t, l, ledger.Guess(org, "f", "prod", "root"), c.now.Add(time.Minute))
	runs, err := l.Runs(t.Context(), org, "root", "other", "root")
	if err != nil || len(runs) != 1 || runs["root"].State != ledger.Claimed {
		t.Errorf("runs %+v, %v", runs, err)
	}
}

// TestAnAnswerThatNamesTheSameRunIsRecorded: should Flow Service answer with the id of the
// run that it re-triggered, one transaction must not write its entry twice.
func TestAnAnswerThatNamesTheSameRunIsRecorded(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	l := c.ledger(memory.New())
	v := claim(t, l, ledger.Guess(org, "f", "prod", "root"), c.now.Add(time.Minute))
	if _, err := l.Retriggered(t.Context(), v, "root"); err != nil {
		t.Fatal(err)
	}
	if v := look(t, l, "root"); v.Run.State != ledger.Retriggered || v.Run.NewRunID != "root" || v.Lineage.Attempts != 1 {
		t.Errorf("the run is %+v of %+v", v.Run, v.Lineage)
	}
}
