package awssim

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of a message and of a batch of messages. SQS raised the size from 256 KiB to
// 1 MiB in August 2025. It counts the body and, of each attribute, the name, the type
// and the value.
const (
	maxMessage       = 1 << 20 // of one message, where its queue has no smaller MaximumMessageSize
	maxBatchBytes    = 1 << 20 // of all messages of a batch, whatever their queue's MaximumMessageSize
	maxAttributes    = 10
	maxAttributeName = 256 // characters, of a name and of a type
)

// Attribute is a message attribute. It has a StringValue, or a BinaryValue where its
// DataType is Binary.
type Attribute struct {
	DataType    string
	StringValue string `json:",omitempty"`
	BinaryValue []byte `json:",omitempty"`
}

// size is what SQS counts of a message.
func (in sendIn) size() int {
	n := len(in.MessageBody)
	for name, a := range in.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.StringValue) + len(a.BinaryValue)
	}
	return n
}

// check refuses a message that SQS refuses, with the error that SQS answers.
func (in sendIn) check(q *queue) error {
	most := maxMessage
	if q.MaximumMessageSize > 0 {
		most = q.MaximumMessageSize
	}
	delay := time.Duration(in.DelaySeconds) * time.Second
	switch {
	case in.MessageBody == "":
		return refuse("MissingParameter", "The request must contain the parameter MessageBody.")
	case strings.ContainsFunc(in.MessageBody, outsideSet):
		return refuse("com.amazonaws.sqs#InvalidMessageContents", invalidCharacters)
	case in.size() > most:
		return invalid("Message must be shorter than %d bytes.", most)
	case delay < 0 || delay > maxDelay:
		return invalid("DelaySeconds must be >= 0 and <= 900.")
	case len(in.MessageAttributes) > maxAttributes:
		return invalid("Number of message attributes exceeds the allowed maximum [10].")
	}
	for name, a := range in.MessageAttributes {
		if err := a.check(name); err != nil {
			return err
		}
	}
	return nil
}

const invalidCharacters = "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"

// outsideSet reports whether a character is outside the set that SQS documents. No Go
// string has surrogates.
func outsideSet(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
}

// attributeName has no period at its ends, and no two in a row.
var attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

// check refuses an attribute that SQS refuses:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html.
func (a Attribute) check(name string) error {
	kind, _, _ := strings.Cut(a.DataType, ".") // "Number.int" is a Number with a label
	lower := strings.ToLower(name)
	switch {
	case len(name) > maxAttributeName || !attributeName.MatchString(name):
		return invalid("Message attribute name %q can contain up to 256 alphanumeric characters, underscores, hyphens and periods, and no period at its beginning, its end or after another.", name)
	case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
		return invalid("You can't use message attribute names beginning with 'AWS.' or 'Amazon.' because these strings are reserved for internal use.")
	case len(a.DataType) > maxAttributeName || strings.ContainsFunc(a.DataType, outsideSet):
		return invalid("The type of message attribute '%s' is invalid.", name)
	}
	switch kind {
	case "String", "Number":
		_, err := strconv.ParseFloat(a.StringValue, 64)
		switch {
		case a.StringValue == "":
			return invalid("Message attribute '%s' must contain a non-empty value of type '%s'.", name, kind)
		case strings.ContainsFunc(a.StringValue, outsideSet):
			return invalid(invalidCharacters) // of a body it is InvalidMessageContents
		case kind == "Number" && err != nil:
			return invalid("Can't cast the value of message attribute '%s' to a number.", name)
		}
	case "Binary":
		if len(a.BinaryValue) == 0 {
			return invalid("Message attribute '%s' must contain a non-empty value of type 'Binary'.", name)
		}
	default:
		return invalid("The type of message attribute '%s' must begin with String, Number or Binary.", name)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return refuse("InvalidParameterValue", "One or more parameters are invalid. Reason: "+fmt.Sprintf(format, args...))
}

// tooLong refuses a whole batch whose messages together are more than SQS takes in one
// call. A queue's own MaximumMessageSize is not asked here.
func (in batchIn[Entry]) tooLong(size func(Entry) int) error {
	n := 0
	for _, e := range in.Entries {
		n += size(e)
	}
	if n > maxBatchBytes {
		return refuse("com.amazonaws.sqs#BatchRequestTooLong", fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatchBytes, n))
	}
	return nil
}
