package retrigger

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// maxLookedUp bounds how many runs of a dataflow are looked through for one that
// a lost re-trigger made.
const maxLookedUp = 2000

// place finds the lineage of a run that the ledger does not know as ours while
// re-triggers of its dataflow are under way or lost: its failure may have
// overtaken the answer to the call that made it. A lost re-trigger is taken for
// what made the run if Adobe says that our client made it. Without a result, again
// says that the ledger now knows more.
func (w *work) place(now time.Time) (end *Result, again bool) {
	if end := w.turn(now, false); end != nil {
		return end, false
	}
	if len(w.view.Lost(w.req.CreatedAt, now)) > 0 && (w.req.CreatedAt.IsZero() || w.req.CreatedClient == "") {
		if end := w.complete(); end != nil {
			return end, false
		}
	}
	lost := w.view.Lost(w.req.CreatedAt, now)
	if len(lost) == 0 {
		return nil, false
	}
	account, err := w.account()
	if err != nil {
		return new(w.noAccount(err)), false
	}
	if w.req.CreatedClient != account.ClientID {
		return nil, false
	}
	ctx, cancel := w.asking()
	defer cancel()
	parent, err := w.ledger.Look(ctx, ledger.Guess(w.req.OrgID, w.req.FlowID, w.req.Sandbox, lost[0].RunID))
	if err != nil {
		return new(w.result().returned(LedgerUnavailable, err.Error())), false
	}
	if parent.Run.Open(now) {
		return new(w.result().returned(FlowBusy, fmt.Sprintf("what became of the re-trigger of run %s is being looked up", lost[0].RunID))), false
	}
	if _, err = w.ledger.Adopt(ctx, parent, lost[0], lost[1:], w.req.RunID); err != nil {
		w.Log.InfoContext(ctx, "a run was not added to a lineage yet", "runId", w.req.RunID, "error", err.Error())
	} else {
		w.Log.InfoContext(ctx, "a run was added to the lineage of the re-trigger that made it", "runId", w.req.RunID, "root", parent.Run.Root, "parent", parent.Run.RunID)
	}
	v, err := w.ledger.Look(ctx, w.view)
	if err != nil {
		return new(w.result().returned(LedgerUnavailable, err.Error())), false
	}
	w.view = v
	return nil, true
}

// turn returns a request whose dataflow has a re-trigger under way, or, before
// another one is sent, one that was lost.
func (w *work) turn(now time.Time, sending bool) *Result {
	open, lost := w.view.Unresolved(now)
	switch {
	case len(open) > 0:
		return new(w.result().returned(FlowBusy, fmt.Sprintf("run %s of the same dataflow is being re-triggered", open[0].RunID)))
	case sending && len(lost) > 0:
		return new(w.result().returned(FlowBusy, fmt.Sprintf("what became of the re-trigger of run %s of the same dataflow is not known yet", lost[0].RunID)))
	}
	return nil
}

// reconcile finds out what became of a re-trigger of this run whose outcome is
// not known, before any other is sent. If a run that it made is there, it is
// adopted. If not, one more is sent, provided that the lineage's limit allows it:
// what was lost counts as an attempt. A person who forces a run that was given up
// gets one more.
func (w *work) reconcile() *Result {
	if wait := w.view.Run.ClaimUntil.Add(w.ReconcileAfter).Sub(w.Now()); wait > 0 && w.view.Run.State == ledger.Claimed {
		result := w.result().returned(OutcomeUnknown, "whether it was re-triggered is not known; Flow Service is given time to list a run that this made")
		result.RetryAfter = wait
		return &result
	}
	if end := w.hold(); end != nil || w.held == nothing {
		return end
	}
	ctx, cancel := w.asking()
	defer cancel()
	claimed := w.view.Run.ClaimID
	v, err := w.ledger.Look(ctx, w.view)
	if err != nil {
		return w.yield(w.result().returned(LedgerUnavailable, err.Error()))
	}
	w.view = v
	if v.Run.ClaimID != claimed {
		w.held = nothing
		return nil
	}
	w.view.Raise()
	found, noAccount, err := w.lookUp()
	unseen, unlisted := errors.AsType[*flowclient.Error](err)
	switch {
	case noAccount != nil:
		reason := CredentialsUnavailable
		if fault, ok := errors.AsType[*credentials.Error](noAccount); ok && fault.Kind == credentials.Refused {
			reason = CredentialsRefused
		}
		return w.yield(w.later(reason, noAccount))
	case unlisted && unseen.Kind == flowclient.KindTooLarge: // the next look-up sees no more
		return new(w.giveUp(verdict{reason: OutcomeUnknown, message: fmt.Sprintf(
			"it was re-triggered without a clear answer, and a run that this may have made is too large to be read (%v). It is not sent again: look for a newer run of its dataflow first", unseen,
		)}))
	case err != nil:
		return w.yield(w.later(AdobeUnavailable, err))
	}
	if found != nil {
		return w.adopt(*found)
	}
	d := w.decide(w.Now())
	allowed := v.Run.Sends == 1 && d.Action != policy.DeadLetter && d.Action != policy.Skip
	forced := w.req.Force && v.Settled()
	if !allowed && !forced {
		return new(w.giveUp(verdict{reason: OutcomeUnknown, message: fmt.Sprintf(
			"it was re-triggered %d times without a clear answer, and no run that this made is there. It is not sent again: look for a newer run of its dataflow first", v.Run.Sends,
		)}))
	}
	if busy := w.turn(w.Now(), true); busy != nil {
		return w.yield(*busy)
	}
	w.Log.WarnContext(w.ctx, "an earlier re-trigger of this run left no trace: one more is sent", "runId", w.req.RunID, "flowId", w.req.FlowID, "sends", v.Run.Sends+1)
	if end := w.claim(); end != nil || w.held == nothing {
		return end
	}
	w.extra = true
	return new(w.call())
}

// yield gives the entry back as it was.
func (w *work) yield(result Result) *Result {
	ctx, cancel := w.settling()
	defer cancel()
	if v, err := w.ledger.Yield(ctx, w.view); err == nil {
		w.view, result.view = v, v
	}
	w.held, result.held = nothing, nothing
	return &result
}

// later returns a run that may have been re-triggered: in any case it is looked up
// another time.
func (w *work) later(reason Reason, err error) Result {
	return w.result().returned(reason, "what became of an earlier re-trigger can't be looked up: "+err.Error())
}

// adopt records the run that was found.
func (w *work) adopt(found candidate) *Result {
	now := w.Now()
	// What was looked for before and not found is less likely to have made it than
	// what is yet to be looked up.
	if busy := w.turn(now, found.send.Settled); busy != nil {
		return w.yield(*busy)
	}
	ctx, cancel := w.settling()
	defer cancel()
	v, err := w.ledger.Adopt(ctx, w.view, found.send, w.view.Lost(found.createdAt, now), found.id)
	if err != nil {
		return w.yield(w.result().returned(LedgerUnavailable, fmt.Sprintf("run %s was found, which could not be recorded: %v", found.id, err)))
	}
	w.view, w.held = v, nothing
	return new(w.remade(found.id, Reconciled, "an earlier re-trigger without an answer had made this run"))
}

// lookUp looks for a run that a re-trigger of this run made: of the same
// dataflow, created by our client around the time of the re-trigger, and not
// known to the ledger as made by another one. It returns nothing where there is
// none.
func (w *work) lookUp() (made *candidate, noAccount, err error) {
	var sends []ledger.Send
	earliest := time.Time{}
	for _, s := range w.view.Flow.Sends {
		if s.RunID == w.req.RunID {
			sends = append(sends, s)
			if at := s.At.Add(-ledger.MaxClockSkew); earliest.IsZero() || at.Before(earliest) {
				earliest = at
			}
		}
	}
	if len(sends) == 0 {
		return nil, nil, nil // it is too long ago
	}
	var found []candidate
	noAccount, err = w.withAccount(func(account *credentials.Account) (err error) {
		found, err = w.ours(account, sends, earliest)
		return err
	})
	if noAccount != nil || err != nil || len(found) == 0 {
		return nil, noAccount, err
	}
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.id
	}
	ctx, cancel := w.asking()
	defer cancel()
	known, err := w.ledger.Runs(ctx, w.req.OrgID, ids...)
	if err != nil {
		return nil, nil, err
	}
	for _, f := range slices.Backward(found) { // the oldest first
		if entry, ok := known[f.id]; !ok || entry.Parent == "" && entry.Sends == 0 && entry.State != ledger.Retriggered {
			return &f, nil, nil
		}
	}
	return nil, nil, nil
}

// candidate is a run that a re-trigger may have made.
type candidate struct {
	id        string
	createdAt time.Time
	send      ledger.Send
}

// maxUnseen bounds how many runs that are too large are left out of a look-up.
const maxUnseen = 5

// ours lists the runs of the dataflow that our client made around the time of the
// re-triggers, the newest first. A run that is too large to be listed is left out; where
// there is no other, that run may be the one, and the error names it.
func (w *work) ours(account *credentials.Account, sends []ledger.Send, earliest time.Time) ([]candidate, error) {
	query := w.newestRuns()
	var unseen error
	var left []string // out of the listing
	for range maxUnseen {
		found, err := w.candidatesInAnySize(account, query, sends, earliest)
		if large, ok := errors.AsType[*flowclient.Error](err); ok && large.Kind == flowclient.KindTooLarge {
			if large.Resource == "" || slices.Contains(left, large.Resource) {
				return nil, err // it can't be left out, and what comes after it is not known
			}
			if large.Resource != w.req.RunID { // which no re-trigger of it has made
				unseen = cmp.Or(unseen, err)
			}
			left = append(left, large.Resource)
			query.Filters = append(query.Filters, flowclient.Where(flowclient.PropertyID, "!=", large.Resource))
			continue
		}
		if unseen != nil && len(found) == 0 {
			break
		}
		return found, err
	}
	return nil, unseen
}

// candidatesInAnySize lists candidates. Flow Service may take a continuation token only
// with the page size for which it gave it, and the size changes where pages are large. So
// where a token is refused, the listing begins again in half the size.
func (w *work) candidatesInAnySize(account *credentials.Account, query flowclient.RunQuery, sends []ledger.Send, earliest time.Time) ([]candidate, error) {
	for {
		found, size, err := w.candidates(account, query, sends, earliest)
		refusedToken := size > 0 && (errors.Is(err, flowclient.KindRejected) || errors.Is(err, flowclient.KindNotFound))
		half := cmp.Or(query.Limit, flowclient.DefaultPageSize) / 2
		if !refusedToken || half == 0 {
			return found, err
		}
		query.Limit = min(half, size)
	}
}

// candidates lists those of the query's runs that our client made around the time of the
// re-triggers. size is that of the smallest page that was listed; 0 for none.
func (w *work) candidates(account *credentials.Account, query flowclient.RunQuery, sends []ledger.Send, earliest time.Time) (found []candidate, size int, err error) {
	seen := 0
	for page, err := range account.Client.RunPages(w.ctx, w.req.Sandbox, query) {
		if err != nil {
			return nil, size, err
		}
		size = min(cmp.Or(size, page.Limit), page.Limit)
		for _, run := range page.Runs {
			createdAt := run.CreatedAt.Time()
			if seen++; seen > maxLookedUp || !createdAt.IsZero() && createdAt.Before(earliest) {
				return found, size, nil // the newest come first
			}
			if run.ID == w.req.RunID || run.FlowID != w.req.FlowID || run.CreatedClient != account.ClientID {
				continue
			}
			for _, s := range sends {
				if s.Covers(createdAt) {
					found = append(found, candidate{run.ID, createdAt, s})
					break
				}
			}
		}
	}
	return found, size, nil
}
