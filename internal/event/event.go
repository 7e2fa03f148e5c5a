// Package event turns what Lambda delivers into requests to retry runs.
//
// It is pure: bytes in, values out. [Decode] understands requests by hand,
// sweeps, and Adobe's events about dataflow runs in every shape that Adobe's
// documents show, in any nesting of the wrappings of EventBridge, SNS, SQS,
// CloudEvents, Lambda's on-failure destination and text that is itself JSON.
//
// Whether a run has failed is decided on the run's status alone: Adobe sends
// alerts about late runs and error rates under the same event code as failures,
// with ids of their own. What asks for nothing is an item with a [Skip]; what
// can't be read is an item with an [Error], so that its neighbors live, or an
// error of the whole payload.
//
// Requests by hand are read strictly (unknown, misspelled and repeated fields
// are refused by name), events leniently (unknown fields are passed over).
package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what is read.
const (
	// MaxPayload is the size in bytes of the largest payload: the largest SQS
	// message and asynchronous Lambda event are 1 MiB, an SQS batch 6 MiB, of
	// which each message is decoded by itself.
	MaxPayload = 1 << 20
	// MaxDepth is how many wrappings are opened. An event that SNS, SQS,
	// EventBridge and an on-failure destination wrapped in turn has six.
	MaxDepth = 8
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
	// Items are in the payload's order. There is at least one unless Sweep or
	// Switch is set.
	Items []Item
	// Sweep is set if the payload asks for a sweep.
	Sweep *Sweep
	// Switch is set if the payload asks to pause or to resume.
	Switch *Switch
}

// Decode reads a payload. The error is an [*Error]; it means that the payload
// as a whole can't be read.
func Decode(payload []byte) (Decoded, error) {
	if len(payload) > MaxPayload {
		return Decoded{}, faultf(TooLarge, "the payload has %d bytes, more than %d", len(payload), MaxPayload)
	}
	d := decoder{}
	if fault := d.value(bytes.TrimSpace(payload), 0, false); fault != nil {
		return Decoded{}, fault
	}
	switch {
	case d.others > 1, d.others > 0 && len(d.items) > 0:
		return Decoded{}, faultf(Unreadable, "the payload asks for more than one of a sweep, a pause, a resume and single runs: send them separately")
	case len(d.items) == 1:
		d.items[0].Raw = nil
	}
	return Decoded{Items: d.items, Sweep: d.sweep, Switch: d.toggle}, nil
}

type decoder struct {
	items  []Item
	sweep  *Sweep
	toggle *Switch
	others int // sweeps and switches
}

func (d *decoder) add(item Item) *Error {
	if len(d.items) == MaxItems {
		return faultf(TooLarge, "the payload has more than %d requests or events", MaxItems)
	}
	d.items = append(d.items, item)
	return nil
}

// skip passes over an event of somebody else's.
func (d *decoder) skip(detail string, raw json.RawMessage) *Error {
	return d.add(Item{Skip: &Skip{Reason: ForeignEvent, Detail: detail}, Raw: raw})
}

// value reads any JSON value. foreign means that it came by EventBridge or as a
// CloudEvent, where everything unknown is somebody else's event and nothing is a
// request by hand.
func (d *decoder) value(raw json.RawMessage, depth int, foreign bool) *Error {
	if depth > MaxDepth {
		return faultf(TooDeep, "the payload has more than %d wrappings", MaxDepth)
	}
	if len(raw) == 0 {
		return faultf(Unreadable, "the payload is empty")
	}
	if depth == 0 && !json.Valid(raw) {
		return faultf(Unreadable, "the payload is not JSON: it begins with %s", excerpt(raw))
	}
	switch raw[0] {
	case '{':
		return d.object(raw, depth, foreign)
	case '[':
		var elements []json.RawMessage
		if err := json.Unmarshal(raw, &elements); err != nil {
			return faultf(Unreadable, "the payload is not JSON: %v", err)
		}
		if len(elements) == 0 {
			return faultf(Unreadable, "the payload is an empty list")
		}
		return d.list(elements, depth, foreign)
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return faultf(Unreadable, "the payload is not JSON: %v", err)
		}
		return d.text(text, depth, foreign)
	default:
		return faultf(WrongType, "the payload is %s, want a JSON object such as {\"runId\":\"…\"}", literal(raw))
	}
}

// list reads elements of which each stands for itself: one that can't be read
// does not harm the others.
func (d *decoder) list(elements []json.RawMessage, depth int, foreign bool) *Error {
	for _, element := range elements {
		fault := d.value(element, depth+1, foreign)
		if fault == nil {
			continue
		}
		if fault.Reason == TooLarge || fault.Reason == TooDeep {
			return fault
		}
		if fault := d.add(Item{Err: fault, Raw: element}); fault != nil {
			return fault
		}
	}
	return nil
}

// text reads JSON that was put into a string.
func (d *decoder) text(text string, depth int, foreign bool) *Error {
	raw := bytes.TrimSpace([]byte(text))
	if !json.Valid(raw) {
		return faultf(Unreadable, "the text in the payload is not JSON: it begins with %s", excerpt(raw))
	}
	return d.value(raw, depth+1, foreign)
}

// object reads a JSON object by the keys that tell its shape.
func (d *decoder) object(raw json.RawMessage, depth int, foreign bool) *Error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return faultf(Unreadable, "the payload is not JSON: %v", err)
	}
	has := func(keys ...string) bool {
		for _, key := range keys {
			if fields[key] == nil {
				return false
			}
		}
		return true
	}
	switch {
	case !foreign && (has("runId") || has("requests") || has("sweep") || has("pause") || has("resume")):
		return d.byHand(raw)
	case has("requestContext", "requestPayload"): // Lambda's on-failure destination
		return d.value(fields["requestPayload"], depth+1, foreign)
	case has("detail-type", "source"):
		return d.eventBridge(fields, depth, foreign)
	case has("Type", "TopicArn"):
		return d.sns(fields, raw, depth, foreign)
	case has("Records"):
		return d.records(fields["Records"], raw, depth, foreign)
	case has("specversion"):
		return d.cloudEvent(fields, raw, depth)
	case has("event") && (has("event_id") || has("eventid")):
		return d.event(fields["event"], eventID(fields), depth)
	case has("messages"):
		return d.pipeline(fields["messages"], raw)
	case text(fields["Event"]) == "s3:TestEvent":
		return d.skip("a test event of S3", raw)
	}
	item, known := adobeObject(raw, fields, message{})
	switch {
	case known:
		return d.add(item)
	case foreign:
		return d.skip("the event is not about a dataflow run", raw)
	default:
		return unrecognized(fields)
	}
}

// event reads what Adobe I/O Events wraps with an event id. What is no run or
// alert may be one more wrapping.
func (d *decoder) event(raw json.RawMessage, id string, depth int) *Error {
	raw = unquoted(raw)
	if raw[0] != '{' && raw[0] != '[' {
		return d.skip("the event has no content about a dataflow run", nil)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) == nil {
		if item, known := adobeObject(raw, fields, message{eventID: id}); known {
			return d.add(item)
		}
	}
	return d.value(raw, depth+1, true)
}

// unquoted returns the JSON in a string, or else raw itself.
func unquoted(raw json.RawMessage) json.RawMessage {
	if inner := bytes.TrimSpace([]byte(text(raw))); json.Valid(inner) {
		return inner
	}
	return raw
}

// eventID returns Adobe's id of an event. The field event_id ends in 2026.
func eventID(fields map[string]json.RawMessage) string {
	if id := text(fields["eventid"]); id != "" {
		return id
	}
	return text(fields["event_id"])
}

// byHand reads {"runId":…}, {"requests":[…]}, {"sweep":{…}}, {"pause":{…}} and
// {"resume":{…}}.
func (d *decoder) byHand(raw json.RawMessage) *Error {
	list, err := members(raw)
	if err != nil {
		return err
	}
	if len(list) > 1 {
		for _, f := range list {
			if slices.Contains([]string{"requests", "sweep", "pause", "resume"}, f.name) {
				return faultf(Unreadable, "%q must stand alone, without other fields", f.name)
			}
		}
	}
	switch list[0].name {
	case "sweep":
		sweep, err := decodeSweep(list[0].value)
		if err == nil {
			d.sweep, d.others = sweep, d.others+1
		}
		return err
	case "pause", "resume":
		toggle, err := decodeSwitch(list[0].name, list[0].value)
		if err == nil {
			d.toggle, d.others = toggle, d.others+1
		}
		return err
	case "requests":
		var elements []json.RawMessage
		if json.Unmarshal(list[0].value, &elements) != nil || elements == nil {
			return wrongType("requests", "a list of requests", list[0].value)
		}
		if len(elements) == 0 {
			return faultf(Unreadable, "\"requests\" is an empty list")
		}
		for _, element := range elements {
			request, err := decodeRequest(element)
			item := Item{Request: request, Err: err, Raw: element}
			if err != nil { // alone, the element may read as something that is no request
				item.Raw = json.RawMessage(`{"requests":[` + string(element) + `]}`)
			}
			if err := d.add(item); err != nil {
				return err
			}
		}
		return nil
	default:
		request, err := decodeRequest(raw)
		if err != nil {
			return err
		}
		return d.add(Item{Request: request, Raw: raw})
	}
}

// unrecognized is the error for an object that is nothing known. A field that
// looks like a misspelled one of a request is named.
func unrecognized(fields map[string]json.RawMessage) *Error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, want := range []string{"runId", "requests", "sweep", "pause", "resume"} {
			if similar(name, want) {
				return unknownField(name, []string{want})
			}
		}
	}
	return faultf(Unrecognized, "the payload is neither a request such as {\"runId\":\"…\"} nor an event about a dataflow run; its fields are %s", strings.Join(firstKeys(fields, 8), ", "))
}

// maxExcerpt is how many bytes of input a message shows.
const maxExcerpt = 40

// excerpt quotes the beginning of input for a message.
func excerpt(raw []byte) string {
	if len(raw) > maxExcerpt {
		return fmt.Sprintf("%.*q…", maxExcerpt, string(raw[:maxExcerpt]))
	}
	return fmt.Sprintf("%q", string(raw))
}

// literal shows the beginning of a JSON value as it is written: 5 is a number, and
// "5" a text.
func literal(raw json.RawMessage) string {
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return excerpt(raw)
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return utf8.RuneError
	}, bounded(compact.String(), maxExcerpt))
	if compact.Len() > maxExcerpt {
		text += "…"
	}
	return text
}
