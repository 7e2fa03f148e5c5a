package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
)

// wrapping is one known shape around events and requests.
type wrapping struct {
	is func(object) bool
	// names are those that must stand once, in one spelling.
	names []string
	// open reads the content. It reports whether there was anything to answer.
	open func(*decoder, object, around) (bool, *Error)
}

// wrappings are tried in their order; the first that the object is counts.
func wrappings() []wrapping {
	return []wrapping{
		{isNotice, []string{"detail-type", "source"}, passNotice},
		{isOnFailure, []string{"requestContext", "requestPayload"}, openOnFailure},
		{isEventBridges, []string{"detail-type", "source", "detail"}, openEventBridge},
		{has("Data", "SystemMetadata"), []string{"Data", "Metadata", "SystemMetadata"}, content("Data")},
		{has("Type", "TopicArn"), []string{"Type", "TopicArn", "Message"}, openSNS},
		{has("Records"), nil, openRecords},
		{isSQSRecord, []string{"body"}, content("body")},
		{func(o object) bool { return o.isList("Messages") && o.firstOf("Messages").has("Body") }, nil, openReceived},
		{has("specversion"), []string{"specversion", "type", "source", "data", "data_base64"}, openCloudEvent},
		{isAdobes, []string{"event_id", "eventid", "event"}, openAdobeEvent},
		{isPipelines, []string{"messages"}, openPipeline},
		{func(o object) bool {
			return o.isList("events") && (o.has("_page") || o.firstOf("events").has("position", "event"))
		}, []string{"events"}, openJournal},
		{func(o object) bool { return o.isList("items") && o.has("_links") }, []string{"items"}, openRuns},
		{func(o object) bool { return o.text("Event") == "s3:TestEvent" }, nil, func(d *decoder, o object, a around) (bool, *Error) {
			if found, fault := d.search(o, a); found || fault != nil {
				return found, fault
			}
			return d.pass(a, "a test event of S3", o.raw)
		}},
	}
}

func has(names ...string) func(object) bool {
	return func(o object) bool { return o.has(names...) }
}

// content opens a wrapping whose content is one field.
func content(name string) func(*decoder, object, around) (bool, *Error) {
	return func(d *decoder, o object, a around) (bool, *Error) {
		return d.inside(o, a, a.deeper(), name, func(inner around) *Error { return d.unit(o.get(name), inner) })
	}
}

// inside reads the content of a wrapping, which is one of its fields, and looks for runs
// in the others. The content is inside of inner, the wrapping inside of outer. Where the
// field is missing, the wrapping is searched; read is asked only if there is no run.
func (d *decoder) inside(o object, outer, inner around, content string, read func(around) *Error) (bool, *Error) {
	inner, fault := inner.named(o, content)
	if fault != nil {
		return false, fault
	}
	if o.has(content) {
		fault = read(inner)
	}
	if fault != nil && fault.Reason == TooLarge {
		return false, fault
	}
	found, rest, bad := d.beside(o, inner, content)
	switch {
	case bad != nil:
		return false, bad
	case !found && !o.has(content):
		return true, read(inner)
	case !found:
		return true, fault
	case fault == nil, fault.Shape != "": // the event does hold a run
		return true, nil
	default:
		return true, d.add(Item{Err: fault, Raw: outer.part(rest)})
	}
}

// beside looks for runs in the fields of a wrapping beside its content. The rest is the
// wrapping without the fields that have some.
func (d *decoder) beside(o object, a around, content string) (found bool, rest json.RawMessage, fault *Error) {
	var fields []string
	for _, m := range o.members {
		f := false
		if m.name != content && !m.quotesRuns() {
			if f, fault = d.find(m.value, a); fault != nil {
				return false, nil, fault
			}
		}
		if found = found || f; !f {
			fields = append(fields, quoted(m.name)+":"+string(m.value))
		}
	}
	return found, json.RawMessage("{" + strings.Join(fields, ",") + "}"), nil
}

// firstOf returns the first element of a list; an empty object where there is none.
func (o object) firstOf(name string) object {
	list, fault := elements(o.get(name))
	if fault != nil || len(list) == 0 {
		return object{}
	}
	return parsed(list[0])
}

// isOnFailure recognizes the record that Lambda sends to a destination:
// https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html.
func isOnFailure(o object) bool {
	return o.has("requestPayload") && o.isObject("requestContext")
}

// openOnFailure reads the payload of the failed invocation afresh, whatever brought the
// record: a queue, a bus, another function; only the orgs and sandboxes that were named
// around it still count. Lambda sends the same record about a success
// to the on-success destination. If that is of this function, its answer is in the
// record; to do the same once more would never end.
func openOnFailure(d *decoder, o object, a around) (bool, *Error) {
	if fault := ownOutput(o.object("responsePayload")); fault != nil {
		return false, fault
	}
	a, fault := a.named(o, "requestPayload", "responsePayload")
	if fault != nil {
		return false, fault
	}
	a.sender, a.eventID, a.detailType = person, "", ""
	return true, d.unit(o.get("requestPayload"), a.deeper())
}

// isEventBridges recognizes EventBridge's envelope, and what a rule's input transformer
// leaves of Adobe's.
func isEventBridges(o object) bool {
	return o.has("detail-type", "source") || isAdobesEnvelope(o)
}

// isAdobesEnvelope recognizes EventBridge's envelope around an event of Adobe's.
func isAdobesEnvelope(o object) bool {
	return strings.HasPrefix(o.text("source"), "aws.partner/developer.adobe.com") || isAdobesKind(o.text("detail-type"))
}

// isAdobesKind recognizes Adobe's detail-type, "<provider>:<event code>".
func isAdobesKind(kind string) bool { return strings.HasPrefix(kind, "Platform notifications") }

// openEventBridge opens EventBridge's envelope:
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html.
// Adobe does not document what it puts into detail.
func openEventBridge(d *decoder, o object, a around) (bool, *Error) {
	source, kind, outer := o.text("source"), o.text("detail-type"), a
	detail := o.get("detail")
	// The names of an application may have Adobe's in them.
	asks := !isAdobesEnvelope(o) && parsed(detail).hasAny(commands()...)
	switch {
	case kind == "Scheduled Event" && (source == "aws.events" || source == "aws.scheduler"):
		return openScheduled(d, o, a)
	case isAdobeName(source) && !asks, isAdobesKind(kind):
		a = a.from(adobe)
		a.detailType = bounded(kind, MaxID)
	case isOnFailure(parsed(detail)):
		a = a.deeper()
	case strings.HasPrefix(source, "aws.") && !strings.HasPrefix(source, "aws.partner/"): // reserved to AWS's services
		return d.pass(a, "an event of the AWS service "+excerpt([]byte(source)), nil)
	default:
		a = a.from(application)
	}
	return d.inside(o, outer, a, "detail", func(a around) *Error { return d.unit(orNull(detail), a) })
}

// isAdobeName reports whether a sender's name is one of Adobe's.
func isAdobeName(name string) bool { return strings.Contains(strings.ToLower(name), "adobe") }

// openScheduled reads the event of a schedule: it asks for a sweep. Sources that begin with
// "aws." are reserved to AWS; aws.events is of rules, aws.scheduler of EventBridge
// Scheduler. In another's event it is a part, and asks for nothing.
func openScheduled(d *decoder, o object, a around) (bool, *Error) {
	if a.sender != person {
		return false, nil
	}
	if d.sweep != nil && strings.HasPrefix(d.sweep.ID, ScheduledSweep) {
		return true, nil // a list with two of them asks for one sweep
	}
	d.controls++
	d.sweep = &Sweep{}
	id := o.text("id")
	if whole := ScheduledSweep + id; id != "" && validName("id", whole) == nil && !isPlaceholder(whole) { // as the sweep's own message has it
		d.sweep.ID = whole // a schedule may deliver its event twice
	}
	return true, nil
}

// orNull is the value, and null where there is none.
func orNull(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("null")
	}
	return raw
}

// isAdobesCloudEvent recognizes a CloudEvent of Adobe's by its type and source.
func isAdobesCloudEvent(o object) bool {
	kind, source := o.text("type"), o.text("source")
	return o.has("specversion") && (isAdobeName(kind) || isAdobeName(source) || strings.Contains(source, "aep") || strings.Contains(kind, "flow_run"))
}

// handsOn reports whether there is an event of Adobe's in a value, not deeper than depth.
func handsOn(raw json.RawMessage, depth int) bool {
	switch {
	case depth == 0 || len(raw) == 0:
		return false
	case raw[0] == '{':
		o := parsed(raw)
		return isAdobes(o) || isAdobesEnvelope(o) || isAdobesCloudEvent(o) || isPipelines(o) ||
			slices.ContainsFunc(o.members, func(m member) bool { return handsOn(m.value, depth-1) })
	case raw[0] == '[':
		list, _ := elements(raw) // it is a list
		return slices.ContainsFunc(list, func(one json.RawMessage) bool { return handsOn(one, depth-1) })
	case raw[0] == '"' && bytes.IndexByte(raw, '{') > 0:
		inner := trimmed([]byte(text(raw)))
		return json.Valid(inner) && handsOn(inner, depth-1)
	default:
		return false
	}
}

// openCloudEvent opens a CloudEvent:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md.
func openCloudEvent(d *decoder, o object, a around) (bool, *Error) {
	outer := a
	if isAdobes(o) || isAdobesCloudEvent(o) {
		a = a.from(adobe)
	} else {
		a = a.from(application)
	}
	if a.eventID == "" {
		a.eventID = short(o.text("id"))
	}
	field := "data"
	if value := o.get(field); value == nil || string(value) == "null" {
		field = "data_base64"
	}
	return d.inside(o, outer, a, field, func(a around) *Error {
		data := o.get(field)
		if field == "data_base64" {
			decoded, err := base64.StdEncoding.DecodeString(text(data))
			if data = trimmed(decoded); err != nil || !json.Valid(data) {
				data = json.RawMessage("null")
			}
		}
		return d.unit(data, a)
	})
}

// openSNS opens a notification of SNS:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html.
func openSNS(d *decoder, o object, a around) (bool, *Error) {
	if kind := o.text("Type"); kind != "Notification" {
		if found, fault := d.search(o, a); found || fault != nil {
			return found, fault
		}
		return d.pass(a, "an SNS message of type "+excerpt([]byte(kind))+", not a notification", o.raw)
	}
	message := orNull(o.get("Message"))
	if !begins(message, '"') { // a transformer has made an object of it; a text is one wrapping more
		a = a.deeper()
	}
	inner, fault := a.named(o, "Message", "MessageAttributes")
	if fault != nil {
		return false, fault
	}
	return true, d.unit(message, inner)
}

// openRecords opens the records that SNS and SQS hand to Lambda.
func openRecords(d *decoder, o object, a around) (found bool, fault *Error) {
	list, fault := elements(o.get("Records"))
	if fault != nil || len(list) == 0 {
		if found, fault = d.search(o, a); fault == nil && !found && a.sender == person {
			fault = faultf(Unreadable, "\"Records\" is no list of SNS or SQS records")
		}
		return found, fault
	}
	if a, fault = a.deeper().named(o, "Records"); fault != nil {
		return false, fault
	}
	var bodies []json.RawMessage
	for _, one := range list {
		record := parsed(one)
		if body := bodyOf(record); body != nil {
			bodies = append(bodies, body)
		} else {
			f, fault := openOtherRecord(d, record, o, a)
			if found = found || f; fault != nil {
				return false, fault
			}
		}
	}
	if fault := d.units(bodies, a); fault != nil {
		return false, fault
	}
	f, _, fault := d.beside(o, a, "Records")
	return found || f || len(bodies) > 0, fault
}

// openOtherRecord looks for runs in a record that is not of SNS, SQS or Kinesis.
func openOtherRecord(d *decoder, record, records object, a around) (bool, *Error) {
	if found, fault := d.search(record, a.deeper()); found || fault != nil {
		return found, fault
	}
	return d.pass(a, "a record of "+excerpt([]byte(record.text("eventSource"))), records.raw)
}

// bodyOf is what a record of SNS, SQS or Kinesis carries; nil for any other record.
func bodyOf(record object) json.RawMessage {
	switch {
	case record.isObject("Sns"):
		return orNull(record.object("Sns").get("Message"))
	case record.has("body"):
		return record.get("body")
	}
	return streamed(record)
}

// streamed is the JSON in a record of a Kinesis stream; nil where there is none.
func streamed(record object) json.RawMessage {
	data, err := base64.StdEncoding.DecodeString(record.object("kinesis").text("data"))
	if data = trimmed(data); err != nil || !json.Valid(data) {
		return nil
	}
	return data
}

// isSQSRecord recognizes one record of SQS by itself.
func isSQSRecord(o object) bool {
	return o.has("body") && (o.text("eventSource") == "aws:sqs" || o.has("messageId", "receiptHandle"))
}

// openReceived opens an answer of SQS's ReceiveMessage, as the AWS CLI prints it.
func openReceived(d *decoder, o object, a around) (bool, *Error) {
	list, _ := elements(o.get("Messages")) // it is a list
	var bodies []json.RawMessage
	for _, one := range list {
		bodies = append(bodies, orNull(parsed(one).get("Body")))
	}
	return d.inside(o, a, a.deeper(), "Messages", func(inner around) *Error { return d.units(bodies, inner) })
}

// isAdobes recognizes what Adobe I/O Events puts around an event, or into its header. The
// field event_id ends in 2026, eventid stays.
func isAdobes(o object) bool {
	return o.text("eventid") != "" || o.text("event_id") != "" || o.has("event_id", "event") || o.has("eventid", "event") || o.object("header").has("_adobeio")
}

// openAdobeEvent opens an event of Adobe I/O Events. In a batch delivery the event has a
// body of its own; anything deeper is searched.
func openAdobeEvent(d *decoder, o object, a around) (bool, *Error) {
	a = a.from(adobe)
	if id := o.text("eventid"); id != "" {
		a.eventID = short(id)
	} else if id := o.text("event_id"); id != "" {
		a.eventID = short(id)
	}
	if found, fault := d.search(o, a); fault != nil || found {
		return found, fault
	}
	content := o.get("event")
	if content == nil {
		content = o.raw
	}
	return true, unrecognizedEvent(content, a.detailType)
}

// isPipelines recognizes one element of Adobe's pipeline notifications.
func isPipelines(o object) bool { return o.isList("messages") && o.firstOf("messages").has("value") }

// openPipeline opens one element of Adobe's pipeline notifications. Each message is
// an item of its own.
func openPipeline(d *decoder, o object, a around) (bool, *Error) {
	list, _ := elements(o.get("messages")) // it is a list
	return d.inside(o, a, a.from(adobe), "messages", func(inner around) *Error {
		for _, one := range list {
			fault := openMessage(d, parsed(one), inner.deeper())
			if fault == nil {
				continue
			}
			if fault.Reason == TooLarge {
				return fault
			}
			if fault := d.add(Item{Err: fault, Raw: inner.part(json.RawMessage(`{"messages":[` + string(one) + `]}`))}); fault != nil {
				return fault
			}
		}
		return nil
	})
}

// openMessage reads one message of a pipeline notification.
func openMessage(d *decoder, o object, a around) *Error {
	_, fault := d.inside(o, a, a, "value", func(inner around) *Error { return d.unit(orNull(o.get("value")), inner) })
	return fault
}

// openJournal opens a page of Adobe's Journaling API:
// https://developer.adobe.com/events/docs/guides/api/journaling_api/.
func openJournal(d *decoder, o object, a around) (bool, *Error) {
	return openEntries(d, o, "events", "event", a)
}

// openRuns opens an answer of GET /runs.
func openRuns(d *decoder, o object, a around) (bool, *Error) {
	return openEntries(d, o, "items", "", a)
}

// openEntries opens a list of Adobe's, which is the field called name. An element has its
// event in the field called content, or is the event itself: where it lacks that field,
// and where content is empty.
func openEntries(d *decoder, o object, name, content string, a around) (bool, *Error) {
	list, _ := elements(o.get(name)) // it is a list
	if len(list) == 0 {
		found, fault := d.search(o, a)
		if fault == nil && !found && a.sender == person {
			fault = faultf(Unreadable, "%q is an empty list: there is no run in it", name)
		}
		return found, fault
	}
	return d.inside(o, a, a.from(adobe).deeper(), name, func(inner around) *Error {
		for _, one := range list {
			entry, at, fault := parsed(one), inner, (*Error)(nil)
			if content != "" && entry.has(content) {
				if at, fault = inner.named(entry, content); fault == nil {
					one = entry.get(content)
				}
			}
			if fault := d.units([]json.RawMessage{one}, at); fault != nil {
				return fault
			}
		}
		return nil
	})
}
