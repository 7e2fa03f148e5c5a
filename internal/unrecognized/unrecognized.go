// Package unrecognized counts the events of Adobe's in which the decoder finds no run,
// by their shape.
//
// Such an event may be a failure in a shape that Adobe has not documented, so it must
// be seen. If a shape is new it comes with every failure, and a dead letter for each
// would fill the dead-letter queue. So one event of each shape becomes a dead letter in
// an hour, and the counter counts the others. The counts are in the ledger's table, since
// many processes see the events.
package unrecognized

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Store keeps the counts; see [store.Table].
type Store interface {
	Read(ctx context.Context, keys ...string) ([]store.Record, error)
	Commit(ctx context.Context, writes ...store.Write) error
}

// countTTL is how long the table keeps a shape's count after its last event. A shape that
// comes back later begins at one.
const countTTL = 8 * 24 * time.Hour

// Counter counts events. It is safe for concurrent use. Make it with [New].
type Counter struct {
	store Store
	now   func() time.Time
}

// New returns a Counter; now is the clock.
func New(store Store, now func() time.Time) *Counter { return &Counter{store: store, now: now} }

// Seen is what is known of a shape when an event of it comes.
type Seen struct {
	// Count is how many events of the shape there were, this one included.
	Count int
	// Written means that an event of the shape has become a dead letter in this hour.
	Written bool
}

// Seen reads what is known of a shape. It changes nothing. The error is the store's.
func (c *Counter) Seen(ctx context.Context, shape string) (Seen, error) {
	deadLetter, count := c.keys(shape)
	found, err := c.store.Read(ctx, deadLetter, count)
	if err != nil {
		return Seen{Count: 1}, err
	}
	seen := Seen{Count: 1}
	for _, record := range found {
		switch record[store.AttributeKey] {
		case deadLetter:
			seen.Written = true
		case count:
			n, _ := strconv.Atoi(record[store.AttributeCount]) // a counter always is a number
			seen.Count += n
		}
	}
	return seen, nil
}

// Add counts one event of a shape; written says that it has become a dead letter. Call
// it when the dead letter is durable: after a crash in between there may be two, and
// never none. The error is the store's.
func (c *Counter) Add(ctx context.Context, shape string, written bool) error {
	deadLetter, count := c.keys(shape)
	ttl := store.Record{store.AttributeTTL: strconv.FormatInt(c.now().Add(countTTL).Unix(), 10)}
	if err := c.store.Commit(ctx, store.Write{Key: count, New: ttl, Add: 1}); err != nil || !written {
		return err
	}
	err := c.store.Commit(ctx, store.Write{Key: deadLetter, New: store.Record{
		store.AttributeKey: deadLetter, store.AttributeRev: "written", store.AttributeTTL: ttl[store.AttributeTTL], "shape": shape,
	}})
	if errors.As(err, new(*store.ConflictError)) {
		return nil // another process has written one, too
	}
	return err
}

// keys are those of this hour's dead letter and of the count.
func (c *Counter) keys(shape string) (deadLetter, count string) {
	sum := sha256.Sum256([]byte(shape))
	name := "unrecognized#" + hex.EncodeToString(sum[:16])
	return name + "#" + c.now().UTC().Format("2006-01-02T15"), name
}
