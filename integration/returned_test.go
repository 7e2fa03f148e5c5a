package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

func TestRedrivenDeadLetterRetriggersTheRun(t *testing.T) {
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

func TestUnreadableMessageDoesNotHarmItsBatch(t *testing.T) {
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

func TestMessageStaysOnTheQueueWhileItsDeadLetterCannotBeWritten(t *testing.T) {
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

func TestMessageStaysOnTheQueueWhileIMSIsDown(t *testing.T) {
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

func TestListOfRequestsIsNotRepeatedWhenOneMustWait(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("MAX_CONCURRENT_RUNS=1", "RECONCILE_AFTER=0s", "EXTRA_SEND_AFTER=0s"))
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

func TestRequestOfAListThatCannotBeRequeuedIsADeadLetter(t *testing.T) {
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
