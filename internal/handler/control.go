package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

// controller does what is asked of the function itself: sweeps, pauses, resumes and commands.
type controller struct {
	engine      Engine
	sweeper     Sweeper
	accounts    Accounts
	throttle    Throttle
	commands    Commands
	status      Status
	dataflows   Dataflows
	requests    Requests // nil where no request queue is configured
	deadLetters *DeadLetters
	log         *slog.Logger
}

// start begins the work of control deliveries: sweeps, pauses, resumes and commands. A sweep
// takes long, and must not take the place of requests. The returned function waits for the
// end of the work.
func (c *controller) start(ctx context.Context, deliveries []delivery) (wait func()) {
	var group errgroup.Group
	for i := range deliveries {
		if d := &deliveries[i]; !d.ofItems() {
			group.Go(func() error {
				c.do(ctx, d)
				return nil
			})
		}
	}
	return func() { _ = group.Wait() } // every fault is in the delivery
}

// do does what a control delivery asks for: a sweep, a pause, a resume or a command.
func (c *controller) do(ctx context.Context, d *delivery) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		c.log.ErrorContext(ctx, "panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		d.reasons = append(d.reasons, retry.InternalError)
		if d.pauseCommand != nil || d.command != nil {
			d.fault = errors.New("the function failed; its log has the details")
			return
		}
		d.sweepResult = sweep.Result{Request: *d.sweep, Report: sweep.Report{ID: d.sweep.ID, State: sweep.Refused}}
		c.refuseSweep(ctx, d, "the function failed while it worked on this sweep; its log has the details")
	}()
	switch {
	case d.pauseCommand != nil:
		c.setPaused(ctx, d)
		return
	case d.command != nil:
		c.command(ctx, d)
		return
	}
	d.sweepResult = c.sweeper.Run(ctx, *d.sweep, d.asked)
	switch {
	case d.sweepResult.Refused != "" && d.byHand && !d.sweepResult.Request.DryRun: // who invokes it directly is told
		d.mistake = errors.New("the sweep can't be begun: " + d.sweepResult.Refused)
	case d.sweepResult.Refused != "":
		c.refuseSweep(ctx, d, d.sweepResult.Refused)
	}
}

// refuseSweep makes a dead letter of a sweep that can't be done, or not any further.
func (c *controller) refuseSweep(ctx context.Context, d *delivery, message string) {
	d.sweepResult.Again = false
	if !c.deadLetters.Sweep(ctx, d.sweepResult.Request, "", message) {
		d.reasons = append(d.reasons, retry.DeadLetterQueueUnavailable)
		d.fault = errors.New("a sweep can't be done and could not be put on the dead-letter queue: " + message)
		return
	}
	if !d.sweepResult.Request.DryRun { // of a dry run there is none: the answer says it
		d.sweepResult.GaveUp++
	}
}

// continueLater puts a sweep that is not done on the request queue. From there the sweep
// goes on as one message, which counts as one requeue.
func (c *controller) continueLater(ctx context.Context, d *delivery) {
	if !d.sweepResult.Again {
		return
	}
	rest := d.sweepResult.Request
	rest.Requeues++
	err := c.requests.SendSweep(ctx, rest, d.sweepResult.After)
	switch {
	case errors.As(err, new(*requestqueue.RefusedError)):
		c.refuseSweep(ctx, d, "it can't go on: "+err.Error())
	case err != nil:
		d.reasons = append(d.reasons, retry.QueueUnavailable)
		d.fault = fmt.Errorf("sweep %s could not be put on the request queue to go on: %w", rest.ID, err)
	default:
		d.sweepResult.Again = false
	}
}
