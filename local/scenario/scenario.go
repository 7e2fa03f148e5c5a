// Package scenario is what the embedded default drives the function through, and
// the integration suite repeats on other emulators: every file of events/, and
// the faults of Adobe and AWS that matter, each with the outcome it must have.
package scenario

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
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

// lost is a step in which a re-trigger gets no clear answer, and what became of it
// is looked up when the request comes again.
func lost(name, runID, reason string, f flowsim.Fault) Step {
	return Step{
		Trigger: "SQS", Name: name, MovesClock: true,
		Want: []Outcome{{runID, "returned", "outcome_unknown"}, {runID, "retriggered", reason}},
		Do: func(ctx context.Context, s *stack.Stack) error {
			if err := failed(runID, fault(f))(ctx, s); err != nil {
				return err
			}
			s.AWS.Advance(time.Minute)
			if _, err := s.Drain(ctx); err != nil {
				return err
			}
			if n := s.Adobe.Retriggers(runID); n != 1 {
				return fmt.Errorf("%d runs were made, want 1", n)
			}
			return nil
		},
	}
}

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
		lineage("a lineage that succeeds on its second attempt", Roots()[0], []string{"retriggered", "retriggered"}, failure),
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
		Trigger: "schedule", Name: "recoveries that no event told of: counted",
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
			Trigger: "EventBridge, by hand", Name: "MODE=observe: an event and a sweep say what they would do", Want: one("observed-run", "skipped", "would_retrigger"),
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
			Trigger: "schedule", Name: "a run that failed before the ledger was made is left alone",
			Do: sweeps(func(ctx context.Context, s *stack.Stack) error {
				s.Adobe.AddFlow(flowsim.Flow{ID: flow("before-us"), OrgID: stack.OrgID, Sandbox: swept})
				before := time.Now().Add(-2 * time.Hour)
				s.Adobe.AddRun(flowsim.Run{ID: "before-us", FlowID: flow("before-us"), Status: flowsim.Failed, CreatedAt: before, CompletedAt: before})
				return byHand(ctx, s, `{"id":"00000000-0000-4000-8000-000000000004","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)
			}, stack.Sweep{State: "finished", Seen: 6, Failed: 6, Skipped: map[string]int{"superseded": 3, "waiting": 1, "streaming_run": 1, "downstream_run": 1}}),
		},
		{
			Trigger: "by hand", Name: "a sweep that names its time would find it (dry run)",
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
			Trigger: "EventBridge → SQS", Name: "forty failures of a dataflow, one notice", Want: want, Notices: []string{"Run Given Up"},
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

// Faults returns the steps in which something is wrong.
func Faults() []Step {
	return []Step{
		{Trigger: "SQS", Name: "the run does not exist", Want: one("no-such-run", "dead_lettered", "run_not_found"), Do: func(ctx context.Context, s *stack.Stack) error {
			if err := s.Send(ctx, request("no-such-run")); err != nil {
				return err
			}
			_, err := s.Drain(ctx)
			return err
		}},
		{Trigger: "by hand", Name: "an org without a secret", Want: one("foreign-run", "dead_lettered", "org_unknown"), Do: func(ctx context.Context, s *stack.Stack) error {
			return byHand(ctx, s, `{"runId":"foreign-run","orgId":"FEDCBA0987654321@AdobeOrg","sandbox":"prod"}`)
		}},
		{Trigger: "SQS", Name: "a streaming source", Want: one("streaming-run", "dead_lettered", "not_retryable"), Do: failed("streaming-run", func(s *stack.Stack) {
			s.Adobe.AddFlow(flowsim.Flow{ID: "streaming-flow", OrgID: stack.OrgID, Sandbox: stack.Sandbox, Streaming: true})
			s.Adobe.AddRun(flowsim.Run{ID: "streaming-run", FlowID: "streaming-flow", Status: flowsim.Failed})
		})},
		{Trigger: "SQS", Name: "the run has succeeded", Want: one("good-run", "skipped", "run_succeeded"), Do: failed("good-run", func(s *stack.Stack) {
			s.Adobe.AddRun(flowsim.Run{ID: "good-run", FlowID: flow("good-run"), Status: flowsim.Success, Records: 10})
		})},
		{Trigger: "SQS", Name: "a person has retried the run in Adobe's UI", Want: one("repaired-run", "skipped", "superseded_by_hand"), Do: failed("repaired-run", func(s *stack.Stack) {
			hourAgo := time.Now().Add(-time.Hour)
			s.Adobe.AddRun(flowsim.Run{ID: "repaired-run", FlowID: flow("repaired-run"), Status: flowsim.Failed, CreatedAt: hourAgo, CompletedAt: hourAgo})
			s.Adobe.End(flowsim.RetryByHand(s.Adobe, "repaired-run"), flowsim.Succeed())
		})},
		{Trigger: "SQS", Name: "the run is running", Want: one("busy-run", "skipped", "run_in_progress"), Do: failed("busy-run", func(s *stack.Stack) {
			s.Adobe.AddRun(flowsim.Run{ID: "busy-run", FlowID: flow("busy-run"), Status: flowsim.InProgress})
		})},
		{Trigger: "SQS", Name: "no permission (403)", Want: one("forbidden-run", "dead_lettered", "forbidden"), Do: failed("forbidden-run", fault(flowsim.Fault{
			Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403,"report":{"request-id":"r1"}}`,
		}))},
		lost("503 before the effect: one more is sent", "unsure-run", "", flowsim.Fault{
			Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable, Body: "<html>unavailable</html>", ContentType: "text/html",
		}),
		lost("the answer is lost: its run is found", "lost-run", "reconciled", flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true}),
		lost("the answer is cut: its run is found", "cut-run", "reconciled", flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Truncate: true, Body: `{"id":"`}),
		{Trigger: "SQS", Name: "a token that Adobe no longer takes", Want: one("stale-token-run", "retriggered", ""), Do: failed("stale-token-run", func(s *stack.Stack) {
			s.Adobe.RevokeTokens(stack.OrgID)
		})},
		{
			Trigger: "by hand", Name: "throttled (429), then waiting", MovesClock: true,
			Want: []Outcome{{"throttled-run", "deferred", "throttled"}, {"throttled-run", "retriggered", ""}},
			Do: func(ctx context.Context, s *stack.Stack) error {
				s.AddFailedRun("throttled-run", flow("throttled-run"), stack.OrgID, stack.Sandbox)
				s.Adobe.Inject(flowsim.Fault{
					Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"},
					Body: `{"error_code":"429050","message":"Too many requests"}`,
				})
				if err := byHand(ctx, s, request("throttled-run")); err != nil {
					return err
				}
				if deleted, err := s.Drain(ctx); err != nil || deleted > 0 {
					return fmt.Errorf("the request did not wait (%d handled, %w)", deleted, err)
				}
				<-time.After(1100 * time.Millisecond) // what Adobe asked for; the function's clock can't be moved
				s.AWS.Advance(time.Minute)
				_, err := s.Drain(ctx)
				return err
			},
		},
		{
			Trigger: "SQS", Name: "IMS is down, then up", MovesClock: true,
			Want: []Outcome{{"outage-run", "returned", "adobe_unavailable"}, {"outage-run", "retriggered", ""}},
			Do: func(ctx context.Context, s *stack.Stack) error {
				s.Adobe.RevokeTokens(stack.OrgID)
				s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusUnauthorized, Body: `{"error_code":"401013","message":"Oauth token is not valid"}`})
				s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable, Times: 4})
				if err := failed("outage-run", nil)(ctx, s); err != nil {
					return err
				}
				s.AWS.Advance(time.Minute)
				_, err := s.Drain(ctx)
				return err
			},
		},
		{Trigger: "SQS", Name: "a rotated secret", Want: one("rotated-run", "retriggered", ""), Do: func(ctx context.Context, s *stack.Stack) error {
			const rotated = stack.ClientSecret + "-rotated"
			s.Adobe.RotateSecret(stack.OrgID, rotated)
			if err := s.PutSecret(ctx, stack.Credential{ClientID: stack.ClientID, ClientSecret: rotated, OrgID: stack.OrgID, Scopes: stack.Scopes, Sandbox: stack.Sandbox}); err != nil {
				return err
			}
			return failed("rotated-run", nil)(ctx, s)
		}},
		{
			Trigger: "redrive", Name: "permission given, dead letters redriven", MovesClock: true,
			Want: []Outcome{{"mended-run", "dead_lettered", "forbidden"}, {"mended-run", "retriggered", ""}},
			Do: func(ctx context.Context, s *stack.Stack) error {
				// Those of the steps before are taken away. An answer that is lost on the way
				// and asked for again hides some of them for a while.
				for len(s.AWS.Messages(s.DeadLetterQueueURL)) > 0 {
					if _, err := s.DeadLetters(ctx); err != nil {
						return err
					}
					s.AWS.Advance(time.Minute)
				}
				err := failed("mended-run", fault(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`}))(ctx, s)
				if err != nil {
					return err
				}
				// Without a destination SQS refuses what was sent to the dead-letter queue.
				_, err = s.SQS.StartMessageMoveTask(ctx, &sqs.StartMessageMoveTaskInput{
					SourceArn: aws.String(awssim.QueueARN(stack.DeadLetterQueue)), DestinationArn: aws.String(awssim.QueueARN(stack.RequestQueue)),
				})
				if err != nil {
					return err
				}
				_, err = s.Drain(ctx)
				return err
			},
		},
	}
}
