package throttle

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Scope is what is paused: everything, an org, or a dataflow of an org.
type Scope struct {
	OrgID  string `json:"orgId,omitempty"`
	FlowID string `json:"flowId,omitempty"`
}

// String names the scope.
func (s Scope) String() string {
	switch {
	case s.FlowID != "":
		return fmt.Sprintf("dataflow %s of org %s", s.FlowID, s.OrgID)
	case s.OrgID != "":
		return "org " + s.OrgID
	default:
		return "everything"
	}
}

func (s Scope) covers(orgID, flowID string) bool {
	return (s.OrgID == "" || s.OrgID == orgID) && (s.FlowID == "" || s.FlowID == flowID)
}

// Pause is one pause. When it is over it is kept until what waited has been let go.
type Pause struct {
	Scope
	// At is when it began, ResumedAt when it ended; zero while it lasts.
	At        time.Time  `json:"at"`
	ResumedAt *time.Time `json:"resumedAt,omitempty"`
	// Reason is free text of who paused, and By who that was, as the caller said it: a user's
	// ARN for example.
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
	// FlowName is the dataflow's name for people, as Adobe told it when it was paused.
	FlowName string `json:"flowName,omitempty"`
}

// Cause is why a person pauses, and who that is, and the dataflow's name. Of each the first
// 512 bytes are kept.
type Cause struct{ Reason, By, FlowName string }

// Times of a pause.
const (
	// A waiting request asks about its pause again and again. The intervals grow with
	// the pause: a long pause takes few receives, and a short one ends soon.
	minPoll, maxPoll = time.Minute, 30 * time.Minute
	// leastPoll is the shortest interval where we don't know when the pause began.
	leastPoll = 10 * time.Minute
	// What waited is let go within a quarter of the pause's length, within bounds.
	minRelease, maxRelease = time.Minute, time.Hour
	// early is the part of it for what was due before the pause began.
	early = 0.1
)

func (p Pause) lasts() bool { return p.ResumedAt == nil }

// pollInterval is after how long a waiting request asks again about a pause of the
// given length. A pause of four hours is asked about every 30 minutes.
func pollInterval(length time.Duration) time.Duration { return min(max(length/8, minPoll), maxPoll) }

// jitter is up to a tenth of a wait, by which it is shortened: messages that came together
// do not ask together each time.
func jitter(wait time.Duration) time.Duration { return rand.N(wait/10 + 1) } //nolint:gosec // no secret depends on it

// over reports whether all that waited has been let go.
func (p Pause) over(now time.Time) bool {
	return !p.lasts() && now.After(p.release(*p.ResumedAt).Add(maxPoll))
}

// release returns when a request is let go that was due at the given time, once
// the pause is over: after every request that waits has looked after it, in the
// order in which they were due.
func (p Pause) release(due time.Time) time.Time {
	length := p.ResumedAt.Sub(p.At)
	window := min(max(length/4, minRelease), maxRelease)
	place := 1.0 // of 1
	switch before := p.At.Sub(due); {
	case before > 0:
		place = early / (1 + before.Hours())
	case length > 0:
		place = early + (1-early)*min(1, float64(-before)/float64(length))
	}
	return p.ResumedAt.Add(pollInterval(length) + time.Duration(place*float64(window)))
}

// PauseStatus says whether a pause keeps a request from being sent, and for how long.
type PauseStatus struct {
	// Wait is after how long to ask again; zero if no pause keeps the request.
	Wait time.Duration
	// Released means that the pause is over, and that the request's turn is after
	// Wait.
	Released bool
	// Detail says what is paused, since when and why.
	Detail string
}

// PauseStatus tells whether a pause keeps a request of a dataflow (or of an org, without
// one), which was due at the given time. A zero time means one that has only just
// come: it waits while a pause lasts, and does not queue behind what a pause that is
// over has kept. The error is a [*store.UnavailableError].
func (t *Throttle) PauseStatus(ctx context.Context, orgID, flowID string, due time.Time) (PauseStatus, error) {
	if t.paused { // since when is not known, but how long the request has waited
		status := PauseStatus{Wait: leastPoll, Detail: "PAUSED is true"}
		if !due.IsZero() {
			status.Wait = max(status.Wait, pollInterval(t.now().Sub(due)))
		}
		status.Wait -= jitter(status.Wait)
		return status, nil
	}
	if err := t.refresh(ctx); err != nil {
		return PauseStatus{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	var status PauseStatus
	for _, p := range t.state.Pauses {
		if p.covers(orgID, flowID) {
			status = status.or(p, due, now)
		}
	}
	if status.Wait > 0 && !status.Released {
		status.Wait -= jitter(status.Wait)
	}
	return status, nil
}

// or combines the status with what one more pause says. The longest pause decides, and any
// that lasts comes before one that is over.
func (s PauseStatus) or(p Pause, due, now time.Time) PauseStatus {
	if p.lasts() {
		if wait := pollInterval(now.Sub(p.At)); s.Released || wait > s.Wait {
			return PauseStatus{Wait: wait, Detail: p.detail()}
		}
		return s
	}
	if due.IsZero() || !due.Before(*p.ResumedAt) || s.Wait > 0 && !s.Released {
		return s
	}
	if wait := p.release(due).Sub(now); wait > s.Wait {
		return PauseStatus{Wait: wait, Released: true, Detail: p.detail()}
	}
	return s
}

func (p Pause) detail() string {
	text := fmt.Sprintf("%s is paused since %s", p.Scope, p.At.UTC().Format(time.RFC3339))
	if !p.lasts() {
		text = fmt.Sprintf("%s was paused until %s, and what waited is let go one after the other", p.Scope, p.ResumedAt.UTC().Format(time.RFC3339))
	}
	if p.Reason != "" {
		text += " (" + p.Reason + ")"
	}
	return text
}

// Pause pauses a scope and returns all pauses that last. One that is paused stays
// so. The error says so where the shared
// record has no room for another pause: it is one item of DynamoDB, of 400 KB at most.
//
// Rule 24: asked is when the pause was asked for, which may be before it is delivered. A
// pause that is older than what its scope was last asked for changes nothing. So one that
// Lambda delivers again does not undo the resume that came after it. While a pause lasts,
// waiting messages look after it again and again, with jitter. No order is promised.
func (t *Throttle) Pause(ctx context.Context, scope Scope, why Cause, asked time.Time) ([]Pause, error) {
	return t.change(ctx, func(s *state, now time.Time) error {
		if !s.isNews(scope, asked, now) {
			return nil
		}
		next := Pause{Scope: scope, At: now.UTC().Truncate(time.Millisecond), Reason: shortened(why.Reason), By: shortened(why.By), FlowName: shortened(why.FlowName)}
		for i, p := range s.Pauses {
			if p.Scope != scope {
				continue
			}
			if p.lasts() {
				return nil
			}
			next.At = p.At // what it kept is not all let go yet, and keeps its order
			s.Pauses = slices.Delete(s.Pauses, i, i+1)
			break
		}
		if len(s.Pauses) == maxPauses {
			return fmt.Errorf("there are %d pauses; pause the org or everything instead", maxPauses)
		}
		s.Pauses = append(s.Pauses, next)
		if n := s.pausesSize(); n > maxPausesBytes {
			return fmt.Errorf("%d pauses with their reasons need %d bytes of the shared record, more than %d: give a shorter reason, or pause the org or everything instead", len(s.Pauses), n, maxPausesBytes)
		}
		return nil
	})
}

// shortened returns the reason of a pause as the record keeps it. The end of a longer
// one is cut off, with a sign that it is.
func shortened(reason string) string {
	if len(reason) <= maxReason {
		return reason
	}
	return strings.ToValidUTF8(reason[:maxReason-len("…")], "") + "…"
}

// pausesSize is how many bytes of the shared record the pauses need.
func (s *state) pausesSize() int {
	text, err := json.Marshal(s.Pauses)
	if err != nil {
		return 0 // the record can't be written either, and the error says so
	}
	return len(text)
}

// Resume ends the pause of a scope and returns all pauses that last. A scope that
// is not paused stays so. A resume that is older than what its scope was last asked for
// changes nothing; see [Throttle.Pause].
func (t *Throttle) Resume(ctx context.Context, scope Scope, asked time.Time) ([]Pause, error) {
	return t.change(ctx, func(s *state, now time.Time) error {
		if !s.isNews(scope, asked, now) {
			return nil
		}
		at := now.UTC().Truncate(time.Millisecond)
		for i, p := range s.Pauses {
			if p.Scope == scope && p.lasts() {
				s.Pauses[i].ResumedAt = &at
			}
		}
		return nil
	})
}

func (t *Throttle) change(ctx context.Context, change func(*state, time.Time) error) ([]Pause, error) {
	if err := t.write(ctx, change); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.lasting(), nil
}

// Lasting returns the pauses that are in force, as the shared record has them now.
func (t *Throttle) Lasting(ctx context.Context) ([]Pause, error) {
	found, err := t.store.Read(ctx, recordKey)
	if err != nil {
		return nil, err
	}
	var record store.Record
	if len(found) > 0 {
		record = found[0]
	}
	if err := t.update(record); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state.lasting(), nil
}

// lasting are the pauses that are in force.
func (s *state) lasting() (all []Pause) {
	for _, p := range s.Pauses {
		if p.lasts() {
			all = append(all, p)
		}
	}
	return all
}

// Reader is the part of a [store.Table] that reads records.
type Reader interface {
	Read(ctx context.Context, keys ...string) ([]store.Record, error)
}

// Pauses returns the pauses of the shared record in the order in which they began: those that
// last, and those that have ended and whose waiting requests are still let go one after the
// other (their ResumedAt is set). It changes nothing.
func Pauses(ctx context.Context, table Reader) ([]Pause, error) {
	found, err := table.Read(ctx, recordKey)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	var s state
	if err := json.Unmarshal([]byte(found[0]["state"]), &s); err != nil {
		return nil, fmt.Errorf("the record of the pauses can't be read: %w", err)
	}
	slices.SortStableFunc(s.Pauses, func(a, b Pause) int { return a.At.Compare(b.At) })
	return s.Pauses, nil
}
