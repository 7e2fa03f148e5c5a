// Package contract is the test that every store of the ledger must pass, be it in
// memory, on DynamoDB or on an emulator of it.
package contract

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// Test runs the contract's tests, each on a store of its own.
func Test(t *testing.T, open func(t *testing.T) ledger.Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, ledger.Store){
		"what is committed is read":          committedIsRead,
		"a commit is all or nothing":         allOrNothing,
		"an index is in order":               indexInOrder,
		"of concurrent commits one is made":  oneWins,
		"no update is lost":                  noLostUpdate,
		"a counter keeps its limit":          counters,
		"a commit sent again counts as made": again,
		"many keys are read":                 manyKeys,
		"a canceled context is unavailable":  canceled,
		"what DynamoDB refuses is refused":   refused,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func record(key, rev string, more ...string) ledger.Record {
	r := ledger.Record{ledger.AttributeKey: key, ledger.AttributeRev: rev, ledger.AttributeTTL: "4102444800"}
	for pair := range slices.Chunk(more, 2) {
		r[pair[0]] = pair[1]
	}
	return r
}

func commit(t *testing.T, s ledger.Store, writes ...ledger.Write) {
	t.Helper()
	if err := s.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s ledger.Store, keys ...string) map[string]ledger.Record {
	t.Helper()
	records, err := s.Read(t.Context(), keys...)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]ledger.Record{}
	for _, r := range records {
		found[r[ledger.AttributeKey]] = r
	}
	if len(found) != len(records) {
		t.Errorf("a record stands twice: %v", records)
	}
	return found
}

func committedIsRead(t *testing.T, s ledger.Store) {
	a, b := record("a", "1", "text", "ein Täxt\n\"…\""), record("b", "1")
	commit(t, s, ledger.Write{Key: "a", New: a}, ledger.Write{Key: "b", New: b})
	if diff := cmp.Diff(map[string]ledger.Record{"a": a, "b": b}, read(t, s, "a", "b", "c")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	next := record("a", "2") // a write replaces all of the item
	commit(t, s, ledger.Write{Key: "a", Old: "1", New: next}, ledger.Write{Key: "b", Old: "1"})
	if diff := cmp.Diff(map[string]ledger.Record{"a": next}, read(t, s, "a", "b")); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	commit(t, s, ledger.Write{Key: "b", New: b})
}

func allOrNothing(t *testing.T, s ledger.Store) {
	a := record("a", "1", "x", "y")
	commit(t, s, ledger.Write{Key: "a", New: a})
	for name, tt := range map[string]struct {
		writes []ledger.Write
		want   map[string]ledger.Record
	}{
		"there must be none":      {[]ledger.Write{{Key: "n", New: record("n", "1")}, {Key: "a", New: record("a", "9")}}, map[string]ledger.Record{"a": a}},
		"another state":           {[]ledger.Write{{Key: "a", Old: "2", New: record("a", "9")}, {Key: "n", New: record("n", "1")}}, map[string]ledger.Record{"a": a}},
		"there must be one":       {[]ledger.Write{{Key: "n", Old: "1", New: record("n", "2")}}, map[string]ledger.Record{"n": nil}},
		"a delete of another one": {[]ledger.Write{{Key: "a", Old: "2"}, {Key: "n", New: record("n", "1")}}, map[string]ledger.Record{"a": a}},
	} {
		err := s.Commit(t.Context(), tt.writes...)
		conflict, ok := errors.AsType[*ledger.ConflictError](err)
		if !ok {
			t.Errorf("%s: error = %v, want a conflict", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, conflict.Current); diff != "" {
			t.Errorf("%s: conflict (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(map[string]ledger.Record{"a": a}, read(t, s, "a", "n")); diff != "" {
			t.Errorf("%s: something was written (-want +got):\n%s", name, diff)
		}
	}
}

func indexInOrder(t *testing.T, s ledger.Store) {
	var want []string
	for i := range 30 {
		key := fmt.Sprintf("k%02d", i*7%30)
		at := fmt.Sprintf("2026-01-01T00:00:%02d.000Z", i*7%30)
		commit(t, s, ledger.Write{Key: key, New: record(key, "1", ledger.IndexFlow, "org#f", ledger.IndexLineage, "org#"+key, ledger.AttributeAt, at)})
		want = append(want, fmt.Sprintf("k%02d", 29-i))
	}
	commit(t, s, ledger.Write{Key: "other", New: record("other", "1", ledger.IndexFlow, "org#g", ledger.AttributeAt, "2026-01-01T00:00:00.000Z")},
		ledger.Write{Key: "without", New: record("without", "1")})
	list := func(index, value string, limit int) []string {
		records, err := s.List(t.Context(), index, value, limit)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, r := range records {
			keys = append(keys, r[ledger.AttributeKey])
		}
		return keys
	}
	if diff := cmp.Diff(want, list(ledger.IndexFlow, "org#f", 100)); diff != "" {
		t.Errorf("the index (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:7], list(ledger.IndexFlow, "org#f", 7)); diff != "" {
		t.Errorf("the index's newest (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"k03"}, list(ledger.IndexLineage, "org#k03", 100)); diff != "" {
		t.Errorf("the other index (-want +got):\n%s", diff)
	}
	if got := list(ledger.IndexFlow, "org#none", 100); len(got) != 0 {
		t.Errorf("of no flow: %v", got)
	}
}

func oneWins(t *testing.T, s ledger.Store) {
	var wg sync.WaitGroup
	var made atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			rev := fmt.Sprintf("rev-%d", i)
			err := s.Commit(context.WithoutCancel(t.Context()),
				ledger.Write{Key: "run", New: record("run", rev)}, ledger.Write{Key: fmt.Sprint("own-", i), New: record(fmt.Sprint("own-", i), rev)})
			switch {
			case err == nil:
				made.Add(1)
			case !errors.As(err, new(*ledger.ConflictError)):
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

func noLostUpdate(t *testing.T, s ledger.Store) {
	const workers, each = 4, 5
	var wg sync.WaitGroup
	for worker := range workers {
		wg.Go(func() {
			old := ledger.Record{}
			for n := 0; n < each; {
				next := record("count", fmt.Sprintf("%d-%d", worker, n), "count", old["count"]+"x")
				err := s.Commit(context.WithoutCancel(t.Context()), ledger.Write{Key: "count", Old: old[ledger.AttributeRev], New: next})
				conflict, ok := errors.AsType[*ledger.ConflictError](err)
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

func counters(t *testing.T, s ledger.Store) {
	const most, workers = 10, 16
	add := func(n int, with ...ledger.Write) error {
		w := ledger.Write{Key: "counter", Add: n, Most: most, New: ledger.Record{ledger.AttributeTTL: "4102444800"}}
		return s.Commit(context.WithoutCancel(t.Context()), append(with, w)...)
	}
	own := func(i int) ledger.Write {
		return ledger.Write{Key: fmt.Sprint("own-", i), New: record(fmt.Sprint("own-", i), "1")}
	}
	var wg sync.WaitGroup
	var made atomic.Int32
	for i := range workers {
		wg.Go(func() {
			err := add(1, own(i))
			conflict, ok := errors.AsType[*ledger.ConflictError](err)
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
	if n := made.Load(); n != most || len(found) != most+1 || found["counter"][ledger.AttributeCount] != "10" {
		t.Errorf("%d commits were made, %d records are there, the counter is %v; want %d commits", n, len(found)-1, found["counter"], most)
	}
	if err := add(-2); err != nil {
		t.Fatal(err)
	}
	if err := add(3); !errors.As(err, new(*ledger.ConflictError)) {
		t.Errorf("past the limit: %v", err)
	}
	if err := add(2); err != nil {
		t.Errorf("up to the limit: %v", err)
	}
	want := ledger.Record{ledger.AttributeKey: "counter", ledger.AttributeCount: "10", ledger.AttributeTTL: "4102444800"}
	if diff := cmp.Diff(want, read(t, s, "counter")["counter"]); diff != "" {
		t.Errorf("the counter (-want +got):\n%s", diff)
	}
}

// again: a call whose answer was lost is sent again. Emulators tell one item that is
// not as expected where DynamoDB tells all of them, so it has one.
func again(t *testing.T, s ledger.Store) {
	counter := ledger.Write{Key: "counter", Add: 1, Most: 1, New: ledger.Record{ledger.AttributeTTL: "4102444800"}}
	for range 3 {
		commit(t, s, ledger.Write{Key: "made", New: record("made", "1")}, counter)
	}
	for range 3 {
		commit(t, s, ledger.Write{Key: "made", Old: "1", New: record("made", "2")})
	}
	want := map[string]ledger.Record{
		"made":    record("made", "2"),
		"counter": {ledger.AttributeKey: "counter", ledger.AttributeCount: "1", ledger.AttributeTTL: "4102444800"},
	}
	if diff := cmp.Diff(want, read(t, s, "made", "counter")); diff != "" {
		t.Errorf("after each commit was sent three times (-want +got):\n%s", diff)
	}
	for range 2 {
		commit(t, s, ledger.Write{Key: "gone", New: record("gone", "1")})
		commit(t, s, ledger.Write{Key: "gone", Old: "1"})
		commit(t, s, ledger.Write{Key: "gone", Old: "1"})
	}
	// One that shares no more than a part with what is there was not made.
	for name, other := range map[string][]ledger.Write{
		"one of two": {{Key: "made", New: record("made", "2")}, {Key: "new", New: record("new", "1")}},
		"another":    {{Key: "made", New: record("made", "3")}},
		"no item":    {counter},
	} {
		if err := s.Commit(t.Context(), other...); !errors.As(err, new(*ledger.ConflictError)) {
			t.Errorf("%s: error = %v, want a conflict", name, err)
		}
	}
}

func manyKeys(t *testing.T, s ledger.Store) {
	var keys []string
	for i := range 130 {
		keys = append(keys, fmt.Sprintf("key-%03d", i))
	}
	for batch := range slices.Chunk(keys, 10) {
		var writes []ledger.Write
		for _, key := range batch {
			writes = append(writes, ledger.Write{Key: key, New: record(key, "1")})
		}
		commit(t, s, writes...)
	}
	if found := read(t, s, keys...); len(found) != len(keys) {
		t.Errorf("%d records, want %d", len(found), len(keys))
	}
}

func canceled(t *testing.T, s ledger.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errRead := s.Read(ctx, "a")
	_, errList := s.List(ctx, ledger.IndexFlow, "org#f", 1)
	for _, err := range []error{errRead, errList, s.Commit(ctx, ledger.Write{Key: "a", New: record("a", "1")})} {
		if unavailable, ok := errors.AsType[*ledger.UnavailableError](err); !ok || !errors.Is(unavailable, context.Canceled) {
			t.Errorf("error = %v, want an UnavailableError", err)
		}
	}
}

// refused holds that what DynamoDB refuses is an error, and that nothing is written.
func refused(t *testing.T, s ledger.Store) {
	fits, large := record("fits", "1", "x", ""), record("large", "1", "x", "")
	fits["x"] = strings.Repeat("x", ledger.MaxItem-fits.Size()-16<<10) // moto refuses more than 405,000 bytes
	large["x"] = strings.Repeat("ż", (ledger.MaxItem-large.Size())/2+1)
	commit(t, s, ledger.Write{Key: "fits", New: fits})
	many := make([]ledger.Write, ledger.MaxWrites+1)
	for i := range many {
		key := fmt.Sprint("many-", i)
		many[i] = ledger.Write{Key: key, New: record(key, "1")}
	}
	for name, writes := range map[string][]ledger.Write{
		"a key twice":         {{Key: "a", New: record("a", "1")}, {Key: "a", New: record("a", "2")}},
		"an item and counter": {{Key: "a", New: record("a", "1")}, {Key: "a", Add: 1, New: record("a", "")}},
		"a large item":        {{Key: "a", New: record("a", "1")}, {Key: "large", New: large}},
		"many items":          many,
	} {
		if err := s.Commit(t.Context(), writes...); !errors.As(err, new(*ledger.UnavailableError)) {
			t.Errorf("%s: %v, want an error", name, err)
		}
		if found := read(t, s, "a", "large", "many-0"); len(found) != 0 {
			t.Errorf("%s: %d items were written", name, len(found))
		}
	}
	commit(t, s, many[:ledger.MaxWrites]...)
	if _, err := s.Read(t.Context(), "a", "fits", "a"); !errors.As(err, new(*ledger.UnavailableError)) {
		t.Errorf("a key that is read twice: %v, want an error", err)
	}
}
