package sweep

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Where events of successes are not subscribed, nobody tells how the runs ended that our
// re-triggers made. A scheduled sweep asks for them before it lists an org's sandboxes: by
// id, many at a time, with a bounded number of calls. For example, 300 runs of an org have no
// end: the sweep makes six calls. A success is recorded as if its event had come. A failure is
// left to the sweep's own listing.
const (
	// maxEndCalls is how many calls a sweep makes for the ends of one org's runs. What is
	// left comes in the next sweep.
	maxEndCalls = 20
	// endsAtOnce is how many runs one call asks for: their ids stand in the URL.
	endsAtOnce = 50
	// maxLookups is how many sandboxes are asked before the progress is saved, and maxPages
	// how many pages of one answer are read.
	maxLookups, maxPages = 3, 3
	// lastWord is how long the log tells of a run whose end is asked for no more: an hourly
	// sweep tells of it once or twice.
	lastWord = 90 * time.Minute
	// unlisted is how long Flow Service may take to list a run.
	unlisted = ledger.LostCallWindow + ledger.MaxClockSkew
)

// Succeed records the success of a run; see [retry.Engine.Succeed].
type Succeed func(ctx context.Context, s event.Skip, ended time.Time, b *retry.Batch) retry.Result

// endCalls is how many calls the sweep may make for the ends of an org's runs: none, if a
// person has asked for something in particular, or for a dry run.
func (o *Options) endCalls(req *event.Sweep) int {
	if o.Succeed == nil || !scheduled(req) {
		return 0
	}
	return maxEndCalls
}

// scheduled reports whether a sweep looks at everything, as those of the schedule do.
func scheduled(req *event.Sweep) bool {
	return !req.DryRun && req.Limit == 0 && len(req.OrgIDs)+len(req.Sandboxes)+len(req.FlowIDs)+len(req.Codes) == 0
}

// lookup asks for runs of one sandbox.
type lookup struct {
	sandbox string
	runs    []ledger.Run
	// partly means that Flow Service has more pages than were read.
	partly bool
}

func (l *lookup) ids() []string {
	ids := make([]string, len(l.runs))
	for i := range l.runs {
		ids[i] = l.runs[i].RunID
	}
	return ids
}

// leaveOut takes a run out of those that are asked for.
func (l *lookup) leaveOut(runID string) bool {
	before := len(l.runs)
	l.runs = slices.DeleteFunc(l.runs, func(r ledger.Run) bool { return r.RunID == runID })
	return len(l.runs) < before
}

// endsPlan is how the ends of some open runs are looked up.
type endsPlan struct {
	lookups []lookup
	// tooOld are runs that are not asked for any more.
	tooOld []ledger.Run
	// cut means that runs are left for which there were too few lookups. Last is when the
	// last run before them was first seen.
	cut  bool
	last time.Time
}

// planEnds plans a lookup for each sandbox, at most so many. The runs come in the order in
// which they were first seen. It is pure.
func planEnds(open []ledger.Run, oldest time.Time, most int) (p endsPlan) {
	for i := range open {
		r := &open[i]
		at := slices.IndexFunc(p.lookups, func(l lookup) bool { return l.sandbox == r.Sandbox })
		switch {
		case r.FirstSeen.Before(oldest):
			p.tooOld = append(p.tooOld, *r)
		case strings.Contains(r.RunID, ","): // a comma separates ids
		case at >= 0:
			p.lookups[at].runs = append(p.lookups[at].runs, *r)
		case len(p.lookups) == most:
			p.cut = true
			return p
		default:
			p.lookups = append(p.lookups, lookup{sandbox: r.Sandbox, runs: []ledger.Run{*r}})
		}
		p.last = r.FirstSeen
	}
	return p
}

// sortEnds returns which of the runs that were asked for have succeeded, and which Flow
// Service does not know. One that it may not list yet is neither. It is pure.
func sortEnds(orgID string, l *lookup, found []flowclient.Run, now time.Time) (succeeded []*flowclient.Run, unknown []string) {
	for i := range l.runs {
		r := &l.runs[i]
		at := slices.IndexFunc(found, func(run flowclient.Run) bool {
			return run.ID == r.RunID && (run.OrgID == "" || run.OrgID == orgID)
		})
		switch {
		case at < 0 && !l.partly && now.Sub(r.FirstSeen) > unlisted:
			unknown = append(unknown, r.RunID)
		case at >= 0 && found[at].Status().Succeeded():
			succeeded = append(succeeded, &found[at])
		}
	}
	return succeeded, unknown
}

// ends asks for the ends of the part's next open runs, the oldest first.
func (w endings) ends() error {
	orgID := w.at.OrgID
	if wait, err := w.paused(orgID); wait || err != nil {
		return err
	}
	if w.at.Ends == maxEndCalls { // it begins
		teller(w).endEpisodes(orgID)
	}
	oldest := w.Now().Add(-w.endAge())
	open, err := w.openRuns(orgID, oldest)
	if err != nil {
		if w.out.ctx.Err() == nil {
			w.Log.WarnContext(w.out.ctx, "the runs that re-triggers made and that have no end could not be listed; the next sweep asks for them", "sweepId", w.req.ID, "orgId", orgID, "error", err.Error())
			w.at.Ends = 0
		}
		return nil
	}
	plan := planEnds(open, oldest, min(w.at.Ends, maxLookups))
	for i := range plan.tooOld {
		r := &plan.tooOld[i]
		w.Log.InfoContext(w.out.ctx, "the end of a run that a re-trigger made is not known, and is asked for no more", "runId", r.RunID, "orgId", orgID, "sandbox", r.Sandbox, "flowId", r.FlowID, "root", r.Root, "firstSeen", r.FirstSeen)
	}
	for i := range plan.lookups {
		if i > 0 && !w.out.timeForPage() {
			return nil // these runs are asked for again
		}
		if again, err := w.lookUp(&plan.lookups[i]); again || err != nil {
			return err
		}
	}
	return w.afterLookups(plan, len(open))
}

// afterLookups goes on after so many open runs: with the next ones, or with the sandboxes.
func (w endings) afterLookups(plan endsPlan, n int) error {
	w.at.postpone(w.Now(), 0) // the other orgs come first
	if n == 0 && w.at.EndsAfter.IsZero() {
		w.at.Ends = 0
		return nil // the progress is saved with the first page
	}
	more := plan.cut || n == endsAtOnce
	switch begun := w.at.EndsAfter; {
	case more && w.at.Ends > 0:
		w.at.EndsAfter = plan.last
		return w.save()
	case more:
		w.saveCursor(w.at.OrgID, plan.last)
	case !begun.IsZero():
		w.saveCursor(w.at.OrgID, time.Time{})
	}
	w.at.Ends, w.at.EndsAfter = 0, time.Time{}
	return w.save()
}

// endAge is how old a run may be whose end is asked for: as old as one that is retried.
func (w endings) endAge() time.Duration {
	if p := w.Rules.Policy; p != nil && p.MaxAge > 0 {
		return min(p.MaxAge, ledger.DefaultTTL)
	}
	return ledger.DefaultTTL
}

// openRuns returns the org's next open runs: after those that this sweep has asked for, or,
// where there are many, after those that the sweep before has.
func (w endings) openRuns(orgID string, oldest time.Time) ([]ledger.Run, error) {
	after := oldest.Add(-lastWord)
	if w.at.EndsAfter.After(after) {
		return w.out.open(orgID, w.at.EndsAfter)
	}
	open, err := w.out.open(orgID, after)
	if err != nil || len(open) < endsAtOnce {
		return open, err
	}
	record, err := w.out.cursor(orgID)
	if last := instant(record[attributeAfter]); err == nil && last.After(after) {
		w.at.EndsAfter = last
		return w.out.open(orgID, last)
	}
	return open, err
}

// lookUp asks Flow Service for the runs of one sandbox, and records those that succeeded.
// again means that the same runs are asked for later.
func (w endings) lookUp(l *lookup) (again bool, err error) {
	orgID := w.at.OrgID
	found, err := w.findRuns(l)
	switch {
	case err != nil && w.out.ctx.Err() != nil:
		return true, nil
	case errors.Is(err, flowclient.KindThrottled):
		return true, failures(w).handleFailure(err)
	case errors.As(err, new(*credentials.Error)), errors.Is(err, flowclient.KindUnauthorized):
		return true, failures(w).tryLater(err)
	case err != nil:
		w.Log.WarnContext(w.out.ctx, "the ends of runs that re-triggers made could not be looked up in a sandbox; they are asked for in the next sweep",
			"sweepId", w.req.ID, "orgId", orgID, "sandbox", l.sandbox, "runs", len(l.runs), "first", l.runs[0].RunID, "error", err.Error())
		if errors.Is(err, flowclient.KindTransient) { // of all sandboxes
			w.at.Ends = 0
		}
		return false, nil
	}
	succeeded, unknown := sortEnds(orgID, l, found, w.Now())
	if len(unknown) > 0 {
		w.Log.WarnContext(w.out.ctx, "Flow Service does not know runs that re-triggers made; they are asked for until they are too old",
			"sweepId", w.req.ID, "orgId", orgID, "sandbox", l.sandbox, "runs", len(unknown), "runIds", unknown[:min(len(unknown), 10)])
	}
	for _, run := range succeeded {
		if err := w.succeed(l.sandbox, run); err != nil {
			return true, err
		}
	}
	return false, nil
}

// findRuns asks for runs by their ids. One that is too large for an answer is left out.
func (w endings) findRuns(l *lookup) (found []flowclient.Run, err error) {
	target := Target{OrgID: w.at.OrgID, Sandbox: l.sandbox}
	for len(l.runs) > 0 {
		q := flowclient.RunQuery{Filters: []flowclient.Filter{flowclient.Where(flowclient.PropertyID, "==", strings.Join(l.ids(), ","))}, Limit: len(l.runs)}
		found = nil
		for range maxPages {
			var page flowclient.RunPage
			w.at.Ends--
			page, err = w.out.list(target, q)
			found = append(found, page.Runs...)
			if q.ContinuationToken = page.Next; err != nil || page.Next == "" || len(found) >= len(l.runs) {
				break
			}
		}
		l.partly = q.ContinuationToken != ""
		fault, ok := errors.AsType[*flowclient.Error](err)
		if !ok || fault.Kind != flowclient.KindTooLarge || !l.leaveOut(fault.Resource) {
			return found, err
		}
		w.Log.WarnContext(w.out.ctx, "a run that a re-trigger made is too large to be listed, and its end is not known", "runId", fault.Resource, "orgId", target.OrgID, "sandbox", target.Sandbox)
	}
	return nil, nil
}

// succeed records a run's success as if its event had come.
func (w endings) succeed(sandbox string, run *flowclient.Run) error {
	ended, now := run.Ended(), w.Now()
	if ended.IsZero() || ended.After(now) {
		ended = now
	}
	r := w.Succeed(w.out.ctx, event.Skip{
		Reason: event.RunSucceeded, Detail: "a sweep has found that the run succeeded",
		RunID: run.ID, FlowID: run.FlowID, OrgID: w.at.OrgID, Sandbox: sandbox,
	}, ended, nil)
	switch {
	case r.Recovered:
		w.tally.ends = append(w.tally.ends, r)
	case r.Outcome == retry.Returned:
		w.tally.addReason(r.Reason)
		return fmt.Errorf("the success of run %s could not be recorded: %s", run.ID, r.Message)
	}
	return nil
}

// saveCursor writes where the next sweep goes on with the org's open runs: zero for their
// beginning. So many runs without an end keep no other from being asked for. Where it can't be
// written, the next sweep begins with the oldest.
func (w endings) saveCursor(orgID string, after time.Time) {
	record, err := w.out.cursor(orgID)
	if err == nil && (record != nil || !after.IsZero()) {
		write := store.Write{Key: cursorKey(orgID), Old: record[store.AttributeRev]}
		if !after.IsZero() {
			write.New = store.Record{
				store.AttributeKey: write.Key, store.AttributeRev: rand.Text(), attributeAfter: after.UTC().Format(time.RFC3339Nano),
				store.AttributeTTL: store.TTL(w.Now().Add(progressTTL)),
			}
		}
		err = w.out.commit(write)
	}
	if err != nil {
		w.Log.InfoContext(w.out.ctx, "the next sweep asks for the same runs' ends first", "orgId", orgID, "error", err.Error())
	}
}

const attributeAfter = "after" // RFC 3339, as the record has it

func cursorKey(orgID string) string { return "ends#" + orgID }

// open reads the next open runs of an org.
func (o outside) open(orgID string, after time.Time) ([]ledger.Run, error) {
	ctx, cancel := context.WithTimeout(o.ctx, maxCall)
	defer cancel()
	return ledger.Lists{Table: o.store}.Open(ctx, orgID, after, endsAtOnce)
}

// cursor reads where the sweep before has stopped; nil where it came to the end.
func (o outside) cursor(orgID string) (store.Record, error) {
	ctx, cancel := context.WithTimeout(o.ctx, maxCall)
	defer cancel()
	found, err := o.store.Read(ctx, cursorKey(orgID))
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0], nil
}

func (o outside) commit(write store.Write) error {
	ctx, cancel := context.WithTimeout(o.ctx, maxCall)
	defer cancel()
	return o.store.Commit(ctx, write)
}
