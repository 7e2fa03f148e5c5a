//go:build browser

// Command picture makes the pictures of the console that README.md shows: light and dark,
// of the small org of `make up` (`make picture`). It runs `make up`'s program for some
// minutes, until there is something of everything to see.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/local/program"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

func main() { os.Exit(program.Run("picture", picture)) }

const (
	// folder is where the pictures are.
	folder = "docs/images"
	// upProgram is what `make up` runs; the Makefile builds it.
	upProgram = ".tools/up"
	// longest is how long the org may take until there is something of everything, and look
	// how often we look.
	longest = 20 * time.Minute
	look    = 2 * time.Second
)

func picture(ctx context.Context, p program.Program) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	path := filepath.Join(p.Folder, "stack.json")
	end, err := start(ctx, path)
	if err != nil {
		return err
	}
	defer end()
	file, err := described(ctx, path)
	if err != nil {
		return err
	}
	say(p.Out, "The org of make up lives: it takes some minutes until there is something of everything to see …")
	if err := lived(ctx, p.Out, path); err != nil {
		return err
	}
	shots, err := shoot(ctx, file.Console)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	for name, shot := range shots {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, shot, 0o600); err != nil {
			return err
		}
		say(p.Out, "%s: %d kB", path, len(shot)/1000)
	}
	return nil
}

func say(out io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(out, format+"\n", args...) // a failure ends the program
}

// start starts what `make up` runs, with its file at the path. It goes on until end is called.
func start(ctx context.Context, path string) (end func(), err error) {
	var said bytes.Buffer
	up := exec.CommandContext(ctx, upProgram)
	up.Env = append(os.Environ(), stackfile.Variable+"="+path)
	up.Stdout, up.Stderr = &said, &said
	up.Cancel = func() error { return up.Process.Signal(syscall.SIGTERM) }
	up.WaitDelay = 10 * time.Second
	if err := up.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", upProgram, err)
	}
	return func() {
		_ = up.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = up.Wait()                          // it is stopped by the signal
	}, nil
}

// described waits for the file in which the stack tells of itself and of its console.
func described(ctx context.Context, path string) (stackfile.File, error) {
	for {
		file, err := stackfile.Read(path)
		switch {
		case err == nil && file.Console != "":
			return file, nil
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return file, err
		}
		if err := wait(ctx); err != nil {
			return file, fmt.Errorf("%s has not started: %w", upProgram, err)
		}
	}
}

// lived waits until the org has something of everything: a pause, a waiting run, failing
// dataflows, an open breaker, dead letters and recoveries.
func lived(ctx context.Context, out io.Writer, path string) error {
	o, err := operate.Open(ctx, operate.Target{LocalFile: path})
	if err != nil {
		return err
	}
	const recoveries, letters, failing, waits = 8, 5, 2, 1
	for {
		status, err := operate.ReadStatus(ctx, o)
		if err != nil {
			return err
		}
		flows, err := operate.ListFlows(ctx, o, "", 1)
		if err != nil {
			return err
		}
		recovered, open := 0, 0
		for _, f := range flows.Flows {
			recovered += f.Recovered
			if f.State == operate.FlowBreakerOpen {
				open++
			}
		}
		if len(status.Pauses) > 0 && status.Waiting.N >= waits && status.Failing.N >= failing && open > 0 && status.DeadLetters.N >= letters && recovered >= recoveries {
			say(out, "Recovered %d, dead letters %d, failing dataflows %d.", recovered, status.DeadLetters.N, status.Failing.N)
			return nil
		}
		if err := wait(ctx); err != nil {
			return fmt.Errorf("not everything has happened yet: %w", err)
		}
	}
}

// wait waits until the next look.
func wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(look):
		return nil
	}
}
