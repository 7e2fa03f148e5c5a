// Package storetest is the test that every [store.Table] must pass, be it in memory, on
// DynamoDB or on an emulator of it.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// UpdatesInIndexes is the test that an update which makes an item of an index leaves the
// others in it.
const UpdatesInIndexes = "sums are listed in order"

// Test runs the contract's tests, each on a table of its own, except those that an emulator
// is known to fail.
func Test(t *testing.T, open func(t *testing.T) store.Table, except ...string) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, store.Table){
		"what is committed is read":          committedIsRead,
		"a commit is all or nothing":         allOrNothing,
		"an index is in order":               indexInOrder,
		"items of one time are all listed":   oneTime,
		"of concurrent commits one is made":  oneWins,
		"no update is lost":                  noLostUpdate,
		"a counter keeps its limit":          counters,
		"adding keeps the limit":             adding,
		"adding needs no limit":              addingAnything,
		"sums are added up":                  sums,
		"sums are added with the others":     sumsBesideOthers,
		UpdatesInIndexes:                     sumsInOrder,
		"a commit sent again counts as made": again,
		"a condition writes nothing":         checks,
		"a condition holds for the others":   checksAndPut,
		"many keys are read":                 manyKeys,
		"a canceled context is unavailable":  canceled,
		"what DynamoDB refuses is refused":   refused,
		"a table knows when it was made":     born,
	} {
		if slices.Contains(except, name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func record(key, rev string, more ...string) store.Record {
	r := store.Record{store.AttributeKey: key, store.AttributeRev: rev, store.AttributeTTL: "4102444800"}
	for pair := range slices.Chunk(more, 2) {
		r[pair[0]] = pair[1]
	}
	return r
}

func commit(t *testing.T, s store.Table, writes ...store.Write) {
	t.Helper()
	if err := s.Commit(t.Context(), writes...); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, s store.Table, keys ...string) map[string]store.Record {
	t.Helper()
	records, err := s.Read(t.Context(), keys...)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]store.Record{}
	for _, r := range records {
		found[r[store.AttributeKey]] = r
	}
	if len(found) != len(records) {
		t.Errorf("a record stands twice: %v", records)
	}
	return found
}

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

// checks holds that a write that only checks changes nothing, and that the conflict names
// the item that is not as expected.
func checks(t *testing.T, s store.Table) {
	a := record("a", "1", "x", "y")
	commit(t, s, store.Write{Key: "a", New: a})
	for range 2 {
		commit(t, s, store.Write{Key: "a", Old: "1", Check: true}, store.Write{Key: "none", Check: true})
	}
	// What a check has in New is not written.
	commit(t, s, store.Write{Key: "a", Old: "1", New: record("a", "2"), Check: true})
	unchanged := func(name string) {
		t.Helper()
		if diff := cmp.Diff(map[string]store.Record{"a": a}, read(t, s, "a", "none")); diff != "" {
			t.Errorf("%s: something was written (-want +got):\n%s", name, diff)
		}
	}
	unchanged("conditions that hold")
	for name, tt := range map[string]struct {
		write store.Write
		want  map[string]store.Record
	}{
		"another revision":    {store.Write{Key: "a", Old: "2", Check: true}, map[string]store.Record{"a": a}},
		"there must be none":  {store.Write{Key: "a", Check: true}, map[string]store.Record{"a": a}},
		"there must be one":   {store.Write{Key: "none", Old: "1", Check: true}, map[string]store.Record{"none": nil}},
		"the same as its New": {store.Write{Key: "a", Old: "0", New: a, Check: true}, map[string]store.Record{"a": a}},
	} {
		err := s.Commit(t.Context(), tt.write)
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok {
			t.Errorf("%s: error = %v, want a conflict", name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, conflict.Current); diff != "" {
			t.Errorf("%s: conflict (-want +got):\n%s", name, diff)
		}
		unchanged(name)
	}
}

// checksAndPut holds that a put is made only if all checks beside it hold. Once it is made,
// the same commit counts as made, though an item that it checks has changed since: the
// answer was lost, and the client sent it again. The put stands first, since some emulators
// tell only the first item that is not as expected.
func checksAndPut(t *testing.T, s store.Table) {
	commit(t, s, store.Write{Key: "a", New: record("a", "1")}, store.Write{Key: "b", New: record("b", "1")})
	writes := func(rev, a, b, none string) []store.Write {
		return []store.Write{
			{Key: "put", New: record("put", rev)}, {Key: "a", Old: a, Check: true}, {Key: "b", Old: b, Check: true}, {Key: "none", Old: none, Check: true},
		}
	}
	for name, tt := range map[string]struct{ a, b, none, conflict string }{
		"the first has another revision":  {"0", "1", "", "a"},
		"the second has another revision": {"1", "0", "", "b"},
		"the third does not exist":        {"1", "1", "1", "none"},
		"the second must not exist":       {"1", "", "", "b"},
	} {
		err := s.Commit(t.Context(), writes("1", tt.a, tt.b, tt.none)...)
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok {
			t.Errorf("%s: error = %v, want a conflict", name, err)
			continue
		}
		if _, named := conflict.Current[tt.conflict]; !named || len(conflict.Current) != 1 {
			t.Errorf("%s: the conflict has %v, want %s", name, conflict.Current, tt.conflict)
		}
		if found := read(t, s, "put"); len(found) != 0 {
			t.Errorf("%s: %v was written", name, found)
		}
	}
	made := writes("1", "1", "1", "")
	commit(t, s, made...)
	commit(t, s, made...)
	commit(t, s, store.Write{Key: "a", Old: "1", New: record("a", "2")}, store.Write{Key: "none", New: record("none", "1")})
	commit(t, s, made...)
	want := map[string]store.Record{"put": record("put", "1"), "a": record("a", "2"), "b": record("b", "1"), "none": record("none", "1")}
	if diff := cmp.Diff(want, read(t, s, "put", "a", "b", "none")); diff != "" {
		t.Errorf("after the commit was sent again (-want +got):\n%s", diff)
	}
	if err := s.Commit(t.Context(), writes("2", "2", "1", "1")...); !errors.As(err, new(*store.ConflictError)) {
		t.Errorf("another put of the same item: error = %v, want a conflict", err)
	}
}

func manyKeys(t *testing.T, s store.Table) {
	var keys []string
	for i := range 130 {
		keys = append(keys, fmt.Sprintf("key-%03d", i))
	}
	for batch := range slices.Chunk(keys, 10) {
		var writes []store.Write
		for _, key := range batch {
			writes = append(writes, store.Write{Key: key, New: record(key, "1")})
		}
		commit(t, s, writes...)
	}
	if found := read(t, s, keys...); len(found) != len(keys) {
		t.Errorf("%d records, want %d", len(found), len(keys))
	}
}

func canceled(t *testing.T, s store.Table) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errRead := s.Read(ctx, "a")
	_, errList := s.List(ctx, store.IndexFlow, "org#f", 1)
	_, errFrom := s.ListFrom(ctx, store.IndexFlow, "org#f", "", 1)
	_, errAdd := s.Add(ctx, "a", 1, 1, time.Unix(4102444800, 0))
	for _, err := range []error{errRead, errList, errFrom, errAdd, s.Commit(ctx, store.Write{Key: "a", New: record("a", "1")})} {
		if unavailable, ok := errors.AsType[*store.UnavailableError](err); !ok || !errors.Is(unavailable, context.Canceled) {
			t.Errorf("error = %v, want an UnavailableError", err)
		}
	}
}

// refused holds that what DynamoDB refuses is an error, and that nothing is written.
func refused(t *testing.T, s store.Table) {
	fits, large := record("fits", "1", "x", ""), record("large", "1", "x", "")
	fits["x"] = strings.Repeat("x", store.MaxItem-fits.Size()-16<<10) // moto refuses more than 405,000 bytes
	large["x"] = strings.Repeat("ż", (store.MaxItem-large.Size())/2+1)
	commit(t, s, store.Write{Key: "fits", New: fits})
	many := make([]store.Write, store.MaxWrites+1)
	for i := range many {
		key := fmt.Sprint("many-", i)
		many[i] = store.Write{Key: key, New: record(key, "1")}
	}
	for name, writes := range map[string][]store.Write{
		"a key twice":         {{Key: "a", New: record("a", "1")}, {Key: "a", New: record("a", "2")}},
		"an item and counter": {{Key: "a", New: record("a", "1")}, {Key: "a", Add: 1, New: record("a", "")}},
		"a large item":        {{Key: "a", New: record("a", "1")}, {Key: "large", New: large}},
		"many items":          many,
	} {
		if err := s.Commit(t.Context(), writes...); !errors.As(err, new(*store.UnavailableError)) {
			t.Errorf("%s: %v, want an error", name, err)
		}
		if found := read(t, s, "a", "large", "many-0"); len(found) != 0 {
			t.Errorf("%s: %d items were written", name, len(found))
		}
	}
	commit(t, s, many[:store.MaxWrites]...)
	if _, err := s.Read(t.Context(), "a", "fits", "a"); !errors.As(err, new(*store.UnavailableError)) {
		t.Errorf("a key that is read twice: %v, want an error", err)
	}
}
