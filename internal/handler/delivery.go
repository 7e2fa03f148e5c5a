package handler

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

// delivery is one payload, or one message of a batch, and what became of it: of its
// items, of a sweep, or of a pause or resume.
type delivery struct {
	name    string // another one for each delivery of the same message
	payload []byte
	items   []event.Item
	results results // one for each item

	sweep        *event.Sweep
	sweepResult  sweep.Result
	pauseCommand *event.PauseCommand
	pauses       []throttle.Pause // those in force after a pause or resume
	command      *event.Command
	answer       Answer // what else the answer to a direct invocation has
	// byHand means that a person may have invoked the function directly with it. mistake is
	// what is wrong with what they ask for: the error of the call. Nothing was done then.
	byHand  bool
	written bool // the payload itself is what a person writes
	mistake error
	fault   error // why the delivery is to come again, beside the results
	// reasons are what metrics count of a delivery, beside those of its results and of
	// its sweep.
	reasons []retry.Reason

	asked time.Time // when what it asks for was asked for

	wasDeadLetter bool         // the message has been a dead letter
	letterID      string       // under which the ledger lists it; empty for none
	letter        store.Record // of the ledger's list; nil for none
	again         bool         // the message was delivered before, or has been a dead letter

	answered bool // we have decided whether the delivery's message comes again
}

// decode never fails: input that can't be read is an item of its own. The name is
// the same whenever the payload is delivered again.
func decode(payload []byte, name string) delivery {
	d := delivery{payload: payload, asked: time.Now()}
	decoded, err := event.Decode(payload)
	d.written = decoded.ByHand
	switch {
	case err != nil:
		fault, ok := errors.AsType[*event.Error](err)
		if !ok {
			fault = &event.Error{Reason: event.Unreadable, Message: err.Error()}
		}
		d.items = []event.Item{{Err: fault}}
	case decoded.Sweep != nil:
		d.sweep = decoded.Sweep
		d.sweep.ID = cmp.Or(d.sweep.ID, name)
	case decoded.PauseCommand != nil:
		d.pauseCommand = decoded.PauseCommand
	case decoded.Command != nil:
		d.command = decoded.Command
	default:
		d.items = decoded.Items
	}
	for i := range d.items {
		if req := d.items[i].Request; req != nil && req.Due.After(d.asked.Add(maxDue)) {
			d.items[i] = event.Item{Raw: d.items[i].Raw, Err: &event.Error{
				Reason: event.InvalidField, RunID: req.RunID, FlowID: req.FlowID, OrgID: req.OrgID, ByHand: true,
				Message: fmt.Sprintf("origin.due is %s, more than 14 days ahead: leave origin out, or send a dead letter's body unchanged", req.Due.Format(time.RFC3339)),
			}}
		}
	}
	d.results = make([]retry.Result, len(d.items))
	return d
}

// maxDue is how far ahead a due time may be: no message lives longer.
const maxDue = 14 * 24 * time.Hour

// onQueue refuses a pause, a resume or a command that came as a message.
//
// Rule 24: pauses come from direct invocations alone. Whoever may send to the queue may ask
// for retries; only those who may invoke the function can stop it.
func (d *delivery) onQueue() {
	word := ""
	switch {
	case d.command != nil:
		word = d.command.Name
	case d.pauseCommand == nil:
		return
	case d.pauseCommand.Pause:
		word = "pause"
	default:
		word = "resume"
	}
	d.command, d.pauseCommand, d.results = nil, nil, make([]retry.Result, 1)
	d.items = []event.Item{{Err: &event.Error{Reason: event.NotDirect, Message: fmt.Sprintf(
		"a %s is taken from a direct invocation alone, not from a queue: sam remote invoke RetriggerFunction --event '{%q:{}}'", word, word,
	)}}}
}

// httpFault returns the error for an HTTP request, and nil for any other payload. Any
// answer would reach the sender with status 200, as if the run were retried.
func (d *delivery) httpFault() error {
	if len(d.items) == 1 && d.items[0].Err != nil && d.items[0].Err.Reason == event.HTTPEvent {
		return d.items[0].Err
	}
	return nil
}

// sent tells when what the delivery asks for was sent. A clock that is ahead of ours
// must not make it wait. What has waited for more than a day counts as sent now: nobody
// expects a sweep to look at the day before it was sent, so long after.
func (d *delivery) sent(at time.Time) {
	if at.After(d.asked) {
		return
	}
	if d.asked.Sub(at) <= 24*time.Hour {
		d.asked = at
	}
	for _, item := range d.items {
		if item.Request != nil {
			item.Request.SentAt = at
		}
	}
}

// ofItems reports whether the delivery is of items, and not a sweep, a pause, a resume or a
// command.
func (d *delivery) ofItems() bool {
	return d.sweep == nil && d.pauseCommand == nil && d.command == nil
}

// misread is the first mistake in what a person has written, where the whole payload is that;
// nil for none.
func (d *delivery) misread() error {
	var first error
	n := 0
	for _, item := range d.items {
		if item.Err != nil && item.Err.ByHand {
			n++
			if first == nil {
				first = item.Err
			}
		}
	}
	if n > 1 {
		return fmt.Errorf("%w (and %d more mistakes); nothing was done", first, n-1)
	}
	return first
}

// done reports whether each item of a delivery of items has its result.
func (d *delivery) done() bool {
	return d.ofItems() && !slices.ContainsFunc(d.results, func(r retry.Result) bool { return r.Outcome == "" })
}

// neverFinished returns all requests of the delivery, since no delivery came to an end.
func (d *delivery) neverFinished() {
	for i, item := range d.items {
		if item.Request != nil {
			d.results[i] = retry.Return(*item.Request, retry.NeverFinished, "it was delivered again and again, and no delivery came to an end")
		}
	}
}

// backoff is how long the delivery's message stays invisible. One that waits for
// its due time or for the end of a pause waits exactly.
func (d *delivery) backoff(receives int) time.Duration {
	if d.sweep != nil {
		return d.sweepResult.After
	}
	if r := d.results.firstReturned(); !r.Due.IsZero() {
		return time.Until(r.Due)
	}
	return backoff(receives, d.results.retryAfter())
}

// comesAgain reports whether the delivery's message is to be delivered again.
func (d *delivery) comesAgain() bool {
	return d.results.returned() > 0 || d.fault != nil || d.sweepResult.Again
}

// requeues returns how often the function has put the delivery on the request queue.
func (d *delivery) requeues() int {
	most := 0
	for _, item := range d.items {
		if item.Request != nil {
			most = max(most, item.Request.Requeues)
		}
	}
	return most
}

// part is the payload that the item was read from. It is the whole payload where the part
// by itself is too large for a dead letter: without its wrappings, base64 for example, a
// part may be longer than the message that it came in.
func (d *delivery) part(item int) []byte {
	if raw := d.items[item].Raw; raw != nil && len(sqstext.Body(raw)) <= sqstext.MaxRequest {
		return raw
	}
	return d.payload
}
