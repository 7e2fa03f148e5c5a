// Package storetest is the test that every [store.Table] must pass, be it in memory, on
// DynamoDB or on an emulator of it.
package storetest

import (
	"slices"
	"testing"

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
