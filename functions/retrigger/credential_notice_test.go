package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// refusedByIMS lets IMS refuse every credential from now on, and switches notices on.
func refusedByIMS(w *world) {
	w.Config.NoticeBus = simulation.NoticeBus
	w.Adobe.Inject(flowsim.Fault{
		Op: flowsim.OpToken, Times: 9999, Status: http.StatusBadRequest, Body: `{"error":"invalid_client","error_description":"invalid client_secret parameter"}`,
	})
}

// told are the notices on the bus.
func told(w *world) []awssim.Event { return w.AWS.EventBuses.Sent(simulation.NoticeBus) }

// retryByHand asks for a run, which must wait for its credential.
func retryByHand(t *testing.T, w *world, p *process, run string) {
	t.Helper()
	result := w.invoke(p, fmt.Sprintf(`{"runId":%q,"orgId":%q}`, run, worldOrg)).Results[0]
	if result.Outcome != retry.Deferred || result.Reason != retry.CredentialsRefused {
		t.Errorf("%+v", result)
	}
}

// TestARefusedCredentialIsToldOnceADayWhateverMeetsIt: requests by hand, events and sweeps,
// in several processes.
func TestARefusedCredentialIsToldOnceADayWhateverMeetsIt(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		refusedByIMS(w)
		root := w.Fail("f")
		for day := range 2 {
			for range 3 {
				p := w.Start(-1, false)
				retryByHand(t, w, p, root)
				w.Told(root)
				w.Poll(p)
				w.invoke(p, `{"sweep":{"orgId":"`+worldOrg+`","sandbox":"prod","since":"1h"}}`)
				pass(time.Minute)
			}
			if n := len(told(w)); n != day+1 {
				t.Fatalf("%d notices after %d days\n%s", n, day+1, w)
			}
			pass(24 * time.Hour)
		}
		first := told(w)[0]
		if first.DetailType != "Credential Refused" || first.Source != "aep-retrigger" || !strings.Contains(first.Detail, worldOrg) || !strings.Contains(first.Detail, "secret-W") {
			t.Errorf("%+v", first)
		}
	})
}

// TestACrashDoublesANoticeAndNeverLosesOne: The process dies before or after each of its
// calls, and another one goes on.
func TestACrashDoublesANoticeAndNeverLosesOne(t *testing.T) {
	t.Parallel()
	doubled := 0
	for calls := range 12 {
		for _, after := range []bool{false, true} {
			inWorld(t, func(t *testing.T, w *world) {
				refusedByIMS(w)
				root := w.Fail("f")
				dying := w.Start(calls, after)
				_, _ = dying.Invoke(t.Context(), fmt.Appendf(nil, `{"runId":%q,"orgId":%q}`, root, worldOrg)) // it may die
				retryByHand(t, w, w.Start(-1, false), w.Fail("f"))
				all := told(w)
				if len(all) < 1 || len(all) > 2 || all[0].Detail[:60] != all[len(all)-1].Detail[:60] {
					t.Errorf("%d calls, after %t: notices %+v", calls, after, all)
				}
				doubled += len(all) - 1
			})
		}
	}
	if doubled == 0 {
		t.Error("no crash came between the notice and its note: are these all calls?")
	}
}

// TestABusThatIsGoneChangesNoOutcome: The log has one clear error, and the notice is sent
// when the bus is there again.
func TestABusThatIsGoneChangesNoOutcome(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		refusedByIMS(w)
		w.AWS.EventBuses.Remove(simulation.NoticeBus)
		root, p := w.Fail("f"), w.Start(-1, false)
		retryByHand(t, w, p, root)
		w.AWS.EventBuses.Add(simulation.NoticeBus)
		pass(2 * time.Minute)
		retryByHand(t, w, p, root)
		if n := len(told(w)); n != 1 || w.AWS.Count("PutEvents") != 1 {
			t.Errorf("%d notices, %d calls of PutEvents", n, w.AWS.Count("PutEvents"))
		}
	})
}

// TestABusThatHangsKeepsNoInvocationPastItsDeadline: Invocations end in time.
func TestABusThatHangsKeepsNoInvocationPastItsDeadline(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		refusedByIMS(w)
		for _, op := range []string{"DescribeEventBus", "PutEvents"} {
			w.AWS.Inject(awssim.Fault{Op: op, Times: 9999, Hang: true})
		}
		root := w.Fail("f")
		retryByHand(t, w, w.Start(-1, false), root)
		if n := len(told(w)); n != 0 {
			t.Errorf("%d notices", n)
		}
	})
}

// TestWithoutABusNoCallIsMadeForANotice: nor is anything written for it.
func TestWithoutABusNoCallIsMadeForANotice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		refusedByIMS(w)
		w.Config.NoticeBus = ""
		retryByHand(t, w, w.Start(-1, false), w.Fail("f"))
		if n := w.AWS.Count("PutEvents") + w.AWS.Count("DescribeEventBus"); n != 0 {
			t.Errorf("%d calls of EventBridge", n)
		}
		for _, record := range w.Memory.Records() {
			if strings.HasPrefix(record["pk"], "told#") {
				t.Errorf("%v", record)
			}
		}
	})
}
