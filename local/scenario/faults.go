package scenario

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// foreign asks for a run of an org that has no secret.
const foreign = `{"runId":"foreign-run","orgId":"FEDCBA0987654321@AdobeOrg","sandbox":"prod"}`

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
		{Trigger: "SQS", Name: "an org without a secret", Want: one("foreign-run", "dead_lettered", "org_unknown"), Do: func(ctx context.Context, s *stack.Stack) error {
			if err := s.Send(ctx, foreign); err != nil {
				return err
			}
			_, err := s.Drain(ctx)
			return err
		}},
		{Trigger: "by hand", Name: "the same, by a person who is told", Do: isRefused([]byte(foreign))},
		{Trigger: "SQS", Name: "a streaming source", Want: one("streaming-run", "dead_lettered", "not_retryable"), Do: failed("streaming-run", func(s *stack.Stack) {
			s.Adobe.AddFlow(flowsim.Flow{ID: "streaming-flow", OrgID: stack.OrgID, Sandbox: stack.Sandbox, Streaming: true})
			s.Adobe.AddRun(flowsim.Run{ID: "streaming-run", FlowID: "streaming-flow", Status: flowsim.Failed})
		})},
		{Trigger: "SQS", Name: "the run has succeeded", Want: one("good-run", "skipped", "run_succeeded"), Do: failed("good-run", func(s *stack.Stack) {
			s.Adobe.AddRun(flowsim.Run{ID: "good-run", FlowID: flow("good-run"), Status: flowsim.Success, Records: 10})
		})},
		{Trigger: "SQS", Name: "a person has retried it in Adobe's UI", Want: one("repaired-run", "skipped", "superseded_by_hand"), Do: failed("repaired-run", func(s *stack.Stack) {
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
		lost("503 before the effect: sent once more", "unsure-run", "", flowsim.Fault{
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
			Trigger: "redrive", Name: "permission given: letters redriven", MovesClock: true,
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
