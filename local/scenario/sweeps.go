package scenario

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// swept is the sandbox of [Sweeps].
const swept = "dev"

// Sweeps returns the steps in which the function looks for failed runs that nobody
// told it of, and those in which it is paused.
func Sweeps() []Step {
	found := []string{"unheard-1", "unheard-2", "unheard-3"}
	var want []Outcome
	for _, id := range found {
		want = append(want, Outcome{id, "retriggered", ""})
	}
	return []Step{
		{
			Trigger: "schedule", Name: "failed runs that no event told of", Want: want,
			Do: sweeps(func(ctx context.Context, s *stack.Stack) error {
				for _, id := range found {
					s.AddFailedRun(id, flow(id), stack.OrgID, swept)
				}
				s.AddFailedRun("unheard-streaming", "stream", stack.OrgID, swept)
				s.Adobe.AddFlow(flowsim.Flow{ID: "stream", OrgID: stack.OrgID, Sandbox: swept, Streaming: true})
				s.Adobe.AddFlow(flowsim.Flow{ID: "follower", OrgID: stack.OrgID, Sandbox: swept})
				s.Adobe.AddRun(flowsim.Run{ID: "unheard-downstream", FlowID: "follower", Status: flowsim.Failed, Downstream: true})
				s.Adobe.AddRun(flowsim.Run{ID: "unheard-success", FlowID: "follower", Status: flowsim.Success, Records: 1})
				schedule := `{"id":"00000000-0000-4000-8000-000000000001","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`
				err := lambdaenv.InvokeAsync(ctx, s.Function, []byte(schedule), func(envelope []byte) error { return s.SendDeadLetter(ctx, envelope) })
				if err != nil {
					return err
				}
				return s.GoOn(ctx)
			}, stack.Sweep{State: "finished", Seen: 5, Failed: 5, Requested: 3, Skipped: map[string]int{"streaming_run": 1, "downstream_run": 1}}),
		},
		{
			Trigger: "by hand", Name: "a paused dataflow: its run waits", Want: one("paused-run", "deferred", "paused"),
			Do: func(ctx context.Context, s *stack.Stack) error {
				s.AddFailedRun("paused-run", flow("paused-run"), stack.OrgID, swept)
				if err := byHand(ctx, s, `{"pause":{"flowId":"`+flow("paused-run")+`","reason":"maintenance"}}`); err != nil {
					return err
				}
				if err := s.Send(ctx, string(s.Adobe.FailureEvent("paused-run"))); err != nil {
					return err
				}
				if _, err := s.Drain(ctx); err != nil {
					return err
				}
				if n := s.Adobe.Retriggers("paused-run"); n != 0 {
					return fmt.Errorf("it was re-triggered %d times", n)
				}
				return byHand(ctx, s, `{"resume":{"flowId":"`+flow("paused-run")+`"}}`)
			},
		},
		{
			Trigger: "EventBridge, by hand", Name: "MODE=observe: an event and a sweep", Want: one("observed-run", "skipped", "would_retrigger"),
			Do: sweeps(observed, stack.Sweep{
				State: "finished", DryRun: true, Seen: 7, Failed: 7, Requested: 1,
				Skipped: map[string]int{"superseded": 3, "streaming_run": 1, "downstream_run": 1, "waiting": 1},
			}),
		},
	}
}

// Births returns the steps of a run that failed before the ledger was made. They come after
// [Recoveries]: their scheduled sweep would record those.
func Births() []Step {
	return []Step{
		{
			Trigger: "schedule", Name: "a run older than the ledger",
			Do: sweeps(func(ctx context.Context, s *stack.Stack) error {
				s.Adobe.AddFlow(flowsim.Flow{ID: flow("before-us"), OrgID: stack.OrgID, Sandbox: swept})
				before := time.Now().Add(-2 * time.Hour)
				s.Adobe.AddRun(flowsim.Run{ID: "before-us", FlowID: flow("before-us"), Status: flowsim.Failed, CreatedAt: before, CompletedAt: before})
				return byHand(ctx, s, `{"id":"00000000-0000-4000-8000-000000000004","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)
			}, stack.Sweep{State: "finished", Seen: 6, Failed: 6, Skipped: map[string]int{"superseded": 3, "waiting": 1, "streaming_run": 1, "downstream_run": 1}}),
		},
		{
			Trigger: "by hand", Name: "the same, by a sweep that names a time",
			Do: sweeps(func(ctx context.Context, s *stack.Stack) error {
				return byHand(ctx, s, `{"sweep":{"sandbox":"`+swept+`","since":"48h","dryRun":true}}`)
			}, stack.Sweep{State: "finished", DryRun: true, Seen: 7, Failed: 7, Requested: 1, Skipped: map[string]int{"superseded": 3, "waiting": 1, "streaming_run": 1, "downstream_run": 1}}),
		},
	}
}

// sweeps does what begins one sweep, and compares its report.
func sweeps(do func(context.Context, *stack.Stack) error, want stack.Sweep) func(context.Context, *stack.Stack) error {
	return func(ctx context.Context, s *stack.Stack) error {
		before := len(s.Log.Sweeps())
		if err := do(ctx, s); err != nil {
			return err
		}
		got := s.Log.Sweeps()[before:]
		if len(got) != 1 {
			return fmt.Errorf("there were %d sweeps, want 1", len(got))
		}
		got[0].SweepID = ""
		if !reflect.DeepEqual(got[0], want) {
			return fmt.Errorf("the sweep is %+v, want %+v", got[0], want)
		}
		return nil
	}
}

// observed lets a function that only observes have the event of a failed run, and then
// sweep. Nothing may be sent by that.
func observed(ctx context.Context, s *stack.Stack) error {
	const id = "observed-run"
	s.AddFailedRun(id, flow(id), stack.OrgID, swept)
	made := len(s.Adobe.Runs())
	return s.With([]string{"MODE=observe"}, func() error {
		if err := byHand(ctx, s, string(s.Adobe.FailureEvent(id))); err != nil {
			return err
		}
		if err := byHand(ctx, s, `{"sweep":{"sandbox":"`+swept+`","since":"48h"}}`); err != nil {
			return err
		}
		if n := len(s.Adobe.Runs()) - made; n != 0 {
			return fmt.Errorf("%d runs were made", n)
		}
		s.Adobe.End(id, flowsim.Succeed()) // somebody repairs it: later sweeps leave it
		return nil
	})
}
