package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// TestRunIsClaimedOnlyWithACredential: A claim makes other runs of its dataflow wait, so
// the function reads the credential first.
func TestRunIsClaimedOnlyWithACredential(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.AWS.Inject(awssim.Fault{Op: "GetSecretValue", Hang: true, Times: 100})
		done := make(chan lambdaenv.Response)
		p := w.Start(-1, false)
		go func() {
			answer, _ := p.Invoke(t.Context(), w.Adobe.FailureEvent(root))
			done <- answer
		}()
		synctest.Wait()
		if e := w.Entry(root); e["state"] != "" {
			t.Errorf("while Secrets Manager hangs the ledger has %v, want no claim", e)
		}
		<-done
		if e := w.Entry(root); e["state"] != "deferred" || w.Adobe.Count(flowsim.OpRetrigger) != 0 {
			t.Errorf("in the end the ledger has %v after %d re-triggers", e, w.Adobe.Count(flowsim.OpRetrigger))
		}
	})
}

// TestNoRetriggerIsSentWithoutTheLedger: While the ledger fails, each delivery is
// returned and no dead letter is written. When the ledger is back, the run is
// re-triggered once.
func TestNoRetriggerIsSentWithoutTheLedger(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.Faults.Fail(1000, 0)
		w.Send(string(w.Adobe.FailureEvent(root)))
		p := w.Start(-1, false)
		for range 3 {
			w.Poll(p)
			pass(20 * time.Minute)
		}
		if n := w.Adobe.Count(flowsim.OpRetrigger); n != 0 || len(w.DeadLetters()) != 0 {
			t.Errorf("%d re-triggers and %d dead letters without a ledger", n, len(w.DeadLetters()))
		}
		for _, one := range w.Logs.Outcomes() {
			if one.Outcome != "returned" || one.Reason != "ledger_unavailable" {
				t.Errorf("outcome = %+v", one)
			}
		}
		w.Faults.Fail(0, 0)
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(root); n != 1 {
			t.Errorf("%d re-triggers when the ledger is back, want 1", n)
		}
	})
}

// TestDeadlineIsCheckedAgainAfterTheTokenRequest: A slow token request can use up the
// time that the re-trigger needs. Then the message is returned, and its next delivery
// sends the call.
func TestDeadlineIsCheckedAgainAfterTheTokenRequest(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Timeout = 22 * time.Second // 16.5 s are for the work, 10 s of them for the call
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/ims") {
				pass(8 * time.Second)
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		root := w.Fail("f")
		w.Told(root)
		p := w.Start(-1, false)
		w.Poll(p)
		one := w.Logs.Outcomes()[0]
		if len(w.sent()) != 0 || one.Reason != "deadline" || w.Entry(root)["state"] != "returned" || w.Entry(root)["sends"] != "" {
			t.Errorf("%d re-triggers, outcome %+v, entry %v", len(w.sent()), one, w.Entry(root))
		}
		pass(time.Until(w.Next()))
		w.Poll(p) // the token is there
		w.wantOnce(t, []string{root})
	})
}

// TestRunsOfABusyDataflowAreReturnedAtTheDeadline: The calls of one dataflow go one after
// the other. A run whose turn does not come before the invocation's deadline is returned
// as flow_busy.
func TestRunsOfABusyDataflowAreReturnedAtTheDeadline(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Timeout = 30 * time.Second
		slowly(w, 9*time.Second)
		for range 5 {
			w.Told(w.Fail("f"))
		}
		w.Poll(w.Start(-1, false))
		counts := map[string]int{}
		for _, one := range w.Logs.Outcomes() {
			counts[one.Outcome+" "+one.Reason]++
		}
		if diff := cmp.Diff(map[string]int{"retriggered ": 2, "returned flow_busy": 3}, counts); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

// TestDuplicateDeliveryDoesNotChangeAnOpenClaim: One delivery has a call under way. A
// second delivery of the event waits, and the ledger's entry stays as it is.
func TestDuplicateDeliveryDoesNotChangeAnOpenClaim(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		event := w.Adobe.FailureEvent(root)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Direct(event, func() *process { return w.Start(-1, false) })
		}()
		synctest.Wait()
		before := w.Entry(root)
		w.Direct(event, func() *process { return w.Start(-1, false) })
		if diff := cmp.Diff(before, w.Entry(root)); diff != "" || before["state"] != "in_flight" {
			t.Errorf("the entry has changed (-before +after):\n%s", diff)
		}
		<-done
		w.Drain(time.Hour)
		if w.Adobe.Count(flowsim.OpRetrigger) != 1 || w.Entry(root)["newRunId"] != w.Adobe.MadeOf(root) {
			t.Errorf("%d re-triggers; the entry is %v", w.Adobe.Count(flowsim.OpRetrigger), w.Entry(root))
		}
	})
}

// TestRetryTakesFewCalls: A warm process makes four calls for an event where the org has no
// budget: read, claim, re-trigger and record. A request by hand takes five, since the run is read,
// and six where it names no dataflow.
func TestRetryTakesFewCalls(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.SecretIDs = w.Config.SecretIDs[:1]
		p := w.Start(-1, false)
		w.invoke(p, string(w.Adobe.FailureEvent(w.Fail("f")))) // warm
		for request, want := range map[string]int{"event": 4, `{"runId":%q}`: 6, `{"runId":%q,"flowId":"f"}`: 5} {
			id := w.Fail("f")
			payload := string(w.Adobe.FailureEvent(id))
			if request != "event" {
				payload = fmt.Sprintf(request, id)
			}
			before := p.Calls()
			w.invoke(p, payload)
			if n := p.Calls() - before; n != want || w.Adobe.Retriggers(id) != 1 {
				t.Errorf("%s: %d calls and %d re-triggers, want %d and 1", request, n, w.Adobe.Retriggers(id), want)
			}
		}
	})
}
