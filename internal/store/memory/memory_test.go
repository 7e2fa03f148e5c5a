package memory_test

import (
	"errors"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
	"github.com/aep-retrigger/aep-retrigger/internal/store/storetest"
)

func TestMemoryKeepsTheContractOfATable(t *testing.T) {
	t.Parallel()
	storetest.Test(t, func(*testing.T) store.Table { return memory.New() })
}

// TestRepeatedCommitOfSeveralItemsSucceeds: The commit counts as made if all items are as
// it writes them.
func TestRepeatedCommitOfSeveralItemsSucceeds(t *testing.T) {
	t.Parallel()
	table := memory.New()
	record := func(key, rev string) store.Record {
		return store.Record{store.AttributeKey: key, store.AttributeRev: rev}
	}
	writes := []store.Write{{Key: "made", New: record("made", "1")}, {Key: "gone", Old: "1"}, {Key: "changed", Old: "1", New: record("changed", "2")}}
	for i, step := range [][]store.Write{{{Key: "gone", New: record("gone", "1")}, {Key: "changed", New: record("changed", "1")}}, writes, writes, writes} {
		if err := table.Commit(t.Context(), step...); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	if err := table.Commit(t.Context(), store.Write{Key: "changed", Old: "2", New: record("changed", "3")}); err != nil {
		t.Fatal(err)
	}
	if err := table.Commit(t.Context(), writes...); !errors.As(err, new(*store.ConflictError)) {
		t.Errorf("when one item has changed since: error = %v, want a conflict", err)
	}
}
