// Package sweep looks for failed runs and puts a request for each on the request
// queue.
//
// A sweep lists the runs of one or more sandboxes, page by page. Of each page it
// asks the ledger what is known of the failed runs, and requests those that nobody
// has dealt with. It decides nothing that the request path decides: a run that it
// requests needlessly is recognized there.
//
// # Going on
//
// After each page the sweep's progress is written to the store, on condition that
// nobody else has. A sweep that does not finish in one invocation goes on in the
// next: its message on the request queue becomes visible again. It is the same
// message each time, and no chain of messages, which Lambda's recursion detection
// would end at about 16. Whatever ends an invocation, at most one page is repeated.
//
// A scheduled sweep first asks for the ends of the runs that our re-triggers made; see
// ends.go.
//
// Each org has a place of its own in the listing. One that must wait, since it is
// paused, throttled, ahead of its pace or without a readable secret, keeps no other
// waiting.
//
// # Spreading
//
// The requests of all sweeps of an org are delayed so that together they come at half
// the pace that the org's budget allows. What is ahead of that by more than some
// minutes is not listed yet: the sweep itself waits, and the queue never holds more
// than a page or two of it.
package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// Accounts gives the accounts of orgs; see [credentials.Store].
type Accounts interface {
	All(ctx context.Context) ([]*credentials.Account, []*credentials.Error)
	ForOrg(ctx context.Context, orgID string) (*credentials.Account, error)
	Renew(ctx context.Context, refused *credentials.Account, cause error) (*credentials.Account, error)
}

// Ledger knows what was done before; see [ledger.Ledger].
type Ledger interface {
	Read(ctx context.Context, keys ...string) (ledger.Snapshot, error)
	Note(ctx context.Context, e ledger.Entries, by ledger.Asker, o ledger.Outcome) (ledger.Entries, error)
}

// Store keeps the progress of sweeps, and has the ledger's lists; see [store.Table].
type Store interface {
	Read(ctx context.Context, keys ...string) ([]store.Record, error)
	Commit(ctx context.Context, writes ...store.Write) error
	Born(ctx context.Context) (time.Time, error)
	ListFrom(ctx context.Context, index, value, after string, limit int) ([]store.Record, error)
}

// Requests is the request queue; see [requestqueue.Queue].
type Requests interface {
	Send(ctx context.Context, requests []requestqueue.Waiting) []error
}

// Throttle holds calls back; see [throttle.Throttle].
type Throttle interface {
	PauseStatus(ctx context.Context, orgID, flowID string, due time.Time) (throttle.PauseStatus, error)
	PublishSlowDown(ctx context.Context, orgID string) error
}

// GiveUp makes a dead letter of what is left of a sweep that can't go on. It
// reports whether that is durable.
type GiveUp func(ctx context.Context, rest event.Sweep, orgID, message string) bool

// GiveUpRun makes a dead letter of a request that the request queue refuses for its
// content. It reports whether that is durable.
type GiveUpRun func(ctx context.Context, req event.Request, message string) bool

// Options are the settings of a [Sweeper].
type Options struct {
	// Since, Limit and Sandboxes are for sweeps that don't say. Without sandboxes it
	// is the one of the org's secret, or else DefaultSandbox.
	Since          time.Duration // and at most back to the ledger's birth
	Limit          int
	Sandboxes      []string
	DefaultSandbox string
	// Rules decide what runs are not retried.
	Rules retry.Rules
	// Pace is the time between two requests of an org.
	Pace time.Duration
	// CallTimeout is what the client allows for one call.
	CallTimeout time.Duration
	// Observe makes a dry run of every sweep. One that was begun before waits.
	Observe bool
	// Succeed records the success of a run that a sweep has found; nil looks for none.
	Succeed Succeed
	// Episodes and Teller tell the news that was not told yet. Teller is nil where notices
	// are off.
	Episodes Episodes
	Teller   *retry.Teller
	Now      func() time.Time
	Log      *slog.Logger
}

// Sweeper sweeps. It is safe for concurrent use.
type Sweeper struct {
	accounts Accounts
	ledger   Ledger
	store    Store
	requests Requests // nil where no request queue is configured
	throttle Throttle
	giveUp   GiveUp
	// giveUpRun is for a request that can't be sent.
	giveUpRun GiveUpRun
	Options
}

// New returns a Sweeper. Without a request queue (nil) only dry runs are possible.
func New(accounts Accounts, entries Ledger, table Store, requests Requests, limits Throttle, giveUp GiveUp, giveUpRun GiveUpRun, o Options) *Sweeper {
	now := o.Now
	o.Now = func() time.Time { return now().Round(0) }
	return &Sweeper{accounts: accounts, ledger: entries, store: table, requests: requests, throttle: limits, giveUp: giveUp, giveUpRun: giveUpRun, Options: o}
}

// DefaultPace is the time between two requests of an org that has no budget.
const DefaultPace = time.Second

// Pace is the time between two requests of an org that may send so many re-triggers
// in a window: half of the budget is left to events.
func Pace(budget int, window time.Duration) time.Duration {
	if budget <= 0 {
		return DefaultPace
	}
	return 2 * window / time.Duration(budget)
}

// Times of a sweep.
const (
	// closingTime is kept back from the deadline for the work after a page's listing: its
	// requests, and the progress.
	closingTime = 10 * time.Second
	// pageTime is how long the listing of a page may take where CallTimeout allows
	// for more: it may be cut off and repeated.
	pageTime = 10 * time.Second
	// maxAhead is how far ahead the next free slot may be. Beyond that the sweep waits
	// before it lists another page.
	maxAhead = 5 * time.Minute
)

// Result is what became of one invocation's part of a sweep.
type Result struct {
	// Report counts all of the sweep so far, Added what this invocation has added.
	Report Report
	Added  Counts
	// Again means that the sweep is to be delivered again, After a while.
	Again bool
	After time.Duration
	// Reasons are what has held up this invocation's part, each once, in the words of
	// requests.
	Reasons []retry.Reason
	// Refused is why a sweep can't be begun, as it is asked for or configured.
	Refused string
	// GaveUp counts the dead letters that this invocation wrote for the sweep, and for
	// runs whose requests can't be sent.
	GaveUp int
	// Ends are the successes that this invocation has recorded, of runs that re-triggers
	// made.
	Ends []retry.Result
	// Swept are the orgs that a scheduled sweep is done with in this invocation.
	Swept []retry.Swept
	// Request asks for the rest of the sweep.
	Request event.Sweep
}

// Run begins a sweep, or goes on with one that has an id. Durations before now count
// from when it was asked for, however often it is delivered. It ends before the
// context's deadline.
func (s *Sweeper) Run(ctx context.Context, req event.Sweep, asked time.Time) Result {
	w := &work{Sweeper: s, out: outside{s, ctx}, outer: ctx, req: s.absolute(req, asked), birth: birth{named: req.Since != ""}}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		w.out.ctx, cancel = context.WithDeadline(ctx, deadline.Add(-closingTime/2))
		defer cancel()
	}
	w.saved = saved{store: s.store, key: keyPrefix + req.ID, asked: asked.UTC().Truncate(time.Millisecond)}
	w.schedule = schedule{store: s.store, pace: s.Pace}
	if s.Observe && !req.DryRun {
		return w.observe()
	}
	return w.result(w.sweep())
}

// absolute turns the bounds of the sweep into times.
func (s *Sweeper) absolute(req event.Sweep, asked time.Time) event.Sweep {
	asked = asked.UTC().Truncate(time.Millisecond)
	bound := func(text string, otherwise time.Time) string {
		if d, err := time.ParseDuration(text); err == nil {
			otherwise = asked.Add(-d)
		} else if text != "" {
			otherwise = instant(text)
		}
		return otherwise.Format(time.RFC3339Nano)
	}
	req.Since, req.Until = bound(req.Since, asked.Add(-s.Since)), bound(req.Until, asked.Add(ledger.MaxClockSkew)) // Adobe's clock may be ahead
	return req
}

// instant reads a time as a sweep has it; zero for anything else.
func instant(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text)
	return t.UTC().Truncate(time.Millisecond)
}

// refusedError is a sweep that can't be begun.
type refusedError struct{ message string }

func (e *refusedError) Error() string { return e.message }

func refuse(format string, args ...any) error { return &refusedError{fmt.Sprintf(format, args...)} }

// work is one invocation's part of a sweep.
type work struct {
	*Sweeper
	out       outside
	tally     tally
	outer     context.Context // has the time that is kept back
	req       event.Sweep
	p         progress
	at        *part // of p, that is gone on with
	saved     saved
	schedule  schedule
	dataflows dataflows
	newest    newest
	unlisted  bool // a listing of a dataflow's newest runs has failed: no other is tried
	repeated  bool // an earlier invocation has finished the sweep
	observed  bool // it is a dry run since the function only observes
	birth     birth

	// considered and verdicts are those of the last page, whose room the next one uses.
	considered []considered
	verdicts   []verdict
}

// endings finds out how the runs ended that our re-triggers made; see ends.go.
type endings struct{ *work }

// failures decides how a sweep goes on after a failure; see failure.go.
type failures struct{ *work }

// teller tells the news of failing episodes, and ends those that are over; see untold.go and
// failing.go.
type teller struct{ *work }

// result is what became of the work, which ended so.
func (w *work) result(after time.Duration, err error) Result {
	dry := w.req.DryRun
	r := Result{Report: w.p.Report, Added: w.tally.added, GaveUp: w.tally.gaveUp, Ends: w.tally.ends, Swept: w.tally.swept, Request: w.req}
	refused, isRefused := errors.AsType[*refusedError](err)
	switch {
	case isRefused:
		r.Refused, r.Report.State = refused.Error(), Refused
	case err != nil:
		r.Again, r.After, r.Report.State = !dry, max(after, firstBackoff), Continues
		if !errors.Is(err, errElsewhere) {
			w.tally.noteFault(err)
		}
	case !w.p.done():
		r.Again, r.After, r.Report.State = !dry, after, Continues
	default:
		r.Report.State = Finished
	}
	if dry && (r.Report.State == Continues || len(r.Report.Failures) > 0) {
		r.Report.State = CutOff
	}
	if w.p.Begun.IsZero() { // nothing is known yet
		r.Report.Since, r.Report.Until = instant(w.req.Since), instant(w.req.Until)
	}
	r.Report.ID, r.Report.Error, r.Reasons = w.req.ID, cmp.Or(r.Refused, w.tally.fault), w.tally.reasons
	r.Report.Repeated = w.repeated
	r.Report.DryRun, r.Report.Runs, r.Report.Left = dry, w.tally.runs, w.tally.left
	r.Report.Observed = w.observed
	if w.birth.unknown {
		r.Request.Since = "" // it is bounded when the ledger's birth is known
	}
	return r
}

// sweep goes on until the sweep is done, the time is over, or every org must wait.
func (w *work) sweep() (after time.Duration, err error) {
	if w.requests == nil && !w.req.DryRun {
		return 0, refuse("QUEUE_URL is not set, and a sweep puts its requests on that queue")
	}
	if err := w.begin(); err != nil {
		return w.birth.wait(), err
	}
	if w.p.done() {
		return 0, nil
	}
	if err := w.p.lease(w.Now(), w.out.leaseEnd()); err != nil {
		return w.p.Lease.Sub(w.Now()), err
	}
	if err := w.save(); err != nil {
		return w.p.Lease.Sub(w.Now()), err
	}
	teller{w}.tellUntold()
	if err = w.pages(); errors.Is(err, errElsewhere) {
		return 0, err // the lease is another's
	}
	w.p.Lease = time.Time{} // so that the next invocation need not wait
	if release := w.save(); release != nil && err == nil {
		err = release
	}
	if first := w.p.unfinished(); first != nil {
		after = max(0, first.Wait.Sub(w.Now()))
	}
	return after, err
}

// pages lists page after page, until the time is over or every org must wait.
func (w *work) pages() (err error) {
	before := w.p.position()
	for err == nil && w.nextPart() && w.out.timeForPage() {
		switch {
		case w.at.Secrets:
			err = w.secrets()
		case w.at.Ends > 0:
			err = endings{w}.ends()
		default:
			err = w.page()
		}
		if err == nil && w.at.done() && w.at.OrgID != "" && scheduled(&w.req) {
			w.tally.swept = append(w.tally.swept, retry.Swept{OrgID: w.at.OrgID, Sandbox: w.at.Sandboxes[0]})
		}
	}
	if err == nil && w.nextPart() && w.p.position() == before {
		err = failures{w}.tryLater(errTooShort)
	}
	return err
}

// nextPart chooses the part to go on with now, and reports whether there is one.
func (w *work) nextPart() bool {
	w.at = w.p.unfinished()
	return w.at != nil && !w.at.Wait.After(w.Now())
}

// errTooShort means that an invocation has done nothing.
var errTooShort = errors.New("the time of an invocation was too short for a page: raise the function's timeout, or lower CALL_TIMEOUT")

// begin reads the progress of the sweep, or makes it.
func (w *work) begin() error {
	if !w.req.DryRun {
		found, err := w.saved.load(w.out.ctx, &w.p)
		if err != nil || found {
			w.repeated = err == nil && w.p.done()
			return err
		}
	}
	if err := w.boundByBirth(); err != nil {
		return err
	}
	p, err := newProgress(w.req, w.Limit, w.saved.asked)
	if err != nil {
		return w.birth.explain(err)
	}
	w.p, w.p.Report.Born = p, w.birth.at
	accounts, faults := w.accounts.All(w.out.ctx)
	if err := w.p.add(accounts, w.req, &w.Options); err != nil {
		return err
	}
	fault, absent := w.p.missing(w.req.OrgIDs, faults)
	switch {
	case fault != nil:
		w.p.Parts = append(w.p.Parts, part{Secrets: true})
	case absent != nil:
		return absent
	}
	if n := w.p.sandboxes(); n > maxSandboxes {
		return refuse("the sweep is of %d sandboxes, more than %d: sweep them in parts", n, maxSandboxes)
	}
	w.p.Begun = w.Now().UTC().Truncate(time.Millisecond)
	return nil
}

// secrets looks again for accounts whose secrets could not be read.
func (w *work) secrets() error {
	accounts, faults := w.accounts.All(w.out.ctx)
	at := slices.IndexFunc(w.p.Parts, func(c part) bool { return c.Secrets })
	refused := w.p.add(accounts, w.req, &w.Options)
	w.at = &w.p.Parts[at] // there may be more parts now
	fault, absent := w.p.missing(w.req.OrgIDs, faults)
	switch {
	case refused != nil:
		return failures{w}.abandon(refused)
	case fault != nil:
		return failures{w}.tryLater(fault)
	case absent != nil:
		return failures{w}.abandon(absent)
	}
	w.at.Secrets = false
	return w.save()
}

// save writes the progress. A dry run has none.
func (w *work) save() error {
	if w.req.DryRun {
		return nil
	}
	return w.saved.save(w.out.ctx, &w.p, w.Now())
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
