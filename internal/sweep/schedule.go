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
	next time.Time
	rev  string
}

const (
	attributeNext = "next" // RFC 3339, as the record has it
	maxTries      = 10     // of a write that meets others
)

func scheduleKey(orgID string) string { return "schedule#" + orgID }

func scheduleOf(record store.Record) schedule {
	next, _ := time.Parse(time.RFC3339Nano, record[attributeNext]) // zero where there is none: now
	return schedule{next, record[store.AttributeRev]}
}

// loadSchedule reads the org's schedule.
func (w *work) loadSchedule(orgID string) error {
	ctx, cancel := context.WithTimeout(w.ctx, maxCall)
	defer cancel()
	found, err := w.store.Read(ctx, scheduleKey(orgID))
	if err != nil {
		return err
	}
	w.schedule = schedule{}
	for _, record := range found { // there is one, or none
		w.schedule = scheduleOf(record)
	}
	return nil
}

// reserveSlots reserves n slots of the org, one after the other at the pace, and returns
// the time of the first. A repeated page reserves other slots.
func (w *work) reserveSlots(orgID string, n int) (first time.Time, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, maxCall)
	defer cancel()
	key := scheduleKey(orgID)
	for range maxTries {
		now := w.Now().UTC().Truncate(time.Millisecond)
		if first = w.schedule.next; first.Before(now) {
			first = now
		}
		next := first.Add(time.Duration(n) * w.Pace)
		record := store.Record{
			store.AttributeKey: key, store.AttributeRev: rand.Text(), attributeNext: next.Format(time.RFC3339Nano),
			store.AttributeTTL: strconv.FormatInt(next.Add(progressTTL).Unix(), 10),
		}
		err = w.store.Commit(ctx, store.Write{Key: key, Old: w.schedule.rev, New: record})
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok {
			if err == nil {
				w.schedule = scheduleOf(record)
			}
			return first, err
		}
		w.schedule = scheduleOf(conflict.Current[key])
	}
	return first, err
}
