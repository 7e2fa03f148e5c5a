// Package event turns a payload of Lambda into requests to retry runs.
//
// It is pure: bytes in, values out. [Decode] understands requests by hand, sweeps,
// and Adobe's events about dataflow runs.
//
// # How a run is found
//
// A run is known by what it is, and not by its wrapping: an object with an id, a
// flowId and metrics.statusSummary.status. The decoder opens the wrappings that it
// knows (EventBridge, SNS, SQS, CloudEvents, Lambda's on-failure record, Adobe's
// batches, journals and listings, and text that is itself JSON). Where it knows a
// wrapping no further, it searches the object for runs, down to [MaxDepth]. It
// searches nothing inside a run: the predecessors of a run, for example, are runs
// that the event merely quotes.
//
// Whether a run has failed is decided on the run's status alone: Adobe sends alerts
// about late runs and error rates under the same event code as failures, with ids of
// their own.
//
// # What becomes of the rest
//
// An event that asks for nothing is an item with a [Skip]. Input that can't be read is
// an item with an [Error], so that its neighbors live, or an error of the whole
// payload. An event of Adobe's in which no run is found is always an error, since it
// may be a failure in a shape that Adobe has not documented. Only other senders'
// events are skipped for being about something else.
//
// Requests by hand are read strictly: the decoder refuses an unknown, misspelled or
// repeated field by its name. In events it passes over unknown fields, but a name that
// it knows must be spelled as Adobe spells it, and stand once.
package event

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Limits of what is read.
const (
	// MaxPayload is the size in bytes of the largest payload: the largest SQS
	// message and asynchronous Lambda event are 1 MiB, an SQS batch 6 MiB, of
	// which each message is decoded by itself.
	MaxPayload = 1 << 20
	// MaxDepth is how many wrappings are opened: objects, lists and texts around a
	// run. An event of a journal's page has four; SNS, SQS, EventBridge and an
	// on-failure record around that add six.
	MaxDepth = 16
	// MaxItems is how many requests and events one payload may hold: what one
	// invocation can handle or hand on before its deadline.
	MaxItems = 1000
)

// Item is one thing that a payload asks for. Exactly one of Request, Skip and
// Err is set.
type Item struct {
	Request *Request
	Skip    *Skip
	Err     *Error
	// Raw is the part of the payload that the item was read from, such that
	// Decode reads it again. It is nil where that is the whole payload.
	Raw json.RawMessage
}

// Decoded is a payload that could be read.
type Decoded struct {
	// Items are in the payload's order. There is at least one unless Sweep,
	// PauseCommand or Command is set.
	Items []Item
	// Sweep is set if the payload asks for a sweep.
	Sweep *Sweep
	// PauseCommand is set if the payload asks to pause or to resume.
	PauseCommand *PauseCommand
	// Command is set if the payload asks for something else that a person may ask for.
	Command *Command
	// ByHand means that the payload itself is what a person writes: see [Error.ByHand].
	ByHand bool
}

// byteOrderMark may stand before JSON that an editor on Windows has saved.
const byteOrderMark = "\uFEFF"

// trimmed cuts white space and a byte order mark off.
func trimmed(raw []byte) json.RawMessage {
	return bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(raw), []byte(byteOrderMark)))
}

// Decode reads a payload. The error is an [*Error]; it means that the payload
// as a whole can't be read.
func Decode(payload []byte) (Decoded, error) {
	if len(payload) > MaxPayload {
		return Decoded{}, faultf(TooLarge, "the payload has %d bytes, more than %d", len(payload), MaxPayload)
	}
	d := decoder{}
	if fault := d.unit(trimmed(payload), around{}); fault != nil {
		return Decoded{}, fault
	}
	tooDeep := faultf(TooDeep, "the payload has more than %d wrappings", MaxDepth)
	switch {
	case d.tooDeep && (d.controls > 0 || len(d.items) == 0):
		return Decoded{}, tooDeep
	case d.controls > 1, d.controls > 0 && len(d.items) > 0:
		return Decoded{}, faultf(Unreadable, "the payload asks for more than one of a sweep, a pause, a resume and single runs: send them separately")
	case len(d.items) > 1:
		if fault := hopeless(d.items); fault != nil {
			return Decoded{}, fault
		}
	case len(d.items) == 1 && d.items[0].Err != nil:
		d.tooDeep = false // the dead letter has the whole payload
	}
	if d.tooDeep { // sent again with the payload as it came, runs that were retried are not retried twice
		if fault := d.add(Item{Err: tooDeep}); fault != nil {
			return Decoded{}, fault
		}
	}
	if len(d.items) == 1 {
		d.items[0].Raw = nil
	}
	return Decoded{Items: d.items, Sweep: d.sweep, PauseCommand: d.pauseCommand, Command: d.direct, ByHand: d.asksItself}, nil
}

// hopeless returns the one error of a list of which no element can be read, and none of
// which names a run: it becomes one dead letter, as it came. Its shape is that of all the
// elements that have one.
func hopeless(items []Item) *Error {
	if len(items) == 0 || slices.ContainsFunc(items, func(i Item) bool { return i.Err == nil || i.Err.RunID != "" || i.Err.FlowID != "" }) {
		return nil
	}
	first := items[0].Err
	reason, shapes, shaped := first.Reason, map[string]bool{}, true
	for _, item := range items {
		if item.Err.Reason != reason {
			reason = Unreadable
		}
		shaped = shaped && item.Err.Shape != ""
		shapes[item.Err.Shape] = true
	}
	fault := faultf(reason, "none of the %d elements of the list can be read; the first one: %s", len(items), first.Message)
	if shaped {
		fault.Shape = bounded(strings.Join(slices.Sorted(maps.Keys(shapes)), ","), maxShape)
	}
	return fault
}

type decoder struct {
	items []Item
	// tooDeep says that a part was not searched, being deeper than [MaxDepth].
	tooDeep      bool
	sweep        *Sweep
	pauseCommand *PauseCommand
	direct       *Command // that came besides
	asksItself   bool     // the payload itself is a request, or one of these
	controls     int      // sweeps and pause commands
}

func (d *decoder) add(item Item) *Error {
	if len(d.items) == MaxItems {
		return faultf(TooLarge, "the payload has more than %d requests or events", MaxItems)
	}
	d.items = append(d.items, item)
	return nil
}

// pass passes over an event or a message of somebody else's that stands for itself. In
// an event it is a part, and the event is answered for all its parts.
func (d *decoder) pass(a around, detail string, raw json.RawMessage) (bool, *Error) {
	if a.sender != person {
		return false, nil
	}
	return true, d.skip(detail, raw)
}

// skip passes over an event of somebody else's.
func (d *decoder) skip(detail string, raw json.RawMessage) *Error {
	return d.add(Item{Skip: &Skip{Reason: ForeignEvent, Detail: detail}, Raw: raw})
}

// sender is who a part of a payload is from, as far as its wrappings tell.
type sender int

const (
	// person sends requests by hand, directly or as a message, and whatever else comes
	// without an event's envelope.
	person sender = iota
	// application publishes events of its own on EventBridge or as CloudEvents. They
	// may hold requests.
	application
	// adobe publishes events, which are never requests.
	adobe
)

// around is what the wrappings that were opened so far tell of the content.
type around struct {
	depth  int
	sender sender
	// eventID is Adobe's id of the event. Like the texts below it is short, since every
	// part that can't be read gets a copy ([around.part]).
	eventID string
	// detailType is EventBridge's.
	detailType string
	// orgs are the orgs that the wrappings name. hints are texts in other fields that have
	// the form of an org's id: they count for a run that does not name its org.
	orgs, hints []string
	// sandboxes are those that the wrappings name. They count for a run that names none.
	sandboxes []string
}

// deeper is for the content of one more wrapping.
func (a around) deeper() around {
	a.depth++
	return a
}

// from is the same for content of a sender. What is inside an event of Adobe's stays
// Adobe's.
func (a around) from(s sender) around {
	a = a.deeper()
	a.sender = max(a.sender, s)
	return a
}

// part returns the content such that it reads the same without its wrappings.
func (a around) part(raw json.RawMessage) json.RawMessage {
	if a.sender != adobe && !bytes.Contains(raw, []byte("statusSummary")) {
		return raw // a request by hand, which an object around it would hide
	}
	for _, org := range a.orgs {
		raw = json.RawMessage(`{"imsOrgId":` + quoted(org) + `,"event":` + string(raw) + `}`)
	}
	for _, hint := range a.hints {
		raw = json.RawMessage(`{"org":` + quoted(hint) + `,"event":` + string(raw) + `}`)
	}
	for _, sandbox := range a.sandboxes {
		raw = json.RawMessage(`{"sandboxName":` + quoted(sandbox) + `,"event":` + string(raw) + `}`)
	}
	if a.sender == adobe && (a.eventID != "" || a.detailType == "") {
		raw = json.RawMessage(`{"event_id":` + quoted(a.eventID) + `,"event":` + string(raw) + `}`)
	}
	if a.detailType != "" {
		raw = json.RawMessage(`{"detail-type":` + quoted(a.detailType) + `,"source":"aws.partner/developer.adobe.com","detail":` + string(raw) + `}`)
	}
	return raw
}

// quoted writes a text as JSON. It leaves <, > and & as they are: six bytes for one could
// make a part larger than the message that it came in.
func quoted(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a text always encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// unit reads a value that stands for itself: a payload, an element of a list, the
// content of a wrapping. Whatever it is, there is an answer to it.
func (d *decoder) unit(raw json.RawMessage, a around) *Error {
	switch {
	case a.depth > MaxDepth:
		d.tooDeep = true
		return nil
	case len(raw) == 0:
		return faultf(Unreadable, "the payload is empty")
	case a.depth == 0 && !json.Valid(raw):
		return faultf(Unreadable, "the payload is not JSON: it begins with %s", excerpt(raw))
	}
	switch raw[0] {
	case '{':
		found, fault := d.object(raw, a, true)
		if fault != nil || found {
			return fault
		}
		return d.unexplained(raw, a)
	case '[':
		return d.list(raw, a)
	case '"':
		inner := trimmed([]byte(text(raw)))
		switch {
		case json.Valid(inner):
			return d.unit(inner, a.deeper())
		case a.sender == person:
			return faultf(Unreadable, "the text in the payload is not JSON: it begins with %s", excerpt(inner))
		}
	}
	if a.sender == person {
		return faultf(WrongType, "the payload is %s, want a JSON object such as {\"runId\":\"…\"}", literal(raw))
	}
	return d.unexplained(raw, a)
}

// list reads elements of which each stands for itself: one that can't be read
// does not harm the others.
func (d *decoder) list(raw json.RawMessage, a around) *Error {
	elements, fault := elements(raw)
	switch {
	case fault != nil:
		return fault
	case len(elements) == 0 && a.sender == adobe:
		return d.unexplained(raw, a)
	case len(elements) == 0:
		return faultf(Unreadable, "the payload is an empty list")
	case isS3Pointer(elements):
		return storedInS3()
	}
	return d.units(elements, a.deeper())
}

// units reads values that each stand for themselves.
func (d *decoder) units(values []json.RawMessage, a around) *Error {
	for _, value := range values {
		fault := d.unit(value, a)
		if fault == nil {
			continue
		}
		if fault.Reason == TooLarge {
			return fault
		}
		if fault.Reason == NotDirect { // alone it would be taken for a direct one
			value = json.RawMessage("[" + string(value) + "]")
		}
		if fault := d.add(Item{Err: fault, Raw: a.part(value)}); fault != nil {
			return fault
		}
	}
	return nil
}

// unexplained answers a unit in which nothing was found.
func (d *decoder) unexplained(raw json.RawMessage, a around) *Error {
	switch a.sender {
	case adobe:
		return unrecognizedEvent(raw, a.detailType)
	case application:
		return d.skip("the event is not about a dataflow run", raw)
	}
	fault := unrecognized(raw)
	if fault.Reason == Unrecognized || fault.Reason == EmptyObject { // it may be anybody's
		return fault
	}
	return fault.byHand(a)
}

// object reads a JSON object by what it is. It reports whether it found anything to
// answer. A part of an object that is being searched is no unit: it can be a run or a
// wrapping, and no request by hand.
func (d *decoder) object(raw json.RawMessage, a around, unit bool) (found bool, fault *Error) {
	if d.ends(a) {
		return false, nil
	}
	o, fault := parse(raw)
	if fault != nil {
		return false, fault
	}
	if item, is := runOrAlert(o, a); is {
		if around, fault := d.aroundRun(o, item, a); around || fault != nil {
			return true, fault
		}
		return true, d.add(item)
	}
	if !unit && ownOutput(o) != nil {
		return false, nil // its runs are those that the function has told of
	}
	if unit {
		if fault := refused(o, a.sender); fault != nil {
			return false, fault
		}
		if found, fault := d.asked(o, a); found || fault != nil {
			return found, fault
		}
	}
	for _, w := range wrappings() {
		if w.is(o) {
			if fault := o.clash(w.names...); fault != nil {
				return false, fault
			}
			return w.open(d, o, a)
		}
	}
	return d.search(o, a)
}

// asked reads an object that stands for itself as what a person, or an application, asks of
// the function.
func (d *decoder) asked(o object, a around) (found bool, fault *Error) {
	switch {
	case a.sender != adobe && o.hasAny(commands()...):
		found, fault = d.byHand(o, a)
	case a.sender == person && isCommand(o):
		found, fault = true, d.command(o, a)
	}
	d.asksItself = d.asksItself || found && a.depth == 0 && a.sender == person
	return found, fault.byHand(a)
}

// aroundRun reports whether an object that looks like a run is a layer around one: it has
// a status, and lacks the id or the dataflow that the run in it has. Then the run counts; a
// run that can't be read counts unless the layer is a failed run itself.
func (d *decoder) aroundRun(o object, layer Item, a around) (bool, *Error) {
	if _, status := statusOf(o); !status || isWhole(o) || bytes.Count(o.raw, []byte("statusSummary")) < 2 {
		return false, nil
	}
	var inner decoder
	if _, fault := inner.search(o, a); fault != nil {
		return false, fault
	}
	if !slices.ContainsFunc(inner.items, func(i Item) bool {
		return i.Request != nil && i.Request.FlowID != "" || i.Err != nil && layer.Skip != nil
	}) {
		return false, nil
	}
	d.tooDeep = d.tooDeep || inner.tooDeep
	for _, item := range inner.items {
		if fault := d.add(item); fault != nil {
			return false, fault
		}
	}
	return true, nil
}

// search looks for runs in an object of an unknown shape.
func (d *decoder) search(o object, a around) (found bool, fault *Error) {
	a, fault = a.named(o)
	if fault != nil {
		return false, fault
	}
	for _, m := range o.members {
		if m.quotesRuns() {
			continue
		}
		f, fault := d.find(m.value, a.deeper())
		if fault != nil {
			return false, fault
		}
		found = found || f
	}
	return found, nil
}

// ends reports whether a search is as deep as it may be. What an application's own event
// has so deep is its own affair.
func (d *decoder) ends(a around) bool {
	if a.depth <= MaxDepth {
		return false
	}
	d.tooDeep = d.tooDeep || a.sender != application
	return true
}

// find looks for runs in a value of an unknown shape.
func (d *decoder) find(raw json.RawMessage, a around) (found bool, fault *Error) {
	switch raw[0] {
	case '{':
		found, fault = d.object(raw, a, false)
	case '[':
		return d.findIn(raw, a)
	case '"':
		inner := trimmed([]byte(text(raw)))
		if len(inner) == 0 || !strings.ContainsRune("{[\"", rune(inner[0])) || !json.Valid(inner) {
			return false, nil
		}
		// What an application says of itself in a text is its own affair, unless it hands
		// on an event of Adobe's.
		if a.sender == application && !handsOn(inner, MaxDepth) {
			return false, nil
		}
		return d.find(inner, a.deeper())
	}
	if fault == nil || fault.Reason == TooLarge {
		return found, fault
	}
	return true, d.add(Item{Err: fault, Raw: a.part(raw)})
}

// findIn looks for runs in a list.
func (d *decoder) findIn(raw json.RawMessage, a around) (found bool, fault *Error) {
	if d.ends(a) {
		return false, nil
	}
	list, fault := elements(raw)
	if fault != nil {
		return false, fault
	}
	for _, element := range list {
		f, fault := d.find(element, a.deeper())
		if fault != nil {
			return false, fault
		}
		found = found || f
	}
	return found, nil
}
