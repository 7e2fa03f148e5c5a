package sweep

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// schedule is a record for each org: the time of the next free slot for a request of a
// sweep. All sweeps of the org reserve their slots there, so that together they keep the
// pace. With a pace of one second and a next slot at 06:00:10, a page of five requests
// gets the slots 06:00:10 to 06:00:14.
type schedule struct {
	store Store
	pace  time.Duration
	next  time.Time
	rev   string
}

const (
	attributeNext = "next" // RFC 3339, as the record has it
	maxTries      = 10     // of a write that meets others
)

func scheduleKey(orgID string) string { return "schedule#" + orgID }

// learn takes what the record says; nil where there is none.
func (s *schedule) learn(record store.Record) {
	s.next, _ = time.Parse(time.RFC3339Nano, record[attributeNext]) // zero where there is none: now
	s.rev = record[store.AttributeRev]
}

// load reads the org's schedule.
func (s *schedule) load(ctx context.Context, orgID string) error {
	ctx, cancel := context.WithTimeout(ctx, maxCall)
	defer cancel()
	found, err := s.store.Read(ctx, scheduleKey(orgID))
	if err != nil {
		return err
	}
	s.learn(nil)
	for _, record := range found { // there is one, or none
		s.learn(record)
	}
	return nil
}

// reserve reserves n slots of the org, one after the other at the pace, and returns the
// time of the first. A repeated page reserves other slots.
func (s *schedule) reserve(ctx context.Context, orgID string, n int, clock func() time.Time) (first time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, maxCall)
	defer cancel()
	key := scheduleKey(orgID)
	for range maxTries {
		now := clock().UTC().Truncate(time.Millisecond)
		if first = s.next; first.Before(now) {
			first = now
		}
		next := first.Add(time.Duration(n) * s.pace)
		record := store.Record{
			store.AttributeKey: key, store.AttributeRev: rand.Text(), attributeNext: next.Format(time.RFC3339Nano),
			store.AttributeTTL: strconv.FormatInt(next.Add(progressTTL).Unix(), 10),
		}
		err = s.store.Commit(ctx, store.Write{Key: key, Old: s.rev, New: record})
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok {
			if err == nil {
				s.learn(record)
			}
			return first, err
		}
		s.learn(conflict.Current[key])
	}
	return first, err
}
