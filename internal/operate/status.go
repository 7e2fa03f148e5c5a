package operate

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// Quiet is after how long without a sweep and an event the function counts as not heard of:
// the schedule sweeps every hour.
const Quiet = 3 * time.Hour

// Count counts the rows of a list.
type Count struct {
	N int `json:"count"`
	// More means that there are more than were read.
	More bool `json:"more"`
}

// Status says whether the function is alive, and what lies there to do.
type Status struct {
	Stack    string `json:"stack"`
	Region   string `json:"region"`
	Function string `json:"function"`
	// Alive means that the function has worked on an event or a sweep in the last three hours.
	Alive bool `json:"alive"`
	// LastEvent and LastSweep are the latest of all orgs; each is left out where none is known.
	LastEvent time.Time `json:"lastEvent,omitzero"`
	LastSweep time.Time `json:"lastSweep,omitzero"`
	// FunctionVersion is that of the function that worked last, Mode its mode (retry or
	// observe), and TemplateVersion that of the stack's template.
	FunctionVersion string      `json:"functionVersion,omitempty"`
	TemplateVersion string      `json:"templateVersion,omitempty"`
	Mode            string      `json:"mode,omitempty"`
	Orgs            []OrgStatus `json:"orgs"`
	// Paused means that the deployment has paused everything (PAUSED=true), which no resume
	// ends: as the function said of one of the orgs when it last worked for it.
	Paused bool `json:"paused"`
	// Pauses are those in force that people have asked for.
	Pauses []Pause `json:"pauses"`
	// Waiting, Open, DeadLetters and Failing count the ledger's lists of all orgs: runs of which
	// something is still to come, re-triggered runs of unknown end, runs that were given up, and
	// dataflows in a failing episode. Letters counts dead letters without a run.
	Waiting     Count `json:"waiting"`
	Open        Count `json:"open"`
	DeadLetters Count `json:"deadLetters"`
	Letters     Count `json:"letters"`
	Failing     Count `json:"failing"`
	// Requests and DeadLetterQueue are SQS's counts. Others are the messages on the
	// dead-letter queue that the ledger's lists do not have: SQS, Lambda or EventBridge put them there, or their
	// run was retried by hand since.
	Requests        Queue `json:"requestQueue"`
	DeadLetterQueue Queue `json:"deadLetterQueue"`
	Others          int   `json:"others"`
}

// OrgStatus is the status of one org.
type OrgStatus struct {
	OrgID     string    `json:"orgId"`
	LastEvent time.Time `json:"lastEvent,omitzero"`
	LastSweep time.Time `json:"lastSweep,omitzero"`
	Version   string    `json:"version,omitempty"`
	Mode      string    `json:"mode,omitempty"`
	// Paused means that the deployment has paused everything.
	Paused bool `json:"paused"`

	waiting, open, dead, failing Count
	expired                      int // of the dead: their messages are gone
}

// ReadStatus reads the status.
func ReadStatus(ctx context.Context, o *Operator) (Status, error) {
	s := Status{
		Stack: o.Stack.Name, Region: o.Stack.Region, Function: o.Stack.Function, TemplateVersion: o.Stack.Version,
		Orgs: []OrgStatus{}, Pauses: []Pause{},
	}
	pulses, err := Orgs(ctx, o, "")
	if err != nil {
		return s, err
	}
	s.Orgs = make([]OrgStatus, len(pulses))
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range pulses {
		group.Go(func() (err error) {
			s.Orgs[i], err = statusOf(ctx, o, p)
			return err
		})
	}
	group.Go(func() (err error) { s.Requests, err = queueOf(ctx, o, o.Stack.RequestQueueURL); return err })
	group.Go(func() (err error) {
		s.DeadLetterQueue, err = queueOf(ctx, o, o.Stack.DeadLetterQueueURL)
		return err
	})
	group.Go(func() error {
		letters, err := o.Lists().Letters(ctx, time.Time{}, MaxRows+1)
		s.Letters = counted(letters)
		return o.fault(err)
	})
	group.Go(func() error {
		pauses, err := Pauses(ctx, o)
		for _, p := range pauses {
			if p.ResumedAt.IsZero() {
				s.Pauses = append(s.Pauses, p)
			}
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return s, err
	}
	s.sum(o.Now())
	return s, nil
}

// sum adds up what the orgs say.
func (s *Status) sum(now time.Time) {
	var newest time.Time
	gone := 0
	for i := range s.Orgs {
		org := &s.Orgs[i]
		s.LastEvent, s.LastSweep = later(s.LastEvent, org.LastEvent), later(s.LastSweep, org.LastSweep)
		if at := later(org.LastEvent, org.LastSweep); s.FunctionVersion == "" || at.After(newest) {
			newest, s.FunctionVersion, s.Mode = at, org.Version, org.Mode
		}
		s.Paused = s.Paused || org.Paused
		gone += org.expired
		s.Waiting, s.Open, s.DeadLetters, s.Failing = s.Waiting.and(org.waiting), s.Open.and(org.open), s.DeadLetters.and(org.dead), s.Failing.and(org.failing)
	}
	s.Alive = !newest.IsZero() && now.Sub(newest) < Quiet
	if known := s.DeadLetters.N - gone + s.Letters.N; !s.DeadLetters.More && !s.Letters.More {
		s.Others = max(s.DeadLetterQueue.All()-known, 0)
	}
}

func statusOf(ctx context.Context, o *Operator, p ledger.Pulse) (OrgStatus, error) {
	org := OrgStatus{OrgID: p.OrgID, LastEvent: p.LastEvent, LastSweep: p.LastSweep, Version: p.Version, Mode: p.Mode, Paused: p.Paused}
	lists := o.Lists()
	for _, list := range []struct {
		read listRuns
		into *Count
	}{{lists.Waiting, &org.waiting}, {lists.Open, &org.open}, {lists.DeadLetters, &org.dead}} {
		runs, err := list.read(ctx, p.OrgID, time.Time{}, MaxRows+1)
		if err != nil {
			return org, o.fault(err)
		}
		*list.into = counted(runs)
		if list.into == &org.dead {
			org.expired = expired(runs, o.Now())
		}
	}
	failing, err := lists.Failing(ctx, p.OrgID, MaxRows+1)
	org.failing = counted(failing)
	return org, o.fault(err)
}

// expired counts dead letters that are older than the queue keeps messages.
func expired(dead []ledger.Run, now time.Time) (n int) {
	for i := range dead {
		if isExpired(dead[i].ChangedAt, now) {
			n++
		}
	}
	return n
}

func counted[T any](rows []T) Count {
	rows, more := cutToMax(rows)
	return Count{N: len(rows), More: more}
}

func (c Count) and(other Count) Count { return Count{N: c.N + other.N, More: c.More || other.More} }

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
