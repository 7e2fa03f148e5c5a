package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

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
