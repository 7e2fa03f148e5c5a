package event

import (
	"encoding/base64"
	"encoding/json"
)

// eventBridge opens EventBridge's envelope:
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html.
// What Adobe puts into detail is not documented, so every known shape is tried.
func (d *decoder) eventBridge(fields map[string]json.RawMessage, depth int, foreign bool) *Error {
	if text(fields["detail-type"]) == "Scheduled Event" {
		// Sources that begin with "aws." are reserved to AWS; the first is of
		// rules, the second of EventBridge Scheduler.
		if source := text(fields["source"]); foreign || source != "aws.events" && source != "aws.scheduler" {
			return d.skip("a Scheduled Event that is not of a schedule of AWS", nil)
		}
		if d.sweep == nil {
			d.others++
			d.sweep = &Sweep{}
			if id := text(fields["id"]); validName("id", id) == nil {
				d.sweep.ID = "schedule-" + id // a schedule may deliver its event twice
			}
		}
		return nil
	}
	detail := fields["detail"]
	if len(detail) == 0 || detail[0] != '{' && detail[0] != '[' && detail[0] != '"' {
		return d.skip("the event has no detail", nil)
	}
	return d.value(detail, depth+1, true)
}

// cloudEvent opens a CloudEvent:
// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md.
func (d *decoder) cloudEvent(fields map[string]json.RawMessage, raw json.RawMessage, depth int) *Error {
	if data := fields["data"]; len(data) > 0 && (data[0] == '{' || data[0] == '[') {
		return d.event(data, text(fields["id"]), depth)
	}
	if data := text(fields["data"]); data != "" {
		return d.text(data, depth, true)
	}
	if data, err := base64.StdEncoding.DecodeString(text(fields["data_base64"])); err == nil && len(data) > 0 {
		return d.text(string(data), depth, true)
	}
	return d.skip("the CloudEvent has no data", raw)
}

// sns opens a notification of SNS:
// https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html.
func (d *decoder) sns(fields map[string]json.RawMessage, raw json.RawMessage, depth int, foreign bool) *Error {
	if kind := text(fields["Type"]); kind != "Notification" {
		return d.skip("an SNS message of type "+excerpt([]byte(kind))+", not a notification", raw)
	}
	return d.text(text(fields["Message"]), depth, foreign)
}

// records opens the records that SNS and SQS hand to Lambda.
func (d *decoder) records(list, raw json.RawMessage, depth int, foreign bool) *Error {
	var records []struct {
		SNS *struct {
			Message string `json:"Message"`
		} `json:"Sns"`
		EventSource string  `json:"eventSource"`
		Body        *string `json:"body"`
	}
	if err := json.Unmarshal(list, &records); err != nil || len(records) == 0 {
		return faultf(Unreadable, "\"Records\" is no list of SNS or SQS records")
	}
	var inner []json.RawMessage
	for _, record := range records {
		var body string
		switch {
		case record.SNS != nil:
			body = record.SNS.Message
		case record.Body != nil:
			body = *record.Body
		default:
			if err := d.skip("a record of "+excerpt([]byte(record.EventSource)), raw); err != nil {
				return err
			}
			continue
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			return faultf(Unreadable, "\"Records\": %v", err)
		}
		inner = append(inner, encoded)
	}
	return d.list(inner, depth, foreign)
}

// pipeline opens one element of Adobe's pipeline notifications. Each message is
// an item of its own.
func (d *decoder) pipeline(list, raw json.RawMessage) *Error {
	var messages []json.RawMessage
	if json.Unmarshal(list, &messages) != nil || len(messages) == 0 {
		return d.skip("\"messages\" holds no notification", raw)
	}
	for _, one := range messages {
		var m struct {
			OrgID lenient         `json:"imsOrgId"`
			Value json.RawMessage `json:"value"`
		}
		_ = json.Unmarshal(one, &m)
		value := unquoted(m.Value)
		var fields map[string]json.RawMessage
		_ = json.Unmarshal(value, &fields)
		item, known := Item{}, false
		if fields != nil {
			item, known = adobeObject(value, fields, message{orgID: string(m.OrgID)})
		}
		if !known {
			item = Item{Skip: &Skip{Reason: ForeignEvent, OrgID: short(m.OrgID), Detail: "the notification is not about a dataflow run"}}
		}
		item.Raw = json.RawMessage(`{"messages":[` + string(one) + `]}`) // with the org that stands around the run
		if err := d.add(item); err != nil {
			return err
		}
	}
	return nil
}
