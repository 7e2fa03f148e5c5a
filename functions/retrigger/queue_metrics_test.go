package main

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

const always = 1 << 30

// lettersDown lets the function write no dead letter, as without permission; requestsDown
// lets it put nothing on the request queue.
func lettersDown() awssim.Fault {
	return awssim.Fault{Op: "SendMessage", Times: always, Code: "AccessDenied", Of: `"lastTime"`} // an attribute of every letter
}

func requestsDown() awssim.Fault {
	return awssim.Fault{Op: "SendMessageBatch", Times: always, Code: "AccessDenied"}
}

// panics is a store with a defect.
type panics struct{ store.Table }

func (panics) Commit(context.Context, ...store.Write) error { panic("a defect") }

// TestMetricsShowFaultsThatNeedAPerson: Metrics show a queue that can't be written and
// other such faults wherever they happen, and only then. Each case is one invocation, or
// a few.
func TestMetricsShowFaultsThatNeedAPerson(t *testing.T) {
	t.Parallel()
	const noLetters, noRequests = "dead_letter_queue_unavailable", "request_queue_unavailable"
	for name, tt := range map[string]struct {
		prepare func(w *world)
		run     func(w *world)
		want    map[string]int // the counts of the four metrics; 0 where one is not named
	}{
		"all is well": {
			func(*world) {},
			func(w *world) { w.Told(w.Fail("f")); w.Drain(time.Minute) },
			nil,
		},
		"a dead letter of a message": {
			func(w *world) { w.Send(`{"runid":"x"}`); w.AWS.Inject(lettersDown()) },
			func(w *world) { w.Poll(w.Start(-1, false)) },
			map[string]int{noLetters: 1},
		},
		"a dead letter of a run": {
			func(w *world) { w.AWS.Inject(lettersDown()) },
			func(w *world) {
				w.Send(`{"runId":"none","sandbox":"prod","orgId":"W@AdobeOrg"}`)
				w.Poll(w.Start(-1, false))
			},
			map[string]int{noLetters: 1},
		},
		"a request that must wait": {
			func(w *world) { w.AWS.Inject(requestsDown()); w.Adobe.Script("f", flowsim.Fail("X", "again")) },
			func(w *world) {
				w.Told(w.Fail("f"))
				w.Poll(w.Start(-1, false))
				pass(2 * time.Minute)
				w.Settle() // the second attempt must wait
				w.Poll(w.Start(-1, false))
			},
			map[string]int{noRequests: 1},
		},
		"a request of an invocation that is handed back": {
			func(w *world) { w.AWS.Inject(requestsDown()); answer429(w) },
			func(w *world) { w.fails(`{"runId":"` + w.Fail("f") + `","sandbox":"prod","orgId":"W@AdobeOrg"}`) },
			map[string]int{noRequests: 1},
		},
		"a list in part, with neither queue": {
			func(w *world) { w.AWS.Inject(requestsDown()); w.AWS.Inject(lettersDown()); answer429(w) },
			func(w *world) {
				w.fails(`{"requests":[{"runId":"` + w.Fail("f") + `","sandbox":"prod","orgId":"W@AdobeOrg"},{"runId":"y","dryRun":true,"sandbox":"prod","orgId":"W@AdobeOrg"}]}`)
			},
			map[string]int{noRequests: 1, noLetters: 1},
		},
		"a sweep's requests": {
			func(w *world) { w.Fail("f"); w.AWS.Inject(requestsDown()); pass(time.Minute) },
			func(w *world) {
				w.Send(`{"sweep":{"sandbox":"prod","orgId":"W@AdobeOrg"}}`)
				w.Poll(w.Start(-1, false))
			},
			map[string]int{noRequests: 1},
		},
		"a sweep that goes on later": {
			func(w *world) { w.Fail("f"); w.AWS.Inject(requestsDown()); pass(time.Minute) },
			func(w *world) { w.fails(`{"sweep":{"sandbox":"prod","orgId":"W@AdobeOrg"}}`) },
			map[string]int{noRequests: 2}, // its requests, and itself
		},
		"what is left of a sweep": {
			func(w *world) { w.AWS.Inject(lettersDown()) },
			func(w *world) {
				w.Send(`{"sweep":{"sandbox":"prod","orgId":"none@AdobeOrg"}}`)
				w.Poll(w.Start(-1, false))
			},
			map[string]int{noLetters: 1},
		},
		"a sandbox that a sweep gives up": {
			func(w *world) { w.AWS.Inject(lettersDown()) },
			func(w *world) {
				w.Send(`{"sweep":{"sandbox":"none","orgId":"W@AdobeOrg"}}`)
				w.Poll(w.Start(-1, false))
			},
			map[string]int{noLetters: 1},
		},
		"a run that a sweep can't send, and no letter of it": {
			func(w *world) {
				w.Fail("f")
				pass(time.Minute)
				w.AWS.Inject(lettersDown())
				w.AWS.Inject(awssim.Fault{Op: "SendMessageBatch", Times: always, Code: "InvalidParameterValue", Of: "root-f-1", EntriesOnly: true})
			},
			func(w *world) {
				w.Send(`{"sweep":{"sandbox":"prod","orgId":"W@AdobeOrg"}}`)
				w.Poll(w.Start(-1, false))
			},
			map[string]int{noLetters: 1},
		},
		"an event that is not recognized": {
			func(w *world) { w.Send(`{"shape":"unknown"}`) },
			func(w *world) { w.Poll(w.Start(-1, false)) },
			map[string]int{"unrecognized": 1},
		},
		"an event that is not recognized, and no letter of it": {
			func(w *world) { w.Send(`{"shape":"unknown"}`); w.AWS.Inject(lettersDown()) },
			func(w *world) { w.Poll(w.Start(-1, false)) },
			map[string]int{"unrecognized": 1, noLetters: 1},
		},
		"a defect": {
			func(w *world) { w.Mutate = func(t store.Table) store.Table { return panics{t} } },
			func(w *world) { w.Told(w.Fail("f")); w.Poll(w.Start(-1, false)) },
			map[string]int{"internal_error": 1},
		},
		"a defect, and no letter of it": {
			func(w *world) {
				w.Mutate = func(t store.Table) store.Table { return panics{t} }
				w.AWS.Inject(lettersDown())
			},
			func(w *world) { w.Told(w.Fail("f")); w.Poll(w.Start(-1, false)) },
			map[string]int{"internal_error": 1, noLetters: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				tt.prepare(w)
				tt.run(w)
				for _, metric := range []string{noLetters, noRequests, "unrecognized", "internal_error"} {
					if got := w.Logs.Sum(metric); got != tt.want[metric] {
						t.Errorf("%s is %d, want %d\n%s", metric, got, tt.want[metric], w)
					}
				}
			})
		})
	}
}

// answer429 lets Adobe answer 429 to every re-trigger.
func answer429(w *world) {
	w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: always, Status: http.StatusTooManyRequests})
}

// fails invokes the function by hand and wants an error.
func (d driver) fails(payload string) {
	d.TB.Helper()
	response, err := d.Start(-1, false).Invoke(context.Background(), []byte(payload))
	if err != nil || response.FunctionError == "" {
		d.TB.Errorf("%s: the answer is %s, %v; want an error", payload, response.Payload, err)
	}
}

// TestNothingIsLostWhileTheDeadLetterQueueIsDown: The message stays on the request queue,
// the metric counts each delivery, and the dead letter is written when the queue is back.
func TestNothingIsLostWhileTheDeadLetterQueueIsDown(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Send(`{"runid":"x"}`)
		down := lettersDown()
		down.Times = 60
		w.AWS.Inject(down)
		w.Drain(24 * time.Hour)
		if n := w.Logs.Sum("dead_letter_queue_unavailable"); n < 15 {
			t.Errorf("the metric is %d", n)
		}
		if letter := w.letter(); letter.Attributes["reason"].StringValue != "unknown_field" || len(w.AWS.Messages(w.Requests)) != 0 {
			t.Errorf("the letter is %+v", letter)
		}
	})
}
