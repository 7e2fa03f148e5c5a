package scenario

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// Lineages returns the steps in which runs that re-triggers make fail again, and
// their failures come as events. They take a few seconds, since the function
// waits: start it with [LineageDelays].
func Lineages() []Step {
	failure := flowsim.Fail("CONNECTOR-1001-500", "Copying from the source failed")
	lineage := func(name, runID string, want []string, results ...flowsim.Result) Step {
		step := Step{Trigger: "EventBridge → SQS", Name: name}
		step.Do = func(ctx context.Context, s *stack.Stack) error {
			s.AddFailedRun(runID, flow(runID), stack.OrgID, stack.Sandbox)
			s.Adobe.Script(flow(runID), results...)
			return s.Live(ctx, runID)
		}
		step.Ends = func(s *stack.Stack) []Outcome {
			var ends []Outcome
			run := runID
			for _, word := range want {
				outcome, reason, _ := strings.Cut(word, " ")
				ends = append(ends, Outcome{run, outcome, reason})
				run = s.Adobe.MadeOf(run)
			}
			return ends
		}
		return step
	}
	return []Step{
		lineage("a lineage: its second attempt succeeds", Roots()[0], []string{"retriggered", "retriggered"}, failure),
		lineage("a lineage that has its three attempts", Roots()[1], []string{
			"retriggered", "retriggered", "retriggered", "dead_lettered attempts_exhausted",
		}, failure, failure, failure),
	}
}

// Recoveries returns the step in which a sweep finds the re-triggered runs that have succeeded
// since: of none of them did an event tell. It comes after the other steps.
func Recoveries() []Step {
	var found []Outcome
	return []Step{{
		Trigger: "schedule", Name: "recoveries that no event told of",
		Ends: func(*stack.Stack) []Outcome { return found },
		Do: func(ctx context.Context, s *stack.Stack) error {
			for _, r := range s.Adobe.Runs() {
				if r.Of != "" && r.Status == flowsim.Success {
					found = append(found, Outcome{r.ID, "skipped", "run_succeeded"})
				}
			}
			for n := 2; n < 4; n++ { // the second of two sweeps counts nothing
				schedule := fmt.Sprintf(`{"id":"00000000-0000-4000-8000-00000000000%d","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`, n)
				err := lambdaenv.InvokeAsync(ctx, s.Function, []byte(schedule), func(envelope []byte) error { return s.SendDeadLetter(ctx, envelope) })
				if err != nil {
					return err
				}
			}
			sums, err := s.Lists.Days(ctx, stack.OrgID, time.Now().Add(-24*time.Hour), 1000)
			recovered := 0
			for _, sum := range sums {
				recovered += sum.Recovered
			}
			if err == nil && recovered != len(found) {
				err = fmt.Errorf("the sums have %d recoveries, want %d", recovered, len(found))
			}
			return err
		},
	}}
}

// Roots are the first runs of the lineages of [Lineages].
func Roots() []string { return []string{"second-time-lucky", "hopeless"} }

// LineageDelays are the function's variables for [Lineages]: waits of seconds
// instead of minutes.
func LineageDelays() []string { return []string{"RETRY_DELAYS=0s,1s,1s"} }

// Env are the function's variables for [Faults], [Sweeps] and [Episodes]: its clock can't be
// moved, and the simulator of Flow Service lists a new run at once. Sweeps that don't
// say look into a sandbox where the other steps have nothing.
func Env() []string {
	return []string{"RECONCILE_AFTER=0s", "EXTRA_SEND_AFTER=0s", "SWEEP_SANDBOXES=" + swept, "ORG_BUDGET=36000", "NOTICE_BUS=" + stack.NoticeBus}
}
