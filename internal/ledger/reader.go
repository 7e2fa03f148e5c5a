package ledger

import (
	"context"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Reader is the part of a [Ledger] that reads.
type Reader struct{ table store.Reader }

// NewReader returns the Reader of a table.
func NewReader(table store.Reader) *Reader { return &Reader{table: table} }

// Ref names a run whose entries are to be read. A run whose dataflow is not known has none.
type Ref struct{ OrgID, FlowID, Sandbox, RunID string }

// Keys are the entries' keys in the store.
func (r Ref) Keys() []string {
	keys := []string{RunKey(r.OrgID, r.RunID)}
	if r.FlowID != "" {
		keys = append(keys, FlowKey(r.OrgID, r.FlowID))
	}
	return keys
}

// Snapshot is what the store had under some keys: those without a record are missing.
type Snapshot map[string]store.Record

// Read reads the records under the keys, each once, however often it is named. Rule 1: one
// call reads the entries of a whole batch.
func (l *Reader) Read(ctx context.Context, keys ...string) (Snapshot, error) {
	records, err := l.read(ctx, slices.Clone(keys))
	if err != nil {
		return nil, err
	}
	found := make(Snapshot, len(records))
	for _, r := range records {
		found[r[store.AttributeKey]] = r
	}
	return found, nil
}

// read reads the records under the keys, which it sorts, each once.
func (l *Reader) read(ctx context.Context, keys []string) ([]store.Record, error) {
	slices.Sort(keys)
	return l.table.Read(ctx, slices.Compact(keys)...)
}

// Entries are those of a run, whose keys the snapshot was read under.
func (s Snapshot) Entries(ref Ref) Entries {
	e := Entries{Run: NewRun(ref.OrgID, ref.FlowID, ref.Sandbox, ref.RunID), Flow: Flow{OrgID: ref.OrgID, FlowID: ref.FlowID}}
	if r := s[RunKey(ref.OrgID, ref.RunID)]; r != nil {
		e.Run = runOf(r)
	}
	if r := s[FlowKey(ref.OrgID, ref.FlowID)]; r != nil && ref.FlowID != "" {
		e.Flow = flowOf(r)
	}
	return e
}

// Load reads the entries of one run.
func (l *Reader) Load(ctx context.Context, ref Ref) (Entries, error) {
	s, err := l.Read(ctx, ref.Keys()...)
	return s.Entries(ref), err
}

// Runs reads the entries of runs of one org, by run id. Those without one are left out.
func (l *Reader) Runs(ctx context.Context, orgID string, runIDs ...string) (map[string]Run, error) {
	records, err := l.read(ctx, RunKeys(orgID, runIDs...))
	found := make(map[string]Run, len(records))
	for _, r := range records {
		run := runOf(r)
		found[run.RunID] = run
	}
	return found, err
}

// RunKeys are the keys of the entries of runs of one org.
func RunKeys(orgID string, runIDs ...string) []string {
	keys := make([]string, len(runIDs))
	for i, id := range runIDs {
		keys[i] = RunKey(orgID, id)
	}
	return keys
}

// RunsInBrief are the entries of the runs whose keys the snapshot was read under, by run id and
// without [Run.Decisions]: a sweep reads those of a million runs, of which it changes few. An
// operation on such an entry keeps its decisions.
func (s Snapshot) RunsInBrief() map[string]*Run {
	runs, found := make([]Run, 0, len(s)), make(map[string]*Run, len(s))
	for _, r := range s {
		runs = append(runs, inBrief(r))
		run := &runs[len(runs)-1]
		found[run.RunID] = run
	}
	return found
}

// OfLineage returns the runs of a lineage, the newest first. It may lag behind.
func (l *Reader) OfLineage(ctx context.Context, orgID, root string, limit int) ([]Run, error) {
	return list(ctx, l.table, store.IndexLineage, group(orgID, root), limit)
}

// OfFlow returns the runs of a dataflow, the newest first. It may lag behind.
func (l *Reader) OfFlow(ctx context.Context, orgID, flowID string, limit int) ([]Run, error) {
	return list(ctx, l.table, store.IndexFlow, group(orgID, flowID), limit)
}

func list(ctx context.Context, table store.Reader, index, value string, limit int) ([]Run, error) {
	return runsOf(table.List(ctx, index, value, limit))
}

func runsOf(records []store.Record, err error) ([]Run, error) {
	runs := make([]Run, len(records))
	for i, r := range records {
		runs[i] = runOf(r)
	}
	return runs, err
}
