// Package scenario is what the embedded default drives the function through, and
// the integration suite repeats on other emulators: every file of events/, and
// the faults of Adobe and AWS that matter, each with the outcome it must have.
package scenario

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// Outcome is what must become, or became, of one request. RunID is empty where
// the input names no run.
type Outcome struct {
	RunID   string `json:"runId,omitempty"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
}

// Step is one input and what must come of it.
type Step struct {
	// Trigger is how the input arrives, Name what it is.
	Trigger, Name string
	// Want are the outcomes, in any order.
	Want []Outcome
	// Ends are the outcomes, where they are known only afterwards; waits on the way
	// to them are left out of the comparison.
	Ends func(s *stack.Stack) []Outcome
	// Notices are the kinds of the notices that the function sends in the step, in their
	// order; nil where nobody looks.
	Notices []string
	// MovesClock marks a step that needs [awssim.Server.Advance] or its dead
	// letter redrive.
	MovesClock bool
	// Do delivers the input.
	Do func(ctx context.Context, s *stack.Stack) error
}

// Play runs the step and returns the function's records of it. The error says
// how they differ from what they must be.
func (step Step) Play(ctx context.Context, s *stack.Stack) ([]stack.Record, error) {
	before, told := len(s.Log.Records()), len(s.Notices())
	if err := step.Do(ctx, s); err != nil {
		return nil, err
	}
	records := s.Log.Records()[before:]
	var got []Outcome
	want := slices.Clone(step.Want)
	if step.Ends != nil {
		want = step.Ends(s)
	}
	for _, r := range records {
		if waits := r.Outcome == "deferred" || r.Outcome == "returned"; !waits || step.Ends == nil {
			got = append(got, Outcome{r.RunID, r.Outcome, r.Reason})
		}
	}
	slices.SortFunc(got, compare)
	slices.SortFunc(want, compare)
	if !slices.Equal(got, want) {
		return records, fmt.Errorf("outcomes are %v, want %v", got, want)
	}
	return records, step.checkNotices(s.Notices()[told:])
}

// checkNotices returns an error if other notices were sent than the step must send.
func (step Step) checkNotices(sent []awssim.Event) error {
	kinds := []string{}
	for _, e := range sent {
		kinds = append(kinds, e.DetailType)
	}
	if step.Notices != nil && !slices.Equal(kinds, step.Notices) {
		return fmt.Errorf("notices are %q, want %q", kinds, step.Notices)
	}
	return nil
}

func compare(a, b Outcome) int {
	return cmp.Or(cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Reason, b.Reason))
}

// All returns all steps, in an order in which they can be played. The folder is events/.
func All(dir string) ([]Step, error) {
	steps, err := Files(dir)
	return slices.Concat(steps, Faults(), Sweeps(), Lineages(), Recoveries(), Births(), Episodes()), err
}

// isRefused invokes the function with a mistake in the payload, of which its answer is to tell.
func isRefused(payload []byte) func(context.Context, *stack.Stack) error {
	return func(ctx context.Context, s *stack.Stack) error {
		answer, err := s.Function.Invoke(ctx, payload)
		if err == nil && answer.FunctionError == "" {
			err = fmt.Errorf("the function answers %s, and not with the mistake", answer.Payload)
		}
		return err
	}
}

// byHand invokes the function and waits for its answer.
func byHand(ctx context.Context, s *stack.Stack, payload string) error {
	answer, err := s.Function.Invoke(ctx, []byte(payload))
	if err == nil && answer.FunctionError != "" {
		err = fmt.Errorf("the function failed: %s", answer.Payload)
	}
	return err
}

// flow is the dataflow of a run: each has its own.
func flow(runID string) string { return "flow-of-" + runID }

func request(runID string) string { return fmt.Sprintf(`{"runId":%q}`, runID) }

// one is the outcome of one run.
func one(runID, outcome, reason string) []Outcome { return []Outcome{{runID, outcome, reason}} }

// failed makes a failed run of the simulated org and asks to retry it by the
// queue, after what prepare does.
func failed(runID string, prepare func(*stack.Stack)) func(context.Context, *stack.Stack) error {
	return func(ctx context.Context, s *stack.Stack) error {
		s.AddFailedRun(runID, flow(runID), stack.OrgID, stack.Sandbox)
		if prepare != nil {
			prepare(s)
		}
		if err := s.Send(ctx, request(runID)); err != nil {
			return err
		}
		_, err := s.Drain(ctx)
		return err
	}
}

func fault(f flowsim.Fault) func(*stack.Stack) {
	return func(s *stack.Stack) { s.Adobe.Inject(f) }
}
