package sweep

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// concurrentNotes is how many entries of the ledger are written at once.
	concurrentNotes = 5
	// maxCall bounds a call of the ledger.
	maxCall = 5 * time.Second
)

// outside is what a sweep asks of others and what it does to them, within the time of one
// invocation.
type outside struct {
	*Sweeper
	ctx context.Context
}

// timeForPage reports whether another page fits before the deadline.
func (o outside) timeForPage() bool {
	deadline, ok := o.ctx.Deadline()
	return !ok || deadline.Sub(o.Now()) >= min(o.CallTimeout, pageTime)+closingTime/2
}

// leaseEnd is until when this invocation may work on the sweep.
func (o outside) leaseEnd() time.Time {
	if deadline, ok := o.ctx.Deadline(); ok {
		return deadline.Add(closingTime / 2)
	}
	return o.Now().Add(time.Minute)
}

// list lists one page.
func (o outside) list(t Target, q flowclient.RunQuery) (page flowclient.RunPage, err error) {
	err = o.withAccount(t.OrgID, func(account *credentials.Account) (err error) {
		for page, err = range account.Client.RunPages(o.ctx, t.Sandbox, q) {
			break // one page
		}
		return err
	})
	return page, err
}

// flows asks Flow Service for at most [flowclient.MaxFlows] dataflows.
func (o outside) flows(t Target, ids []string) (flows []flowclient.Flow, err error) {
	err = o.withAccount(t.OrgID, func(account *credentials.Account) (err error) {
		flows, err = account.Client.Flows(o.ctx, t.Sandbox, ids...)
		return err
	})
	return flows, err
}

// learnFlows asks Flow Service for the names of dataflows, and for which of them are of
// streaming sources, many at a time. The error means that it is worth asking again.
func (o outside) learnFlows(t Target, ids []string, known dataflows) error {
	known.asked(t, ids)
	for ids := range slices.Chunk(ids, flowclient.MaxFlows) {
		flows, err := o.flows(t, ids)
		known.learn(t, flows)
		switch {
		case err == nil:
		case o.ctx.Err() != nil, errors.Is(err, flowclient.KindThrottled):
			return err
		default:
			o.Log.InfoContext(o.ctx, "whether dataflows are of streaming sources could not be found out", "dataflows", len(ids), "first", ids[0], "error", err.Error())
		}
	}
	return nil
}

// withAccount calls Flow Service with the org's account. If Adobe refuses the credential,
// withAccount renews it and calls once more.
func (o outside) withAccount(orgID string, call func(*credentials.Account) error) error {
	account, err := o.accounts.ForOrg(o.ctx, orgID)
	if err != nil {
		return err
	}
	for range 2 {
		if err = call(account); !errors.Is(err, flowclient.KindUnauthorized) {
			return err
		}
		var failed error
		if account, failed = o.accounts.Renew(o.ctx, account, err); failed != nil {
			return failed
		}
	}
	return err
}

// entries reads the ledger's entries of runs.
func (o outside) entries(orgID string, runs []*flowclient.Run) (map[string]*ledger.Run, error) {
	ctx, cancel := context.WithTimeout(o.ctx, maxCall)
	defer cancel()
	ids := make([]string, len(runs))
	for i, run := range runs {
		ids[i] = run.ID
	}
	snapshot, err := o.ledger.Read(ctx, ledger.RunKeys(orgID, ids...)...)
	return snapshot.RunsInBrief(), err
}

// pauses tells what keeps each run's dataflow from being retried.
func (o outside) pauses(orgID string, runs []*flowclient.Run) (map[string]throttle.PauseStatus, error) {
	pauses := map[string]throttle.PauseStatus{}
	for _, run := range runs {
		if _, known := pauses[run.FlowID]; known {
			continue
		}
		pause, err := o.throttle.PauseStatus(o.ctx, orgID, run.FlowID, time.Time{})
		if err != nil {
			return nil, err
		}
		pauses[run.FlowID] = pause
	}
	return pauses, nil
}

// requested is a run whose request goes on the request queue.
type requested struct {
	entry   ledger.Run
	waiting requestqueue.Waiting
}

// send puts the requests on the queue; see [requestqueue.Queue.Send].
func (o outside) send(requests []requested) []error {
	messages := make([]requestqueue.Waiting, len(requests))
	for i := range requests {
		messages[i] = requests[i].waiting
	}
	return o.requests.Send(o.ctx, messages)
}

// note notes in the ledger that those requests wait that were sent without an error. It
// returns an error of the ledger, if there was one.
func (o outside) note(requests []requested, errs []error, mark string, why ledger.Decision) error {
	var notes []noted
	for i, r := range requests {
		if errs[i] != nil || r.entry.State == ledger.InFlight { // its lost call is in the dataflow's slot, and stays there
			continue
		}
		r.entry.Fingerprint = r.waiting.Request.Fingerprint()
		notes = append(notes, noted{r.entry, why, ledger.Outcome{State: ledger.Deferred, Reason: mark, Due: r.waiting.Request.Due}})
	}
	return o.noteAll(notes)
}

// noteByHand notes in the ledger that somebody has retried the runs by hand.
func (o outside) noteByHand(verdicts []verdict) error {
	var notes []noted
	for _, v := range verdicts {
		notes = append(notes, noted{v.entry, ledger.Decision{Rule: 26, Detail: v.detail}, ledger.Outcome{State: ledger.Skipped, Reason: string(v.reason), SupersededBy: v.by}})
	}
	return o.noteAll(notes)
}

// noted is what becomes of a run in the ledger.
type noted struct {
	entry   ledger.Run
	why     ledger.Decision
	outcome ledger.Outcome
}

// noteAll writes some entries at a time. It returns an error of the ledger, if there was one.
func (o outside) noteAll(notes []noted) error {
	var unnoted atomic.Pointer[error]
	var group errgroup.Group
	group.SetLimit(concurrentNotes)
	for _, n := range notes {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(o.ctx, maxCall)
			defer cancel()
			entries := ledger.Entries{Run: n.entry}
			entries.Because(n.why)
			_, err := o.ledger.Note(ctx, entries, ledger.ASweep, n.outcome)
			if err != nil && !errors.As(err, new(*store.ConflictError)) { // after a conflict somebody else deals with it
				unnoted.Store(&err)
			}
			return nil
		})
	}
	_ = group.Wait() // the error is in unnoted
	if err := unnoted.Load(); err != nil {
		return *err
	}
	return nil
}
