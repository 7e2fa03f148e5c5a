// Package cli is the command aep-retrigger: its subcommands, and how they print.
//
//	cli.go       Run: from arguments to the exit code
//	root.go      the flags that all subcommands have
//	printer.go   tables, JSON and lines; color only on a terminal
//	plain.go     what may reach a terminal
//
// A subcommand stands in a file of its own, asks package operate, and hands the printer
// what came of it. A new one is added in [newRoot].
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// The exit codes; docs/command.md has them, too.
const (
	// Done means that all went well.
	Done = 0
	// ExitFailed means that AWS, the function or Adobe could not do it.
	ExitFailed = 1
	// ExitUsage means that the command line or a file is wrong.
	ExitUsage = 2
	// ExitNotThere means that the stack, the run, the dataflow or the dead letter does not
	// exist.
	ExitNotThere = 3
	// ExitNotAllowed means that there are no AWS credentials or that a permission is missing.
	ExitNotAllowed = 4
	// ExitFindings means that doctor has found something to mend.
	ExitFindings = 5
	// ExitInterrupted means that the person has stopped it with Ctrl-C.
	ExitInterrupted = 130
)

// System is what the command has of its process.
type System struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal tells whether In and Out are one: only then it asks, and shows progress.
	Terminal bool
	// Env is the environment, "NAME=value".
	Env []string
	// Version is the version and commit of the binary.
	Version string
	// Open finds the stack; [operate.Open].
	Open func(context.Context, operate.Target) (*operate.Operator, error)
}

// Run runs the command with its arguments and returns the exit code. When the context ends
// the command stops at its current step, prints what was done, and the code is
// [ExitInterrupted].
func Run(ctx context.Context, s System, args []string) int {
	c := &command{system: s}
	root := newRoot(c) //nolint:contextcheck // cobra passes the context on
	root.SetArgs(args)
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if code, ok := errors.AsType[exitCode](err); ok {
		return int(code)
	}
	if err != nil && ctx.Err() == nil {
		_, _ = fmt.Fprintln(s.Err, "aep-retrigger: "+plain(err.Error()))
	}
	return codeOf(ctx, err)
}

// exitCode is the error of a command that has said everything and ends with a code of its
// own, such as doctor with findings.
type exitCode int

// Error names the code.
func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func codeOf(ctx context.Context, err error) int {
	switch {
	case err == nil:
		return Done
	case ctx.Err() != nil:
		return ExitInterrupted
	}
	fault, ok := errors.AsType[*operate.Error](err)
	if !ok {
		return ExitUsage // cobra's own: an unknown command or flag
	}
	switch fault.Kind {
	case operate.Wrong:
		return ExitUsage
	case operate.NotThere:
		return ExitNotThere
	case operate.NotAllowed:
		return ExitNotAllowed
	default:
		return ExitFailed
	}
}
