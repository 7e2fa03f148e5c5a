package retry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// askAfter is how long after a failure a person may have retried the run by hand.
	// Nobody is faster than a retry at once, which is therefore sent without asking.
	askAfter = 10 * time.Minute
	// NewerTime bounds the listing of a dataflow's newest runs: what it tells is worth less
	// than the retry.
	NewerTime = 5 * time.Second
	// newestAge is for how long a process goes by the listing of a dataflow's newest runs
	// that it has made for another run of it, and maxNewest of how many dataflows.
	newestAge = time.Minute
	maxNewest = 50
)

// errNoTimeToAsk means that too little time is left for a listing.
var errNoTimeToAsk = errors.New("too little time is left to list the dataflow's runs")

// Newer tells whether somebody has retried the run by hand.
type Newer struct {
	// Answer is Yes where By names a run that was made by hand.
	Answer Answer
	// By is a newer run of the same dataflow and the same data window, which this function
	// did not make, and which has succeeded or is running.
	By ListedRun
	// Unclear says why the answer can't be told; then it is No, and the retry goes on.
	Unclear string
}

// ListedRun is what a listing tells of one run of a dataflow.
type ListedRun struct {
	ID, Client string
	CreatedAt  time.Time
	// EndedAt is when it ended; zero where that is not known.
	EndedAt time.Time
	Window  flowclient.Window
	Status  flowclient.Status
}

// newest are the newest runs of dataflows, as they were listed last, by org, dataflow and
// sandbox: the failed runs of one dataflow often come together, as those that a sweep has
// found.
type newest struct {
	mu    sync.Mutex
	known map[string]newestOf
}

// newestOf are the newest runs of one dataflow, or why they could not be listed.
type newestOf struct {
	at    time.Time
	runs  []ListedRun
	fault error
}

func (n *newest) get(key string, now time.Time) (newestOf, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	of, known := n.known[key]
	return of, known && now.Sub(of.at) < newestAge
}

func (n *newest) put(key string, of newestOf) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxNewest {
		n.known = map[string]newestOf{}
	}
	n.known[key] = of
}

// NewestPage lists one page of a dataflow's newest runs, in one call of at most [NewerTime].
func NewestPage(ctx context.Context, client *flowclient.Client, sandbox, flowID string) ([]ListedRun, error) {
	ctx, cancel := context.WithTimeout(ctx, NewerTime)
	defer cancel()
	query := newestRuns(flowID)
	query.Unsplit = true
	for page, err := range client.RunPages(ctx, sandbox, query) {
		return ListedRuns(flowID, page.Runs), err // the newest page tells
	}
	return nil, nil
}

// ListedRuns keeps of a listing what [NewerRuns] needs.
func ListedRuns(flowID string, runs []flowclient.Run) []ListedRun {
	var kept []ListedRun
	for i := range runs {
		if run := &runs[i]; run.FlowID == flowID {
			kept = append(kept, ListedRun{ID: run.ID, Client: run.CreatedClient, CreatedAt: run.CreatedAt.Time(), EndedAt: run.Ended(), Window: run.Window(), Status: run.Status()})
		}
	}
	return kept
}

// NewerRuns returns those of the dataflow's listed runs that may be the retry of a run by
// hand: they are newer, work on the same data window, and have succeeded or are running.
// The own run's window and time may be zero where the listing has that run itself. unclear
// says why it can't be told; then there is none.
func NewerRuns(own ListedRun, listed []ListedRun) (newer []ListedRun, unclear string) {
	if i := slices.IndexFunc(listed, func(r ListedRun) bool { return r.ID == own.ID }); i >= 0 {
		if own.Window.IsZero() {
			own.Window = listed[i].Window
		}
		if own.CreatedAt.IsZero() {
			own.CreatedAt = listed[i].CreatedAt
		}
	}
	if own.CreatedAt.IsZero() {
		return nil, "Adobe does not tell when the run was made"
	}
	windows := 0
	var all []ListedRun
	for _, r := range listed {
		if r.ID == own.ID || !r.CreatedAt.After(own.CreatedAt) || !r.Status.Succeeded() && !r.Status.Running() {
			continue
		}
		all = append(all, r)
		if !r.Window.IsZero() {
			windows++
		}
		if r.Window.Same(own.Window) {
			newer = append(newer, r)
		}
	}
	switch {
	case len(all) == 0:
	case own.Window.IsZero():
		return nil, "Adobe does not tell the data window of the run"
	case windows == 0:
		return nil, "Adobe does not tell the data window of any newer run"
	}
	return newer, ""
}

// MadeByHand is the answer for the newer runs of a run's data window, of which the first is
// the newest. entries are the ledger's of such a run and its dataflow, read after the
// listing: a run that we made is known by then, or its call is in the slot, kept or cut.
// Where a lost call of ours may have made a run, nobody can tell.
func MadeByHand(newer []ListedRun, entries func(runID string) ledger.Entries) Newer {
	answer := Newer{Answer: No}
	for _, r := range newer {
		e := entries(r.ID)
		if e.Run.Parent != "" { // one of our re-triggers has made it
			continue
		}
		flow := &e.Flow
		calls, cut := flow.Fits(r.ID, r.Client, r.CreatedAt)
		if cut || len(calls) > 0 || flow.Slot != nil && flow.Slot.MayHaveMade(r.ID, r.Client, r.CreatedAt) {
			answer.Unclear = fmt.Sprintf("run %s may have been made by a re-trigger of ours that got no answer", r.ID)
			continue
		}
		if answer.Answer == No || r.Status.Succeeded() && !answer.By.Status.Succeeded() {
			answer.Answer, answer.By = Yes, r
		}
	}
	if answer.Answer == Yes {
		answer.Unclear = ""
	}
	return answer
}

// NewerKeys are the keys of the ledger's entries that [MadeByHand] needs.
func NewerKeys(newer []ListedRun, dataflow ledger.Ref) []string {
	keys := []string{ledger.FlowKey(dataflow.OrgID, dataflow.FlowID)}
	for _, r := range newer {
		keys = append(keys, ledger.RunKey(dataflow.OrgID, r.ID))
	}
	return keys
}

// OwnRun is what the request and the ledger tell of the request's run, for comparisons with
// other runs and with lost calls.
func (f *Facts) OwnRun() ListedRun {
	own := ListedRun{ID: f.Request.RunID, Client: f.Request.CreatedClient, CreatedAt: f.Request.CreatedAt, Window: f.Request.Window}
	if own.Window.IsZero() {
		own.Window = f.Entries.Run.Window
	}
	return own
}

// unlessByHand lets a run be sent only if nobody has retried it by hand, as far as that can
// be told. Every re-trigger passes here but a forced one, which a person has decided on.
//
// Rule 26: an attempt that begins more than ten minutes after the failure asks first. A run
// that our re-trigger made counts from when that was, since its parent had failed then.
func unlessByHand(f *Facts, step Step, now time.Time) Step {
	run := &f.Entries.Run
	switch {
	case step.Do != Send, f.Request.Force, f.Request.FlowID == "", !now.After(failureSeen(f, now).Add(askAfter)):
		return step
	case run.StateAt(now) == ledger.Unconfirmed: // a sweep's: its lost call is searched for first
		return step
	case f.Newer.Answer == NotAsked:
		return Step{Do: AskNewer, Rule: 26}
	case f.Newer.Answer == No:
		return step
	}
	by := f.Newer.By
	word := "has succeeded"
	if by.Status.Running() {
		word = "is running"
	}
	return Step{Do: SkipRun, Reason: SupersededByHand, Rule: 26, By: by.ID, Detail: fmt.Sprintf("run %s of the same dataflow and the same data window (%s) is newer, was not made by this function, and %s", by.ID, by.Window, word)}
}

// failureSeen is the earliest time at which a person may have seen the failure of the run,
// or of the run that it repeats.
func failureSeen(f *Facts, now time.Time) time.Time {
	seen := now
	for _, at := range []time.Time{f.Request.FailedAt, f.Request.FirstSeen, f.Entries.Run.FirstSeen} {
		if !at.IsZero() && at.Before(seen) {
			seen = at
		}
	}
	return seen
}

// askNewer finds out whether somebody has retried the run by hand. It takes one page of the
// dataflow's newest runs, which other runs of the dataflow share. Where that fails, or takes too long, the retry goes on.
func (w learner) askNewer() *Result {
	f := &w.facts
	if _, fault := w.authorized(); fault != nil { // without a token nothing can be sent either
		return w.apply(unsent(fault))
	}
	listed, fault := w.listNewest()
	if credential := credentialFault(fault); credential != nil {
		return w.apply(*credential)
	}
	f.Newer = Newer{Answer: No}
	if fault != nil {
		f.Newer.Unclear = "the dataflow's runs could not be listed: " + fault.Error()
	} else if end := w.compareNewer(listed); end != nil {
		return end
	}
	if f.Newer.Unclear != "" {
		w.Log.InfoContext(w.ctx, "whether somebody has retried a run by hand can't be told", "runId", f.Request.RunID, "flowId", f.Request.FlowID, "detail", f.Newer.Unclear)
	}
	return nil
}

// listNewest lists the newest runs of the dataflow, once for all runs that want to know: they
// go one after the other. A listing that has failed is not repeated at once, either.
func (w learner) listNewest() ([]ListedRun, error) {
	req := &w.facts.Request
	key := nameKey(req.OrgID, req.FlowID) + "#" + req.Sandbox
	if of, known := w.newest.get(key, w.Now()); known {
		return of.runs, of.fault
	}
	limit := w.timeToAsk()
	if limit <= 0 {
		return nil, errNoTimeToAsk
	}
	ctx, cancel := context.WithTimeout(w.ctx, limit)
	defer cancel()
	var listed []ListedRun
	fault := w.withAccount(func(client *flowclient.Client) (err error) {
		listed, err = NewestPage(ctx, client, req.Sandbox, req.FlowID)
		return err
	})
	if credentialFault(fault) == nil && w.ctx.Err() == nil {
		w.newest.put(key, newestOf{w.Now(), listed, fault})
	}
	return listed, fault
}

// compareNewer answers by the dataflow's newest runs and what the ledger has of them.
func (w learner) compareNewer(listed []ListedRun) *Result {
	f := &w.facts
	own := f.OwnRun()
	newer, unclear := NewerRuns(own, listed)
	f.Newer.Unclear = unclear
	if i := slices.IndexFunc(listed, func(r ListedRun) bool { return r.ID == own.ID }); i >= 0 && own.Window.IsZero() {
		f.Entries.Run.Window = listed[i].Window // it is written with what becomes of the run
	}
	if len(newer) == 0 {
		return nil
	}
	ctx, cancel := w.asking()
	defer cancel()
	snapshot, err := w.ledger.Read(ctx, NewerKeys(newer, w.ref())...)
	if err != nil {
		return new(w.unavailable(err))
	}
	f.Newer = MadeByHand(newer, func(runID string) ledger.Entries {
		ref := w.ref()
		ref.RunID = runID
		return snapshot.Entries(ref)
	})
	return nil
}

// timeToAsk is how long the listing may take, so that there is time for the call itself; 0
// where there is none.
func (w learner) timeToAsk() time.Duration {
	deadline, ok := w.ctx.Deadline()
	if !ok {
		return NewerTime
	}
	return max(0, min(NewerTime, deadline.Sub(w.Now())-w.CallTimeout))
}
