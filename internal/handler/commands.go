package handler

import (
	"context"
	"errors"
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/dataflow"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/status"
)

// Commands does what people ask for runs; see [retry.Commands].
type Commands interface {
	Cancel(ctx context.Context, orgID string, c *event.Command) []retry.Result
	Now(ctx context.Context, orgID string, c *event.Command) []retry.Result
	Drop(ctx context.Context, orgID string, c *event.Command) []retry.Result
}

// Status says how the function is set up and whether it is alive; see [status.Reporter].
type Status interface {
	Report(ctx context.Context) status.Report
}

// Dataflows finds dataflows that people name; see [dataflow.Finder].
type Dataflows interface {
	Find(ctx context.Context, account *credentials.Account, q dataflow.Query) (dataflow.Found, error)
	Test(ctx context.Context, account *credentials.Account, q dataflow.Query) (dataflow.Connection, error)
}

// command does a command of a person. What it changes is in the delivery's results, so that
// it is logged and counted like any other; what it leaves is in the answer alone.
func (c *controller) command(ctx context.Context, d *delivery) {
	cmd := d.command
	switch cmd.Name {
	case event.ListPauses:
		pauses, err := c.throttle.Lasting(ctx)
		d.pauses, d.mistake = pauses, err
	case event.TellStatus:
		d.answer.Status = new(c.status.Report(ctx))
	case event.TestConnection:
		c.testConnection(ctx, d)
	default:
		c.commandRuns(ctx, d)
	}
}

// commandRuns does a command for runs and dead letters.
func (c *controller) commandRuns(ctx context.Context, d *delivery) {
	cmd := d.command
	do := map[string]func(context.Context, string, *event.Command) []retry.Result{
		event.CancelRuns: c.commands.Cancel, event.RunNow: c.commands.Now, event.DropLetters: c.commands.Drop,
	}[cmd.Name]
	orgID := cmd.OrgID
	if len(cmd.RunIDs) > 0 { // dead letters without a run are of no org
		account, err := c.accounts.ForOrg(ctx, cmd.OrgID)
		switch {
		case err == nil:
			orgID = account.OrgID
		case unknownOrg(err) || cmd.OrgID == "": // with one, a secret that can't be read is no hindrance
			d.mistake = fmt.Errorf("nothing was changed: %w", err)
			return
		}
	}
	all := do(ctx, orgID, cmd)
	d.answer.Results = all
	for _, r := range all {
		if changes(cmd, &r) {
			d.results = append(d.results, r)
		}
	}
	c.log.InfoContext(ctx, "a person's command: "+cmd.Name, "by", cmd.By, "reason", cmd.Reason, "orgId", orgID, "runs", len(cmd.RunIDs), "letters", len(cmd.LetterIDs), "changed", len(d.results))
}

// changes reports whether a command has changed what the result is of, or has found out what
// becomes of it.
func changes(cmd *event.Command, r *retry.Result) bool {
	switch cmd.Name {
	case event.CancelRuns:
		return r.Reason == retry.Cancelled
	case event.DropLetters:
		return r.Reason == retry.Dropped && r.RunID != ""
	}
	return r.Outcome == retry.Retriggered || r.Outcome == retry.DeadLettered && r.Reason != retry.NotWaiting || r.Outcome == retry.Skipped && r.Reason != retry.NotWaiting
}

// testConnection lets Adobe log in at the source of a dataflow.
func (c *controller) testConnection(ctx context.Context, d *delivery) {
	cmd := d.command
	account, err := c.accounts.ForOrg(ctx, cmd.OrgID)
	if err != nil {
		d.mistake = err
		return
	}
	connection, err := c.dataflows.Test(ctx, account, dataflow.Query{FlowID: cmd.FlowID, FlowName: cmd.FlowName, Sandbox: cmd.Sandbox})
	if err != nil {
		d.mistake = fmt.Errorf("whether the source accepts its credential was not found out: %w", err)
		return
	}
	d.answer.Connection = &connection
	c.log.InfoContext(ctx, "Adobe was asked to log in at the source of a dataflow, for a person", "orgId", account.OrgID, "flowId", connection.FlowID, "flowName", connection.FlowName, "connectionId", connection.ConnectionID, "accepted", connection.Accepted)
}

// unknownOrgs returns the error for requests of a person that name an org which has no secret,
// or none where one must be named. An application's event with such a request is a dead
// letter: nobody is there to be told.
func (c *controller) unknownOrgs(ctx context.Context, d *delivery) error {
	if !d.written {
		return nil
	}
	for _, item := range d.items {
		if item.Request == nil || item.Request.Source != event.FromPerson {
			continue
		}
		if _, err := c.accounts.ForOrg(ctx, item.Request.OrgID); unknownOrg(err) {
			return fmt.Errorf("run %s: nothing was done: %w", item.Request.RunID, err)
		}
	}
	return nil
}

// unknownOrg reports whether no secret is of the org that a person names, or none is named
// where one must be.
func unknownOrg(err error) bool {
	fault, ok := errors.AsType[*credentials.Error](err)
	return ok && (fault.Kind == credentials.OrgUnknown || fault.Kind == credentials.OrgMissing)
}
