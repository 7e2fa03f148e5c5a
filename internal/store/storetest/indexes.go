package storetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func indexInOrder(t *testing.T, s store.Table) {
	var want []string
	for i := range 30 {
		key := fmt.Sprintf("k%02d", i*7%30)
		at := fmt.Sprintf("2026-01-01T00:00:%02d.000Z", i*7%30)
		commit(t, s, store.Write{Key: key, New: record(key, "1", store.IndexFlow, "org#f", store.IndexLineage, "org#"+key, store.AttributeAt, at)})
		want = append(want, fmt.Sprintf("k%02d", 29-i))
	}
	commit(t, s, store.Write{Key: "other", New: record("other", "1", store.IndexFlow, "org#g", store.AttributeAt, "2026-01-01T00:00:00.000Z")},
		store.Write{Key: "without", New: record("without", "1")})
	list := func(index, value string, limit int) []string {
		records, err := s.List(t.Context(), index, value, limit)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, r := range records {
			keys = append(keys, r[store.AttributeKey])
		}
		return keys
	}
	if diff := cmp.Diff(want, list(store.IndexFlow, "org#f", 100)); diff != "" {
		t.Errorf("the index (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:7], list(store.IndexFlow, "org#f", 7)); diff != "" {
		t.Errorf("the index's newest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"k03"}, list(store.IndexLineage, "org#k03", 100)); diff != "" {
		t.Errorf("the other index (-want +got):\n%s", diff)
	}
	commit(t, s, store.Write{Key: "k03", Old: "1", New: record("k03", "2", store.IndexList, "open", store.AttributeAt, "2026-01-01T00:00:03.000Z")})
	from := func(after string, limit int) (keys []string) {
		records, err := s.ListFrom(t.Context(), store.IndexFlow, "org#f", after, limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			keys = append(keys, r[store.AttributeKey])
		}
		return keys
	}
	commit(t, s, store.Write{Key: "k29", Old: "1", New: record("k29", "2")})
	for _, tt := range []struct {
		after string
		limit int
		want  []string
	}{
		{"2026-01-01T00:00:25.000Z", 100, []string{"k26", "k27", "k28"}},
		{"2026-01-01T00:00:10.000Z", 2, []string{"k11", "k12"}},
		{"2026-01-01", 1, []string{"k00"}},
		{"", 1, []string{"k00"}},
		{"2026-01-01T00:00:29.000Z", 100, nil},
	} {
		if diff := cmp.Diff(tt.want, from(tt.after, tt.limit)); diff != "" {
			t.Errorf("the index from %q on (-want +got):\n%s", tt.after, diff)
		}
	}
	if diff := cmp.Diff([]string{"k03"}, list(store.IndexList, "open", 100)); diff != "" {
		t.Errorf("the list (-want +got):\n%s", diff)
	}
	if got := append(list(store.IndexFlow, "org#none", 100), list(store.IndexLineage, "org#k03", 100)...); len(got) != 0 {
		t.Errorf("of no flow: %v", got)
	}
}
