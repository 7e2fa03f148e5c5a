package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// control does what a control delivery asks for: a sweep, a pause or a resume.
func (h *Handler) control(ctx context.Context, d *delivery) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		h.log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		d.reasons = append(d.reasons, retrigger.InternalError)
		if d.pauseCommand != nil {
			d.fault = errors.New("the function failed; its log has the details")
			return
		}
		d.sweepResult = sweep.Result{Request: *d.sweep, Report: sweep.Report{ID: d.sweep.ID, State: sweep.Refused}}
		h.refuseSweep(ctx, d, "the function failed while it worked on this sweep; its log has the details")
	}()
	if d.pauseCommand != nil {
		h.setPaused(ctx, d)
		return
	}
	d.sweepResult = h.sweeper.Run(ctx, *d.sweep, d.asked)
	if d.sweepResult.Refused != "" {
		h.refuseSweep(ctx, d, d.sweepResult.Refused)
	}
}

// refuseSweep makes a dead letter of a sweep that can't be done, or not any further.
func (h *Handler) refuseSweep(ctx context.Context, d *delivery, message string) {
	d.sweepResult.Again = false
	if !h.giveUpSweep(ctx, d.sweepResult.Request, "", message) {
		d.reasons = append(d.reasons, retrigger.DeadLetterQueueUnavailable)
		d.fault = errors.New("a sweep can't be done and could not be put on the dead-letter queue: " + message)
		return
	}
	d.sweepResult.GaveUp++
}

// giveUpSweep makes a dead letter of what is left of a sweep; see [sweep.GiveUp].
func (h *Handler) giveUpSweep(ctx context.Context, rest event.Sweep, orgID, message string) bool {
	if rest.DryRun {
		return true // the answer says it
	}
	rest.ID, rest.Requeues = "", 0 // sent again, it is a new sweep
	body, err := json.Marshal(rest)
	if err != nil {
		h.log.ErrorContext(ctx, "a sweep could not be written", "error", err.Error())
		return false
	}
	result := h.service.Refuse(ctx, body, &event.Error{Reason: event.SweepFailed, OrgID: orgID, Message: message})
	h.reportOne(ctx, result)
	return result.Outcome == retrigger.DeadLettered
}

// giveUpRun makes a dead letter of a run that a sweep has found and can't put on the
// request queue; see [sweep.GiveUpRun].
func (h *Handler) giveUpRun(ctx context.Context, req event.Request, message string) bool {
	req.Due, req.Requeues = time.Time{}, 0 // sent again, it is a new request
	result := h.service.GiveUp(ctx, retrigger.Return(req, retrigger.Unsendable, message))
	h.reportOne(ctx, result)
	return result.Outcome == retrigger.DeadLettered
}

// continueLater puts a sweep that is not done on the request queue. From there the sweep
// goes on as one message, which counts as one requeue.
func (h *Handler) continueLater(ctx context.Context, d *delivery) {
	if !d.sweepResult.Again {
		return
	}
	rest := d.sweepResult.Request
	rest.Requeues++
	err := h.requests.SendSweep(ctx, rest, d.sweepResult.After)
	switch {
	case errors.As(err, new(*requestqueue.RefusedError)):
		h.refuseSweep(ctx, d, "it can't go on: "+err.Error())
	case err != nil:
		d.reasons = append(d.reasons, retrigger.QueueUnavailable)
		d.fault = fmt.Errorf("sweep %s could not be put on the request queue to go on: %w", rest.ID, err)
	default:
		d.sweepResult.Again = false
	}
}

// setPaused does what a pause command asks for: it pauses or resumes.
func (h *Handler) setPaused(ctx context.Context, d *delivery) {
	scope := throttle.Scope{OrgID: d.pauseCommand.OrgID, FlowID: d.pauseCommand.FlowID}
	if scope != (throttle.Scope{}) { // what is misspelled must not go unnoticed
		account, err := h.accounts.ForOrg(ctx, scope.OrgID)
		if fault, ok := errors.AsType[*credentials.Error](err); ok && (fault.Kind == credentials.OrgUnknown || fault.Kind == credentials.OrgMissing) {
			d.results = append(d.results, h.service.Refuse(ctx, d.payload, &event.Error{Reason: event.InvalidField, OrgID: scope.OrgID, Message: err.Error()}))
			d.items = append(d.items, event.Item{Err: &event.Error{Reason: event.InvalidField}})
			return
		}
		switch {
		case err == nil:
			scope.OrgID, d.pauseCommand.OrgID = account.OrgID, account.OrgID
		case scope.OrgID == "": // with one, a secret that can't be read is no hindrance
			d.fault = fmt.Errorf("nothing was paused or resumed: %w", err)
			return
		}
	}
	var err error
	if d.pauseCommand.Pause {
		d.pauses, err = h.throttle.Pause(ctx, scope, d.pauseCommand.Reason)
	} else {
		d.pauses, err = h.throttle.Resume(ctx, scope)
	}
	if err != nil {
		d.fault = fmt.Errorf("nothing was paused or resumed: %w", err)
		return
	}
	if d.pauses == nil {
		d.pauses = []throttle.Pause{}
	}
}

// logControl logs what became of a sweep, a pause or a resume.
func (h *Handler) logControl(ctx context.Context, d *delivery) {
	switch {
	case d.pauseCommand != nil && d.fault == nil && len(d.results) == 0:
		scope, word := throttle.Scope{OrgID: d.pauseCommand.OrgID, FlowID: d.pauseCommand.FlowID}, "resumed"
		if d.pauseCommand.Pause {
			word = "paused"
		}
		h.log.WarnContext(ctx, scope.String()+" is "+word, "reason", d.pauseCommand.Reason, "pauses", len(d.pauses))
	case d.sweep != nil:
		h.logSweep(ctx, &d.sweepResult)
	}
	if d.fault != nil {
		h.log.ErrorContext(ctx, "a delivery could not be handled", "error", d.fault.Error())
	}
}

func (h *Handler) logSweep(ctx context.Context, sweepResult *sweep.Result) {
	r := &sweepResult.Report
	attrs := []any{
		"sweepId", r.ID, "state", string(r.State), "dryRun", r.DryRun, "since", r.Since, "until", r.Until, "pages", r.Pages, "restarts", r.Restarts,
		"seen", r.Seen, "failed", r.Failed, "requested", r.Requested, "skipped", r.Skipped, "failures", len(r.Failures) + r.MoreFailures,
	}
	if r.Error != "" {
		attrs = append(attrs, "error", r.Error)
	}
	switch {
	case r.State == sweep.Refused || len(r.Failures) > 0:
		h.log.ErrorContext(ctx, "sweep "+string(r.State), attrs...)
	case r.Error != "":
		h.log.WarnContext(ctx, "sweep "+string(r.State), attrs...)
	default:
		h.log.InfoContext(ctx, "sweep "+string(r.State), attrs...)
	}
	if r.State == sweep.Continues {
		return // the dataflows come when it is finished
	}
	for id, c := range r.Flows {
		h.log.InfoContext(ctx, "sweep of a dataflow", "sweepId", r.ID, "flowId", id, "flowName", c.Name, "failed", c.Failed, "requested", c.Requested, "skipped", c.Skipped)
	}
	for _, run := range r.Runs {
		h.log.InfoContext(ctx, "a failed run would be "+run.Decision, "sweepId", r.ID, "runId", run.RunID, "flowId", run.FlowID, "flowName", run.FlowName,
			"errorCode", run.ErrorCode, "errorText", run.ErrorText, "reason", string(run.Reason), "detail", run.Detail)
	}
}
