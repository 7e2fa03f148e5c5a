package sweep

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// progressTTL is how long the table keeps a sweep's progress after its last change.
const progressTTL = 15 * 24 * time.Hour

// saveTime bounds the writing of the progress.
const saveTime = closingTime/2 - time.Second

// keyPrefix begins the key of the progress of a sweep.
const keyPrefix = "sweep#"

// saved is the record of a sweep's progress.
type saved struct {
	store Store
	key   string
	asked time.Time // when the sweep was asked for
	rev   string    // of the record as it was read or written last
}

// load reads the progress, and reports whether there is any.
func (s *saved) load(ctx context.Context, p *progress) (bool, error) {
	found, err := s.store.Read(ctx, s.key)
	if err != nil || len(found) == 0 {
		return false, err
	}
	return true, s.read(found[0], p)
}

func (s *saved) read(record store.Record, p *progress) error {
	*p = progress{}
	if err := json.Unmarshal([]byte(record["progress"]), p); err != nil {
		return fmt.Errorf("the progress of the sweep can't be read: %w", err)
	}
	s.rev = record[store.AttributeRev]
	return nil
}

// save writes the progress, on condition that nobody else has. Otherwise the progress is
// what the other one has written, and the error is [errElsewhere].
func (s *saved) save(ctx context.Context, p *progress, now time.Time) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	record := store.Record{
		store.AttributeKey: s.key, store.AttributeRev: rand.Text(), "progress": string(text),
		store.AttributeTTL: strconv.FormatInt(now.Add(progressTTL).Unix(), 10),
		store.IndexList:    sweepsList, store.AttributeAt: place(p),
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime) // also when the time for the work is over
	defer cancel()
	err = s.store.Commit(ctx, store.Write{Key: s.key, Old: s.rev, New: record})
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		if current := conflict.Current[s.key]; current != nil {
			if err := s.read(current, p); err != nil {
				return err
			}
		}
		return errElsewhere
	}
	if err == nil {
		s.rev = record[store.AttributeRev]
	}
	return err
}
