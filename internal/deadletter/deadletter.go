// Package deadletter writes dead letters: requests that can't be retried, on an
// SQS queue, in the form in which they can be sent again.
//
// The message body is the request itself, so a redrive (SQS's
// StartMessageMoveTask) or a copy of the body to the request queue repeats it.
// Input that can't be read as requests is kept as it came. The message
// attributes say why the message is there; they are for people and filters and
// are not read back. SQS allows ten, which is why the error's text is in the
// body (origin.error) where there is a request, and in an attribute where there
// is none.
//
// A dead letter fits into a message of SQS, attributes included, and it fits onto the request
// queue, so that a redrive can move it there. Where the body leaves no room for all
// attributes, some are left out ([fit]); the reason never is. Nothing of a body is cut:
// a payload that is itself too large is a [*TooLargeError], and its sender keeps it.
package deadletter

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
)

// Names of the message attributes. All are of type String but for HTTPStatus
// and Attempts, which are of type Number. One without a value is left out.
const (
	AttributeReason         = "reason"
	AttributeCode           = "code"           // Adobe's error code
	AttributeHTTPStatus     = "httpStatus"     // of Adobe's answer
	AttributeAdobeRequestID = "adobeRequestId" // for Adobe's support
	AttributeRunID          = "runId"
	AttributeFlowID         = "flowId"
	AttributeSandbox        = "sandbox"
	AttributeAttempts       = "attempts"
	AttributeFirstTime      = "firstTime" // RFC 3339, UTC
	AttributeLastTime       = "lastTime"  // RFC 3339, UTC
	AttributeError          = "error"     // of input that can't be read
	// AttributeLetterID is the id under which the ledger lists a dead letter that the entry
	// of no run tells of. It stands in place of [AttributeFirstTime].
	AttributeLetterID = "letterId"
)

// maxError is how many bytes of [Message.Detail] the body of a request holds: as many as
// are read back from it.
const maxError = 4096

// SQS is the part of the AWS client that a Queue uses.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Message is one dead letter.
type Message struct {
	// Request is what can be sent again. Its Attempts, FirstSeen and LastError
	// are written as they are.
	Request event.Request
	// Payload is what could not be read as requests, or asks for something else than a
	// retry, to be kept as it is; where it is not
	// nil, Request is ignored.
	Payload []byte
	// Reason is the one word why the request is here.
	Reason string
	// Detail is the error in a sentence.
	Detail string
	// Code, HTTPStatus and AdobeRequestID are from Adobe's answer, if there was
	// one.
	Code           string
	HTTPStatus     int
	AdobeRequestID string
	// LetterID is for a dead letter that the entry of no run tells of; empty for the others.
	LetterID string
	// FirstTime is when the request was first seen, LastTime when it was given
	// up.
	FirstTime, LastTime time.Time
}

// Queue sends dead letters to one SQS queue.
type Queue struct {
	sqs SQS
	url string
}

// NewQueue returns the Queue with the given URL.
func NewQueue(client SQS, url string) *Queue { return &Queue{sqs: client, url: url} }

// TooLargeError is a payload that is too large for a dead letter. Only a direct
// invocation can have one (Lambda takes 6 MB), since every message of the request queue
// is smaller. The caller answers the invocation with an error, so that the sender keeps
// the payload.
type TooLargeError struct {
	// Bytes is the size of the dead letter's body, Most what a body may have.
	Bytes, Most int
}

// Error says how much is too much, and what the sender can do.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the payload is too large for a dead letter (%d bytes), so it was not kept: send it in parts of at most %d bytes", e.Bytes, e.Most)
}

// Send writes the dead letter. When Send returns nil the dead letter is durable; otherwise
// the request's message must not be deleted. The error is a [*TooLargeError] where no
// later try can succeed.
func (q *Queue) Send(ctx context.Context, m Message) error {
	body, err := m.body()
	if err != nil {
		return fmt.Errorf("dead letter of run %q: %w", m.Request.RunID, err)
	}
	if len(body) > sqstext.MaxRequest {
		return &TooLargeError{Bytes: len(body), Most: sqstext.MaxRequest}
	}
	attributes := m.attributes()
	fit(body, attributes)
	_, err = q.sqs.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: &body, MessageAttributes: attributes,
	})
	if err != nil {
		return fmt.Errorf("dead letter of run %q (%s): send message: %w", m.Request.RunID, m.Reason, err)
	}
	return nil
}

// Text is the body of the dead letter; empty where it can't be written.
func (m *Message) Text() string {
	body, _ := m.body() // Send tells of the error
	return body
}

func (m *Message) body() (string, error) {
	if m.Payload != nil {
		return sqstext.Body(m.Payload), nil
	}
	r := m.Request
	r.FirstSeen, r.LastError = m.FirstTime, sqstext.Cut(m.Detail, maxError)
	for _, at := range []*time.Time{&r.FailedAt, &r.FirstSeen, &r.CreatedAt, &r.Due} {
		if year := at.UTC().Year(); year < 0 || year > 9999 { // JSON has no such time, and the dead letter must be written
			*at = time.Time{}
		}
	}
	body, err := json.Marshal(r)
	return sqstext.JSON(body), err
}

// leastError is the shortest beginning of an error's text that is worth an attribute.
const leastError = 64

// fit leaves out attributes until body and attributes are no more than a message of the
// request queue may be, to which a redrive moves them. The order goes from the least
// useful to the most; the error's text is shortened before it is left out. The reason
// stays. A body that leaves no room even for the reason comes within 50 bytes of the
// request queue's limit: such a dead letter has its attributes, fits the dead-letter queue,
// and is sent again by copying its body.
func fit(body string, attributes map[string]types.MessageAttributeValue) {
	if len(body)+sqstext.AttributeSize(AttributeReason, attributes[AttributeReason]) > sqstext.MaxRequest {
		return
	}
	for _, name := range []string{
		AttributeFirstTime, AttributeLastTime, AttributeAttempts, AttributeHTTPStatus, AttributeAdobeRequestID,
		AttributeSandbox, AttributeFlowID, AttributeRunID, AttributeCode, AttributeError, AttributeLetterID,
	} {
		over := sqstext.Size(body, attributes) - sqstext.MaxRequest
		if over <= 0 {
			return
		}
		value, there := attributes[name]
		switch {
		case !there:
		case name == AttributeError && len(*value.StringValue)-over >= leastError:
			value.StringValue = new(sqstext.Cut(*value.StringValue, len(*value.StringValue)-over))
			attributes[name] = value
		default:
			delete(attributes, name)
		}
	}
}

func (m *Message) attributes() map[string]types.MessageAttributeValue {
	attributes := map[string]types.MessageAttributeValue{}
	put := func(name, kind, value string) {
		if value = sqstext.Attribute(value); value != "" {
			attributes[name] = types.MessageAttributeValue{DataType: &kind, StringValue: &value}
		}
	}
	text := func(name, value string) { put(name, "String", value) }
	number := func(name string, value int) { put(name, "Number", strconv.Itoa(value)) }

	text(AttributeReason, m.Reason)
	if m.LetterID == "" { // ten attributes are the most
		text(AttributeFirstTime, m.FirstTime.UTC().Format(time.RFC3339))
	}
	text(AttributeLetterID, m.LetterID)
	text(AttributeLastTime, m.LastTime.UTC().Format(time.RFC3339))
	if m.Payload != nil {
		text(AttributeError, m.Detail)
		return attributes
	}
	text(AttributeCode, m.Code)
	if m.HTTPStatus != 0 {
		number(AttributeHTTPStatus, m.HTTPStatus)
	}
	text(AttributeAdobeRequestID, m.AdobeRequestID)
	text(AttributeRunID, m.Request.RunID)
	text(AttributeFlowID, m.Request.FlowID)
	text(AttributeSandbox, m.Request.Sandbox)
	number(AttributeAttempts, m.Request.Attempts)
	return attributes
}
