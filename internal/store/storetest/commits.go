package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func committedIsRead(t *testing.T, s store.Table) {
	a, b := record("a", "1", "text", "ein Täxt\n\"…\""), record("b", "1")
	commit(t, s, store.Write{Key: "a", New: a}, store.Write{Key: "b", New: b})
	if diff := cmp.Diff(map[string]store.Record{"a": a, "b": b}, read(t, s, "a", "b", "c")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	next := record("a", "2") // a write replaces all of the item
	commit(t, s, store.Write{Key: "a", Old: "1", New: next}, store.Write{Key: "b", Old: "1"})
	if diff := cmp.Diff(map[string]store.Record{"a": next}, read(t, s, "a", "b")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	commit(t, s, store.Write{Key: "b", New: b})
}

func allOrNothing(t *testing.T, s store.Table) {
	a := record("a", "1", "x", "y")
	commit(t, s, store.Write{Key: "a", New: a})
	for name, tt := range map[string]struct {
		writes []store.Write
		want   map[string]store.Record
	}{
		"there must be none":      {[]store.Write{{Key: "n", New: record("n", "1")}, {Key: "a", New: record("a", "9")}}, map[string]store.Record{"a": a}},
		"another state":           {[]store.Write{{Key: "a", Old: "2", New: record("a", "9")}, {Key: "n", New: record("n", "1")}}, map[string]store.Record{"a": a}},
		"there must be one":       {[]store.Write{{Key: "n", Old: "1", New: record("n", "2")}}, map[string]store.Record{"n": nil}},
		"a delete of another one": {[]store.Write{{Key: "a", Old: "2"}, {Key: "n", New: record("n", "1")}}, map[string]store.Record{"a": a}},
	} {
		err := s.Commit(t.Context(), tt.writes...)
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok {
			t.Errorf("%s: error = %v, want a conflict", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, conflict.Current); diff != "" {
			t.Errorf("%s: conflict (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(map[string]store.Record{"a": a}, read(t, s, "a", "n")); diff != "" {
			t.Errorf("%s: something was written (-want +got):\n%s", name, diff)
		}
	}
}

func oneWins(t *testing.T, s store.Table) {
	var wg sync.WaitGroup
	var made atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			rev := fmt.Sprintf("rev-%d", i)
			err := s.Commit(context.WithoutCancel(t.Context()),
				store.Write{Key: "run", New: record("run", rev)}, store.Write{Key: fmt.Sprint("own-", i), New: record(fmt.Sprint("own-", i), rev)})
			switch {
			case err == nil:
				made.Add(1)
			case !errors.As(err, new(*store.ConflictError)):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := made.Load(); n != 1 {
		t.Errorf("%d commits were made, want 1", n)
	}
	keys := []string{"run"}
	for i := range 16 {
		keys = append(keys, fmt.Sprint("own-", i))
	}
	if found := read(t, s, keys...); len(found) != 2 {
		t.Errorf("there are %v, want the run and one other", found)
	}
}

func noLostUpdate(t *testing.T, s store.Table) {
	const workers, each = 4, 5
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			old := store.Record{}
			for n := 0; n < each; {
				next := record("count", fmt.Sprintf("%d-%d", worker, n), "count", old["count"]+"x")
				err := s.Commit(context.WithoutCancel(t.Context()), store.Write{Key: "count", Old: old[store.AttributeRev], New: next})
				conflict, ok := errors.AsType[*store.ConflictError](err)
				switch {
				case err == nil:
					old = next
					n++
				case ok:
					old = conflict.Current["count"]
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := read(t, s, "count")["count"]["count"]; len(got) != workers*each {
		t.Errorf("%d updates are there, want %d", len(got), workers*each)
	}
}

// again: a call whose answer was lost is sent again. Emulators tell one item that is
// not as expected where DynamoDB tells all of them, so it has one.
func again(t *testing.T, s store.Table) {
	counter := store.Write{Key: "counter", Add: 1, Most: 1, New: store.Record{store.AttributeTTL: "4102444800"}}
	for range 3 {
		commit(t, s, store.Write{Key: "made", New: record("made", "1")}, counter)
	}
	for range 3 {
		commit(t, s, store.Write{Key: "made", Old: "1", New: record("made", "2")})
	}
	want := map[string]store.Record{
		"made":    record("made", "2"),
		"counter": {store.AttributeKey: "counter", store.AttributeCount: "1", store.AttributeTTL: "4102444800"},
	}
	if diff := cmp.Diff(want, read(t, s, "made", "counter")); diff != "" {
		t.Errorf("after each commit was sent three times (-want +got):\n%s", diff)
	}
	for range 2 {
		commit(t, s, store.Write{Key: "gone", New: record("gone", "1")})
		commit(t, s, store.Write{Key: "gone", Old: "1"})
		commit(t, s, store.Write{Key: "gone", Old: "1"})
	}
	// One that shares no more than a part with what is there was not made.
	for name, other := range map[string][]store.Write{
		"one of two": {{Key: "made", New: record("made", "2")}, {Key: "new", New: record("new", "1")}},
		"another":    {{Key: "made", New: record("made", "3")}},
		"no item":    {counter},
	} {
		if err := s.Commit(t.Context(), other...); !errors.As(err, new(*store.ConflictError)) {
			t.Errorf("%s: error = %v, want a conflict", name, err)
		}
	}
}
