package event

import (
	"encoding/base64"
	"encoding/json"
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
		{isOnFailure, []string{"requestContext", "requestPayload"}, (*decoder).onFailure},
		{has("detail-type", "source"), []string{"detail-type", "source", "detail"}, (*decoder).eventBridge},
		{has("Data", "SystemMetadata"), []string{"Data", "Metadata", "SystemMetadata"}, content("Data")},
		{has("Type", "TopicArn"), []string{"Type", "TopicArn", "Message"}, (*decoder).sns},
		{has("Records"), nil, (*decoder).records},
		{isSQSRecord, []string{"body"}, content("body")},
		{func(o object) bool { return o.isList("Messages") && o.firstOf("Messages").has("Body") }, nil, (*decoder).received},
		{has("specversion"), []string{"specversion", "type", "source", "data", "data_base64"}, (*decoder).cloudEvent},
		{isAdobes, []string{"event_id", "eventid", "event"}, (*decoder).adobeEvent},
		{func(o object) bool { return o.isList("messages") && o.firstOf("messages").has("value") }, []string{"messages"}, (*decoder).pipeline},
		{func(o object) bool {
			return o.isList("events") && (o.has("_page") || o.firstOf("events").has("position", "event"))
		}, []string{"events"}, (*decoder).journal},
		{func(o object) bool { return o.isList("items") && o.has("_links") }, []string{"items"}, (*decoder).runs},
		{func(o object) bool { return o.text("Event") == "s3:TestEvent" }, nil, func(d *decoder, o object, _ around) (bool, *Error) {
			return true, d.skip("a test event of S3", o.raw)
		}},
	}
}

func has(names ...string) func(object) bool {
	return func(o object) bool { return o.has(names...) }
}

// content opens a wrapping whose content is one field.
func content(name string) func(*decoder, object, around) (bool, *Error) {
	return func(d *decoder, o object, a around) (bool, *Error) { return true, d.unit(o.get(name), a.deeper()) }
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

// onFailure reads the payload of the failed invocation afresh, whatever brought the
// record: a queue, a bus, another function.
func (d *decoder) onFailure(o object, a around) (bool, *Error) {
	return true, d.unit(o.get("requestPayload"), around{depth: a.depth + 1})
}

// eventBridge opens EventBridge's envelope:
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html.
// Adobe does not document what it puts into detail.
func (d *decoder) eventBridge(o object, a around) (bool, *Error) {
	source, kind := o.text("source"), o.text("detail-type")
	detail := o.get("detail")
	switch {
	case kind == "Scheduled Event":
		return true, d.scheduled(o, a)
	case isAdobeName(source), strings.HasPrefix(kind, "Platform notifications"):
		a = a.from(adobe)
		a.detailType = bounded(kind, MaxID)
	case isOnFailure(parsed(detail)):
		a = a.deeper()
	case strings.HasPrefix(source, "aws."): // reserved to AWS's services
		return true, d.skip("an event of the AWS service "+excerpt([]byte(source)), nil)
	default:
		a = a.from(application)
	}
	if detail == nil {
		detail = json.RawMessage("null")
	}
	return true, d.unit(detail, a)
}

// isAdobeName reports whether a sender's name is one of Adobe's.
func isAdobeName(name string) bool { return strings.Contains(strings.ToLower(name), "adobe") }

// scheduled reads the event of a schedule: it asks for a sweep.
func (d *decoder) scheduled(o object, a around) *Error {
	// Sources that begin with "aws." are reserved to AWS; the first is of rules, the
	// second of EventBridge Scheduler.
	if source := o.text("source"); a.sender != person || source != "aws.events" && source != "aws.scheduler" {
		return d.skip("a Scheduled Event that is not of a schedule of AWS", nil)
	}
	if d.sweep != nil {
		return nil
	}
	d.others++
	d.sweep = &Sweep{}
	if id := o.text("id"); validName("id", id) == nil {
		d.sweep.ID = "schedule-" + id // a schedule may deliver its event twice
	}
	return nil
}

// cloudEvent opens a CloudEvent:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md.
func (d *decoder) cloudEvent(o object, a around) (bool, *Error) {
	kind, source := o.text("type"), o.text("source")
	if isAdobeName(kind) || isAdobeName(source) || strings.Contains(source, "aep") || strings.Contains(kind, "flow_run") {
		a = a.from(adobe)
	} else {
		a = a.from(application)
	}
	if a.eventID == "" {
		a.eventID = o.text("id")
	}
	a, fault := a.named(o)
	if fault != nil {
		return false, fault
	}
	if data := o.get("data"); data != nil && string(data) != "null" {
		return true, d.unit(data, a)
	}
	if data, err := base64.StdEncoding.DecodeString(o.text("data_base64")); err == nil && json.Valid(trimmed(data)) {
		return true, d.unit(trimmed(data), a)
	}
	if a.sender == adobe {
		return true, d.unit(json.RawMessage("null"), a)
	}
	return true, d.skip("the CloudEvent has no data", o.raw)
}

// sns opens a notification of SNS:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html.
func (d *decoder) sns(o object, a around) (bool, *Error) {
	if kind := o.text("Type"); kind != "Notification" {
		return true, d.skip("an SNS message of type "+excerpt([]byte(kind))+", not a notification", o.raw)
	}
	return true, d.body(o.text("Message"), a.deeper())
}

// body reads what was put into a text.
func (d *decoder) body(text string, a around) *Error {
	inner := trimmed([]byte(text))
	if !json.Valid(inner) && a.sender == person {
		return faultf(Unreadable, "the text in the payload is not JSON: it begins with %s", excerpt(inner))
	}
	if !json.Valid(inner) {
		return d.unexplained(nil, a)
	}
	return d.unit(inner, a)
}

// records opens the records that SNS and SQS hand to Lambda.
func (d *decoder) records(o object, a around) (bool, *Error) {
	list, fault := elements(o.get("Records"))
	if fault != nil || len(list) == 0 {
		return false, faultf(Unreadable, "\"Records\" is no list of SNS or SQS records")
	}
	a = a.deeper()
	var bodies []json.RawMessage
	for _, one := range list {
		record := parsed(one)
		switch {
		case record.isObject("Sns"):
			bodies = append(bodies, json.RawMessage(quoted(record.object("Sns").text("Message"))))
		case record.has("body"):
			bodies = append(bodies, record.get("body"))
		default:
			found, fault := d.search(record, a.deeper())
			if fault != nil {
				return false, fault
			}
			if !found {
				if fault := d.skip("a record of "+excerpt([]byte(record.text("eventSource"))), o.raw); fault != nil {
					return false, fault
				}
			}
		}
	}
	return true, d.units(bodies, a)
}

// isSQSRecord recognizes one record of SQS by itself.
func isSQSRecord(o object) bool {
	return o.has("body") && (o.text("eventSource") == "aws:sqs" || o.has("messageId", "receiptHandle"))
}

// received opens an answer of SQS's ReceiveMessage, as the AWS CLI prints it.
func (d *decoder) received(o object, a around) (bool, *Error) {
	list, _ := elements(o.get("Messages")) // it is a list
	var bodies []json.RawMessage
	for _, one := range list {
		bodies = append(bodies, json.RawMessage(quoted(parsed(one).text("Body"))))
	}
	return true, d.units(bodies, a.deeper())
}

// isAdobes recognizes what Adobe I/O Events puts around an event. The field event_id
// ends in 2026, eventid stays.
func isAdobes(o object) bool {
	return o.text("eventid") != "" || o.text("event_id") != "" || o.has("event_id", "event") || o.has("eventid", "event")
}

// adobeEvent opens an event of Adobe I/O Events. In a batch delivery the event has a
// body of its own; anything deeper is searched.
func (d *decoder) adobeEvent(o object, a around) (bool, *Error) {
	a = a.from(adobe)
	if id := o.text("eventid"); id != "" {
		a.eventID = id
	} else if id := o.text("event_id"); id != "" {
		a.eventID = id
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

// pipeline opens one element of Adobe's pipeline notifications. Each message is
// an item of its own.
func (d *decoder) pipeline(o object, a around) (bool, *Error) {
	list, _ := elements(o.get("messages")) // it is a list
	a = a.from(adobe)
	for _, one := range list {
		message := parsed(one)
		inner, fault := a.named(message)
		if fault == nil {
			value := message.get("value")
			if value == nil {
				value = json.RawMessage("null")
			}
			fault = d.unit(value, inner.deeper())
		}
		if fault == nil {
			continue
		}
		if fault.Reason == TooLarge || fault.Reason == TooDeep {
			return false, fault
		}
		if fault := d.add(Item{Err: fault, Raw: json.RawMessage(`{"messages":[` + string(one) + `]}`)}); fault != nil {
			return false, fault
		}
	}
	return true, nil
}

// journal opens a page of Adobe's Journaling API:
// https://developer.adobe.com/events/docs/guides/api/journaling_api/.
func (d *decoder) journal(o object, a around) (bool, *Error) {
	return d.entries(o, "events", a, func(entry object) json.RawMessage { return entry.get("event") })
}

// runs opens an answer of GET /runs.
func (d *decoder) runs(o object, a around) (bool, *Error) {
	return d.entries(o, "items", a, func(object) json.RawMessage { return nil })
}

// entries opens a list of Adobe's, of which each element holds its content or is it.
func (d *decoder) entries(o object, name string, a around, inside func(object) json.RawMessage) (bool, *Error) {
	list, _ := elements(o.get(name)) // it is a list
	if len(list) == 0 {
		return false, faultf(Unreadable, "%q is an empty list: there is no run in it", name)
	}
	for i, one := range list {
		if value := inside(parsed(one)); value != nil {
			list[i] = value
		}
	}
	return true, d.units(list, a.from(adobe).deeper())
}

// byHand reads {"runId":…}, {"requests":[…]}, {"sweep":{…}}, {"pause":{…}} and
// {"resume":{…}}.
func (d *decoder) byHand(o object, a around) (bool, *Error) {
	if fault := o.repeated(); fault != nil {
		return false, fault
	}
	if len(o.members) > 1 {
		for _, name := range commands()[1:] {
			if o.has(name) {
				return false, faultf(Unreadable, "%q must stand alone, without other fields", name)
			}
		}
	}
	switch command := o.members[0]; command.name {
	case "sweep":
		sweep, fault := decodeSweep(command.value)
		if fault == nil {
			d.sweep, d.others = sweep, d.others+1
		}
		return true, fault
	case "pause", "resume":
		if a.depth > 0 {
			return false, faultf(NotDirect, "a %s is taken from the payload of a direct invocation alone, so that only those who may invoke the function can stop it: invoke it with {%q:{}}", command.name, command.name)
		}
		toggle, fault := decodeSwitch(command.name, command.value)
		if fault == nil {
			d.toggle, d.others = toggle, d.others+1
		}
		return true, fault
	case "requests":
		return true, d.requests(command.value)
	default:
		request, fault := decodeRequest(o.raw)
		if fault != nil {
			return false, fault
		}
		return true, d.add(Item{Request: request, Raw: o.raw})
	}
}

// requests reads a list of requests by hand.
func (d *decoder) requests(value json.RawMessage) *Error {
	list, fault := elements(value)
	if fault != nil || list == nil {
		return wrongType("requests", "a list of requests", value)
	}
	if len(list) == 0 {
		return faultf(Unreadable, "\"requests\" is an empty list")
	}
	for _, element := range list {
		request, fault := decodeRequest(element)
		item := Item{Request: request, Err: fault, Raw: element}
		if fault != nil { // alone, the element may read as something that is no request
			item.Raw = json.RawMessage(`{"requests":[` + string(element) + `]}`)
		}
		if fault := d.add(item); fault != nil {
			return fault
		}
	}
	return nil
}
