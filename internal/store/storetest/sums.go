package storetest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// sums: concurrent additions are all made, also of several attributes and items at once,
// and what stands beside them is set.
func sums(t *testing.T, s store.Table) {
	const workers = 8
	write := func(key string, recovered int, name string) store.Write {
		w := store.Write{Key: key, Sums: map[string]int{"recovered": recovered, "minutes": 10}, New: store.Record{"day": "2026-01-01", store.AttributeTTL: "4102444800"}}
		if name != "" {
			w.New["name"] = name
		}
		return w
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			if err := s.Commit(context.WithoutCancel(t.Context()), write("a", 2, ""), write("b", 1, "")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	commit(t, s, write("a", -1, "name"))
	commit(t, s, write("a", 0, ""))
	commit(t, s, store.Write{Key: "bare", Sums: map[string]int{"recovered": 1}})
	want := map[string]store.Record{
		"a":    {store.AttributeKey: "a", "recovered": "15", "minutes": "100", "day": "2026-01-01", "name": "name", store.AttributeTTL: "4102444800"},
		"b":    {store.AttributeKey: "b", "recovered": "8", "minutes": "80", "day": "2026-01-01", store.AttributeTTL: "4102444800"},
		"bare": {store.AttributeKey: "bare", "recovered": "1"},
	}
	if diff := cmp.Diff(want, read(t, s, "a", "b", "bare")); diff != "" {
		t.Errorf("the sums (-want +got):\n%s", diff)
	}
}

// sumsBesideOthers: sums are added if and only if the writes beside them are made, once.
func sumsBesideOthers(t *testing.T, s store.Table) {
	sum := store.Write{Key: "sum", Sums: map[string]int{"recovered": 1}, New: store.Record{store.IndexList: "days", store.AttributeAt: "2026-01-01T00:00:00.000Z"}}
	for range 3 { // the client sends it again
		commit(t, s, store.Write{Key: "run", New: record("run", "1")}, sum)
	}
	if err := s.Commit(t.Context(), store.Write{Key: "run", Old: "0", New: record("run", "2")}, sum); !errors.As(err, new(*store.ConflictError)) {
		t.Errorf("error = %v, want a conflict", err)
	}
	if err := s.Commit(t.Context(), sum, sum); !errors.As(err, new(*store.UnavailableError)) {
		t.Errorf("the same sum twice: error = %v", err)
	}
	if got := read(t, s, "sum")["sum"]["recovered"]; got != "1" {
		t.Errorf("the sum is %s, want 1", got)
	}
	found, err := s.ListFrom(t.Context(), store.IndexList, "days", "", 10)
	if err != nil || len(found) != 1 || found[0]["recovered"] != "1" {
		t.Errorf("the list has %v, %v", found, err)
	}
}

// sumsInOrder: sums of one list are listed in their order, also those of one time, and an
// item that leaves a list is on it no more.
func sumsInOrder(t *testing.T, s store.Table) {
	add := func(key, at string) store.Write {
		return store.Write{Key: key, Sums: map[string]int{"n": 1}, New: store.Record{store.IndexList: "days", store.AttributeAt: at}}
	}
	listed := func(list string, limit int) (keys []string) {
		t.Helper()
		records, err := s.ListFrom(t.Context(), store.IndexList, list, "2026-01-01", limit)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			keys = append(keys, r[store.AttributeKey])
		}
		return keys
	}
	commit(t, s, store.Write{Key: "run", New: record("run", "1", store.IndexList, "open", store.AttributeAt, "2026-01-01T00:00:00.000Z")})
	commit(t, s, add("c", "2026-01-03"), add("a", "2026-01-02"), add("early", "2025-12-31"))
	commit(t, s, add("b", "2026-01-02#b"), add("d", "2026-01-03"), add("a", "2026-01-02"))
	got := listed("days", 10)
	if len(got) == 4 && got[2] == "d" { // those of one time come in any order
		got[2], got[3] = got[3], got[2]
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, got); diff != "" {
		t.Errorf("the sums (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a", "b"}, listed("days", 2)); diff != "" {
		t.Errorf("the first sums (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"run"}, listed("open", 10)); diff != "" {
		t.Errorf("the other list (-want +got):\n%s", diff)
	}
	commit(t, s, store.Write{Key: "run", Old: "1", New: record("run", "2", store.AttributeAt, "2026-01-01T00:00:00.000Z")})
	if got := listed("open", 10); len(got) != 0 {
		t.Errorf("%v are on the list that they have left", got)
	}
}
