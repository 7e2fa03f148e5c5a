package retry

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// People ends runs for people; see [ledger.People].
type People interface {
	Cancel(ctx context.Context, e ledger.Entries) (ledger.Entries, error)
	Drop(ctx context.Context, e ledger.Entries) (ledger.Entries, error)
}

// Commands does what people ask for runs that the ledger has: cancel what waits, retry it
// now, and take note of deleted dead letters. Each run has a result, in the order in which
// the command names the runs. It is safe for concurrent use.
type Commands struct {
	engine *Engine
	people People
}

// NewCommands returns the Commands of an engine.
func NewCommands(e *Engine, p People) *Commands { return &Commands{engine: e, people: p} }

// maxCommandTries is how often a run is looked at again after a conflict.
const maxCommandTries = 5

// Cancel ends the waiting of runs of an org: each becomes skipped, with the reason cancelled.
// The message that waits for it is skipped when it comes. A run that does not wait stays as it
// is, and so does one of which a call is under way or not yet searched for.
func (c *Commands) Cancel(ctx context.Context, orgID string, cmd *event.Command) []Result {
	return c.each(ctx, orgID, cmd, func(run *ledger.Run) (Result, error) {
		entries := c.entries(*run, cmd, "a person has cancelled it")
		if result, ends := c.unlessWaiting(run); ends {
			return result, nil
		}
		after, err := c.people.Cancel(ctx, entries)
		return c.ended(after.Run, Cancelled, "its message is skipped when it comes. To take it up again send a request for it"), err
	})
}

// Drop takes note that a person has deleted the dead letters of runs, and those without a run
// by their ids: each run becomes skipped, with the reason dropped, and is on the list of dead
// letters no more.
func (c *Commands) Drop(ctx context.Context, orgID string, cmd *event.Command) []Result {
	results := c.each(ctx, orgID, cmd, func(run *ledger.Run) (Result, error) {
		if run.StateAt(c.engine.Now()) != ledger.DeadLettered {
			return c.as(run, NotDeadLettered, "it is no dead letter: "+word(run.StateAt(c.engine.Now()))), nil
		}
		after, err := c.people.Drop(ctx, c.entries(*run, cmd, "a person has deleted its dead letter"))
		return c.ended(after.Run, Dropped, "its dead letter was deleted. To take the run up again send a request for it"), err
	})
	for _, id := range cmd.LetterIDs {
		results = append(results, c.dropLetter(ctx, id))
	}
	return results
}

// Now retries runs that wait as if their time had come: rules, limits, budgets, pauses and the
// dataflow's slot hold. What must go on waiting does, and its result says why.
func (c *Commands) Now(ctx context.Context, orgID string, cmd *event.Command) []Result {
	return c.each(ctx, orgID, cmd, func(run *ledger.Run) (Result, error) {
		if state := run.StateAt(c.engine.Now()); !waits(state) && state != ledger.Unconfirmed {
			result, _ := c.unlessWaiting(run)
			return result, nil
		}
		req := c.request(run, cmd)
		if !c.engine.TimeFor(ctx) {
			return Return(req, Deadline, "the invocation had no time left to start this run; it goes on waiting"), nil
		}
		return c.engine.Retry(ctx, req, Delivery{}), nil
	})
}

// request asks for a run that waits.
func (c *Commands) request(run *ledger.Run, cmd *event.Command) event.Request {
	req := event.Request{
		RunID: run.RunID, FlowID: run.FlowID, OrgID: run.OrgID, Sandbox: run.Sandbox, Reason: cmd.Reason, By: cmd.By, Now: true,
	}
	req.FirstSeen = run.FirstSeen
	return req
}

// each does one thing for each of the command's runs, as the ledger has them.
func (c *Commands) each(ctx context.Context, orgID string, cmd *event.Command, do func(run *ledger.Run) (Result, error)) []Result {
	results := make([]Result, len(cmd.RunIDs))
	for i, id := range cmd.RunIDs {
		results[i] = c.one(ctx, orgID, id, do)
	}
	return results
}

// one looks at a run and does one thing for it, again as long as others change its entry.
func (c *Commands) one(ctx context.Context, orgID, runID string, do func(run *ledger.Run) (Result, error)) (result Result) {
	none := Result{RunID: runID, OrgID: orgID}
	defer func() {
		if p := recover(); p != nil {
			c.engine.Log.ErrorContext(ctx, "panic while doing a command", "runId", runID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			result = none.returned(InternalError, "the function failed; its log has the details")
		}
	}()
	for range maxCommandTries {
		found, err := c.engine.ledger.Runs(ctx, orgID, runID)
		if err != nil {
			return none.returned(LedgerUnavailable, err.Error()+"; nothing was changed")
		}
		run, known := found[runID]
		if !known {
			return none.skipped(NotWaiting, "the ledger of org "+orgID+" knows nothing of this run")
		}
		result, err := do(&run)
		switch {
		case err == nil:
			return result
		case conflicts(err):
			continue
		}
		return none.returned(LedgerUnavailable, err.Error()+"; nothing was changed")
	}
	return none.returned(LedgerBusy, "other deliveries keep changing the ledger's entry of this run; nothing was changed")
}

// entries are those of a run, with who asks and why.
func (c *Commands) entries(run ledger.Run, cmd *event.Command, detail string) ledger.Entries {
	e := ledger.Entries{Run: run}
	e.Because(ledger.Decision{Detail: detail, By: cmd.By, Why: cmd.Reason})
	return e
}

// waits reports whether a run in this state only waits.
func waits(s ledger.State) bool {
	return s == ledger.Deferred || s == ledger.Returned || s == ledger.Searched || s == ledger.CannotTell
}

// unlessWaiting is the result of a command for a run that does not only wait.
func (c *Commands) unlessWaiting(run *ledger.Run) (result Result, ends bool) {
	switch state := run.StateAt(c.engine.Now()); {
	case waits(state):
		return Result{}, false
	case state == ledger.InFlight:
		return c.as(run, InProgress, "a re-trigger of it is under way: what it does can't be undone. Nothing was changed"), true
	case state == ledger.Reserved:
		return c.as(run, InProgress, "a delivery is writing it to a queue: ask again in a minute. Nothing was changed"), true
	case state == ledger.Unconfirmed:
		return c.as(run, OutcomeUnknown, "a re-trigger of it got no answer, and whether it has made a run is yet to be found out: ask again when that is known. Nothing was changed"), true
	default:
		return c.as(run, NotWaiting, "it does not wait: "+word(state)), true
	}
}

// word says what became of a run.
func word(s ledger.State) string {
	switch s {
	case ledger.Made:
		return "a re-trigger made it, and nothing of its end is known"
	case ledger.Retriggered:
		return "it was re-triggered"
	case ledger.Succeeded:
		return "it has succeeded"
	case ledger.DeadLettered:
		return "it is a dead letter, which a request for it takes up again"
	case ledger.Skipped:
		return "it is skipped, and a request for it takes it up again"
	}
	return "its state is " + string(s)
}

// as is the result of a command that changes nothing: what the ledger has of the run.
func (c *Commands) as(run *ledger.Run, reason Reason, message string) Result {
	outcome := Skipped
	switch run.StateAt(c.engine.Now()) {
	case ledger.Retriggered:
		outcome = Retriggered
	case ledger.DeadLettered:
		outcome = DeadLettered
	case ledger.Deferred:
		outcome = Deferred
	case ledger.Returned, ledger.Searched, ledger.CannotTell, ledger.InFlight, ledger.Unconfirmed, ledger.Reserved:
		outcome = Returned
	}
	result := c.ended(*run, reason, message)
	result.Outcome, result.NewRunID = outcome, run.Successor
	if run.Reason != "" && reason == NotWaiting {
		result.Message += " (" + run.Reason + ")"
	}
	return result
}

// ended is the result of a run that a person has ended.
func (c *Commands) ended(run ledger.Run, reason Reason, message string) Result {
	result := Result{
		RunID: run.RunID, FlowID: run.FlowID, FlowName: run.FlowName, ErrorCode: run.ErrorCode, ErrorText: run.ErrorText, Root: run.Root, Parent: run.Parent,
		Attempt: run.Used(), WindowStart: run.Window.Start, WindowEnd: run.Window.End, Sandbox: run.Sandbox, OrgID: run.OrgID,
	}
	return result.skipped(reason, message)
}

// dropLetter takes a dead letter without a run off the list.
func (c *Commands) dropLetter(ctx context.Context, id string) Result {
	result := Result{LetterID: id}
	found, err := c.engine.ledger.Read(ctx, ledger.LetterKey(id))
	record := found[ledger.LetterKey(id)]
	switch {
	case err == nil && record == nil:
		return result.skipped(NotDeadLettered, "no dead letter with this id is on the ledger's list")
	case err == nil:
		err = ledger.DropLetter(ctx, c.engine.budgets.table, record)
	}
	if err != nil {
		return result.returned(LedgerUnavailable, err.Error()+"; nothing was changed")
	}
	return result.skipped(Dropped, "it is on the list of dead letters no more: "+record["error"])
}
