package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// Files returns a step for each file in the folder's outcomes.json. The runs that
// the files ask to retry are made failed runs of Adobe's.
func Files(dir string) ([]Step, error) {
	text, err := os.ReadFile(filepath.Join(dir, "outcomes.json"))
	if err != nil {
		return nil, err
	}
	var outcomes map[string][]Outcome
	if err := json.Unmarshal(text, &outcomes); err != nil {
		return nil, fmt.Errorf("outcomes.json: %w", err)
	}
	var names []string
	for name := range outcomes {
		names = append(names, name)
	}
	slices.Sort(names)
	steps := make([]Step, 0, len(names))
	for _, name := range names {
		payload, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		step := Step{Name: name, Want: outcomes[name]}
		step.Trigger, step.Do = delivery(name, payload)
		if len(step.Want) == 1 && step.Want[0].Outcome == "refused" { // the error of the call, and no outcome of a run
			step.Want, step.Do = nil, isRefused(payload)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// delivery chooses how a file arrives: as it would in a deployment, where
// EventBridge's target is the request queue.
func delivery(name string, payload []byte) (string, func(context.Context, *stack.Stack) error) {
	seeded := func(do func(context.Context, *stack.Stack) error) func(context.Context, *stack.Stack) error {
		return func(ctx context.Context, s *stack.Stack) error {
			s.Seed(payload)
			return do(ctx, s)
		}
	}
	queued := func(ctx context.Context, s *stack.Stack, bodies ...string) error {
		for _, body := range bodies {
			if err := s.Send(ctx, body); err != nil {
				return err
			}
		}
		_, err := s.Drain(ctx)
		return err
	}
	records, isBatch, err := event.SQSRecords(payload)
	switch {
	case err == nil && isBatch && len(records) > 0:
		return "SQS", seeded(func(ctx context.Context, s *stack.Stack) error {
			bodies := make([]string, len(records))
			for i, r := range records {
				bodies[i] = r.Body
			}
			return queued(ctx, s, bodies...)
		})
	case strings.HasPrefix(name, "eventbridge-"), strings.HasPrefix(name, "custom-bus-"), strings.HasPrefix(name, "adobe-"), strings.HasPrefix(name, "pipeline-"), name == "sns-failure.json":
		return "EventBridge → SQS", seeded(func(ctx context.Context, s *stack.Stack) error { return queued(ctx, s, string(payload)) })
	case strings.HasPrefix(name, "dead-letter"), strings.HasPrefix(name, "on-failure-"):
		return "redrive", seeded(func(ctx context.Context, s *stack.Stack) error { return queued(ctx, s, string(payload)) })
	case name == "schedule.json", name == "sns-lambda.json":
		return "asynchronous", seeded(func(ctx context.Context, s *stack.Stack) error {
			return lambdaenv.InvokeAsync(ctx, s.Function, payload, func(envelope []byte) error { return s.SendDeadLetter(ctx, envelope) })
		})
	default:
		return "by hand", seeded(func(ctx context.Context, s *stack.Stack) error { return byHand(ctx, s, string(payload)) })
	}
}
