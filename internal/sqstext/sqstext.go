// Package sqstext makes text fit for a message of SQS: it knows which characters SQS
// refuses, what SQS counts into the size of a message, and how large the messages of
// our two queues may be.
//
// SQS takes the characters of XML 1.0. It refuses control characters other than tab,
// line feed and carriage return, and the two characters U+FFFE and U+FFFF:
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html.
package sqstext

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Sizes of messages in bytes. SQS counts a message's body and, of each attribute, the
// name, the data type and the value.
const (
	// MaxMessage is the most that SQS takes, in one message and in all the messages of
	// one SendMessageBatch together. It is the dead-letter queue's MaximumMessageSize
	// in template.yaml.
	MaxMessage = 1 << 20
	// MaxRequest is the request queue's MaximumMessageSize in template.yaml. It is
	// smaller than MaxMessage by [AttributeRoom], so that the dead letter of the
	// largest request message, with its attributes, still fits into a message.
	MaxRequest = MaxMessage - AttributeRoom
	// AttributeRoom is room for the attributes of a dead letter: ten of them, each with
	// a name of at most 14 bytes, a type of 6 and a value of [MaxAttribute], are 10,440
	// bytes, rounded up to 16 KiB.
	AttributeRoom = 16 << 10
	// MaxAttribute is the most that [Attribute] leaves of a value.
	MaxAttribute = 1024
)

// Refuses reports whether SQS refuses a message with the character in its body or in
// an attribute.
func Refuses(r rune) bool {
	switch r {
	case '\t', '\n', '\r':
		return false
	case 0xFFFE, 0xFFFF:
		return true
	default:
		return r < ' '
	}
}

// Size is what SQS counts of a message, in bytes.
func Size(body string, attributes map[string]types.MessageAttributeValue) int {
	n := len(body)
	for name, a := range attributes {
		n += AttributeSize(name, a)
	}
	return n
}

// AttributeSize is what SQS counts of one attribute, in bytes.
func AttributeSize(name string, a types.MessageAttributeValue) int {
	n := len(name) + len(a.BinaryValue)
	for _, text := range []*string{a.DataType, a.StringValue} {
		if text != nil {
			n += len(*text)
		}
	}
	return n
}

// JSON returns JSON text, as encoding/json writes it, so that SQS takes it: a character
// that SQS refuses becomes an escape, for example U+FFFF becomes \uffff. A reader of
// the JSON sees the same values.
func JSON(text []byte) string {
	if !refused(string(text)) {
		return string(text)
	}
	return escape(string(text))
}

// Body returns any payload so that SQS takes it and every reader of requests reads the
// same. A payload that SQS takes stays as it is. JSON is escaped as by [JSON]. Other
// text becomes a JSON string, which the decoder of requests unwraps. An empty payload
// becomes "", because SQS refuses a message without a body.
func Body(payload []byte) string {
	text := string(payload)
	switch {
	case text == "":
		return `""`
	case utf8.ValidString(text) && !refused(text):
		return text
	case utf8.ValidString(text) && json.Valid(payload):
		return escape(text)
	}
	// Only quotes, backslashes and refused characters are escaped, so that the string
	// is no longer than the one in which the text came, if it came in a JSON string.
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\n", `\n`, "\r", `\r`, "\b", `\b`, "\f", `\f`).Replace(strings.ToValidUTF8(text, "\uFFFD"))
	return `"` + escape(text) + `"`
}

// Attribute returns text as the value of a message attribute: at most [MaxAttribute]
// bytes, and with a space for each character that SQS refuses. It may be empty, and SQS
// refuses an empty value.
func Attribute(text string) string {
	text = strings.Map(func(r rune) rune {
		if Refuses(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return Cut(text, MaxAttribute)
}

// Cut returns the beginning of the text that has at most so many bytes, and cuts no
// character in two.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:max(most, 0)], "")
}

func refused(text string) bool { return strings.ContainsFunc(text, Refuses) }

// escape writes the characters that SQS refuses as escapes of JSON.
func escape(text string) string {
	var b strings.Builder
	b.Grow(len(text) + len(text)/8)
	for _, r := range text {
		if Refuses(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
