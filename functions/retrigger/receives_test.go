package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestWaitingMessageKeepsItsTriesForFaults: A message meets nine faults, waits twelve
// hours and meets nine more. The requeue copy begins at zero receives, and the receive
// that the wait takes does not count.
func TestWaitingMessageKeepsItsTriesForFaults(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		root := w.Fail("f")
		w.Send(string(w.Adobe.FailureEvent(root)))
		p := w.Start(-1, false)
		// Before it waits it comes nine times in vain, and as often afterwards.
		for range 2 {
			for range maxReceives - 1 {
				w.Faults.Fail(100, 0)
				w.Poll(p)
				w.Faults.Fail(0, 0)
				pass(max(time.Until(w.Next()), 0))
			}
			for w.Next().Before(time.Now().Add(time.Second)) && w.Poll(p) > 0 && w.Adobe.Retriggers(root) == 0 {
			}
			pass(max(time.Until(w.Next()), 0))
		}
		w.Drain(48 * time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 || len(w.DeadLetters()) != 0 {
			t.Errorf("%d re-triggers, dead letters %v\n%v", n, w.DeadLetters(), w.Logs.Outcomes())
		}
	})
}

func TestLastingFaultBecomesADeadLetterAfterTenReceives(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 100, Status: http.StatusServiceUnavailable})
		w.Told(id)
		receives := 0
		for len(w.AWS.Messages(w.Requests)) > 0 {
			if w.Poll(w.Start(-1, false)) > 0 {
				receives++
			} else {
				pass(time.Until(w.Next()))
			}
		}
		if receives != 10 || w.reasons()["adobe_unavailable"] != 1 {
			t.Errorf("after %d receives the dead letters are %v", receives, w.reasons())
		}
	})
}

// TestLongWaitTakesNoTryFromFaults: The due time is past SQS's longest delay, so the
// message is received once only to wait on. It may meet as many faults afterwards as any
// other message.
func TestLongWaitTakesNoTryFromFaults(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		id := w.Fail("f")
		w.Told(id)
		p := w.Start(-1, false)
		w.Poll(p)
		due, err := time.Parse(time.RFC3339Nano, w.Entry(id)["due"])
		if err != nil || time.Until(due) < 20*time.Minute {
			t.Fatalf("it is due at %s, %v: too soon for this test", due, err)
		}
		pass(time.Until(w.Next()))
		w.Poll(p)
		pass(time.Until(w.Next()))
		if late := time.Since(due); late < 0 || late > time.Second || w.AWS.Messages(w.Requests)[0].Receives != 1 {
			t.Fatalf("it comes %s after it is due, received %d times before", late, w.AWS.Messages(w.Requests)[0].Receives)
		}
		w.Faults.Fail(1000, 0)
		for range 9 {
			if w.Poll(p) != 1 {
				t.Fatal("it does not come")
			}
			pass(time.Until(w.Next()))
		}
		w.Faults.Fail(0, 0)
		w.Drain(time.Hour)
		w.wantOnce(t, []string{id})
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

// TestMessageOfAnotherQueueIsReturnedUnchanged: The function sets visibility timeouts
// only for messages of its own queue.
func TestMessageOfAnotherQueueIsReturnedUnchanged(t *testing.T) {
	t.Parallel()
	for arn, want := range map[string]int{"arn:aws:sqs:us-east-1:1:elsewhere": 0, awssim.QueueARN("requests"): 1} {
		inWorld(t, func(t *testing.T, w *world) {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests})
			response, err := w.Start(-1, false).Invoke(t.Context(), sqsBatch(t, arn, 1, string(w.Adobe.FailureEvent(w.Fail("f")))))
			if err != nil || string(response.Payload) != `{"batchItemFailures":[{"itemIdentifier":"m"}]}` {
				t.Errorf("the answer is %+v, %v", response, err)
			}
			if n := w.AWS.Count("ChangeMessageVisibilityBatch"); n != want {
				t.Errorf("%d calls change the visibility of a message of %s, want %d", n, arn, want)
			}
		})
	}
}

// TestPoisonMessageBecomesADeadLetter: After 50 receives the message becomes a dead
// letter before the function works on it again.
func TestPoisonMessageBecomesADeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.invoke(w.Start(-1, false), string(sqsBatch(t, awssim.QueueARN("requests"), 51, string(w.Adobe.FailureEvent(id)))))
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "never_finished" || len(w.sent()) != 0 {
			t.Errorf("the dead letters are %+v", letters)
		}
	})
}

func renewal(t *testing.T, w *world, times int) {
	t.Helper()
	id := w.Fail("f")
	w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: times, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "900"}})
	w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, After: 1, Times: 5, Status: http.StatusServiceUnavailable})
	w.Told(id)
	for waiting := w.AWS.Messages(w.Requests); len(waiting) > 0; waiting = w.AWS.Messages(w.Requests) {
		if most := requeues(waiting[0].Body); most > 8 {
			t.Fatalf("it was requeued %d times", most)
		}
		w.Drain(time.Hour)
		w.Adobe.RevokeTokens(worldOrg)
		pass(time.Minute)
	}
	w.wantOnce(t, []string{id})
	if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
		t.Errorf("there are %d dead letters", n)
	}
}
