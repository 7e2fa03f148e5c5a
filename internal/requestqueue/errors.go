package requestqueue

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
)

// RefusedError is a message that SQS will never take, because of its content: it has
// characters that SQS refuses, or it is too long. Other messages are not concerned, and
// sending this one again is of no use.
type RefusedError struct {
	// Code is SQS's, such as "InvalidMessageContents"; empty where the message did not
	// get as far as SQS.
	Code string
	// Message is what SQS says.
	Message string
}

// Error says that SQS refuses the message, and why.
func (e *RefusedError) Error() string {
	if e.Code == "" {
		return "the request queue can't take this message: " + e.Message
	}
	return fmt.Sprintf("the request queue refuses this message (%s): %s", e.Code, e.Message)
}

// UnavailableError is a message that could not be sent now, through no fault of its own:
// SQS can't be reached, throttles, or does not let the function write. Nothing or
// everything may have been sent.
type UnavailableError struct{ Err error }

// Error says what failed.
func (e *UnavailableError) Error() string { return "send to the request queue: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// refusal returns the error of a message with an error code of SQS: a [*RefusedError]
// where the code is about the message's content, otherwise nil.
func refusal(code, message string) error {
	code = bare(code)
	if slices.Contains([]string{
		"InvalidMessageContents", "InvalidParameterValue", "InvalidParameterCombination", "InvalidAttributeValue",
		"MissingParameter", "BatchRequestTooLong", "Serialization", "ValidationError",
	}, code) {
		return &RefusedError{Code: code, Message: message}
	}
	return nil
}

// refusedCall returns the refusal of a whole call, or nil where its error is not about
// the content of its messages.
func refusedCall(err error) error {
	if answer, ok := errors.AsType[smithy.APIError](err); ok {
		return refusal(answer.ErrorCode(), answer.ErrorMessage())
	}
	return nil
}

// bare takes the namespace off a code: SQS's two protocols write
// "AWS.SimpleQueueService.BatchRequestTooLong" and "com.amazonaws.sqs#BatchRequestTooLong".
func bare(code string) string {
	return strings.TrimSuffix(code[strings.LastIndexAny(code, ".#")+1:], "Exception")
}
