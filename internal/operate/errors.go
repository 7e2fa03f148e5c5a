package operate

import "fmt"

// Kind is what a person can do about an [Error]. The command's exit code tells it.
type Kind int

// The kinds.
const (
	// Failed means that AWS, the function or Adobe could not do it.
	Failed Kind = iota
	// Wrong means that the command line, or a file, is wrong.
	Wrong
	// NotThere means that the stack, the run, the dataflow or the dead letter does not exist.
	NotThere
	// NotAllowed means that there are no AWS credentials, or that a permission is missing.
	NotAllowed
)

// Error is what went wrong, in words for the person who asked.
type Error struct {
	Kind    Kind
	Message string
	Err     error // the cause; may be nil
}

// Error is the message, which has the cause's words where they help.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an [Error] of a kind, without a cause.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}
