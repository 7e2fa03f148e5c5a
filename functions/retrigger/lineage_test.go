package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// TestRunsOfALineageNameTheirRootAndParent: The ledger's entries of a lineage have one
// root, and each names its parent and the run that was made of it.
func TestRunsOfALineageNameTheirRootAndParent(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.lineage(2)
		second := w.Adobe.MadeOf(root)
		third := w.Adobe.MadeOf(second)
		runs, err := ledger.New(w.Memory, ledger.DefaultTTL, time.Now).OfLineage(t.Context(), worldOrg, root, 10)
		if err != nil {
			t.Fatal(err)
		}
		type line struct {
			Run, Parent, Root, New string
			Attempt                int
			State                  ledger.State
		}
		var got []line
		for _, r := range runs {
			got = append(got, line{r.RunID, r.Parent, r.Root, r.Successor, r.Attempt, r.State})
		}
		want := []line{
			{w.Adobe.MadeOf(third), third, root, "", 3, ledger.Made},
			{third, second, root, w.Adobe.MadeOf(third), 2, ledger.Retriggered},
			{second, root, root, third, 1, ledger.Retriggered},
			{root, "", root, second, 0, ledger.Retriggered},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the lineage, the newest first (-want +got):\n%s", diff)
		}
	})
}

// TestExpiredLineageEntryGivesNoNewAttempts: DynamoDB deletes the entry of a lineage
// after LEDGER_TTL. The attempts that the lineage has had still count.
func TestExpiredLineageEntryGivesNoNewAttempts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		root := w.Fail("f")
		w.Told(root)
		for w.Lineages()[root] < 2 {
			w.Poll(w.Start(-1, false))
			w.Settle()
			pass(10 * time.Second)
		}
		for _, r := range w.Memory.Records() { // as DynamoDB forgets it, LEDGER_TTL after the last claim
			if strings.HasPrefix(r[store.AttributeKey], "lineage#") {
				if err := w.Memory.Commit(t.Context(), store.Write{Key: r[store.AttributeKey], Old: r[store.AttributeRev]}); err != nil {
					t.Fatal(err)
				}
			}
		}
		w.Drain(24 * time.Hour)
		if n := w.Lineages()[root]; n != 3 || w.reasons()["attempts_exhausted"] != 1 {
			t.Errorf("%d re-triggers of the lineage, want 3; letters %v", n, w.reasons())
		}
	})
}
