package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// TestPauseStopsRunsThatWaitBehindASlowCall: Five runs of a dataflow go one after the
// other in one process. A pause stops the rest within the age of the process's copy and
// one call.
func TestPauseStopsRunsThatWaitBehindASlowCall(t *testing.T) {
	t.Parallel()
	for _, ours := range []bool{false, true} {
		t.Run(fmt.Sprintf("messages of ours %t", ours), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				slowly(w, 9*time.Second)
				if ours {
					w.pausing("pause", "")
				}
				var ids []string
				for range 5 {
					ids = append(ids, w.Fail("f"))
				}
				w.tellAll(ids)
				p := w.Start(-1, false)
				if ours { // they wait for the end of a pause, and come together
					w.Poll(p)
					w.pausing("resume", "")
					pass(10 * time.Minute)
				}
				done := make(chan struct{})
				go func() {
					defer close(done)
					w.Poll(p)
				}()
				pass(time.Second)
				w.pausing("pause", "")
				began := time.Now()
				<-done
				calls := w.sent()
				if last := calls[len(calls)-1].At.Sub(began); len(calls) < 2 || last > (15+9)*time.Second {
					t.Errorf("%d re-triggers, the last %s after the pause began", len(calls), last)
				}
				w.Drain(time.Hour)
				if n := len(w.sent()); n != len(calls) {
					t.Errorf("%d re-triggers in the pause", n-len(calls))
				}
				w.pausing("resume", "")
				w.Drain(24 * time.Hour)
				w.wantOnce(t, ids)
			})
		})
	}
}

// TestRequestByHandWaitsForThePauseOfItsDataflow: The request need not name the dataflow.
func TestRequestByHandWaitsForThePauseOfItsDataflow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.pausing("pause", `"orgId":"`+worldOrg+`","flowId":"f"`)
		root := w.Fail("f")
		r := w.invoke(w.Start(-1, false), `{"runId":"`+root+`","orgId":"`+worldOrg+`"}`).Results[0]
		if r.Outcome != "deferred" || r.Reason != "paused" || len(w.sent()) != 0 {
			t.Errorf("%+v after %d re-triggers", r, len(w.sent()))
		}
		dry := w.invoke(w.Start(-1, false), `{"runId":"`+w.Fail("f")+`","orgId":"`+worldOrg+`","dryRun":true}`).Results[0]
		if !strings.Contains(dry.Message, "would wait") {
			t.Errorf("the dry run says %+v", dry)
		}
	})
}

// disorder returns how many elements must be removed until the rest is in order.
func disorder(want, got []string) int {
	best := make([]int, len(got)) // the longest ordered list that ends with each
	longest := 0
	for i, id := range got {
		best[i] = 1
		for j := range i {
			if slices.Index(want, got[j]) < slices.Index(want, id) {
				best[i] = max(best[i], best[j]+1)
			}
		}
		longest = max(longest, best[i])
	}
	return len(got) - longest
}

// TestPauseStopsItsScopeWithinSeconds: A process keeps a copy of the pauses for
// throttle.MaxAge. After that the paused dataflow waits, forced requests too, and other
// dataflows and orgs go on.
func TestPauseStopsItsScopeWithinSeconds(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Flow("g", worldOrg)
		w.Flow("other", worldOther)
		p := w.Start(-1, false)
		warm := w.Fail("f")
		w.Told(warm)
		w.Poll(p)
		w.wantOnce(t, []string{warm})
		w.Adobe.Settle()
		w.pausing("pause", `"orgId":"`+worldOrg+`","flowId":"f"`)
		pass(throttle.MaxAge)
		waits, goes, others := w.Fail("f"), w.Fail("g"), w.Fail("other")
		w.tellAll([]string{waits, goes, others})
		w.Poll(p)
		w.wantOnce(t, []string{goes, others})
		if n := w.Adobe.Retriggers(waits); n != 0 {
			t.Errorf("a run of a paused dataflow was re-triggered %d times", n)
		}
		w.Adobe.Settle()
		// A person's request waits, too, and force does not pass the pause.
		forced := w.invoke(p, `{"runId":"`+waits+`","orgId":"`+worldOrg+`","flowId":"f","force":true}`)
		if forced.Results[0].Outcome != "deferred" {
			t.Errorf("the answer is %+v", forced)
		}
		dry := w.invoke(p, `{"runId":"`+waits+`","orgId":"`+worldOrg+`","flowId":"f","dryRun":true}`)
		if !strings.Contains(dry.Results[0].Message, "paused since") {
			t.Errorf("the answer is %+v", dry)
		}
		if got := w.pausing("pause", `"orgId":"`+worldOther+`"`); len(got) != 2 {
			t.Errorf("the pauses are %+v", got)
		}
		w.pausing("resume", `"orgId":"`+worldOrg+`","flowId":"f"`)
		w.Drain(2 * time.Hour)
		w.wantOnce(t, []string{waits})
	})
}

// TestInvalidPauseIsRefused: The function refuses to pause an unknown org. Where it has two
// orgs, it refuses a dataflow without its org. Without the ledger it says that nothing was
// paused.
func TestInvalidPauseIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, payload := range []string{`{"pause":{"orgId":"X@AdobeOrg"}}`, `{"resume":{"flowId":"f"}}`} { // there are two orgs
			response, err := w.Start(-1, false).Invoke(t.Context(), []byte(payload))
			if err != nil || !strings.Contains(response.FunctionError, "nothing was paused or resumed: credentials") || len(w.AWS.Messages(w.DeadLetterQueue)) != 0 {
				t.Errorf("%s: the answer is %+v, %v", payload, response, err)
			}
		}
		w.Faults.Fail(1, 0)
		response, err := w.Start(-1, false).Invoke(t.Context(), []byte(`{"pause":{}}`))
		if err != nil || !strings.Contains(response.FunctionError, "nothing was paused") {
			t.Errorf("without the ledger: %+v, %v", response, err)
		}
	})
}

// counted counts the invocations of a chain of messages, and their requeues.
type counted struct {
	*process
	chain, requeues int
}

func (c *counted) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	c.chain, c.requeues = max(c.chain, lambdaenv.Chain(ctx)), max(c.requeues, requeues(string(payload)))
	return c.process.Invoke(ctx, payload)
}

func TestPauseOnTheQueueIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, body := range []string{`{"pause":{"reason":"by a message"}}`, `{"resume":{}}`, `{"Type":"Notification","TopicArn":"arn:x","Message":"{\"pause\":{}}"}`} {
			w.Send(body)
		}
		w.Drain(time.Minute)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 3 {
			t.Fatalf("%d dead letters, want 3", len(letters))
		}
		for _, m := range letters {
			if m.Attributes["reason"].StringValue != "not_direct" || !strings.Contains(m.Attributes["error"].StringValue, "invo") {
				t.Errorf("%v", m.Attributes)
			}
		}
		w.Told(w.Fail("f"))
		w.Drain(time.Hour)
		if n := len(w.sent()); n != 1 {
			t.Errorf("after a pause on the queue %d re-triggers were sent, want 1", n)
		}
	})
}
