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

// Record is a stored item: attributes by name, all of them text. A record always has
// [AttributeKey], and all but counters and sums have [AttributeRev].
type Record map[string]string

// Names of attributes that a [Table] knows.
const (
	// AttributeKey is the item's key.
	AttributeKey = "pk"
	// AttributeRev is the item's revision. Two states of an item have different ones.
	AttributeRev = "rev"
	// AttributeTTL is when the table may delete the item, in seconds since 1970. In
	// DynamoDB the attribute is a number, since the time to live needs one.
	AttributeTTL = "ttl"
	// AttributeCount is the value of a counter. In DynamoDB the attribute is a number.
	AttributeCount = "n"
	// AttributeAt orders the items of an index: RFC 3339 with milliseconds, UTC, or another
	// text, such as a day or an org.
	AttributeAt = "at"
)

// The indexes, by the attribute that they are on. All are ordered by [AttributeAt].
const (
	IndexLineage = "lineage"
	IndexFlow    = "flow"
	// IndexList is for lists of items that few are on at a time, each under a name of its
	// own: an item is on one list at most. So a new list needs no new index.
	IndexList = "listed"
)

// Write replaces one item, adds to a counter, or adds to the sums of an item.
type Write struct {
	// Key is the item's key.
	Key string
	// Old is the revision that the item must have. Empty means that the item must not
	// exist.
	Old string
	// New replaces the item; nil deletes it.
	New Record
	// Check writes nothing: the item must only be in the state that Old says.
	Check bool

	// Add, if it is not 0, makes this the write of a counter: the item's
	// [AttributeCount] changes by Add. Only [AttributeTTL] of New is used, and Old is
	// ignored.
	Add int
	// Most is the limit of the counter, where Add is positive; 0 for none.
	Most int

	// Sums, if there are any, make this the write of sums: each of these attributes of the
	// item changes by its number. The item need not exist. Beside the sums the attributes
	// of New are set, the others of the item stay, and Old is ignored. In DynamoDB sums are
	// numbers. Such a write has no condition, so that it fails for no other write's sake.
	// For example, Sums {"recovered": 1} and New {"day": "2026-11-26"}.
	Sums map[string]int
}

// Reader is the part of a [Table] that reads.
type Reader interface {
	// Read returns the records that exist, in any order. It sees every commit that
	// ended before it. Keys must differ: DynamoDB refuses a call that names a key twice.
	Read(ctx context.Context, keys ...string) ([]Record, error)
	// List returns at most limit records of an index, by [AttributeAt], the newest
	// first. It may lag behind commits.
	List(ctx context.Context, index, value string, limit int) ([]Record, error)
	// ListFrom returns at most limit records of an index whose [AttributeAt] is after the
	// given text, the oldest first. It may lag behind commits.
	ListFrom(ctx context.Context, index, value, after string, limit int) ([]Record, error)
	// Born is when the table was made. One that was restored from a backup was made then,
	// whatever is in it.
	Born(ctx context.Context) (time.Time, error)
}

// Table keeps records. It knows nothing of what they mean.
type Table interface {
	Reader

	// Commit makes all writes or none. The error is a [*ConflictError] if an item
	// is not in the state that its write expects, or if a counter would pass its
	// limit; the error names at least one such item. Keys must differ, there may be at
	// most [MaxWrites] writes, and no item may be larger than [MaxItem]: DynamoDB refuses
	// any other transaction and writes nothing.
	//
	// The AWS client sends a call again if it got no answer. So a commit counts as made
	// if all its items (counters and sums aside) already have the revisions that it writes. That
	// is why two writes of different content must have different revisions. Sums have none:
	// the token of the transaction keeps the AWS client from adding twice.
	Commit(ctx context.Context, writes ...Write) error
	// Add changes the counter of a key by n and sets its time to live. The counter need
	// not exist. Where n and most are above 0, the counter may become at most most: if it
	// would pass that, nothing is written and added is false. A negative n, which gives
	// back, is always added. Unlike Commit, Add is no transaction, so that many may add to
	// one counter at once. An addition whose answer was lost may have been made, even
	// twice, if the client sent it again.
	Add(ctx context.Context, key string, n, most int, ttl time.Time) (added bool, err error)
}

// ConflictError means that some items were not as expected, and that nothing was
// written.
type ConflictError struct {
	// Current has those items as they are, by key; nil for an item that does not exist.
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

// UnavailableError means that the table gave no usable answer. Whether a write was made is
// not known.
type UnavailableError struct {
	// Op is read, commit, add, list or describe.
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

// CheckKeys returns an error if DynamoDB would refuse to read the keys in one call.
func CheckKeys(keys []string) error {
	if key, twice := repeated(keys); twice {
		return &UnavailableError{Op: "read", Err: fmt.Errorf("the key %q stands twice among those to read, which DynamoDB refuses", key)}
	}
	return nil
}

// CheckWrites returns an error if DynamoDB would refuse the transaction.
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

// Made reports whether the same writes had been made before, and the conflict comes from
// that: the answer of the first call was lost, and the client sent it again.
func Made(writes []Write, conflict *ConflictError) bool {
	items := 0
	for _, w := range writes {
		if w.Add != 0 || len(w.Sums) > 0 || w.Check {
			continue
		}
		items++
		if current, known := conflict.Current[w.Key]; !known || current[AttributeRev] != w.New[AttributeRev] {
			return false
		}
	}
	return items > 0
}
