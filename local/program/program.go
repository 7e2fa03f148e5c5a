// Package program is how the programs under local/ begin and end: they stop at Ctrl-C, at
// SIGTERM, when their terminal closes and when nobody reads their output any more, and leave
// no folder and no process behind.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Exit codes.
const (
	// Failed means that the program says on standard error what went wrong.
	Failed = 1
	// Interrupted is what a shell says of a command that Ctrl-C has ended.
	Interrupted = 128 + int(syscall.SIGINT)
	// Unread is what a shell says of a command whose output nobody reads any more.
	Unread = 128 + int(syscall.SIGPIPE)
)

// Causes of the context's end.
type (
	interrupted struct{}
	unread      struct{}
)

func (interrupted) Error() string { return "interrupted" }
func (unread) Error() string      { return "nobody reads the output any more" }

// Program is what a program gets: a folder that is deleted at its end, and where to write to.
type Program struct {
	// Folder is a temporary one.
	Folder string
	// Out is standard output. If it can't be written the program's context ends.
	Out io.Writer
}

// patience is after which time another Ctrl-C ends a program at once, whatever it leaves
// behind. One key press may come twice: from the terminal, and from make.
const patience = 3 * time.Second

// Run runs a program and returns its exit code. What ends the program early ends its context;
// its error is then not said. That a signal has stopped it is said on standard error.
func Run(name string, run func(ctx context.Context, p Program) error) (code int) {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	// That SIGPIPE is asked for lets a write to a pipe that nobody reads fail, in place of
	// ending this process at once.
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer signal.Stop(signals)
	go wait(ctx, signals, cancel)
	folder, err := os.MkdirTemp("", "retrigger-")
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return Failed
	}
	defer os.RemoveAll(folder) //nolint:errcheck // the system cleans up what is left
	err = run(ctx, Program{Folder: folder, Out: &output{to: os.Stdout, fail: cancel}})
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, unread{}):
		return Unread
	case errors.Is(cause, interrupted{}):
		fmt.Fprintf(os.Stderr, "%s: stopped\n", name)
		return Interrupted
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return Failed
	}
	return 0
}

// Stopped reports whether a program's context has ended by Ctrl-C or a signal like it, so
// that somebody reads what it says of that.
func Stopped(ctx context.Context) bool { return errors.Is(context.Cause(ctx), interrupted{}) }

// wait ends the context at the first signal.
func wait(ctx context.Context, signals <-chan os.Signal, cancel context.CancelCauseFunc) {
	var first time.Time
	for {
		select {
		case <-ctx.Done():
			if !Stopped(ctx) {
				return
			}
			if s := <-signals; s != syscall.SIGPIPE && time.Since(first) > patience {
				os.Exit(Interrupted)
			}
		case s := <-signals:
			if s == syscall.SIGPIPE {
				continue // the write fails
			}
			first = time.Now()
			cancel(interrupted{})
		}
	}
}

// output is standard output.
type output struct {
	mu   sync.Mutex
	to   io.Writer
	fail context.CancelCauseFunc
}

// Write implements [io.Writer].
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.to.Write(p)
	if err != nil {
		o.fail(unread{})
	}
	return n, err
}
