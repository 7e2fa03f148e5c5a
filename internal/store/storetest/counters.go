package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func counters(t *testing.T, s store.Table) {
	const most, workers = 10, 16
	add := func(n int, with ...store.Write) error {
		w := store.Write{Key: "counter", Add: n, Most: most, New: store.Record{store.AttributeTTL: "4102444800"}}
		return s.Commit(context.WithoutCancel(t.Context()), append(with, w)...)
	}
	own := func(i int) store.Write {
		return store.Write{Key: fmt.Sprint("own-", i), New: record(fmt.Sprint("own-", i), "1")}
	}
	var wg sync.WaitGroup
	var made atomic.Int32
	for i := range workers {
		wg.Go(func() {
			err := add(1, own(i))
			conflict, ok := errors.AsType[*store.ConflictError](err)
			switch {
			case err == nil:
				made.Add(1)
			case !ok:
				t.Error(err)
			default:
				if _, full := conflict.Current["counter"]; !full || len(conflict.Current) != 1 {
					t.Errorf("conflict = %v, want the counter", conflict.Current)
				}
			}
		})
	}
	wg.Wait()
	keys := []string{"counter"}
	for i := range workers {
		keys = append(keys, fmt.Sprint("own-", i))
	}
	found := read(t, s, keys...)
	if n := made.Load(); n != most || len(found) != most+1 || found["counter"][store.AttributeCount] != "10" {
		t.Errorf("%d commits were made, %d records are there, the counter is %v; want %d commits", n, len(found)-1, found["counter"], most)
	}
	if err := add(-2); err != nil {
		t.Fatal(err)
	}
	if err := add(3); !errors.As(err, new(*store.ConflictError)) {
		t.Errorf("past the limit: %v", err)
	}
	if err := add(2); err != nil {
		t.Errorf("up to the limit: %v", err)
	}
	want := store.Record{store.AttributeKey: "counter", store.AttributeCount: "10", store.AttributeTTL: "4102444800"}
	if diff := cmp.Diff(want, read(t, s, "counter")["counter"]); diff != "" {
		t.Errorf("the counter (-want +got):\n%s", diff)
	}
}

// adding holds that concurrent additions never pass the limit, and that what is given
// back can be had again.
func adding(t *testing.T, s store.Table) {
	const most, workers = 10, 8
	ttl := time.Unix(4102444800, 0)
	add := func(n int) bool {
		added, err := s.Add(context.WithoutCancel(t.Context()), "counter", n, most, ttl)
		if err != nil {
			t.Error(err)
		}
		return added
	}
	var wg sync.WaitGroup
	var had atomic.Int64
	for range workers {
		wg.Go(func() {
			for _, n := range []int{2, 3, 1} {
				if add(n) {
					had.Add(int64(n))
				}
			}
		})
	}
	wg.Wait()
	counter := func() store.Record { return read(t, s, "counter")["counter"] }
	want := store.Record{store.AttributeKey: "counter", store.AttributeCount: "10", store.AttributeTTL: "4102444800"}
	if diff := cmp.Diff(want, counter()); diff != "" || had.Load() != most {
		t.Errorf("%d were had, the counter (-want +got):\n%s", had.Load(), diff)
	}
	for _, step := range []struct {
		n     int
		added bool
		after string
	}{{1, false, "10"}, {-4, true, "6"}, {5, false, "6"}, {4, true, "10"}, {-10, true, "0"}, {11, false, "0"}} {
		if added := add(step.n); added != step.added || counter()[store.AttributeCount] != step.after {
			t.Errorf("add %d: %t, then %s; want %t and %s", step.n, added, counter()[store.AttributeCount], step.added, step.after)
		}
	}
	if added, err := s.Add(t.Context(), "none", most+1, most, ttl); added || err != nil {
		t.Errorf("more than the limit to a counter that does not exist: %t, %v", added, err)
	}
	if found := read(t, s, "none"); len(found) != 0 {
		t.Errorf("it was written: %v", found)
	}
}

// addingAnything: a limit of 0 is none, and each addition sets the time to live.
func addingAnything(t *testing.T, s store.Table) {
	for i, ttl := range []int64{4102444800, 4102444801} {
		if added, err := s.Add(t.Context(), "counter", 1000, 0, time.Unix(ttl, 0)); !added || err != nil {
			t.Errorf("addition %d: %t, %v", i, added, err)
		}
	}
	if added, err := s.Add(t.Context(), "counter", -3000, 1, time.Unix(4102444802, 0)); !added || err != nil {
		t.Errorf("given back: %t, %v", added, err)
	}
	want := store.Record{store.AttributeKey: "counter", store.AttributeCount: "-1000", store.AttributeTTL: "4102444802"}
	if diff := cmp.Diff(want, read(t, s, "counter")["counter"]); diff != "" {
		t.Errorf("the counter (-want +got):\n%s", diff)
	}
}
