// Command up keeps the embedded stack running with a small org that lives by itself, faster
// than life, so that there is something to look at and to practice on (`make up`). It tells
// where it is in the file .local/stack.json, by which the command's --local finds it, and
// ends with Ctrl-C.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/console"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/program"
	"github.com/aep-retrigger/aep-retrigger/local/smallworld"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

func main() { os.Exit(program.Run("up", up)) }

const (
	// logBytes is how much of the function's log is kept.
	logBytes = 4 << 20
	// memory is for how long runs, messages, calls and entries are kept, and pruneEvery how
	// often the others are deleted: the stack may run for hours.
	memory     = 2 * time.Hour
	pruneEvery = time.Minute
	// step is how often the world looks whether something is due.
	step = 250 * time.Millisecond
	// seed says what the world does.
	seed = 1
)

func up(ctx context.Context, p program.Program) error {
	path := cmp.Or(os.Getenv(stackfile.Variable), stackfile.Path)
	if err := alone(path); err != nil {
		return err
	}
	say(p.Out, "Building the function …")
	binary, err := lambdaenv.Build(ctx, ".", p.Folder)
	if err != nil {
		return err
	}
	counts := &tally{}
	s, err := stack.Start(ctx, stack.Options{
		Binary: binary, Logs: counts, LogBytes: logBytes, Retention: memory,
		Env: slices.Concat(smallworld.Settings(), []string{"NOTICE_BUS=" + stack.NoticeBus}),
	})
	if err != nil {
		return err
	}
	defer s.Close()
	file := stack.Describe(s)
	if err := stackfile.Write(path, file); err != nil {
		return err
	}
	defer func() { _ = stackfile.Remove(path, file) }() // the next one replaces it
	stop, err := serveConsole(ctx, path, &file)
	if err != nil {
		return err
	}
	defer stop()
	welcome(p.Out, path, file)
	live(ctx, p.Out, s, counts)
	if program.Stopped(ctx) {
		say(p.Out, "Stopped: %s. Everything that it held is gone.", counts)
	}
	return nil
}

// serveConsole serves the console for the stack that the file at the path describes, and notes
// its address there.
func serveConsole(ctx context.Context, path string, file *stackfile.File) (stop func(), err error) {
	operator, err := operate.Open(ctx, operate.Target{LocalFile: path})
	if err != nil {
		return nil, err
	}
	pages, err := console.Listen(ctx, operator, console.Options{Idle: -1})
	if err != nil {
		return nil, err
	}
	file.Console = pages.Address()
	if err := stackfile.Write(path, *file); err != nil {
		return nil, errors.Join(err, pages.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = pages.Serve(ctx) // it ends with the stack
	}()
	return func() {
		cancel()
		<-ended
	}, nil
}

// alone refuses to start beside another stack that this folder's file tells of.
func alone(path string) error {
	other, err := stackfile.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: delete the file", err)
	}
	address, err := url.Parse(other.Endpoints["lambda"])
	if err != nil {
		return nil //nolint:nilerr // no stack is there
	}
	connection, err := net.DialTimeout("tcp", address.Host, time.Second)
	if err != nil {
		return nil //nolint:nilerr // it has ended without cleaning up
	}
	_ = connection.Close()
	return fmt.Errorf("another stack of this folder is running, as %s says: use it, or end it first", path)
}

func say(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, format+"\n", args...) // a failure ends the program
}

// command is where the command's sources are.
const command = "cmd/aep-retrigger"

// welcome says what there is to do.
func welcome(out io.Writer, path string, file stackfile.File) {
	say(out, "The stack is up, with an org in which an hour takes %s: see %s", smallworld.HourOfLife, path)
	if file.Console != "" {
		say(out, "Console: %s", file.Console)
	}
	say(out, "\nIn another terminal, for example:")
	if _, err := os.Stat(command); err == nil {
		for _, words := range []string{"status", "flows", "waiting", "dead-letters"} {
			say(out, "  go run ./%s --local %s", command, words)
		}
	}
	say(out, `  aws lambda invoke --endpoint-url %s \
    --function-name %s --cli-binary-format raw-in-base64-out \
    --payload '{"sweep":{"since":"1h","dryRun":true}}' /dev/stdout
  aws sqs receive-message --endpoint-url %s \
    --queue-url %s
The AWS CLI needs --region %s, and takes any credentials here.

Ctrl-C ends it. What happens, minute by minute:`,
		file.Endpoints["lambda"], file.Outputs["FunctionName"], file.Endpoints["sqs"], file.Outputs["DeadLetterQueueUrl"], file.Region)
}

// live lets the world, the event source mapping and the function go on until the context
// ends.
func live(ctx context.Context, out io.Writer, s *stack.Stack, counts *tally) {
	world := smallworld.New(smallworld.Parts{
		Adobe: s.Adobe, OrgID: stack.OrgID, Sandbox: stack.Sandbox, Seed: seed, Send: s.Send,
		Undelivered: func(ctx context.Context, body string) error { return s.SendDeadLetter(ctx, []byte(body)) },
		Invoke: func(ctx context.Context, payload string) error {
			answer, err := s.Function.Invoke(ctx, []byte(payload))
			if err == nil && answer.FunctionError != "" {
				err = fmt.Errorf("the function failed: %s", answer.Payload)
			}
			return err
		},
	}, time.Now())
	trouble := func(err error) {
		if err != nil && ctx.Err() == nil {
			say(out, "%s  trouble: %v", time.Now().Format(time.TimeOnly), err)
		}
	}
	var parts sync.WaitGroup
	parts.Go(func() { poll(ctx, s, trouble) })
	table := newPruner(s)
	steps, prunes := time.NewTicker(step), time.NewTicker(pruneEvery)
	defer steps.Stop()
	defer prunes.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-steps.C:
			trouble(world.Step(ctx, now))
		case now := <-prunes.C:
			world.Forget(now.Add(-memory))
			s.AWS.EventBuses.Forget(stack.NoticeBus, now.Add(-memory))
			trouble(table.prune(ctx, now))
			letters, err := table.letters(ctx)
			trouble(err)
			say(out, "%s  %s; %d dead letters on their queue", now.Format(time.TimeOnly), counts, letters)
		}
	}
	parts.Wait()
}

// poll is the event source mapping.
func poll(ctx context.Context, s *stack.Stack, trouble func(error)) {
	mapping := lambdaenv.Mapping{SQS: s.SQS, QueueURL: s.RequestQueueURL, BatchSize: 10, Invoker: s.Function, AllowLoops: true}
	const longPoll, pause = 20, time.Second
	for ctx.Err() == nil {
		if _, _, err := mapping.Poll(ctx, longPoll); err != nil {
			trouble(err)
			select { // a fault may last
			case <-ctx.Done():
			case <-time.After(pause):
			}
		}
	}
}
