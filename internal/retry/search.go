package retry

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// maxListed bounds how many runs of a dataflow are looked through for one that a lost
	// call made.
	maxListed = 2000
	// maxUnlisted bounds how many runs that are too large are left out of a search.
	maxUnlisted = 5
	// searchPatience is how long after a call a search may go on to fail.
	searchPatience = 24 * time.Hour
)

// errTooMany means that the listing was not read to the end.
var errTooMany = fmt.Errorf("the dataflow has more than %d newer runs", maxListed)

// search searches Flow Service's listing for the run that a lost call made. A search that
// fails for now returns the request; one that can't be made is an answer.
//
// Rule 11: the oldest run counts that the call may have made ([ledger.Call.MayHaveMade]),
// that has no parent.
//
// Rule 12: if another lost call may have made that run, too, the data windows decide. The
// oldest run counts of which they tell that this call has made it. If there is none, the
// answer is ambiguous, and so it is if a person has forced the run on as the beginning of a
// lineage.
func (w learner) search(call ledger.Call) *Result {
	f := &w.facts
	found, fault := w.candidates(call)
	if fault != nil {
		return w.searchFailed(call, fault)
	}
	ids := make([]string, len(found))
	for i, run := range found {
		ids[i] = run.ID
	}
	known := map[string]ledger.Run{}
	if len(ids) > 0 {
		ctx, cancel := w.asking()
		defer cancel()
		var err error
		if known, err = w.ledger.Runs(ctx, f.Request.OrgID, ids...); err != nil {
			return new(w.unavailable(err))
		}
	}
	f.Search = f.choose(call, found, known)
	f.Parent = nil // it is read after the search
	return nil
}

// choose returns the answer to a search that has found these runs, the newest first. known
// are the ledger's entries of those that have one.
func (f *Facts) choose(call ledger.Call, found []ListedRun, known map[string]ledger.Run) Search {
	answer := Search{CallID: call.ID}
	for _, run := range slices.Backward(found) { // the oldest first
		child, ok := known[run.ID]
		if !ok {
			child = ledger.NewRun(f.Request.OrgID, f.Request.FlowID, call.Sandbox, run.ID)
		}
		oldest := answer.Found == FoundNothing
		switch {
		case child.Parent != "": // another call has made it
		case child.Sends > 0 || child.State == ledger.Retriggered:
			answer.Found, answer.Detail = FoundAmbiguous, fmt.Sprintf("run %s may have been made by it, and was re-triggered by force while that was not known", run.ID)
			return answer
		case f.madeBy(run, call) && (oldest || run.Window.Same(call.Window)):
			answer.Found, answer.Detail, answer.Child, answer.Listed = FoundOne, "", child, run
			return answer
		case oldest:
			answer.Found, answer.Detail = FoundAmbiguous, byAnother(run)
		}
	}
	return answer
}

// byAnother says why nobody can tell whether a lost call has made the run.
func byAnother(run ListedRun) string {
	return fmt.Sprintf("run %s may have been made by another lost re-trigger", run.ID)
}

// searchFailed decides on a search that could not be made: now, or ever.
//
// Rule 13: a search that Adobe refuses, that has too many runs to look through, or that fails
// a day after the call, is an answer: nobody can tell.
//
// Rule 14: a search for another run's call that fails for now is a wait.
func (w learner) searchFailed(call ledger.Call, err error) *Result {
	f := &w.facts
	own := call.RunID == f.Request.RunID
	credential := credentialFault(err)
	if credential == nil && w.noWay(call, err) {
		f.Search = Search{CallID: call.ID, Found: FoundNoWay, Detail: err.Error()}
		f.Parent = nil
		return nil
	}
	step := Step{Do: End, Outcome: Returned, Reason: AdobeUnavailable, After: w.ReconcileAfter}
	if credential != nil {
		step = *credential
	}
	if step.Do != End { // its org has no secret any more
		return w.apply(step)
	}
	step.Detail = "what became of an earlier re-trigger can't be looked up: " + err.Error()
	if fault, ok := errors.AsType[*flowclient.Error](err); ok && fault.Kind == flowclient.KindThrottled {
		step.Reason, step.After = Throttled, fault.RetryAfter
	}
	step.Fault = own && !step.waits()
	if !own && step.Reason == AdobeUnavailable {
		step.Reason = FlowBusy // another run's search is a wait
	}
	return w.apply(step)
}

// noWay reports whether a search that has failed can't be made, or has failed for a day. A
// slow-down is a wait, however long it takes, and without time nothing was searched.
func (w learner) noWay(call ledger.Call, err error) bool {
	for _, never := range []error{errTooMany, flowclient.KindForbidden, flowclient.KindRejected, flowclient.KindNotFound, flowclient.KindTooLarge} {
		if errors.Is(err, never) {
			return true
		}
	}
	if errors.Is(err, flowclient.KindThrottled) || errors.Is(err, flowclient.ErrNoTime) || w.ctx.Err() != nil {
		return false
	}
	return w.Now().After(call.Until.Add(searchPatience))
}

// candidates lists the runs that the call may have made, the newest first. A run that is
// too large to be listed is left out; where there is no other, that run may be the one, and
// the error names it.
func (w learner) candidates(call ledger.Call) ([]ListedRun, error) {
	query := newestRuns(w.facts.Request.FlowID)
	var unseen error
	var left []string // out of the listing
	for range maxUnlisted {
		found, err := w.candidatesInAnySize(call, query)
		if large, ok := errors.AsType[*flowclient.Error](err); ok && large.Kind == flowclient.KindTooLarge {
			if large.Resource == "" || slices.Contains(left, large.Resource) {
				return nil, err // it can't be left out, and what comes after it is not known
			}
			if large.Resource != call.RunID { // which the call has not made
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
func (w learner) candidatesInAnySize(call ledger.Call, query flowclient.RunQuery) ([]ListedRun, error) {
	for {
		found, size, err := w.list(call, query)
		refusedToken := size > 0 && (errors.Is(err, flowclient.KindRejected) || errors.Is(err, flowclient.KindNotFound))
		half := cmp.Or(query.Limit, flowclient.DefaultPageSize) / 2
		if !refusedToken || half == 0 {
			return found, err
		}
		query.Limit = min(half, size)
	}
}

// list lists those of the query's runs that the call may have made. size is that of the
// smallest page that was listed; 0 for none.
//
// Rule 10: the search reads all pages back to two minutes before the call, with the call's
// sandbox.
func (w learner) list(call ledger.Call, query flowclient.RunQuery) (found []ListedRun, size int, err error) {
	seen := 0
	fault := w.withAccount(func(client *flowclient.Client) error {
		found, size, seen = nil, 0, 0
		for page, err := range client.RunPages(w.ctx, call.Sandbox, query) {
			if err != nil {
				return err
			}
			size = min(cmp.Or(size, page.Limit), page.Limit)
			for _, run := range page.Runs {
				createdAt := run.CreatedAt.Time()
				if !createdAt.IsZero() && createdAt.Before(call.At.Add(-ledger.MaxClockSkew)) {
					return nil // the newest come first
				}
				if seen++; seen > maxListed {
					return errTooMany
				}
				if run.FlowID == w.facts.Request.FlowID && call.MayHaveMade(run.ID, run.CreatedClient, createdAt) {
					found = append(found, ListedRun{ID: run.ID, Client: run.CreatedClient, CreatedAt: createdAt, Window: run.Window()})
				}
			}
		}
		return nil
	})
	return found, size, fault
}
