package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/sqstext"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// garbled is text of an error of Adobe's that has characters which JSON may have and SQS
// refuses: an event may write them as \uffff and \ufffe, which SQS takes.
const garbled = "the file begins with \uffff\ufffe and \x00\x1b"

// backlogWith adds a backlog and one more failed run, "special", which failed the given
// number of seconds after the first and has the error message.
func backlogWith(w *world, runs, dataflows, at int, message string) []string {
	ids := w.backlog(runs, dataflows)
	w.Flow("special-flow", worldOrg)
	when := time.Now().Add(time.Duration(at-runs) * time.Second)
	w.Adobe.AddRun(flowsim.Run{
		ID: "special", FlowID: "special-flow", Status: flowsim.Failed, CreatedAt: when, CompletedAt: when.Add(time.Millisecond),
		CreatedClient: "acp_ui_platform", Errors: []flowsim.RunError{{Code: "X", Message: message}},
	})
	return ids
}

// letter returns the only dead letter.
func (r results) letter() awssim.Message {
	r.TB.Helper()
	letters := r.AWS.Messages(r.DeadLetterQueue)
	if len(letters) != 1 {
		r.TB.Fatalf("%d dead letters, want 1\n%s", len(letters), r)
	}
	return letters[0]
}

// TestDeadLetterOfARunWithAGarbledErrorIsWritten: There is one dead letter, and it reads
// back unchanged.
func TestDeadLetterOfARunWithAGarbledErrorIsWritten(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Told = func(id string) { w.Send(sqstext.JSON(w.Adobe.FailureEvent(id))) }
		for range 3 {
			w.Adobe.Script("special-flow", flowsim.Fail("X", garbled))
		}
		backlogWith(w, 0, 0, 0, garbled)
		w.Told("special")
		w.Drain(24 * time.Hour)
		letter := w.letter()
		decoded, err := event.Decode([]byte(letter.Body))
		if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
			t.Fatalf("the letter %s can't be read: %v", letter.Body, err)
		}
		if r := decoded.Items[0].Request; letter.Attributes["reason"].StringValue != "attempts_exhausted" || len(r.Errors) != 1 || r.Errors[0].Message != garbled {
			t.Errorf("the letter is %s, %v", letter.Body, letter.Attributes)
		}
		if n := w.Lineages()["special"]; n != 3 || len(w.AWS.Messages(w.Requests)) != 0 {
			t.Errorf("%d re-triggers, %d messages are left", n, len(w.AWS.Messages(w.Requests)))
		}
	})
}

// redrive moves all dead letters to the request queue.
func (d driver) redrive() {
	d.TB.Helper()
	if _, err := d.SQS().StartMessageMoveTask(context.Background(), &sqs.StartMessageMoveTaskInput{
		SourceArn: aws.String(awssim.QueueARN("dead-letters")), DestinationArn: aws.String(awssim.QueueARN("requests")),
	}); err != nil {
		d.TB.Fatal(err)
	}
	if n := len(d.AWS.Messages(d.DeadLetterQueue)); n != 0 {
		d.TB.Errorf("%d letters are too large for the request queue", n)
	}
}

// TestRequestThatCannotBeRequeuedBecomesADeadLetter: Otherwise the request would come
// again and again.
func TestRequestThatCannotBeRequeuedBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	for name, direct := range map[string]bool{"of the queue": false, "of an invocation": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.AWS.Inject(awssim.Fault{Op: "SendMessageBatch", Code: "com.amazonaws.sqs#InvalidMessageContents", Of: "special", EntriesOnly: true, Times: 1000})
				w.Adobe.Script("special-flow", flowsim.Fail("X", "again"))
				backlogWith(w, 0, 0, 0, "once")
				payload := sqstext.JSON(w.Adobe.FailureEvent("special"))
				if direct {
					w.Told = func(id string) { w.invoke(w.Start(-1, false), string(w.Adobe.FailureEvent(id))) }
					w.invoke(w.Start(-1, false), payload)
				} else {
					w.Send(payload)
				}
				w.Drain(5 * time.Hour) // the second attempt must wait
				letter := w.letter()
				if letter.Attributes["reason"].StringValue != "unsendable" || len(w.AWS.Messages(w.Requests)) != 0 {
					t.Errorf("the letter is %s, %v; %d messages wait", letter.Body, letter.Attributes, len(w.AWS.Messages(w.Requests)))
				}
			})
		})
	}
}

// TestLargePayloadOfADirectInvocationStaysWithItsSender: The answer is an error that says
// why and how to go on, and no part of the payload is kept. To deliver the event again
// would not help.
func TestLargePayloadOfADirectInvocationStaysWithItsSender(t *testing.T) {
	t.Parallel()
	list := func(bytes int) string {
		return `[{"runId":"root-f-1","orgId":"W@AdobeOrg","sandbox":"prod"},{"runId":"b","reason":"` + strings.Repeat("r", bytes) + `"}]`
	}
	for name, tt := range map[string]struct {
		payload, why string
		retriggers   int
	}{
		"one byte too many":        {`"` + strings.Repeat("x", sqstext.MaxRequest-1) + `"`, "not JSON", 0},
		"the most that Lambda has": {`"` + strings.Repeat("x", 6<<20-2) + `"`, "more than 1048576", 0},
		"one element of a list":    {list(sqstext.MaxRequest), "the reason has", 1},
		"a list, too large":        {list(event.MaxPayload), "more than 1048576", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Fail("f")
				response, err := w.Start(-1, false).Invoke(t.Context(), []byte(tt.payload))
				if err != nil || len(response.FunctionError) > 1000 || strings.Contains(response.FunctionError, "again") {
					t.Errorf("the answer is %.300s, %.500s, %v", response.Payload, response.FunctionError, err)
				}
				for _, want := range []string{"too large for a dead letter", "in parts of at most 1032192 bytes", tt.why} {
					if !strings.Contains(response.FunctionError, want) {
						t.Errorf("the error lacks %q: %.500s", want, response.FunctionError)
					}
				}
				if n := len(w.AWS.Messages(w.DeadLetterQueue)) + len(w.AWS.Messages(w.Requests)); n != 0 {
					t.Errorf("%d messages were sent", n)
				}
				if w.Logs.Sum("returned") != 1 || w.Logs.Sum("dead_letter_queue_unavailable") != 0 {
					t.Errorf("%d returned, %d of them since the queue is not available", w.Logs.Sum("returned"), w.Logs.Sum("dead_letter_queue_unavailable"))
				}
				if n := w.Lineages()["root-f-1"]; n != tt.retriggers {
					t.Errorf("the run beside it was sent %d times, want %d", n, tt.retriggers)
				}
			})
		})
	}
}

// TestTooLargePayloadDoesNotHideRunsThatNeedAnotherDelivery: The error of the invocation
// is about the run that needs another delivery.
func TestTooLargePayloadDoesNotHideRunsThatNeedAnotherDelivery(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.QueueURL = ""
		w.Fail("f")
		answer429(w)
		response, err := w.Start(-1, false).Invoke(t.Context(), []byte(
			`[{"runId":"b","reason":"`+strings.Repeat("r", sqstext.MaxRequest)+`"},{"runId":"root-f-1","orgId":"W@AdobeOrg","sandbox":"prod"}]`,
		))
		if err != nil || !strings.Contains(response.FunctionError, "root-f-1") || !strings.HasSuffix(response.FunctionError, "deliver the event again") {
			t.Errorf("the answer is %.300s, %.500s, %v", response.Payload, response.FunctionError, err)
		}
	})
}

// TestRequestThatTheQueueRefusesBecomesADeadLetter: This holds for a request that Adobe
// throttles and for a sweep that must go on.
func TestRequestThatTheQueueRefusesBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ payload, reason string }{
		"a request": {`{"runId":"root-f-1","orgId":"W@AdobeOrg","sandbox":"prod"}`, "unsendable"},
		"a sweep":   {`{"sweep":{"sandbox":"prod","orgId":"W@AdobeOrg"}}`, "sweep_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Fail("f")
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests})
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable, Times: 1000})
				w.AWS.Inject(awssim.Fault{Op: "SendMessageBatch", Code: "com.amazonaws.sqs#InvalidMessageContents", Times: 1000})
				w.invoke(w.Start(-1, false), tt.payload) // it wants no error
				letter := w.letter()
				if letter.Attributes["reason"].StringValue != tt.reason || !strings.Contains(letter.Body+letter.Attributes["error"].StringValue, "InvalidMessageContents") {
					t.Errorf("the letter is %s, %v", letter.Body, letter.Attributes)
				}
				if n := len(w.AWS.Messages(w.Requests)); n != 0 || w.Logs.Sum("request_queue_unavailable") != 0 {
					t.Errorf("%d messages wait; the queue is counted as not available %d times", n, w.Logs.Sum("request_queue_unavailable"))
				}
			})
		})
	}
}
