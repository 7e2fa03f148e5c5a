package sweep

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// handleFailure decides what to do after a page could not be listed.
func (w failures) handleFailure(err error) error {
	if w.out.ctx.Err() != nil {
		return nil // the time is over, and the page will be repeated
	}
	fault, ok := errors.AsType[*flowclient.Error](err)
	kind := flowclient.KindTransient
	if ok && !errors.As(err, new(*credentials.Error)) { // a refused credential may be mended, whatever Adobe said to it
		kind = fault.Kind
	}
	switch kind {
	case flowclient.KindThrottled:
		w.slowDown(fault)
		return nil
	case flowclient.KindRejected, flowclient.KindNotFound:
		return w.listAnotherWay(kind, err)
	case flowclient.KindForbidden:
		return w.abandon(err)
	case flowclient.KindTooLarge:
		return w.leaveOut(fault)
	}
	return w.tryLater(err)
}

// slowDown lets the part wait for as long as Adobe asks for.
func (w failures) slowDown(fault *flowclient.Error) {
	orgID := w.at.target().OrgID
	if err := w.throttle.PublishSlowDown(w.out.ctx, orgID); err != nil {
		w.Log.WarnContext(w.out.ctx, "other processes were not told to slow down", "orgId", orgID, "error", err.Error())
	}
	w.tally.addReason(retry.Throttled)
	if w.req.DryRun {
		w.tally.fault = fault.Error() // it does not wait
	}
	w.at.postpone(w.Now(), max(fault.RetryAfter, time.Second))
}

// listAnotherWay goes on after Flow Service has refused a listing: from the last time seen
// where it refuses a continuation token, or with another filter. Otherwise the sandbox is
// given up.
func (w failures) listAnotherWay(kind flowclient.Kind, err error) error {
	target := w.at.target()
	switch {
	case w.at.Token != "" && w.at.restart(w.p.Since):
		w.Log.WarnContext(w.out.ctx, "the continuation token of a sweep is no longer valid; it begins again at the last time seen", "sweepId", w.req.ID, "from", stamp(w.at.From), "error", err.Error())
		w.p.Report.Restarts++
		return w.save()
	case w.at.Token == "" && kind == flowclient.KindRejected && !w.at.ByStart && len(w.at.TooLarge) == 0:
		w.Log.WarnContext(w.out.ctx, "Flow Service does not list runs by their last change; they are listed by their start, which misses those that started more than a day before they failed, or never",
			"sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "error", err.Error())
		w.at.ByStart = true
		return w.save()
	}
	return w.abandon(err)
}

// leaveOut goes on without a run that is too large to be listed, if Flow Service tells its
// id. The run is requested by that alone: when its turn comes it is read, and it becomes a
// dead letter that says so.
func (w failures) leaveOut(fault *flowclient.Error) error {
	id := fault.Resource
	if fault.Op != flowclient.OpRuns || !w.at.canLeaveOut(id) {
		return w.abandon(fault)
	}
	target := w.at.target()
	w.Log.WarnContext(w.out.ctx, "a run is too large to be listed; the sweep goes on without it", "sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "runId", id, "error", fault.Error())
	run := flowclient.Run{ID: id}
	run.Metrics.Status.Status = "failed" // Flow Service has listed it as such
	if len(w.p.Flows) == 1 {
		run.FlowID = w.p.Flows[0]
	}
	if len(w.p.Codes) > 0 { // the run's errors are not known, so nothing is requested
		w.p.Report.fail(target, fmt.Sprintf("run %s is too large to be listed, so that it is not known whether it failed with one of the codes: send it by itself. %v", id, fault))
	} else if again, err := w.allOrNothing(func() error { return w.deal(target, []*flowclient.Run{&run}) }); again || err != nil {
		return err
	}
	w.at.leaveOut(id, w.p.Since)
	return w.save()
}

// tryLater counts a failure, and lets the part wait before the page is tried again. After
// too many failures, or in a dry run, which does not wait, the sandbox is given up.
func (w failures) tryLater(err error) error {
	w.tally.noteFault(err)
	w.at.failed()
	switch {
	case w.req.DryRun:
		return w.abandon(err)
	case refusedCredential(err): // it is mended in the secret, and then the sweep goes on
		w.at.Failures = min(w.at.Failures, maxFailures-1)
	case w.at.Failures >= maxFailures:
		return w.abandon(fmt.Errorf("%d failures in a row: %w", w.at.Failures, err))
	}
	target := w.at.target()
	w.Log.WarnContext(w.out.ctx, "a page of a sweep could not be listed; it is tried again", "sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "failures", w.at.Failures, "error", err.Error())
	w.at.postpone(w.Now(), w.at.backoff())
	return w.save()
}

// refusedCredential reports whether IMS or Adobe refuse the org's credential, whatever is
// asked for.
func refusedCredential(err error) bool {
	credential, ok := errors.AsType[*credentials.Error](err)
	return ok && credential.Kind == credentials.Refused || errors.Is(err, flowclient.KindUnauthorized)
}

// abandon gives the part's sandbox up: what is left of it becomes a dead letter.
func (w failures) abandon(err error) error {
	target := w.at.target()
	rest := w.req
	message := fmt.Sprintf("the runs of org %s, sandbox %s can't be listed: %v", target.OrgID, target.Sandbox, err)
	if w.at.Secrets {
		rest.OrgIDs = slices.DeleteFunc(slices.Clone(rest.OrgIDs), w.p.has)
		message = "an org's runs can't be listed: " + err.Error()
	} else {
		rest.OrgIDs, rest.Sandboxes = []string{target.OrgID}, []string{target.Sandbox}
	}
	w.Log.ErrorContext(w.out.ctx, "a part of a sweep is given up", "sweepId", w.req.ID, "orgId", target.OrgID, "sandbox", target.Sandbox, "error", message)
	if !w.req.DryRun {
		if !w.giveUp(w.outer, rest, target.OrgID, message) {
			w.tally.addReason(retry.DeadLetterQueueUnavailable)
			return errors.New(message + ", and the dead letter of it could not be written")
		}
		w.tally.gaveUp++
	}
	w.p.Report.fail(target, message)
	w.at.nextSandbox(w.p.Since)
	return w.save()
}
