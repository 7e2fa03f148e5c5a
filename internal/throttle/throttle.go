// Package throttle holds calls to Adobe back. It has three parts: the pace of each org, the
// slow-down of an org that Adobe asked to slow down, and pauses.
//
// # Pace
//
// [Throttle.Org] paces the requests of one org within this process: so many a second,
// so many at once. The limits of an org over all processes are divided among them
// by the queue's concurrency, which Lambda never exceeds: nearly all calls come of messages.
// That needs no call and can't fail. A process besides the queue's, for a sweep by the
// schedule or for a person, may go over by one share. Adobe publishes no limit: slow-downs
// are the protection, and the limits a courtesy.
//
// # Slow-downs
//
// A 429 halves the pace of its org, down to a sixty-fourth, and stops it for as
// long as Adobe asked for. The pace doubles again with each minute without a 429.
// Level and time are shared by all processes through one record, so that what one
// is told slows all of them down.
//
// # Pauses
//
// A pause stops everything, an org, or a dataflow. It is in the same record, which
// each process reads when its copy is older than [MaxAge]. While it lasts, requests
// wait on the request queue and ask about it now and then. When it is over, they
// are let go spread over a while, roughly in the order in which they were due: each knows
// its time by itself, from its due time and the pause's beginning and end. No order is
// promised, since SQS promises none.
package throttle

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// MaxAge is how old the copy of the shared record may be: within this time a pause or
// a slow-down takes effect everywhere, for what has not begun by then.
const MaxAge = 15 * time.Second

const (
	maxLevel = 6 // halvings
	recovery = time.Minute
	// firstStop is how long an org stops after a 429 that does not say.
	firstStop = time.Second
	maxTries  = 10 // of a write that meets others
	// maxPauses, maxPausesBytes and maxReason bound the shared record, which is one item
	// of DynamoDB: 400 KB at most. Of these 300 KiB are for pauses; the rest is for the
	// slow-downs of orgs, which must always be written: some 150 bytes for each org.
	// A byte of a reason or an id may take six in JSON ("\u0001"), so a bound on their
	// number and length is not enough.
	maxPauses      = 200
	maxPausesBytes = 300 << 10
	maxReason      = 512 // bytes
	recordKey      = "throttle"
	// recordTTL is how long the table keeps the record after its last change while no pause
	// lasts.
	// Slow-downs and pauses that have ended are over long before.
	recordTTL = 7 * 24 * time.Hour
)

// Store keeps the shared record; see [store.Table].
type Store interface {
	Read(ctx context.Context, keys ...string) ([]store.Record, error)
	Commit(ctx context.Context, writes ...store.Write) error
}

// Limits are those of one org in this process.
type Limits struct {
	// PerSecond is how many calls may be sent in a second; 0 for any number.
	PerSecond float64
	// AtOnce is how many may be under way; 0 for any number.
	AtOnce int
	// Processes is how many processes there may be, which share the pace that an org
	// without a limit has after a 429; 0 for one.
	Processes int
}

// Throttle holds calls back. It is safe for concurrent use. Make it with [New].
type Throttle struct {
	store  Store
	limits Limits
	paused bool
	now    func() time.Time
	// reading is held while the record is read, so that one reading is under way
	// however many callers there are.
	reading chan struct{}

	mu          sync.Mutex
	state       state
	rev         string // of the record that the state was read from
	readAt      time.Time
	unpublished map[string]bool // orgs whose slow-down the record does not have yet
	paces       map[string]*pace
}

// state is what the shared record holds.
type state struct {
	Pauses []Pause         `json:"pauses,omitempty"`
	Slow   map[string]slow `json:"slow,omitempty"` // by org
	Asked  askedTimes      `json:"asked,omitempty"`
}

// slow is the slow-down of an org.
type slow struct {
	// Level counts the halvings, at the time At.
	Level int       `json:"level"`
	At    time.Time `json:"at"`
	// Until is when calls may be sent again.
	Until time.Time `json:"until"`
}

// level is what is left of the slow-down.
func (s slow) level(now time.Time) int {
	if s.Level == 0 {
		return 0
	}
	return max(0, s.Level-int(now.Sub(s.At)/recovery))
}

func (s slow) over(now time.Time) bool { return s.level(now) == 0 && !now.Before(s.Until) }

// worse combines what two processes were told.
func (s slow) worse(other slow, now time.Time) slow {
	if other.level(now) > s.level(now) || other.level(now) == s.level(now) && other.At.After(s.At) {
		s.Level, s.At = other.Level, other.At
	}
	if other.Until.After(s.Until) {
		s.Until = other.Until
	}
	return s
}

// New returns a Throttle whose shared record is in the store. With paused everything
// is paused, whatever the record says.
//
// Rule 25: the clock is the wall clock alone. The monotonic clock may stand still while
// Lambda freezes the process, and an old copy of the record would look young afterwards.
func New(store Store, limits Limits, paused bool, now func() time.Time) *Throttle {
	return &Throttle{
		store: store, limits: limits, paused: paused, now: func() time.Time { return now().Round(0) }, reading: make(chan struct{}, 1),
		state: state{Slow: map[string]slow{}}, unpublished: map[string]bool{}, paces: map[string]*pace{},
	}
}

// RecordKey is the key of the shared record, for a caller that reads it together with other
// records and hands it to [Throttle.Learn].
const RecordKey = recordKey

// Learn takes the shared record as the caller has just read it; nil if there is none. The
// error is a [*store.UnavailableError] if the record can't be read.
func (t *Throttle) Learn(record store.Record) error { return t.update(record) }

// Fresh reports whether the copy of the shared record is so young that nobody must read it.
func (t *Throttle) Fresh() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	age := t.now().Sub(t.readAt)
	return !t.readAt.IsZero() && age >= 0 && age < MaxAge // a negative age: the clock was set back
}

// refresh reads the shared record if the copy is too old.
func (t *Throttle) refresh(ctx context.Context) error {
	select {
	case t.reading <- struct{}{}:
		defer func() { <-t.reading }()
	case <-ctx.Done():
		return &store.UnavailableError{Op: "read", Err: context.Cause(ctx)}
	}
	if t.Fresh() {
		return nil
	}
	found, err := t.store.Read(ctx, recordKey)
	if err != nil {
		return err
	}
	var record store.Record
	for _, record = range found { // there is one, or none
	}
	return t.update(record)
}

// update replaces our copy of the record by the stored one; nil if there is none.
func (t *Throttle) update(record store.Record) error {
	read := state{Slow: map[string]slow{}}
	if record != nil {
		if err := json.Unmarshal([]byte(record["state"]), &read); err != nil {
			return &store.UnavailableError{Op: "read", Err: fmt.Errorf("the record %q can't be read; delete it if a person wrote it: %w", recordKey, err)}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	if read.Slow == nil {
		read.Slow = map[string]slow{}
	}
	for org, s := range t.state.Slow {
		read.Slow[org] = read.Slow[org].worse(s, now)
	}
	t.state, t.rev, t.readAt = read, record[store.AttributeRev], now
	return nil
}

// write changes the shared record. change may be called again, when another
// process was faster.
func (t *Throttle) write(ctx context.Context, change func(s *state, now time.Time) error) error {
	for range maxTries {
		now := t.now()
		t.mu.Lock()
		next := state{Pauses: slices.Clone(t.state.Pauses), Slow: maps.Clone(t.state.Slow), Asked: maps.Clone(t.state.Asked)}
		old := t.rev
		t.mu.Unlock()
		// What is over stays in the record until some write: nothing may build on it.
		next.Pauses = slices.DeleteFunc(next.Pauses, func(p Pause) bool { return p.over(now) })
		if err := change(&next, now); err != nil {
			return err
		}
		maps.DeleteFunc(next.Slow, func(_ string, s slow) bool { return s.over(now) })
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		record := store.Record{store.AttributeKey: recordKey, store.AttributeRev: rand.Text(), "state": string(text)}
		if !slices.ContainsFunc(next.Pauses, Pause.lasts) { // a pause that lasts is never forgotten
			record[store.AttributeTTL] = strconv.FormatInt(now.Add(recordTTL).Unix(), 10)
		}
		err = t.store.Commit(ctx, store.Write{Key: recordKey, Old: old, New: record})
		conflict, ok := errors.AsType[*store.ConflictError](err)
		switch {
		case err == nil:
			return t.update(record)
		case !ok:
			return err
		}
		if err := t.update(conflict.Current[recordKey]); err != nil {
			return err
		}
	}
	return &store.UnavailableError{Op: "commit", Err: errors.New("other processes keep changing the same record")}
}

// PublishSlowDown writes an org's slow-down to the shared record, where the other
// processes read it. If the write fails, the next call tries again.
func (t *Throttle) PublishSlowDown(ctx context.Context, orgID string) error {
	t.mu.Lock()
	published := !t.unpublished[orgID]
	t.unpublished[orgID] = false
	t.mu.Unlock()
	if published {
		return nil
	}
	err := t.write(ctx, func(*state, time.Time) error { return nil }) // the copy has it
	if err != nil {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.unpublished[orgID] = true
	}
	return err
}

// slowDown takes note of a 429 to a call that began at the given time. Calls that
// had begun before the last halving tell nothing new.
func (t *Throttle) slowDown(orgID string, began time.Time, retryAfter time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	s := t.state.Slow[orgID]
	if began.After(s.At) || s.Level == 0 {
		s.Level, s.At = min(s.level(now)+1, maxLevel), now
	}
	if until := now.Add(cmp.Or(retryAfter, firstStop<<s.Level)); until.After(s.Until) {
		s.Until = until
	}
	t.state.Slow[orgID] = s
	t.unpublished[orgID] = true
}
