package ledger

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
)

// Memory is a [Store] for tests. It refuses what DynamoDB refuses, and dies with the
// process.
type Memory struct {
	mu      sync.Mutex
	records map[string]Record
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{records: map[string]Record{}} }

// Read implements [Store].
func (m *Memory) Read(ctx context.Context, keys ...string) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &UnavailableError{Op: "read", Err: err}
	}
	if err := checkKeys(keys); err != nil {
		return nil, err
	}
	var found []Record
	for _, key := range keys {
		if r, ok := m.records[key]; ok {
			found = append(found, maps.Clone(r))
		}
	}
	return found, nil
}

// Commit implements [Store].
func (m *Memory) Commit(ctx context.Context, writes ...Write) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return &UnavailableError{Op: "commit", Err: err}
	}
	if err := checkWrites(writes); err != nil {
		return err
	}
	current := map[string]Record{}
	for _, w := range writes {
		r := m.records[w.Key]
		full := w.Most > 0 && count(r[AttributeCount])+w.Add > w.Most
		if w.Add == 0 && r[AttributeRev] != w.Old || w.Add > 0 && full {
			current[w.Key] = maps.Clone(r)
		}
	}
	if conflict := (&ConflictError{Current: current}); len(current) > 0 {
		if made(writes, conflict) {
			return nil
		}
		return conflict
	}
	for _, w := range writes {
		switch {
		case w.Add != 0:
			m.records[w.Key] = Record{
				AttributeKey: w.Key, AttributeTTL: w.New[AttributeTTL],
				AttributeCount: strconv.Itoa(count(m.records[w.Key][AttributeCount]) + w.Add),
			}
		case w.New == nil:
			delete(m.records, w.Key)
		default:
			m.records[w.Key] = maps.Clone(w.New)
		}
	}
	return nil
}

// List implements [Store].
func (m *Memory) List(ctx context.Context, index, value string, limit int) ([]Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, &UnavailableError{Op: "list", Err: err}
	}
	var found []Record
	for _, r := range m.records {
		if r[index] == value && r[AttributeAt] != "" {
			found = append(found, maps.Clone(r))
		}
	}
	slices.SortFunc(found, func(a, b Record) int { return cmp.Compare(b[AttributeAt], a[AttributeAt]) })
	return found[:min(limit, len(found))], nil
}

// Records returns everything that is stored.
func (m *Memory) Records() []Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Record
	for _, key := range slices.Sorted(maps.Keys(m.records)) {
		all = append(all, maps.Clone(m.records[key]))
	}
	return all
}
