package storetest

import (
	"fmt"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// oneTime holds that items of an index that have the same time are all listed: none hides
// another, at whichever page the table breaks its answer.
func oneTime(t *testing.T, s store.Table) {
	for i := range 25 {
		key := fmt.Sprintf("k%02d", i)
		commit(t, s, store.Write{Key: key, New: record(key, "1", store.IndexList, "list", store.AttributeAt, "2026-01-01T00:00:00.000Z")})
	}
	for _, limit := range []int{1, 7, 25, 100} {
		records, err := s.ListFrom(t.Context(), store.IndexList, "list", "", limit)
		seen := map[string]bool{}
		for _, r := range records {
			seen[r[store.AttributeKey]] = true
		}
		if err != nil || len(records) != min(limit, 25) || len(seen) != len(records) {
			t.Errorf("with a limit of %d: %d items, %d of them different, %v", limit, len(records), len(seen), err)
		}
	}
	if later, err := s.ListFrom(t.Context(), store.IndexList, "list", "2026-01-01T00:00:00.000Z", 100); err != nil || len(later) != 0 {
		t.Errorf("after their time: %d items, %v", len(later), err)
	}
}
