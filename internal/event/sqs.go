package event

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// SQSRecord is one message of a batch that Lambda's event source mapping
// delivers: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html.
type SQSRecord struct {
	MessageID      string     `json:"messageId"`
	ReceiptHandle  string     `json:"receiptHandle"`
	Body           string     `json:"body"`
	Attributes     Attributes `json:"attributes"`
	EventSource    string     `json:"eventSource"`
	EventSourceARN string     `json:"eventSourceARN"`
	// MessageAttributes are the sender's, as Lambda writes them.
	MessageAttributes json.RawMessage `json:"messageAttributes"`
}

// Attributes are what SQS says of a message, by name. SQS writes all of them as texts;
// a pipe's transformer may have made numbers of them, and those are read as texts, too.
type Attributes map[string]string

// UnmarshalJSON passes over values that are neither texts nor numbers: no attribute is
// worth failing a batch for.
func (a *Attributes) UnmarshalJSON(raw []byte) error {
	*a = Attributes{}
	for _, m := range parsed(raw).members {
		if value := scalar(m.value); value != "" {
			(*a)[m.name] = value
		}
	}
	return nil
}

// read reads a record. A pipe's transformer makes an object of a body that is JSON; such
// a body is read as the text that it is written in.
func (r *SQSRecord) read(raw json.RawMessage) error {
	in := struct {
		*SQSRecord
		Body json.RawMessage `json:"body"`
	}{SQSRecord: r}
	err := json.Unmarshal(raw, &in)
	if r.Body = string(in.Body); begins(in.Body, '"') {
		r.Body = text(in.Body)
	}
	return err
}

// ReceiveCount is how often the message was received, this time included; 0
// where SQS does not say.
func (r SQSRecord) ReceiveCount() int {
	n, _ := strconv.Atoi(r.Attributes["ApproximateReceiveCount"])
	return n
}

// IsDeadLetter reports whether the message has been a dead letter of the function, as after a
// redrive: the function gives each a reason.
func (r SQSRecord) IsDeadLetter() bool { return parsed(r.MessageAttributes).has("reason") }

// LetterID is the id under which the ledger lists the dead letter that the message has been;
// empty for any other.
func (r SQSRecord) LetterID() string {
	for _, m := range parsed(r.MessageAttributes).members {
		if m.name == "letterId" {
			return bounded(attributeText(m.value), MaxID)
		}
	}
	return ""
}

// attributeText is the text of a message attribute, as Lambda writes it.
func attributeText(raw json.RawMessage) string {
	for _, m := range parsed(raw).members {
		if m.name == "stringValue" {
			return scalar(m.value)
		}
	}
	return ""
}

// SentAt is when the message was sent to its queue; zero where SQS does not say.
func (r SQSRecord) SentAt() time.Time {
	ms, err := strconv.ParseInt(r.Attributes["SentTimestamp"], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// SQSRecords reports whether the payload is an SQS batch, and returns its
// messages, none for an empty batch. Lambda's event source mapping delivers
// {"Records":[…]}, EventBridge Pipes the bare list; both read a partial batch response
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html).
// An empty list beside other fields is no batch: it would be answered as done, whatever
// the fields ask for. A batch whose messages can't be named in a partial batch response
// is an error: nothing of it must be started, since nothing could be returned.
func SQSRecords(payload []byte) ([]SQSRecord, bool, error) {
	list, is := recordList(payload)
	if !is {
		return nil, false, nil
	}
	records := make([]SQSRecord, len(list))
	for i, raw := range list {
		err := records[i].read(raw)
		switch {
		case records[i].EventSource != "aws:sqs" && i == 0:
			return nil, false, nil
		case err != nil:
			return nil, true, fmt.Errorf("SQS batch: record %d of %d: %w", i+1, len(records), err)
		case records[i].EventSource != "aws:sqs":
			return nil, true, fmt.Errorf("SQS batch: record %d of %d is not of SQS", i+1, len(records))
		case records[i].MessageID == "":
			return nil, true, fmt.Errorf("SQS batch: record %d of %d has no messageId, so it could not be returned", i+1, len(records))
		}
	}
	return records, true, nil
}

// recordList returns the elements of what may be a batch.
func recordList(payload []byte) ([]json.RawMessage, bool) {
	var list []json.RawMessage
	if begins(trimmed(payload), '[') {
		return list, json.Unmarshal(payload, &list) == nil && len(list) > 0
	}
	var fields map[string]json.RawMessage // unlike a struct's, its names are not folded
	if json.Unmarshal(payload, &fields) != nil || json.Unmarshal(fields["Records"], &list) != nil || list == nil {
		return nil, false
	}
	return list, len(list) > 0 || len(fields) == 1
}
