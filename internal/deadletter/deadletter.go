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
package deadletter

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
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
)

const maxAttributeBytes = 1024

// SQS is the part of the AWS client that a Queue uses.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Letter is one dead letter.
type Letter struct {
	// Request is what can be sent again. Its Attempts, FirstSeen and LastError
	// are written as they are.
	Request event.Request
	// Payload is what could not be read as requests, or asks for something else than a
	// retry, to be kept as it is; where it is not
	// nil, Request is ignored.
	Payload []byte
	// Reason is the one word why the request is here.
	Reason string
	// Message is the error in a sentence.
	Message string
	// Code, HTTPStatus and AdobeRequestID are from Adobe's answer, if there was
	// one.
	Code           string
	HTTPStatus     int
	AdobeRequestID string
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

// Send writes the letter. When it returns nil the letter is durable; otherwise
// the request's message must not be deleted.
func (q *Queue) Send(ctx context.Context, l Letter) error {
	body, err := l.body()
	if err != nil {
		return fmt.Errorf("dead letter of run %q: %w", l.Request.RunID, err)
	}
	_, err = q.sqs.SendMessage(ctx, &sqs.SendMessageInput{
		QueueUrl: &q.url, MessageBody: &body, MessageAttributes: l.attributes(),
	})
	if err != nil {
		return fmt.Errorf("dead letter of run %q (%s): send message: %w", l.Request.RunID, l.Reason, err)
	}
	return nil
}

func (l *Letter) body() (string, error) {
	if l.Payload != nil {
		return sendable(l.Payload), nil
	}
	r := l.Request
	r.FirstSeen, r.LastError = l.FirstTime, l.Message
	body, err := json.Marshal(r)
	return string(body), err
}

func (l *Letter) attributes() map[string]types.MessageAttributeValue {
	attributes := map[string]types.MessageAttributeValue{}
	put := func(name, kind, value string) {
		if value = clean(value); value != "" {
			attributes[name] = types.MessageAttributeValue{DataType: &kind, StringValue: &value}
		}
	}
	text := func(name, value string) { put(name, "String", value) }
	number := func(name string, value int) { put(name, "Number", strconv.Itoa(value)) }

	text(AttributeReason, l.Reason)
	text(AttributeFirstTime, l.FirstTime.UTC().Format(time.RFC3339))
	text(AttributeLastTime, l.LastTime.UTC().Format(time.RFC3339))
	if l.Payload != nil {
		text(AttributeError, l.Message)
		return attributes
	}
	text(AttributeCode, l.Code)
	if l.HTTPStatus != 0 {
		number(AttributeHTTPStatus, l.HTTPStatus)
	}
	text(AttributeAdobeRequestID, l.AdobeRequestID)
	text(AttributeRunID, l.Request.RunID)
	text(AttributeFlowID, l.Request.FlowID)
	text(AttributeSandbox, l.Request.Sandbox)
	number(AttributeAttempts, l.Request.Attempts)
	return attributes
}

// sendable returns the body as it is where SQS takes it, and otherwise as a
// JSON string in ASCII, which every reader of requests unwraps. An empty body
// becomes "", since SQS refuses a message without one.
func sendable(body []byte) string {
	text := string(body)
	if text != "" && utf8.ValidString(text) && strings.IndexFunc(text, refusedBySQS) < 0 {
		return text
	}
	quoted, _ := json.Marshal(text) // a string always encodes
	var b strings.Builder
	for _, r := range string(quoted) {
		switch {
		case r < utf8.RuneSelf:
			b.WriteRune(r)
		case r <= 0xFFFF:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}

// refusedBySQS reports whether SQS refuses messages with the character:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html.
func refusedBySQS(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r < ' ', r == 0xFFFE, r == 0xFFFF:
		return true
	default:
		return false
	}
}

// clean makes text fit for a message attribute.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		if refusedBySQS(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	if len(text) > maxAttributeBytes {
		text = strings.ToValidUTF8(text[:maxAttributeBytes], "")
	}
	return text
}
