package ledger_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func TestAChildInheritsEverySendOfItsLineage(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.lose("root") // one send, perhaps with effect
	child := b.confirm("root", "child", ledger.AnEvent)
	if child.Attempt != 2 || child.Root != "root" || child.Parent != "root" {
		t.Errorf("the child is %+v, want 2 attempts before it, root and parent root", child)
	}
	grandchild := b.confirm("child", "grandchild", ledger.AnEvent)
	if grandchild.Attempt != 3 || grandchild.Root != "root" || grandchild.Parent != "child" {
		t.Errorf("the grandchild is %+v, want 3 attempts before it, root root and parent child", grandchild)
	}
}

func TestAChildKeepsWhatWasForgivenItsLineage(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.confirm("root", "child", ledger.AnEvent)
	if got := b.confirm("child", "grandchild", ledger.AForce); got.Attempt != 2 || got.Forgiven != 1 {
		t.Errorf("of the grandchild's lineage %d attempts are counted and %d forgiven, want 2 and 1", got.Attempt, got.Forgiven)
	}
	if got := b.confirm("grandchild", "last", ledger.AnEvent); got.Attempt != 3 || got.Forgiven != 1 {
		t.Errorf("of the last run's lineage %d attempts are counted and %d forgiven, want 3 and 1", got.Attempt, got.Forgiven)
	}
}

func TestACallWithoutEffectCountsNowhere(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.confirm("root", "child", ledger.AnEvent)
	claim, e := b.claim("child", ledger.AnEvent)
	if e.Run.Sends != 1 || e.Flow.Sent != 2 {
		t.Errorf("the claim counts as %d sends, and %d in the budget; want 1 and 2", e.Run.Sends, e.Flow.Sent)
	}
	must(b.Release(t.Context(), claim, e, "throttled", time.Hour))(t)
	got := b.load("child")
	if got.Run.Sends != 0 || got.Run.Used() != 1 || got.Run.State != ledger.Returned || got.Flow.Sent != 1 || got.Flow.Slot != nil {
		t.Errorf("after the release: %+v, %+v", got.Run, got.Flow)
	}
}

func TestASuccessBeginsTheBreakersCountAnew(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	give := func(runID string) ledger.Flow {
		reserved := must(b.Reserve(t.Context(), b.load(runID), ledger.AnEvent, b.now.Add(time.Minute)))(t)
		o := ledger.Outcome{State: ledger.DeadLettered, Reason: "attempts_exhausted", Exhausted: true, Breaker: ledger.Breaker{Threshold: 3, Cooldown: time.Hour}}
		must(b.Note(t.Context(), reserved, ledger.AnEvent, o))(t)
		b.now = b.now.Add(time.Minute)
		return b.load(runID).Flow
	}
	give("a")
	if got := give("b"); got.Exhausted != 2 || !got.BlockedUntil.IsZero() {
		t.Errorf("after two lineages: %+v", got)
	}
	must(b.CloseBreaker(t.Context(), b.load("c")))(t)
	began := b.now
	if got := give("c"); got.Exhausted != 1 || !got.Since.Equal(began) || !got.BlockedUntil.IsZero() {
		t.Errorf("a success begins the count anew: %+v", got)
	}
	give("d")
	if got := give("e"); got.Exhausted != 3 || got.BlockedUntil.IsZero() {
		t.Errorf("the third opens the breaker: %+v", got)
	}
}
