package ledger

import (
	"context"
	"strconv"
)

// Put writes the entries as they are, whatever the states' table says.
func (l *Ledger) Put(ctx context.Context, e Entries) error {
	now := l.time()
	writes := []struct {
		key, version string
		w            map[string]string
	}{{RunKey(e.Run.OrgID, e.Run.RunID), e.Run.version, e.Run.record()}}
	if e.Flow.FlowID != "" {
		writes = append(writes, struct {
			key, version string
			w            map[string]string
		}{FlowKey(e.Flow.OrgID, e.Flow.FlowID), e.Flow.version, e.Flow.record()})
	}
	for _, w := range writes {
		if err := l.writes.Commit(ctx, l.write(now, w.key, w.version, nil, w.w)); err != nil {
			return err
		}
	}
	return nil
}

// ClaimOf is a claim as if [Ledger.Claim] had made it.
func ClaimOf(c Call) Claim { return Claim{call: c} }

// SchemaAttribute is an entry's form, as the store has it.
const SchemaAttribute = "schema"

// NewerSchema is the form of a newer version.
func NewerSchema() string { return strconv.Itoa(Schema + 1) }
