package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestRequestIsHandledWhenItIsDue: A retry waits from a second to twelve hours, for an
// event from the queue and for a direct one. The function handles the request within a
// second of its due time and sends no second message for it.
func TestRequestIsHandledWhenItIsDue(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{time.Second, time.Minute, 14 * time.Minute, 16 * time.Minute, 3 * time.Hour, 12 * time.Hour} {
		for _, direct := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/direct %t", delay, direct), func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.Config.RetryDelays = []time.Duration{delay}
					p := w.Start(-1, false)
					for range jitters {
						root := w.Fail("f")
						event := w.Adobe.FailureEvent(root)
						if direct {
							w.Direct(event, func() *process { return p })
						} else {
							w.Send(string(event))
							w.Poll(p)
						}
						waiting := w.AWS.Messages(w.Requests)
						if len(waiting) != 1 {
							t.Fatalf("%d messages wait, want 1", len(waiting))
						}
						due, err := time.Parse(time.RFC3339Nano, w.Entry(root)["due"])
						if err != nil || due.After(time.Now().Add(delay)) {
							t.Fatalf("due = %v, %v", due, err)
						}
						// A duplicate changes nothing of it, and has the same outcome.
						w.Send(string(event))
						w.Poll(p)
						sent := w.AWS.Count("SendMessageBatch")
						for w.Adobe.Retriggers(root) == 0 {
							pass(max(time.Until(w.Next()), 0))
							if time.Now().Before(due) && w.Adobe.Retriggers(root) > 0 {
								t.Fatal("it was retried before it was due")
							}
							w.Poll(p)
						}
						if late := time.Since(due); late < 0 || late > time.Second {
							t.Errorf("due in %s it was handled %s late", delay, late)
						}
						if n := w.AWS.Count("SendMessageBatch") - sent; n != 0 {
							t.Errorf("requeued %d more times", n)
						}
						w.Adobe.Settle()
					}
					for _, one := range w.Logs.Outcomes() {
						if one.Outcome == "deferred" && one.Reason != "retry_delay" && one.Reason != "duplicate" || one.Outcome == "dead_lettered" {
							t.Errorf("outcome = %+v", one)
						}
					}
				})
			})
		}
	}
}

// TestRedeliveryKeepsTheDueTime: The delay counts from when the event was sent. So a
// redelivery is due at the same time, and a message that comes late is due at once.
func TestRedeliveryKeepsTheDueTime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{10 * time.Hour}
		root := w.Fail("f")
		w.Told(root)
		sent := time.Now()
		pass(time.Minute)
		w.Poll(lost{w.Start(-1, false)})
		due := w.Entry(root)["due"]
		pass(6 * time.Minute)
		w.Poll(w.Start(4, true)) // a crash, too, changes nothing of it
		w.Poll(w.Start(-1, false))
		if again := w.Entry(root)["due"]; due == "" || again != due {
			t.Errorf("due at %s, and after a redelivery at %s", due, again)
		}
		for _, m := range w.AWS.Messages(w.Requests) {
			if first := sent.UTC().Format("2006-01-02T15:04:05"); !strings.Contains(m.Body, `"firstSeen":"`+first) {
				t.Errorf("the message is %s, want it seen first at %s", m.Body, first)
			}
		}
		w.Drain(24 * time.Hour)
		late := w.Fail("f")
		w.Told(late)
		pass(10 * time.Hour)
		w.Poll(w.Start(-1, false))
		w.wantOnce(t, []string{root, late})
	})
}

// TestHangingQueueDoesNotBlockTheBatch: SQS hangs when the function puts off a message
// that came early. The other messages of the batch are retried all the same.
func TestHangingQueueDoesNotBlockTheBatch(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{time.Hour}
		early := w.Fail("f")
		w.Told(early)
		p := w.Start(-1, false)
		w.Poll(p)
		pass(time.Until(w.Next()))
		w.Config.RetryDelays = []time.Duration{0}
		p = w.Start(-1, false)
		root := w.Fail("f")
		w.Told(root)
		w.AWS.Inject(awssim.Fault{Op: "ChangeMessageVisibilityBatch", Hang: true})
		began := time.Now()
		w.Poll(p)
		calls := w.sent()
		if len(calls) != 1 || calls[0].RunID != root || calls[0].At.Sub(began) > postponeTime {
			t.Errorf("re-triggers %+v, want one of %s within %s of %s", calls, root, postponeTime, began)
		}
		w.Drain(24 * time.Hour)
		w.wantOnce(t, []string{early, root})
	})
}

// TestWaitingMessageDeliveredTwiceIsOneDeadLetter: A process handles a waiting message,
// but the message is not deleted. Its second delivery writes no second dead letter.
func TestWaitingMessageDeliveredTwiceIsOneDeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{time.Minute}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Times: 10, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		root := w.Fail("f")
		w.Told(root)
		p := w.Start(-1, false)
		w.Poll(p)
		pass(time.Until(w.Next()))
		w.Poll(lost{p}) // handled, and not deleted
		w.Drain(24 * time.Hour)
		want := []string{"dead_lettered forbidden", "dead_lettered duplicate"}
		if diff := cmp.Diff(want, w.outcomesOf(root)); diff != "" || len(w.sent()) != 1 || len(w.AWS.Messages(w.DeadLetterQueue)) != 1 {
			t.Errorf("%d re-triggers, %d letters; outcomes (-want +got):\n%s", len(w.sent()), len(w.AWS.Messages(w.DeadLetterQueue)), diff)
		}
	})
}

// TestSlowWorkDoesNotDelayAWaitingMessage: A message comes before it is due, in a batch
// with a sweep or a run whose calls hang. Another process handles the message when it is
// due.
func TestSlowWorkDoesNotDelayAWaitingMessage(t *testing.T) {
	t.Parallel()
	for name, slow := range map[string]func(w *world){
		"a sweep": func(w *world) {
			w.Config.CallTimeout = 50 * time.Second
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Hang: true, Times: 10})
			w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		},
		"re-triggers": func(w *world) {
			w.Config.CallTimeout, w.Config.MaxConcurrentRuns = 30*time.Second, 1
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Hang: true})
			w.Flow("slow", worldOrg)
			w.Told(w.Fail("slow"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				due := time.Now().Add(20 * time.Second).UTC()
				slow(w)
				w.Send(ownMessage(id, due))
				first, second := w.Start(-1, false), w.Start(-1, false)
				var group sync.WaitGroup
				group.Go(func() { w.Poll(first) })
				pass(time.Until(due))
				if w.Poll(second) != 1 {
					t.Fatal("the message is not there when it is due")
				}
				calls := w.sent()
				if at := calls[len(calls)-1]; at.RunID != id || at.At.Sub(due) > time.Second {
					t.Errorf("run %s was re-triggered %s after the time", at.RunID, at.At.Sub(due))
				}
				group.Wait()
				w.Adobe.Heal()
				w.Drain(time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}

// TestAnswerComesInTimeWhileSQSHangs: SQS hangs when the function changes visibility
// timeouts or sends messages. The function still answers before its deadline, and the run
// is retried later.
func TestAnswerComesInTimeWhileSQSHangs(t *testing.T) {
	t.Parallel()
	for _, op := range []string{"ChangeMessageVisibilityBatch", "SendMessageBatch"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				pass(time.Minute)
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable})
				w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests})
				w.AWS.Inject(awssim.Fault{Op: op, Hang: true})
				began := time.Now()
				if op == "SendMessageBatch" { // process.Invoke holds that the answer comes in time
					w.Direct([]byte(`{"sweep":{"orgId":"`+worldOrg+`"}}`), func() *process { return w.Start(-1, false) })
				} else {
					w.Told(id)
					w.Poll(w.Start(-1, false))
				}
				if took := time.Since(began); took < 5*time.Second {
					t.Fatalf("no call hangs: the answer took %s", took)
				}
				w.Drain(time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}
