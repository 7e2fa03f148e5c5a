//go:build slow

package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// A dataflow keeps its lost calls for a week, and a request may wait for longer.
func TestALostRetriggerIsStillKnownAfterAPauseOfEightDays(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.MaxRunAge = 14 * 24 * time.Hour
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true}) // it takes effect, and the answer is lost
		w.Told(id)
		w.Poll(w.Start(-1, false))
		if n := w.Adobe.Retriggers(id); n != 1 || w.Entry(id)["sends"] != "1" {
			t.Fatalf("%d re-triggers, entry %v", n, w.Entry(id))
		}
		w.pausing("pause", `"orgId":"`+worldOrg+`"`)
		for end := time.Now().Add(8 * 24 * time.Hour); time.Now().Before(end); {
			pass(min(time.Until(end), max(time.Until(w.Next()), time.Second)))
			for w.Poll(w.Start(-1, false)) > 0 {
			}
		}
		w.Adobe.Settle() // the run that was made has long succeeded
		w.pausing("resume", `"orgId":"`+worldOrg+`"`)
		pass(time.Minute)
		w.Told(w.Fail("f")) // a new failure of the same dataflow goes at once
		w.Drain(48 * time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("the run was re-triggered %d times; its entry: %v; outcomes of it: %v", n, w.Entry(id), w.outcomesOf(id))
		}
	})
}

// An event without a time makes a run that is never too old.
func TestALostRetriggerOfARunWithoutATimeIsStillKnownAfterAPauseOfEightDays(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
		w.Send(`{"id":"` + id + `","flowId":"f","imsOrgId":"` + worldOrg + `","sandboxName":"prod","createdClient":"acp_ui_platform","metrics":{"statusSummary":{"status":"failed"}}}`)
		w.Poll(w.Start(-1, false))
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Fatalf("%d re-triggers", n)
		}
		w.pausing("pause", `"orgId":"`+worldOrg+`"`)
		for end := time.Now().Add(8 * 24 * time.Hour); time.Now().Before(end); {
			pass(min(time.Until(end), max(time.Until(w.Next()), time.Second)))
			for w.Poll(w.Start(-1, false)) > 0 {
			}
		}
		w.Adobe.Settle()
		w.pausing("resume", `"orgId":"`+worldOrg+`"`)
		pass(time.Minute)
		w.Told(w.Fail("f"))
		w.Drain(48 * time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("the run was re-triggered %d times", n)
		}
	})
}

// A backlog waits for its budget for four days.
func TestTenMinutesWithoutIMSEndNoWaitForABudget(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.FlowBudget = time.Hour, 1
		w.Config.MaxRunAge = 30 * 24 * time.Hour
		var ids []string
		for range 130 {
			ids = append(ids, w.Fail("f"))
			w.Told(ids[len(ids)-1])
		}
		w.Drain(92 * time.Hour)
		w.Adobe.Settle()
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Fatalf("%d letters before the fault: %v", n, w.reasons())
		}
		left := len(w.AWS.Messages(w.Requests))
		w.Adobe.RevokeTokens(worldOrg)
		pass(time.Until(w.Next()))
		end := time.Now().Add(10 * time.Minute) // IMS does not answer for ten minutes
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if time.Now().Before(end) && strings.HasPrefix(r.URL.Path, "/ims/") {
				answer.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		before := len(w.Logs.Outcomes())
		for time.Now().Before(end) {
			for w.Poll(w.Start(-1, false)) > 0 {
			}
			pass(max(time.Until(w.Next()), time.Second))
		}
		faults, letters := 0, 0
		for _, one := range w.Logs.Outcomes()[before:] {
			switch one.Outcome + " " + one.Reason {
			case "returned adobe_unavailable":
				faults++
			case "dead_lettered adobe_unavailable":
				letters++
			}
		}
		t.Logf("in ten minutes without IMS %d messages were dead-lettered, %d were returned", letters, faults)
		w.Drain(400 * time.Hour)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("%d messages waited; the letters: %v", left, w.reasons())
		}
	})
}

// A bad credential fails every run of its org alike.
func TestARefusedSecretMakesNoDeadLetterForEachRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.RotateSecret(worldOrg, "another")
		for range 5 {
			w.Told(w.Fail("f"))
		}
		for end := time.Now().Add(4 * time.Hour); time.Now().Before(end) && len(w.AWS.Messages(w.Requests)) > 0; {
			if w.Poll(w.Start(-1, false)) == 0 {
				pass(time.Until(w.Next()))
			}
		}
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("letters after four hours of a refused secret: %v", w.reasons())
		}
	})
}

// Ten faults make a dead letter, however often the message was received to wait.
func TestWaitingForThrottledCallsUsesUpNoFaults(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: 8, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1"}})
		w.Told(id)
		receives := func() {
			for w.Poll(w.Start(-1, false)) == 0 {
				pass(time.Until(w.Next()))
			}
		}
		for range 8 {
			receives()
		}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 100, Status: http.StatusServiceUnavailable})
		faults := 0
		for len(w.AWS.Messages(w.Requests)) > 0 {
			receives()
			faults++
		}
		if faults < 9 {
			t.Errorf("a dead letter after %d faults: %v", faults, w.reasons())
		}
	})
}
