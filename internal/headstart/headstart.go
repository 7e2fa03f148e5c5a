// Package headstart fetches what the first request needs before it comes: while Lambda starts
// a process, it gives it a whole CPU, and afterwards a part of one that follows the memory
// setting (a seventh at 256 MB).
//
// It is done within [Limit], at the same time where one thing need not wait for another, and
// none of it can fail the start: what could not be fetched is fetched by the request, as it is
// by every later one.
//
//	secrets       Secrets Manager; each is used until it is older than SECRET_CACHE_TTL
//	pauses        the shared record, with which the connection to DynamoDB is opened; it is
//	              used for [throttle.MaxAge]
//	tokens        IMS; each is used until it ends
//	connections   to IMS, Flow Service and SQS, TLS included; nothing is sent over them
//	a rehearsal   a made-up request, answered within the process, so that what a process
//	              does for the first time is not done by the first request
//
// All ages count from the fetch, by the wall clock. So nothing is used for longer because the
// first request came late, or because Lambda froze the process before it.
//
// Nothing is sent to Adobe while the function only observes, or is paused, nor for an org
// that is paused, nor where the pauses are not known.
package headstart

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// Limit is how long the start waits at most. Lambda gives a start ten seconds.
const Limit = 2 * time.Second

// maxOrgs is for how many orgs tokens are fetched. Which of them the first request is of,
// nobody knows: with many orgs most of the tokens would not be used.
const maxOrgs = 10

// Accounts gives the accounts of all orgs; see [credentials.Store].
type Accounts interface {
	All(ctx context.Context) ([]*credentials.Account, []*credentials.Error)
}

// Pauses tells what is paused; see [throttle.Throttle].
type Pauses interface {
	PauseStatus(ctx context.Context, orgID, flowID string, due time.Time) (throttle.PauseStatus, error)
}

// Start is a start of the function.
type Start struct {
	Accounts Accounts
	Pauses   Pauses
	// Observe means that the function only observes.
	Observe bool
	// ConnectIMS and ConnectQueues open a connection to IMS and SQS; ConnectIMS may be nil.
	ConnectIMS, ConnectQueues func(ctx context.Context) error
	// Rehearse does what the first request will do, without an effect; nil for nothing.
	Rehearse func(ctx context.Context) error
	Log      *slog.Logger
}

// Run fetches what the first request needs. It returns when that is done, or after [Limit].
func (s Start) Run(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, Limit)
	defer cancel()
	select {
	case <-s.all(ctx, func() { s.fetch(ctx) }):
	case <-ctx.Done():
	}
}

// fetch first asks for the secrets, which all else waits for, and meanwhile does what a token
// needs besides. While IMS makes the tokens, which takes longest, it does the rest.
func (s Start) fetch(ctx context.Context) {
	var accounts []*credentials.Account
	var paused bool
	first := []func(){func() {
		paused = s.paused(ctx, "")
	}, func() {
		var faults []*credentials.Error
		accounts, faults = s.Accounts.All(ctx)
		for _, fault := range faults {
			s.note(ctx, "read a secret", fault)
		}
	}}
	if s.ConnectIMS != nil && !s.Observe {
		first = append(first, func() { s.note(ctx, "open a connection to IMS", s.ConnectIMS(ctx)) })
	}
	<-s.all(ctx, first...)
	tasks := []func(){func() { s.note(ctx, "open a connection to SQS", s.ConnectQueues(ctx)) }}
	if s.Rehearse != nil {
		tasks = append(tasks, func() { s.rehearse(ctx) })
	}
	for _, account := range accounts[:min(len(accounts), maxOrgs)] {
		if s.Observe || paused || s.paused(ctx, account.OrgID) {
			continue
		}
		tasks = append(tasks,
			func() { s.note(ctx, "open a connection to Flow Service", account.Client.Connect(ctx)) },
			func() { s.note(ctx, "fetch a token", account.Client.Authorize(ctx)) },
		)
	}
	<-s.all(ctx, tasks...) // the last one begins first
}

// rehearse goes through what the first request will do.
func (s Start) rehearse(ctx context.Context) {
	if err := s.Rehearse(ctx); err != nil {
		s.Log.WarnContext(ctx, "the rehearsal of the start did not go through; the first request takes longer", "error", err.Error())
	}
}

// paused reports whether an org, or everything, is paused. Without the record it may be.
func (s Start) paused(ctx context.Context, orgID string) bool {
	status, err := s.Pauses.PauseStatus(ctx, orgID, "", time.Time{})
	s.note(ctx, "read the pauses", err)
	return err != nil || status.Wait > 0
}

// all does all tasks at the same time. The channel is closed when they are done.
func (s Start) all(ctx context.Context, tasks ...func()) <-chan struct{} {
	var group sync.WaitGroup
	for _, task := range tasks {
		group.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					s.note(ctx, "go on after a panic", fmt.Errorf("panic: %v", p)) //nolint:err113 // it is only logged
				}
			}()
			task()
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		group.Wait()
	}()
	return done
}

// note logs what could not be done.
func (s Start) note(ctx context.Context, what string, err error) {
	if err != nil {
		s.Log.WarnContext(ctx, "the start could not "+what+"; the first request tries again", "error", err.Error())
	}
}
