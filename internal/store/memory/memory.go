// Package memory is a table in memory, for tests.
package memory

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Table is a [store.Table] for tests. It refuses what DynamoDB refuses, and dies with the
// process.
type Table struct {
	mu      sync.Mutex
	records map[string]store.Record
	born    time.Time
}

var _ store.Table = (*Table)(nil)

// New returns an empty Table, which is made now.
func New() *Table { return &Table{records: map[string]store.Record{}, born: time.Now().UTC()} }

// MadeAt changes when the Table was made.
func (t *Table) MadeAt(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.born = at.UTC()
}

// Born implements [store.Table].
func (t *Table) Born(ctx context.Context) (time.Time, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return time.Time{}, &store.UnavailableError{Op: "describe", Err: err}
	}
	return t.born, nil
}

// Read implements [store.Table].
func (t *Table) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &store.UnavailableError{Op: "read", Err: err}
	}
	if err := store.CheckKeys(keys); err != nil {
		return nil, err
	}
	var found []store.Record
	for _, key := range keys {
		if r, ok := t.records[key]; ok {
			found = append(found, maps.Clone(r))
		}
	}
	return found, nil
}

// Commit implements [store.Table].
func (t *Table) Commit(ctx context.Context, writes ...store.Write) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return &store.UnavailableError{Op: "commit", Err: err}
	}
	if err := store.CheckWrites(writes); err != nil {
		return err
	}
	current := map[string]store.Record{}
	for _, w := range writes {
		if !t.holds(w) {
			current[w.Key] = maps.Clone(t.records[w.Key])
		}
	}
	if conflict := (&store.ConflictError{Current: current}); len(current) > 0 {
		if store.Made(writes, conflict) {
			return nil
		}
		return conflict
	}
	for _, w := range writes {
		switch {
		case w.Check:
		case w.Add != 0:
			t.add(w)
		case len(w.Sums) > 0:
			t.sum(w)
		case w.New == nil:
			delete(t.records, w.Key)
		default:
			t.records[w.Key] = maps.Clone(w.New)
		}
	}
	return nil
}

// Add implements [store.Table].
func (t *Table) Add(ctx context.Context, key string, n, most int, ttl time.Time) (added bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return false, &store.UnavailableError{Op: "add", Err: err}
	}
	w := store.Write{Key: key, Add: n, Most: most, New: store.Record{store.AttributeTTL: store.TTL(ttl)}}
	if t.full(w) {
		return false, nil
	}
	t.add(w)
	return true, nil
}

// holds reports whether the item is as the write expects it.
func (t *Table) holds(w store.Write) bool {
	switch {
	case w.Add != 0:
		return !t.full(w)
	case len(w.Sums) > 0:
		return true
	}
	return t.records[w.Key][store.AttributeRev] == w.Old
}

// full reports whether an addition would take a counter past its limit.
func (t *Table) full(w store.Write) bool {
	return w.Add > 0 && w.Most > 0 && t.count(w.Key)+w.Add > w.Most
}

func (t *Table) add(w store.Write) {
	t.records[w.Key] = store.Record{
		store.AttributeKey: w.Key, store.AttributeTTL: w.New[store.AttributeTTL], store.AttributeCount: strconv.Itoa(t.count(w.Key) + w.Add),
	}
}

func (t *Table) count(key string) int {
	n, _ := strconv.Atoi(t.records[key][store.AttributeCount]) // empty for 0
	return n
}

// sum adds to the sums of an item, and sets what stands beside them.
func (t *Table) sum(w store.Write) {
	next := store.Record{store.AttributeKey: w.Key}
	maps.Copy(next, t.records[w.Key])
	maps.Copy(next, w.New)
	for name, n := range w.Sums {
		before, _ := strconv.Atoi(next[name]) // empty for 0
		next[name] = strconv.Itoa(before + n)
	}
	t.records[w.Key] = next
}

// List implements [store.Table].
func (t *Table) List(ctx context.Context, index, value string, limit int) ([]store.Record, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &store.UnavailableError{Op: "list", Err: err}
	}
	var found []store.Record
	for _, r := range t.records {
		if r[index] == value && r[store.AttributeAt] != "" {
			found = append(found, maps.Clone(r))
		}
	}
	slices.SortFunc(found, func(a, b store.Record) int { return cmp.Compare(b[store.AttributeAt], a[store.AttributeAt]) })
	return found[:min(limit, len(found))], nil
}

// ListFrom implements [store.Table].
func (t *Table) ListFrom(ctx context.Context, index, value, after string, limit int) ([]store.Record, error) {
	all, err := t.List(ctx, index, value, math.MaxInt)
	if err != nil {
		return nil, err
	}
	slices.Reverse(all)
	found := slices.DeleteFunc(all, func(r store.Record) bool { return r[store.AttributeAt] <= after })
	return found[:min(limit, len(found))], nil
}

// Records returns everything that is stored.
func (t *Table) Records() []store.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []store.Record
	for _, key := range slices.Sorted(maps.Keys(t.records)) {
		all = append(all, maps.Clone(t.records[key]))
	}
	return all
}
