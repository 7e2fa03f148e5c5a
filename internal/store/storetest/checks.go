package storetest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

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
