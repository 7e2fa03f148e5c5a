package handler

import (
	"context"
	"errors"
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/dataflow"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// setPaused does what a pause command asks for: it pauses or resumes. A dataflow that Adobe
// does not know is refused: what is misspelled must not go unnoticed.
func (c *controller) setPaused(ctx context.Context, d *delivery) {
	cmd := d.pauseCommand
	if *cmd != (event.PauseCommand{Pause: cmd.Pause, Reason: cmd.Reason, By: cmd.By}) && !c.scope(ctx, d) {
		return
	}
	scope := throttle.Scope{OrgID: cmd.OrgID, FlowID: cmd.FlowID}
	asked := throttle.AskedAt(ctx, d.asked)
	var err error
	if cmd.Pause {
		d.pauses, err = c.throttle.Pause(ctx, scope, throttle.Cause{Reason: cmd.Reason, By: cmd.By, FlowName: cmd.FlowName}, asked)
	} else {
		d.pauses, err = c.throttle.Resume(ctx, scope, asked)
	}
	if err != nil {
		d.fault = fmt.Errorf("nothing was paused or resumed: %w", err)
	}
}

// scope completes what a command is about: the org, the dataflow's id and its name. It
// reports false where nothing is to be paused or resumed.
func (c *controller) scope(ctx context.Context, d *delivery) bool {
	cmd := d.pauseCommand
	account, err := c.accounts.ForOrg(ctx, cmd.OrgID)
	switch {
	case unknownOrg(err):
		d.mistake = fmt.Errorf("nothing was paused or resumed: %w", err)
		return false
	case err == nil:
		cmd.OrgID = account.OrgID
	case cmd.OrgID == "": // with one, a secret that can't be read is no hindrance
		d.fault = fmt.Errorf("nothing was paused or resumed: %w", err)
		return false
	}
	if cmd.FlowID == "" && cmd.FlowName == "" || !cmd.Pause && c.isPaused(ctx, cmd) {
		return true
	}
	return c.findFlow(ctx, d, account, err)
}

// isPaused reports whether there is a pause of the dataflow that is to be resumed. Its id goes
// into the command. Adobe is not asked then: what is paused can always be resumed.
func (c *controller) isPaused(ctx context.Context, cmd *event.PauseCommand) bool {
	pauses, err := c.throttle.Lasting(ctx)
	if err != nil {
		return false
	}
	var found []string
	for _, p := range pauses {
		if p.OrgID == cmd.OrgID && p.FlowID != "" && (p.FlowID == cmd.FlowID || cmd.FlowID == "" && p.FlowName == cmd.FlowName) {
			found = append(found, p.FlowID)
		}
	}
	if len(found) != 1 {
		return false
	}
	cmd.FlowID = found[0]
	return true
}

// findFlow asks Adobe for the dataflow. If Adobe can't be asked, a dataflow that is named by
// its id is paused or resumed all the same, and the answer says that it was not checked: a
// person who stops something must not have to wait for Adobe.
func (c *controller) findFlow(ctx context.Context, d *delivery, account *credentials.Account, err error) bool {
	cmd := d.pauseCommand
	found := dataflow.Found{}
	if err == nil {
		found, err = c.dataflows.Find(ctx, account, dataflow.Query{FlowID: cmd.FlowID, FlowName: cmd.FlowName, Sandbox: cmd.Sandbox})
	}
	switch {
	case err == nil:
		cmd.FlowID, cmd.FlowName = found.ID, found.Name
	case errors.As(err, new(*dataflow.UnknownError)):
		d.mistake = fmt.Errorf("nothing was paused or resumed: %w", err)
	case cmd.FlowID == "":
		d.fault = fmt.Errorf("nothing was paused or resumed, since the dataflow's name can't be looked up; name it by its id: %w", err)
	default:
		d.answer.Message = fmt.Sprintf("whether Adobe knows dataflow %s was not checked: %v", cmd.FlowID, err)
	}
	return d.mistake == nil && d.fault == nil
}
