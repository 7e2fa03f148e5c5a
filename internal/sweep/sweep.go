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
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Accounts gives the accounts of orgs; see [credentials.Store].
type Accounts interface {
	All(ctx context.Context) ([]*credentials.Account, []*credentials.Error)
	ForOrg(ctx context.Context, orgID string) (*credentials.Account, error)
	Renew(ctx context.Context, refused *credentials.Account, cause error) (*credentials.Account, error)
}

// Ledger knows what was done before; see [ledger.Ledger].
type Ledger interface {
	Runs(ctx context.Context, orgID string, runIDs ...string) (map[string]ledger.Run, error)
	Note(ctx context.Context, v ledger.View, state ledger.State, reason string, due time.Time) (ledger.View, error)
}

// Store keeps the progress of sweeps; see [store.Table].
type Store interface {
	Read(ctx context.Context, keys ...string) ([]store.Record, error)
	Commit(ctx context.Context, writes ...store.Write) error
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
	Since          time.Duration
	Limit          int
	Sandboxes      []string
	DefaultSandbox string
	// Policy decides what runs are not retried.
	Policy *policy.Policy
	// Pace is the time between two requests of an org.
	Pace time.Duration
	// CallTimeout is what the client allows for one call.
	CallTimeout time.Duration
	Now         func() time.Time
	Log         *slog.Logger
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
	// firstBackoff doubles with each failure in a row.
	firstBackoff, maxBackoff = 30 * time.Second, 15 * time.Minute
	// maxFailures in a row end the sweep of a sandbox.
	maxFailures = 10
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
	Reasons []retrigger.Reason
	// Refused is why a sweep can't be begun, as it is asked for or configured.
	Refused string
	// GaveUp counts the dead letters that this invocation wrote for the sweep, and for
	// runs whose requests can't be sent.
	GaveUp int
	// Request asks for the rest of the sweep.
	Request event.Sweep
}

// Run begins a sweep, or goes on with one that has an id. Durations before now count
// from when it was asked for, however often it is delivered. It ends before the
// context's deadline.
func (s *Sweeper) Run(ctx context.Context, req event.Sweep, asked time.Time) Result {
	w := &work{Sweeper: s, ctx: ctx, outer: ctx, req: s.absolute(req, asked)}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		w.ctx, cancel = context.WithDeadline(ctx, deadline.Add(-closingTime/2))
		defer cancel()
	}
	after, err := w.sweep()
	w.p.Report.ID = req.ID
	result := Result{Report: w.p.Report, Added: w.added, GaveUp: w.gaveUp, Request: w.req}
	refused, isRefused := errors.AsType[*refusedError](err)
	switch {
	case isRefused:
		result.Refused, result.Report.State = refused.Error(), Refused
	case err != nil:
		result.Again, result.After, result.Report.State = !req.DryRun, max(after, firstBackoff), Continues
		if !errors.Is(err, errElsewhere) {
			w.noteFault(err)
		}
	case !w.p.done():
		result.Again, result.After, result.Report.State = !req.DryRun, after, Continues
	default:
		result.Report.State = Finished
	}
	if req.DryRun && (result.Report.State == Continues || len(result.Report.Failures) > 0) {
		result.Report.State = CutOff
	}
	if w.p.Begun.IsZero() { // nothing is known yet
		result.Report.Since, result.Report.Until = instant(w.req.Since), instant(w.req.Until)
	}
	result.Report.Error, result.Reasons = cmp.Or(result.Refused, w.fault), w.reasons
	result.Report.Repeated = w.repeated
	result.Report.DryRun, result.Report.Runs, result.Report.Left = req.DryRun, w.runs, w.left
	return result
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
	ctx   context.Context
	outer context.Context // has the time that is kept back
	req   event.Sweep
	p     progress
	at    *part // of p, that is gone on with
	rev   string
	added Counts
	// gaveUp counts dead letters.
	gaveUp    int
	schedule  schedule
	streaming streaming
	names     map[string]string // of dataflows, by [flowKey]
	repeated  bool              // an earlier invocation has finished the sweep
	fault     string            // the last thing that went wrong
	reasons   []retrigger.Reason
	runs      []RunReport // of a dry run
	left      int         // that the list of a dry run has no room for
}

// noteFault keeps the error for the report, and its reason for the metrics.
func (w *work) noteFault(err error) {
	w.fault = err.Error()
	credential, isCredential := errors.AsType[*credentials.Error](err)
	switch {
	case isCredential && credential.Kind == credentials.Refused, errors.Is(err, flowclient.KindUnauthorized):
		w.addReason(retrigger.CredentialsRefused)
	case isCredential:
		w.addReason(retrigger.CredentialsUnavailable)
	case errors.As(err, new(*store.UnavailableError)):
		w.addReason(retrigger.LedgerUnavailable)
	case errors.As(err, new(*requestqueue.UnavailableError)):
		w.addReason(retrigger.QueueUnavailable)
	case errors.As(err, new(*flowclient.Error)):
		w.addReason(retrigger.AdobeUnavailable)
	}
}

func (w *work) addReason(reason retrigger.Reason) {
	if !slices.Contains(w.reasons, reason) {
		w.reasons = append(w.reasons, reason)
	}
}

// sweep goes on until the sweep is done, the time is over, or every org must wait.
func (w *work) sweep() (after time.Duration, err error) {
	if w.requests == nil && !w.req.DryRun {
		return 0, refuse("QUEUE_URL is not set, and a sweep puts its requests on that queue")
	}
	if err := w.begin(); err != nil {
		return 0, err
	}
	if w.p.done() {
		return 0, nil
	}
	if err := w.acquireLease(); err != nil {
		return w.p.Lease.Sub(w.Now()), err
	}
	before := w.p.position()
	for err == nil && w.nextPart() && w.timeForPage() {
		err = w.step()
	}
	if err == nil && w.nextPart() && w.p.position() == before {
		err = w.tryLater(errTooShort)
	}
	if errors.Is(err, errElsewhere) {
		return 0, err // the lease is another's
	}
	if release := w.releaseLease(); release != nil && err == nil {
		err = release
	}
	if first := w.p.unfinished(); first != nil {
		after = max(0, first.Wait.Sub(w.Now()))
	}
	return after, err
}

// nextPart chooses the part to go on with now, and reports whether there is one.
func (w *work) nextPart() bool {
	w.at = w.p.unfinished()
	return w.at != nil && !w.at.Wait.After(w.Now())
}

// postpone makes the part wait.
func (w *work) postpone(d time.Duration) { w.at.Wait = w.Now().Add(d).UTC().Truncate(time.Millisecond) }

// step does the next thing for the part: mostly it lists a page.
func (w *work) step() error {
	if w.at.Secrets {
		return w.secrets()
	}
	return w.page()
}

// timeForPage reports whether another page fits before the deadline.
func (w *work) timeForPage() bool {
	deadline, ok := w.ctx.Deadline()
	return !ok || deadline.Sub(w.Now()) >= min(w.CallTimeout, pageTime)+closingTime/2
}

// errTooShort means that an invocation has done nothing.
var errTooShort = errors.New("the time of an invocation was too short for a page: raise the function's timeout, or lower CALL_TIMEOUT")

// begin reads the progress of the sweep, or makes it.
func (w *work) begin() error {
	if !w.req.DryRun {
		found, err := w.load()
		if err != nil || found {
			w.repeated = err == nil && w.p.done()
			return err
		}
	}
	p := progress{
		Since: instant(w.req.Since), Until: instant(w.req.Until),
		Flows: w.req.FlowIDs, Codes: w.req.Codes, Limit: cmp.Or(w.req.Limit, w.Limit),
	}
	p.Report = Report{Since: p.Since, Until: p.Until}
	if !p.Until.After(p.Since) {
		return refuse("a sweep until %s can't begin at %s", stamp(p.Until), stamp(p.Since))
	}
	w.p = p
	accounts, faults := w.accounts.All(w.ctx)
	if err := w.add(accounts); err != nil {
		return err
	}
	fault, absent := w.missing(faults)
	switch {
	case fault != nil:
		w.p.Parts = append(w.p.Parts, part{Secrets: true})
	case absent != nil:
		return absent
	}
	sandboxes := 0
	for i := range w.p.Parts {
		sandboxes += len(w.p.Parts[i].Sandboxes)
	}
	if sandboxes > maxSandboxes {
		return refuse("the sweep is of %d sandboxes, more than %d: sweep them in parts", sandboxes, maxSandboxes)
	}
	w.p.Begun = w.Now().UTC().Truncate(time.Millisecond)
	return nil
}

// maxSandboxes is how many sandboxes of orgs a sweep may be of: its progress is one
// item.
const maxSandboxes = 500

// add makes parts of those accounts that are asked for and have none.
func (w *work) add(accounts []*credentials.Account) error {
	for _, a := range accounts {
		if len(w.req.OrgIDs) > 0 && !slices.Contains(w.req.OrgIDs, a.OrgID) || w.has(a.OrgID) {
			continue
		}
		sandboxes := w.req.Sandboxes
		if len(sandboxes) == 0 {
			sandboxes = w.Sandboxes
		}
		if own := cmp.Or(a.Sandbox, w.DefaultSandbox); len(sandboxes) == 0 && own != "" {
			sandboxes = []string{own}
		}
		if len(sandboxes) == 0 {
			return refuse("neither the sweep nor SWEEP_SANDBOXES, the secret of org %s or DEFAULT_SANDBOX name a sandbox", a.OrgID)
		}
		w.p.Parts = append(w.p.Parts, part{OrgID: a.OrgID, Sandboxes: sandboxes, From: w.p.Since})
	}
	return nil
}

func (w *work) has(orgID string) bool {
	return slices.ContainsFunc(w.p.Parts, func(c part) bool { return c.OrgID == orgID && !c.Secrets })
}

// missing tells why an org that is asked for has no part: its secret may be one of those
// that can't be read (fault), or there is none (absent). Neither means that none lacks.
func (w *work) missing(faults []*credentials.Error) (fault, absent error) {
	missing := slices.IndexFunc(w.req.OrgIDs, func(id string) bool { return !w.has(id) })
	switch {
	case len(faults) > 0 && (missing >= 0 || len(w.req.OrgIDs) == 0):
		return faults[0], nil
	case missing >= 0:
		return nil, refuse("no configured secret is of org %s", w.req.OrgIDs[missing])
	}
	return nil, nil
}

// secrets looks again for accounts whose secrets could not be read.
func (w *work) secrets() error {
	accounts, faults := w.accounts.All(w.ctx)
	at := slices.IndexFunc(w.p.Parts, func(c part) bool { return c.Secrets })
	refused := w.add(accounts)
	w.at = &w.p.Parts[at] // there may be more parts now
	fault, absent := w.missing(faults)
	switch {
	case refused != nil:
		return w.abandon(refused)
	case fault != nil:
		return w.tryLater(fault)
	case absent != nil:
		return w.abandon(absent)
	}
	w.at.Secrets = false
	return w.save()
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// list lists one page.
func (w *work) list(t Target, q flowclient.RunQuery) (page flowclient.RunPage, err error) {
	err = w.withAccount(t.OrgID, func(account *credentials.Account) (err error) {
		for page, err = range account.Client.RunPages(w.ctx, t.Sandbox, q) {
			break // one page
		}
		return err
	})
	return page, err
}

// withAccount calls Flow Service with the org's account. If Adobe refuses the credential,
// withAccount renews it and calls once more.
func (w *work) withAccount(orgID string, call func(*credentials.Account) error) error {
	account, err := w.accounts.ForOrg(w.ctx, orgID)
	if err != nil {
		return err
	}
	for range 2 {
		if err = call(account); !errors.Is(err, flowclient.KindUnauthorized) {
			return err
		}
		var failed error
		if account, failed = w.accounts.Renew(w.ctx, account, err); failed != nil {
			return failed
		}
	}
	return err
}
