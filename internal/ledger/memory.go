package ledger

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
)

// Memory is a [Store] for tests. It dies with the process.
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
	current := map[string]Record{}
	for _, w := range writes {
		if r := m.records[w.Key]; r[AttributeRev] != w.Old {
			current[w.Key] = maps.Clone(r)
		}
	}
	if len(current) > 0 {
		return &ConflictError{Current: current}
	}
	for _, w := range writes {
		if w.New == nil {
			delete(m.records, w.Key)
		} else {
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
