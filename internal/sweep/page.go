package sweep

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// page lists one page of the part's sandbox and requests what is to be requested, or
// lets the part wait.
func (w *work) page() error {
	target := w.at.target()
	if !w.req.DryRun {
		if wait, err := w.mustWait(target); wait || err != nil {
			return err
		}
	}
	page, err := w.out.list(target, w.at.query(w.p.Since, w.p.Flows))
	if err != nil {
		return failures{w}.handleFailure(err)
	}
	if again, err := w.allOrNothing(func() error { return w.deal(target, w.at.unseen(page.Runs, w.p.Since)) }); again || err != nil {
		return err
	}
	w.at.listed(page, w.Now(), w.p.Since)
	w.p.Report.Pages++
	if w.p.Report.Limited {
		w.p.Parts = nil
	}
	return w.save()
}

// mustWait reports whether the part waits before its next page: for the end of a pause, or
// until the requests of earlier pages are nearly due.
func (w *work) mustWait(target Target) (bool, error) {
	if paused, err := w.paused(target.OrgID); paused || err != nil {
		return paused, err
	}
	if err := w.schedule.load(w.out.ctx, target.OrgID); err != nil {
		return false, err
	}
	wait := w.schedule.next.Sub(w.Now())
	if wait > maxAhead {
		w.at.postpone(w.Now(), wait-maxAhead/2)
	}
	return wait > maxAhead, nil
}

// paused reports whether the part waits for the end of a pause.
func (w *work) paused(orgID string) (bool, error) {
	pause, err := w.throttle.PauseStatus(w.out.ctx, orgID, "", time.Time{})
	if err != nil || pause.Wait <= 0 {
		return false, err
	}
	w.tally.addReason(retry.Paused)
	w.at.postpone(w.Now(), pause.Wait)
	return true, nil
}

// allOrNothing calls do, which deals with runs of the listing. If do fails, it takes back
// what it has counted, so that no run counts twice, and again is true: the runs are dealt
// with later. The error is one that ends the invocation's work on the sweep.
func (w *work) allOrNothing(do func() error) (again bool, err error) {
	before, report, added := *w.at, w.p.Report.clone(), w.tally.added.clone()
	if err = do(); err == nil {
		return false, nil
	}
	*w.at, w.p.Report, w.tally.added = before, report, added
	if errors.As(err, new(*store.UnavailableError)) && w.out.ctx.Err() == nil {
		return true, err
	}
	return true, failures{w}.handleFailure(err)
}

// deal learns what the plan of the runs rests on, and does what the plan says.
func (w *work) deal(target Target, runs []*flowclient.Run) error {
	for _, run := range runs {
		w.tally.see(&w.p.Report, run.FlowID)
	}
	q := newQuestion(w.req, &w.p, w.Rules)
	f := facts{target: target, runs: q.wanted(target, runs, w.Now()), requested: w.p.Report.Requested}
	if len(f.runs) == 0 {
		return nil
	}
	var err error
	if f.entries, err = w.out.entries(target.OrgID, f.runs); err != nil {
		return err
	}
	if f.pauses, err = w.out.pauses(target.OrgID, f.runs); err != nil {
		return err
	}
	f.now = w.Now()
	all := q.consider(f, w.considered)
	w.considered = all
	if w.dataflows == nil || len(w.dataflows) >= maxDataflows {
		w.dataflows = dataflows{}
	}
	f.flows = w.dataflows
	if err := w.out.learnFlows(target, f.unknownFlows(all), f.flows); err != nil {
		w.dataflows = nil // ask again
		return err
	}
	if f.newer, err = w.learnNewer(target, f, all); err != nil {
		return err
	}
	verdicts, limited := q.plan(f, all, w.verdicts)
	w.verdicts = verdicts
	w.p.Report.Limited = w.p.Report.Limited || limited
	requests, byHand := w.countAll(target, verdicts)
	if w.req.DryRun {
		return nil
	}
	if err := w.out.noteByHand(byHand); err != nil || len(requests) == 0 {
		return err
	}
	return w.request(target, requests)
}

// countAll counts the verdicts and tells of them. It returns what is to be requested, and
// the runs that somebody has retried by hand.
func (w *work) countAll(target Target, verdicts []verdict) (requests []requested, byHand []verdict) {
	for i := range verdicts {
		v := &verdicts[i]
		w.tell(w.tally.count(&w.p.Report, target, v))
		if v.request != nil {
			requests = append(requests, requested{v.entry, requestqueue.Waiting{Request: *v.request}})
		}
		if v.by != "" {
			byHand = append(byHand, *v)
		}
	}
	return requests, byHand
}

// tell lists a failed run in the report of a dry run, and otherwise in the log.
func (w *work) tell(one RunReport) {
	if w.req.DryRun {
		w.tally.listRun(one)
		return
	}
	w.Log.DebugContext(w.out.ctx, "a failed run is "+one.Decision, "sweepId", w.req.ID, "runId", one.RunID, "flowId", one.FlowID, "flowName", one.FlowName,
		"errorCode", one.ErrorCode, "errorText", one.ErrorText, "reason", string(one.Reason), "detail", one.Detail)
}

// request puts requests on the queue, and notes in the ledger that they wait there. It
// is in this order that nothing gets lost: a run that is requested twice, because
// the function died in between, is retried once. Where some could not be sent, those
// that could are noted, so that the page can be repeated. A request that SQS refuses for
// its content becomes a dead letter, and the page goes on.
func (w *work) request(target Target, requests []requested) error {
	w.at.Requested += len(requests)
	due, err := w.schedule.reserve(w.out.ctx, target.OrgID, len(requests), w.Now)
	if err != nil {
		return err
	}
	now := w.Now()
	for i := range requests {
		requests[i].waiting.Request.Due, requests[i].waiting.Delay = due, due.Sub(now)
		due = due.Add(w.Pace)
	}
	errs := w.out.send(requests)
	unnoted := w.out.note(requests, errs, newQuestion(w.req, &w.p, w.Rules).mark(), because(w.req))
	for i, r := range requests {
		if refused, ok := errors.AsType[*requestqueue.RefusedError](errs[i]); ok {
			errs[i] = w.refused(r.waiting.Request, refused)
		}
	}
	unsent := slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(unsent) > 0 {
		return fmt.Errorf("%d of %d requests of a page could not be sent, the first since: %w", len(unsent), len(requests), unsent[0])
	}
	return unnoted
}

// because is what the ledger remembers of a run that the sweep requests.
func because(req event.Sweep) ledger.Decision {
	return ledger.Decision{Rule: 19, Detail: "a sweep has found it, and its request waits for its place in the org's pace", By: req.By, Why: req.Reason}
}

// refused makes a dead letter of a run's request that SQS refuses, and counts the run as
// skipped. It returns an error where the dead letter could not be written.
func (w *work) refused(req event.Request, why *requestqueue.RefusedError) error {
	message := "the run was found by a sweep, and its request can't be sent: " + why.Error()
	if !w.giveUpRun(w.outer, req, message) {
		w.tally.addReason(retry.DeadLetterQueueUnavailable)
		return errors.New(message + ", and the dead letter of it could not be written")
	}
	w.tally.unsendable(&w.p.Report, req.FlowID)
	return nil
}
