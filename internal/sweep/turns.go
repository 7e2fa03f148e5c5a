package sweep

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// turns is the record of when an org's next request of a sweep is due. All sweeps
// take their times from it, those of other sandboxes included, so that together they
// keep the pace.
type turns struct {
	next time.Time
	rev  string
}

const (
	attributeNext = "next" // RFC 3339, as the record has it
	maxTries      = 10     // of a write that meets others
)

func turnsKey(orgID string) string { return "turns#" + orgID }

func turnsOf(record store.Record) turns {
	next, _ := time.Parse(time.RFC3339Nano, record[attributeNext]) // zero where there is none: now
	return turns{next, record[store.AttributeRev]}
}

// look reads the org's turns.
func (w *work) look(orgID string) error {
	ctx, cancel := context.WithTimeout(w.ctx, maxCall)
	defer cancel()
	found, err := w.store.Read(ctx, turnsKey(orgID))
	if err != nil {
		return err
	}
	w.turns = turns{}
	for _, record := range found { // there is one, or none
		w.turns = turnsOf(record)
	}
	return nil
}

// take takes n turns of the org that follow one another at the pace, and returns the
// time of the first. A page that is repeated takes others.
func (w *work) take(orgID string, n int) (first time.Time, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, maxCall)
	defer cancel()
	key := turnsKey(orgID)
	for range maxTries {
		now := w.Now().UTC().Truncate(time.Millisecond)
		if first = w.turns.next; first.Before(now) {
			first = now
		}
		next := first.Add(time.Duration(n) * w.Pace)
		record := store.Record{
			store.AttributeKey: key, store.AttributeRev: rand.Text(), attributeNext: next.Format(time.RFC3339Nano),
			store.AttributeTTL: strconv.FormatInt(next.Add(keep).Unix(), 10),
		}
		err = w.store.Commit(ctx, store.Write{Key: key, Old: w.turns.rev, New: record})
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok {
			if err == nil {
				w.turns = turnsOf(record)
			}
			return first, err
		}
		w.turns = turnsOf(conflict.Current[key])
	}
	return first, err
}
