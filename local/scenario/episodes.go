package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// Episodes returns the steps in which a dataflow fails forty times and then succeeds: people
// are told of its first failure and of its end.
func Episodes() []Step {
	const dataflow, good = "failing-flow", "good-at-last"
	var want []Outcome
	for i := range 40 {
		want = append(want, Outcome{fmt.Sprintf("rows-not-valid-%02d", i+1), "dead_lettered", "data_error"})
	}
	tell := func(ctx context.Context, s *stack.Stack, runs ...flowsim.Run) error {
		for _, run := range runs {
			s.Adobe.AddRun(run)
			if err := s.Send(ctx, string(s.Adobe.FailureEvent(run.ID))); err != nil {
				return err
			}
		}
		_, err := s.Drain(ctx)
		return err
	}
	return []Step{
		{
			Trigger: "EventBridge → SQS", Name: "40 failures of a dataflow, one notice", Want: want, Notices: []string{"Run Given Up"},
			Do: func(ctx context.Context, s *stack.Stack) error {
				s.Adobe.AddFlow(flowsim.Flow{ID: dataflow, Name: "Loyalty members hourly", OrgID: stack.OrgID, Sandbox: stack.Sandbox})
				runs := make([]flowsim.Run, len(want))
				for i, one := range want {
					runs[i] = flowsim.Run{
						ID: one.RunID, FlowID: dataflow, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CompletedAt: time.Now(),
						Errors: []flowsim.RunError{{Code: "INGEST-1212-400", Message: "Some rows are not valid"}},
					}
				}
				return tell(ctx, s, runs...)
			},
		},
		{
			Trigger: "EventBridge → SQS", Name: "and their end, one notice", Want: one(good, "skipped", "run_succeeded"), Notices: []string{"Dataflow Recovered"},
			Do: func(ctx context.Context, s *stack.Stack) error {
				return tell(ctx, s, flowsim.Run{ID: good, FlowID: dataflow, Status: flowsim.Success, Records: 10, CreatedClient: "acp_ui_platform", CompletedAt: time.Now()})
			},
		},
	}
}
