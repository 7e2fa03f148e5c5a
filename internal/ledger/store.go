package ledger

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Record is an item as it is stored: attributes by name, all of them text. It
// always has [AttributeKey] and [AttributeRev].
type Record map[string]string

// Names of attributes that a [Store] knows.
const (
	// AttributeKey is the item's key.
	AttributeKey = "pk"
	// AttributeRev tells one state of the item from another.
	AttributeRev = "rev"
	// AttributeTTL is when the item may be forgotten, in seconds since 1970. In
	// DynamoDB it is a number, as its time to live wants it.
	AttributeTTL = "ttl"
	// AttributeCount is what a counter counts. In DynamoDB it is a number.
	AttributeCount = "n"
	// AttributeAt orders the items of an index: RFC 3339 with milliseconds, UTC.
	AttributeAt = "at"
)

// The indexes, by the attribute that they are on. Both are ordered by
// [AttributeAt].
const (
	IndexLineage = "lineage" // "<org>#<root>"
	IndexFlow    = "flow"    // "<org>#<flow>"
)

// Write replaces one item, or adds to a counter.
type Write struct {
	// Key is the item's.
	Key string
	// Old is the rev that the item must have; empty if there must be none.
	Old string
	// New is the item from then on; nil deletes it.
	New Record

	// Add, if it is not 0, makes this a write of a counter: the item's
	// [AttributeCount] changes by so much. Of New only [AttributeTTL] counts, and
	// Old is not looked at.
	Add int
	// Most is what the counter may become at most by an addition; 0 for anything.
	Most int
}

// Store keeps records. It knows nothing of what they mean.
type Store interface {
	// Read returns those records that exist, in any order. It sees every commit
	// that ended before.
	Read(ctx context.Context, keys ...string) ([]Record, error)
	// Commit makes all writes or none. The error is a [*ConflictError] if an item
	// is not in the state that its write expects, or a counter would pass its
	// limit; it names at least one such item. Keys must differ. Writes of different
	// content must have different revs: a commit whose items (counters aside) all
	// have the revs that it writes counts as made, since a call whose answer was
	// lost is sent again.
	Commit(ctx context.Context, writes ...Write) error
	// List returns at most limit records of an index, by [AttributeAt], the newest
	// first. It may lag behind commits.
	List(ctx context.Context, index, value string, limit int) ([]Record, error)
}

// ConflictError means that nothing was written since some items are not as
// expected.
type ConflictError struct {
	// Current has the items that are not as expected, by key; nil for one that
	// does not exist.
	Current map[string]Record
}

// Error names the items.
func (e *ConflictError) Error() string {
	keys := make([]string, 0, len(e.Current))
	for key := range e.Current {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return "the ledger has other records than expected: " + strings.Join(keys, ", ")
}

// UnavailableError means that the ledger could not be asked, and that it is not
// known whether a commit was made.
type UnavailableError struct {
	// Op is read, commit or list.
	Op  string
	Err error
}

// Error says what failed.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the ledger is not available (%s): %v", e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// made reports whether a conflict comes from the same writes having been made
// before: by a call whose answer was lost and that was sent again.
func made(writes []Write, conflict *ConflictError) bool {
	items := 0
	for _, w := range writes {
		if w.Add != 0 {
			continue
		}
		items++
		if current, known := conflict.Current[w.Key]; !known || current[AttributeRev] != w.New[AttributeRev] {
			return false
		}
	}
	return items > 0
}
