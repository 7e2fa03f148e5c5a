package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/scenario"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

const flow = "0b7e1c1a-0000-4000-8000-00000000f10e"

// failedRuns makes so many failed runs and returns their ids.
func failedRuns(s *stack.Stack, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("run-%d", i)
		s.AddFailedRun(ids[i], flow, stack.OrgID, stack.Sandbox)
	}
	return ids
}

func request(id string) string { return fmt.Sprintf(`{"runId":%q}`, id) }

// deliver puts the bodies on the request queue and polls once.
func deliver(t *testing.T, s *stack.Stack, bodies ...string) (received, deleted int) {
	t.Helper()
	for _, body := range bodies {
		if err := s.Send(t.Context(), body); err != nil {
			t.Fatal(err)
		}
	}
	received, deleted, err := mapping(s).Poll(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return received, deleted
}

func mapping(s *stack.Stack) *lambdaenv.Mapping {
	return &lambdaenv.Mapping{SQS: s.SQS, QueueURL: s.RequestQueueURL, BatchSize: 10, Invoker: s.Function}
}

// outcomes counts the records by outcome and reason.
func outcomes(s *stack.Stack) map[string]int {
	counts := map[string]int{}
	for _, r := range s.Log.Records() {
		counts[strings.TrimSuffix(r.Outcome+" "+r.Reason, " ")]++
	}
	return counts
}

func wantOutcomes(t *testing.T, s *stack.Stack, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, outcomes(s)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func deadLetters(t *testing.T, s *stack.Stack) []types.Message {
	t.Helper()
	letters, err := s.DeadLetters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		all, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		noSecrets(t, "a dead letter", string(all))
	}
	return letters
}

func TestEveryEventAndFault(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		files, err := scenario.Files("../events")
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, b, env(scenario.Env()...))
		for _, step := range append(files, scenario.Faults()...) {
			if step.MovesClock && b.emulated() {
				continue // played on the embedded default
			}
			if _, err := step.Play(t.Context(), s); err != nil {
				t.Errorf("%s (%s): %v", step.Name, step.Trigger, err)
			}
		}
		for _, r := range s.Adobe.Runs() {
			if n := s.Adobe.Retriggers(r.ID); n > 1 {
				t.Errorf("run %s was re-triggered %d times", r.ID, n)
			}
		}
		deadLetters(t, s)
	})
}

func TestADeadLetterCanBeSentAgain(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b)
		failedRuns(s, 1)
		s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{
			"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403,
			"report":{"detailed-message":"no access to the sandbox","request-id":"adobe-1"}}`})
		before := time.Now().Add(-time.Second)
		if _, deleted := deliver(t, s, string(s.Adobe.FailureEvent("run-0"))); deleted != 1 {
			t.Fatal("the message was not deleted")
		}
		letters := deadLetters(t, s)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		attributes := map[string]string{}
		for name, a := range letters[0].MessageAttributes {
			attributes[name] = *a.StringValue
		}
		for _, name := range []string{"firstTime", "lastTime"} {
			at, err := time.Parse(time.RFC3339, attributes[name])
			if err != nil || at.Before(before.Truncate(time.Second)) || at.After(time.Now().Add(time.Second)) {
				t.Errorf("%s = %q", name, attributes[name])
			}
			delete(attributes, name)
		}
		want := map[string]string{
			"reason": "forbidden", "code": "FLOW-2120-403", "httpStatus": "403", "adobeRequestId": "adobe-1",
			"runId": "run-0", "flowId": flow, "sandbox": stack.Sandbox, "attempts": "0",
		}
		if diff := cmp.Diff(want, attributes); diff != "" {
			t.Errorf("attributes (-want +got):\n%s", diff)
		}
		decoded, err := event.Decode([]byte(*letters[0].Body))
		if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
			t.Fatalf("the body %s reads as %+v, %v", *letters[0].Body, decoded, err)
		}
		if r := decoded.Items[0].Request; !strings.Contains(r.LastError, "no access to the sandbox") || r.OrgID != stack.OrgID || len(r.Errors) == 0 {
			t.Errorf("request = %+v", r)
		}
		if _, deleted := deliver(t, s, *letters[0].Body); deleted != 1 || s.Adobe.Retriggers("run-0") != 1 {
			t.Errorf("the dead letter was sent again and the run re-triggered %d times, want once", s.Adobe.Retriggers("run-0"))
		}
	})
}

func TestDuplicatesAreRetriedOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b)
		failedRuns(s, 1)
		for range 2 { // in one batch, and in the next
			deliver(t, s, request("run-0"), `{"runId":"run-0","sandbox":"prod"}`, string(s.Adobe.FailureEvent("run-0")), request("run-0"))
			if _, err := s.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.Adobe.Retriggers("run-0"); n != 1 {
			t.Errorf("the run was re-triggered %d times, want once", n)
		}
		wantOutcomes(t, s, map[string]int{"retriggered": 1, "retriggered duplicate": 7})
	})
}

func TestAPoisonMessageHarmsNoNeighbor(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b)
		failedRuns(s, 2)
		noise := strings.Repeat("noise\t", 256<<10/6)
		deliver(t, s, request("run-0"), noise, "null", "{", `{"runId":7}`, `{"runId":"x","sandbox":"prod","sandbx":1}`, request("run-1"))
		if _, err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantOutcomes(t, s, map[string]int{
			"retriggered": 2, "dead_lettered unreadable": 2, "dead_lettered wrong_type": 2, "dead_lettered unknown_field": 1,
		})
		var bodies []string
		for _, l := range deadLetters(t, s) {
			bodies = append(bodies, *l.Body)
			if text := *l.MessageAttributes["error"].StringValue; text == "" || len(text) > 300 {
				t.Errorf("error = %q", text)
			}
		}
		if len(bodies) != 5 || !strings.Contains(strings.Join(bodies, " "), noise) {
			t.Errorf("%d dead letters, want the 5 as they came", len(bodies))
		}
	})
}

func TestWhatCannotBeHandledNowStaysOnTheQueue(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b)
		failedRuns(s, 3)
		s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable, Times: 1000})
		received, deleted := deliver(t, s, request("run-0"))
		if received != 1 || deleted != 0 {
			t.Errorf("%d received, %d deleted; want 1 and 0", received, deleted)
		}
		out, err := s.SQS.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &s.RequestQueueURL, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameApproximateNumberOfMessagesNotVisible},
		})
		if b.emulated() && (err != nil || out.Attributes["ApproximateNumberOfMessagesNotVisible"] != "1") {
			t.Errorf("the message is not invisible: %v, %v", out, err)
		}
		wantOutcomes(t, s, map[string]int{"returned adobe_unavailable": 1})
		if letters := deadLetters(t, s); len(letters) != 0 || s.Adobe.Count(flowsim.OpRetrigger) != 0 {
			t.Errorf("%d dead letters and %d calls, want none", len(letters), s.Adobe.Count(flowsim.OpRetrigger))
		}
	})
}

// embedded is for tests that need faults of AWS or its clock.
func embedded(t *testing.T, change ...func(*stack.Options)) *stack.Stack {
	t.Helper()
	return start(t, prepared.backends[0], change...)
}

func env(variables ...string) func(*stack.Options) {
	return func(o *stack.Options) { o.Env = append(o.Env, variables...) }
}

func TestADeadLetterThatCannotBeWrittenKeepsTheMessage(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	for _, body := range []string{request("no-such-run"), "noise"} {
		if err := s.Send(t.Context(), body); err != nil {
			t.Fatal(err)
		}
	}
	s.AWS.Inject(awssim.Fault{Op: "SendMessage", Code: "com.amazonaws.sqs#QueueDoesNotExist", Times: 2})
	if _, deleted := deliver(t, s); deleted != 0 {
		t.Errorf("%d messages were deleted whose dead letters are not written", deleted)
	}
	wantOutcomes(t, s, map[string]int{"returned dead_letter_queue_unavailable": 2})
	s.AWS.Advance(time.Hour)
	if deleted, err := s.Drain(t.Context()); err != nil || deleted != 2 {
		t.Errorf("%d deleted (%v), want both when the queue is back", deleted, err)
	}
	if n := len(deadLetters(t, s)); n != 2 {
		t.Errorf("%d dead letters, want 2", n)
	}
}

func TestReturnedMessagesBackOffAndEndOnTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 1 << 20, Status: http.StatusServiceUnavailable}) // IMS is down
	if err := s.Send(t.Context(), request("run-0")); err != nil {
		t.Fatal(err)
	}
	began := s.AWS.Now()
	var waits []time.Duration
	const deliveries = 10
	for range deliveries - 1 {
		if _, err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		waiting := s.AWS.Messages(s.RequestQueueURL)
		if len(waiting) != 1 {
			t.Fatalf("%d messages wait, want 1", len(waiting))
		}
		wait := waiting[0].VisibleAt.Sub(s.AWS.Now())
		waits = append(waits, wait)
		s.AWS.Advance(wait + time.Second)
	}
	for i, wait := range waits {
		if wait < 14*time.Second || wait > 15*time.Minute {
			t.Errorf("wait %d is %s", i+1, wait)
		}
	}
	if waits[7] < 7*time.Minute {
		t.Errorf("waits do not grow: %v", waits)
	}
	if _, err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	letters := deadLetters(t, s)
	if len(letters) != 1 || *letters[0].MessageAttributes["reason"].StringValue != "adobe_unavailable" {
		t.Errorf("dead letters = %v, want the request with its reason", letters)
	}
	wantOutcomes(t, s, map[string]int{"returned adobe_unavailable": deliveries - 1, "dead_lettered adobe_unavailable": 1})
	t.Logf("%d receives in %s", len(waits), s.AWS.Now().Sub(began).Round(time.Minute))
}

func TestARefusedCredentialIsAnAlarmAndNoStorm(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	ids := failedRuns(s, 10)
	s.Adobe.RotateSecret(stack.OrgID, "another")
	var bodies []string
	for _, id := range ids {
		bodies = append(bodies, request(id))
	}
	if _, deleted := deliver(t, s, bodies...); deleted != 0 {
		t.Errorf("%d messages were deleted", deleted)
	}
	wantOutcomes(t, s, map[string]int{"returned credentials_refused": 10})
	if n := s.Adobe.Count(flowsim.OpToken); n > 5 { // at most one for each run that was under way
		t.Errorf("%d token requests for 10 runs", n)
	}
	if n := s.AWS.Count("GetSecretValue"); n > 2 {
		t.Errorf("the secret was fetched %d times", n)
	}
	if !strings.Contains(s.Log.String(), `"credentials_refused":10`) || !strings.Contains(s.Log.String(), stack.SecretID) {
		t.Error("neither metric nor log name the refused secret")
	}
	if letters := deadLetters(t, s); len(letters) != 0 {
		t.Errorf("%d dead letters, want none", len(letters))
	}
}

func TestABrokenSecretIsNamed(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	if err := s.PutSecretText(t.Context(), `{"client_id":"a","client_secret":"`+stack.ClientSecret+`","org_id":"x"}`); err != nil {
		t.Fatal(err)
	}
	if _, deleted := deliver(t, s, request("run-0")); deleted != 0 {
		t.Error("the message was deleted")
	}
	for _, want := range []string{"credentials_unavailable", stack.SecretID, "scopes is missing", "org_id must end in"} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestTheRestOfABatchWaitsWhenThrottled(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("MAX_CONCURRENT_RUNS=1"))
	ids := failedRuns(s, 10)
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1200"}})
	var bodies []string
	for _, id := range ids {
		bodies = append(bodies, request(id))
	}
	if _, deleted := deliver(t, s, bodies...); deleted != 0 {
		t.Errorf("%d messages were deleted", deleted)
	}
	if n := s.Adobe.Count(flowsim.OpRetrigger); n != 1 {
		t.Errorf("%d calls after a 429, want no more than the first", n)
	}
	for _, m := range s.AWS.Messages(s.RequestQueueURL) {
		if wait := m.VisibleAt.Sub(s.AWS.Now()); wait < 1190*time.Second {
			t.Errorf("a message comes back in %s, before Adobe's Retry-After", wait)
		}
	}
}

func TestTheDeadlineIsKept(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("MAX_CONCURRENT_RUNS=1", "CALL_TIMEOUT=1s", "RECONCILE_AFTER=0s"), func(o *stack.Options) { o.Timeout = 12 * time.Second })
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true, Times: 10})
	var ids, bodies []string
	for i := range 10 { // of a dataflow each: those of one would wait for the first
		id := fmt.Sprintf("run-%d", i)
		s.AddFailedRun(id, "flow-of-"+id, stack.OrgID, stack.Sandbox)
		ids, bodies = append(ids, id), append(bodies, request(id))
	}
	_, deleted := deliver(t, s, bodies...)
	got := outcomes(s)
	calls := s.Adobe.Count(flowsim.OpRetrigger)
	if deleted != 0 || calls == 0 || calls == len(ids) || got["returned outcome_unknown"] != calls || got["returned deadline"] != len(ids)-calls {
		t.Errorf("%d deleted, %d calls, outcomes %v", deleted, calls, got)
	}
	// None of them is sent a second time: the runs that were made are found.
	s.Adobe.Heal()
	for range 3 {
		s.AWS.Advance(time.Hour)
		if _, err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		if n := s.Adobe.Retriggers(id); n != 1 {
			t.Errorf("%s was re-triggered %d times, want once", id, n)
		}
	}
	if got := outcomes(s); got["retriggered reconciled"] != calls || got["retriggered"] != len(ids)-calls {
		t.Errorf("outcomes %v", got)
	}
}

func TestTheDeadlineIsKeptWhenAWSHangs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ op, want string }{{"GetSecretValue", "returned credentials_unavailable"}, {"SendMessage", "returned dead_letter_queue_unavailable"}} {
		t.Run(tt.op, func(t *testing.T) {
			t.Parallel()
			s := embedded(t, env("CALL_TIMEOUT=1s"), func(o *stack.Options) { o.Timeout = 12 * time.Second })
			if err := s.Send(t.Context(), request("no-such-run")); err != nil {
				t.Fatal(err)
			}
			s.AWS.Inject(awssim.Fault{Op: tt.op, Hang: true, Times: 100})
			if _, deleted := deliver(t, s); deleted != 0 { // deliver fails the test if the function is killed
				t.Error("the message was deleted")
			}
			wantOutcomes(t, s, map[string]int{tt.want: 1})
		})
	}
}

func TestAListIsNeverHalfDone(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("MAX_CONCURRENT_RUNS=1", "RECONCILE_AFTER=0s"))
	failedRuns(s, 3)
	list := `{"requests":[{"runId":"run-0"},{"runId":"run-1"},{"runId":"run-2"}]}`
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, After: 2, Status: http.StatusServiceUnavailable})
	if _, deleted := deliver(t, s, list); deleted != 1 {
		t.Error("the list stays on the queue: what is done would be done again")
	}
	wantOutcomes(t, s, map[string]int{"deferred outcome_unknown": 1, "retriggered": 2})
	s.AWS.Advance(time.Hour)
	if _, err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if n := s.Adobe.Retriggers(fmt.Sprintf("run-%d", i)); n != 1 {
			t.Errorf("run-%d was re-triggered %d times, want once", i, n)
		}
	}
}

func TestAListWhoseRestCannotBeDeferredIsDeadLettered(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("MAX_CONCURRENT_RUNS=1"))
	failedRuns(s, 2)
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, After: 1, Status: http.StatusTooManyRequests})
	s.AWS.Inject(awssim.Fault{Op: "SendMessageBatch", EntriesOnly: true})
	if _, deleted := deliver(t, s, `{"requests":[{"runId":"run-0"},{"runId":"run-1"}]}`); deleted != 1 {
		t.Error("the list stays on the queue")
	}
	wantOutcomes(t, s, map[string]int{"dead_lettered throttled": 1, "retriggered": 1})
}

func TestEventsAreDeliveredAgainWithoutAQueue(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("QUEUE_URL="))
	failedRuns(s, 1)
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable, Times: 12}) // four for each delivery
	payload := s.Adobe.FailureEvent("run-0")
	err := lambdaenv.InvokeAsync(t.Context(), s.Function, payload, func(envelope []byte) error { return s.SendDeadLetter(t.Context(), envelope) })
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, s, map[string]int{"returned adobe_unavailable": 3})
	letters := deadLetters(t, s)
	if len(letters) != 1 {
		t.Fatalf("%d envelopes on the dead-letter queue, want 1", len(letters))
	}
	if _, deleted := deliver(t, s, *letters[0].Body); deleted != 1 || s.Adobe.Retriggers("run-0") != 1 {
		t.Error("the on-failure envelope did not retry the run")
	}
}

func TestTheFunctionReportsEveryMistakeOfItsConfiguration(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("SECRET_ID=", "LOG_LEVEL=loud", "FLOW_SERVICE_URL=http://platform.adobe.io", `RETRY_POLICY=[{"cod":"X","action":"retry"},{"action":"drop"}]`))
	answer, err := s.Function.Invoke(t.Context(), []byte(request("x")))
	if err != nil || answer.FunctionError == "" {
		t.Fatalf("Invoke() = %+v, %v; want a failure", answer, err)
	}
	for _, want := range []string{"SECRET_ID is required", "LOG_LEVEL is", "FLOW_SERVICE_URL is not https", "RETRY_POLICY rule 1: unknown field", "RETRY_POLICY rule 2: action is"} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("the log lacks %q", want)
		}
	}
}

func TestABatchThatCannotBeAnsweredIsNotStarted(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	for name, payload := range map[string]string{
		"no message id": `{"Records":[{"eventSource":"aws:sqs","messageId":"m1","body":"{\"runId\":\"run-0\"}"},{"eventSource":"aws:sqs","body":"{}"}]}`,
		"mixed sources": `{"Records":[{"eventSource":"aws:sqs","messageId":"m1","body":"{\"runId\":\"run-0\"}"},{"eventSource":"aws:s3"}]}`,
	} {
		answer, err := s.Function.Invoke(t.Context(), []byte(payload))
		if err != nil || !strings.Contains(string(answer.Payload), "SQS batch: record 2 of 2") || answer.FunctionError == "" {
			t.Errorf("%s: %s, %v", name, answer.Payload, err)
		}
	}
	if n := s.Adobe.Count(flowsim.OpRetrigger); n != 0 {
		t.Errorf("%d re-triggers of batches that can't be answered", n)
	}
}

func TestCallsPerRetry(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	began := s.LedgerCalls()
	for _, id := range failedRuns(s, 10) {
		deliver(t, s, string(s.Adobe.FailureEvent(id)))
	}
	wantOutcomes(t, s, map[string]int{"retriggered": 10})
	got := map[string]int{
		"token": s.Adobe.Count(flowsim.OpToken), "retrigger": s.Adobe.Count(flowsim.OpRetrigger), "run": s.Adobe.Count(flowsim.OpRun),
		"GetSecretValue": s.AWS.Count("GetSecretValue"), "SendMessage": s.AWS.Count("SendMessage"), "ledger": s.LedgerCalls() - began,
	}
	want := map[string]int{"token": 1, "retrigger": 10, "run": 0, "GetSecretValue": 1, "SendMessage": 10, "ledger": 21} // messages: those sent by the test; the ledger's: two each, and the pauses every 15 s
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls for 10 retries (-want +got):\n%s", diff)
	}
}

func TestEachOrgIsServedByItsOwnSecret(t *testing.T) {
	t.Parallel()
	const orgB, secretB = "BBBBBBBBBBBBBBBB@AdobeOrg", "aep/b"
	s := embedded(t, env("SECRET_ID="+stack.SecretID+","+secretB))
	s.AWS.PutSecret(secretB, `{"client_id":"client-b","client_secret":"`+stack.ClientSecret+`-b","org_id":"`+orgB+`","scopes":["openid"],"sandbox":"b"}`)
	s.Adobe.AddOrg(flowsim.Org{ID: orgB, ClientID: "client-b", Secrets: []string{stack.ClientSecret + "-b"}, Scopes: []string{"openid"}, Sandboxes: []string{"b"}})
	s.AddFailedRun("run-a", "flow-a", stack.OrgID, stack.Sandbox)
	s.AddFailedRun("run-b", "flow-b", orgB, "b")
	// The simulator refuses a token of one org for the other.
	deliver(t, s, string(s.Adobe.FailureEvent("run-a")), string(s.Adobe.FailureEvent("run-b")), request("run-a"))
	wantOutcomes(t, s, map[string]int{"retriggered": 2, "dead_lettered org_missing": 1})
	if s.Adobe.Retriggers("run-a") != 1 || s.Adobe.Retriggers("run-b") != 1 {
		t.Error("a run was not re-triggered once")
	}
}

func TestARequestWithoutSandboxIsRefused(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	err := s.PutSecret(t.Context(), stack.Credential{ClientID: stack.ClientID, ClientSecret: stack.ClientSecret, OrgID: stack.OrgID, Scopes: stack.Scopes})
	if err != nil {
		t.Fatal(err)
	}
	deliver(t, s, request("run-0"), `{"runId":"run-0","sandbox":"prod"}`)
	wantOutcomes(t, s, map[string]int{"dead_lettered sandbox_missing": 1, "retriggered": 1})
}

// TestARealOrgIsAMatterOfTheEnvironment stands for a real org with a simulator
// that the stack knows only by its address and credential.
func TestARealOrgIsAMatterOfTheEnvironment(t *testing.T) {
	other := flowsim.New(flowsim.Options{})
	base, stop, err := other.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	other.AddOrg(flowsim.Org{ID: "REAL@AdobeOrg", ClientID: "real", Secrets: []string{stack.ClientSecret}, Scopes: []string{"openid"}, Sandboxes: []string{"dev"}})
	other.AddFlow(flowsim.Flow{ID: flow, OrgID: "REAL@AdobeOrg", Sandbox: "dev"})
	other.AddRun(flowsim.Run{ID: "run-0", FlowID: flow, Status: flowsim.Failed})
	t.Setenv("FLOW_SERVICE_URL", base+flowsim.FlowServicePath)
	t.Setenv("IMS_URL", base)

	variables := map[string]string{"AEP_CLIENT_ID": "real", "AEP_CLIENT_SECRET": stack.ClientSecret, "AEP_ORG_ID": "REAL@AdobeOrg", "AEP_SCOPES": "openid"}
	getenv := func(name string) string { return variables[name] }
	if _, err := stack.CredentialFromEnv(getenv); err == nil {
		t.Error("a credential without AEP_SANDBOX was accepted")
	}
	variables["AEP_SANDBOX"] = "dev"
	credential, err := stack.CredentialFromEnv(getenv)
	if err != nil {
		t.Fatal(err)
	}
	s := embedded(t, func(o *stack.Options) { o.Credential = credential })
	deliver(t, s, request("run-0"))
	if n := other.Retriggers("run-0"); n != 1 || s.Adobe != nil {
		t.Errorf("the run was re-triggered %d times, want once", n)
	}
}

// TestAFunctionThatHangs is an error of the invocation wherever the suite runs: were
// it an answer, its messages would be deleted.
func TestAFunctionThatHangs(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		hangs := filepath.Join(t.TempDir(), "bootstrap")
		if err := os.WriteFile(hangs, []byte("#!/bin/sh\nexec sleep 5\n"), 0o700); err != nil { //nolint:gosec // it is to be run
			t.Fatal(err)
		}
		o := lambdaenv.Options{Binary: hangs, Timeout: time.Second, Logs: io.Discard}
		var function lambdaenv.Invoker
		if b.options.RIE == "" {
			process, err := lambdaenv.Start(o)
			if err != nil {
				t.Fatal(err)
			}
			defer process.Close()
			function = process
		} else {
			emulator, err := lambdaenv.StartRIE(t.Context(), b.options.RIE, o)
			if err != nil {
				t.Fatal(err)
			}
			defer emulator.Close()
			function = emulator
		}
		if answer, err := function.Invoke(t.Context(), []byte(`{}`)); err != nil || answer.FunctionError == "" || !json.Valid(answer.Payload) {
			t.Errorf("answer = %q %s, %v", answer.FunctionError, answer.Payload, err)
		}
	})
}
