// Command run is the embedded default: it drives the deployed function through
// every trigger on this machine and prints what became of each step. With the
// credential of a real org in the environment it retries the runs named in RUNS
// instead (see docs/deploy.md).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/program"
	"github.com/aep-retrigger/aep-retrigger/local/scenario"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

func main() { os.Exit(program.Run("run", run)) }

func run(ctx context.Context, p program.Program) error {
	credential, err := stack.CredentialFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	out := &printer{to: p.Out}
	options := stack.Options{Credential: credential}
	var play func(context.Context, *stack.Stack, *printer) error
	if credential != nil {
		runs := strings.Fields(os.Getenv("RUNS"))
		if len(runs) == 0 {
			return errors.New(`name the runs of your org that are to be re-triggered: RUNS="<run id> <run id>" make run`)
		}
		options.Env = stack.SettingsFromEnv(os.Getenv)
		play = func(ctx context.Context, s *stack.Stack, out *printer) error {
			return retryReal(ctx, s, out, credential.OrgID, runs)
		}
	} else {
		steps, err := scenario.All("events")
		if err != nil {
			return err
		}
		options.Env = slices.Concat(scenario.LineageDelays(), scenario.Env()) // the steps know what must come of them
		play = func(ctx context.Context, s *stack.Stack, out *printer) error { return playAll(ctx, s, out, steps) }
	}
	out.line("Building the function …")
	if options.Binary, err = lambdaenv.Build(ctx, ".", p.Folder); err != nil {
		return err
	}
	s, err := stack.Start(ctx, options)
	if err != nil {
		return err
	}
	defer s.Close()
	return play(ctx, s, out)
}

// playAll plays the steps, and says of each what came of it.
func playAll(ctx context.Context, s *stack.Stack, out *printer, steps []scenario.Step) error {
	began := time.Now()
	var sum summary
	wrong := 0
	for i, step := range steps {
		sweeps, changes := len(s.Log.Sweeps()), len(s.Log.PauseChanges())
		records, err := step.Play(ctx, s)
		if ctx.Err() != nil {
			if program.Stopped(ctx) {
				out.line("Stopped after %d of %d steps, %d not as expected.", i, len(steps), wrong)
			}
			return err
		}
		if err != nil {
			wrong++
		}
		sum.add(step.Trigger, records, err)
		out.step(i+1, len(steps), err == nil, step.Name, became(records, s.Log.Sweeps()[sweeps:], s.Log.PauseChanges()[changes:]))
		if err != nil {
			out.wrapped("NOT AS EXPECTED: " + err.Error())
		}
	}
	if err := conclude(ctx, s, out, &sum); err != nil {
		return err
	}
	letters, err := s.DeadLetters(ctx)
	if err != nil {
		return err
	}
	out.line("\n%d steps in %s, %d not as expected. Flow Service (simulated) made %d", len(steps), time.Since(began).Round(100*time.Millisecond), wrong, made(s))
	out.line("new runs; %d dead letters are left on their queue.", len(letters))
	if wrong > 0 {
		return fmt.Errorf("%d of %d steps did not end as expected", wrong, len(steps))
	}
	return nil
}

// made counts the runs that re-triggers have made.
func made(s *stack.Stack) int {
	n := 0
	for _, r := range s.Adobe.Runs() {
		if r.Of != "" {
			n++
		}
	}
	return n
}
