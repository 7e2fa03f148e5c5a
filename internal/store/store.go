// Package store is a key-value table: records, conditional writes of several items at
// once, conflicts and counters. It knows nothing of what the records mean.
//
// [github.com/aep-retrigger/aep-retrigger/internal/store/dynamo] is the table on DynamoDB,
// [github.com/aep-retrigger/aep-retrigger/internal/store/memory] one for tests. Both pass
// the tests of [github.com/aep-retrigger/aep-retrigger/internal/store/storetest].
package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Record is an item as it is stored: attributes by name, all of them text. It
// always has [AttributeKey] and [AttributeRev].
type Record map[string]string

// Names of attributes that a [Table] knows.
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
	IndexLineage = "lineage"
	IndexFlow    = "flow"
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

// Table keeps records. It knows nothing of what they mean.
type Table interface {
	// Read returns those records that exist, in any order. It sees every commit
	// that ended before. Keys must differ: DynamoDB refuses a call that names a key
	// twice.
	Read(ctx context.Context, keys ...string) ([]Record, error)
	// Commit makes all writes or none. The error is a [*ConflictError] if an item
	// is not in the state that its write expects, or a counter would pass its
	// limit; it names at least one such item. Keys must differ, there may be at most
	// [MaxWrites], and no item may be larger than [MaxItem]: DynamoDB refuses such a
	// transaction, and nothing is written. Writes of different
	// content must have different revs: a commit whose items (counters aside) all
	// have the revs that it writes counts as made, since a call whose answer was
	// lost is sent again.
	Commit(ctx context.Context, writes ...Write) error
	// Add changes the counter of a key by n and sets its time to live. The counter need
	// not exist. Where n and most are above 0, the counter may become at most most: if it
	// would pass that, nothing is written and added is false. A negative n, which gives
	// back, is always added. Unlike Commit, Add is no transaction, so that many may add to
	// one counter at once. An addition whose answer was lost may have been made, even
	// twice, if the client sent it again.
	Add(ctx context.Context, key string, n, most int, ttl time.Time) (added bool, err error)
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
// known whether a write was made.
type UnavailableError struct {
	// Op is read, commit, add or list.
	Op  string
	Err error
}

// Error says what failed.
func (e *UnavailableError) Error() string {
	return fmt.Sprintf("the ledger is not available (%s): %v", e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// Limits of DynamoDB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html.
const (
	// MaxItem is the most bytes of an item: the UTF-8 of its attributes' names and
	// values.
	MaxItem = 400 << 10
	// MaxWrites is how many items one commit may write.
	MaxWrites = 100
)

// Size is what DynamoDB counts of the record, in bytes.
func (r Record) Size() int {
	n := 0
	for name, value := range r {
		n += len(name) + len(value)
	}
	return n
}

// TTL is a time as [AttributeTTL] has it.
func TTL(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// CheckKeys refuses a reading that DynamoDB refuses.
func CheckKeys(keys []string) error {
	if key, twice := repeated(keys); twice {
		return &UnavailableError{Op: "read", Err: fmt.Errorf("the key %q stands twice among those to read, which DynamoDB refuses", key)}
	}
	return nil
}

// CheckWrites refuses a transaction that DynamoDB refuses.
func CheckWrites(writes []Write) error {
	keys := make([]string, len(writes))
	for i, w := range writes {
		keys[i] = w.Key
		if n := w.New.Size(); n > MaxItem {
			return &UnavailableError{Op: "commit", Err: fmt.Errorf("the item %q would have %d bytes, more than DynamoDB's %d", w.Key, n, MaxItem)}
		}
	}
	if key, twice := repeated(keys); twice {
		return &UnavailableError{Op: "commit", Err: fmt.Errorf("the key %q stands twice among those to write, which DynamoDB refuses", key)}
	}
	if len(writes) > MaxWrites {
		return &UnavailableError{Op: "commit", Err: fmt.Errorf("%d items are to be written at once, more than DynamoDB's %d", len(writes), MaxWrites)}
	}
	return nil
}

// repeated returns a key that stands twice.
func repeated(keys []string) (key string, twice bool) {
	seen := make(map[string]bool, len(keys))
	for _, key := range keys {
		if seen[key] {
			return key, true
		}
		seen[key] = true
	}
	return "", false
}

// Made reports whether a conflict comes from the same writes having been made
// before: by a call whose answer was lost and that was sent again.
func Made(writes []Write, conflict *ConflictError) bool {
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
