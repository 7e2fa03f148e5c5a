package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// Courses of events in which an earlier core lost a run, sent it twice, or told nobody.

// The secret gets another client id while a re-trigger is lost: the run that it made is
// recognized by the client id in the slot.
func TestALostRetriggerOfAnEarlierCredentialIsFound(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.failing(100)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true})
		w.Told(id)
		w.Poll(w.Start(-1, false))
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Fatalf("%d re-triggers", n)
		}
		w.Adobe.AddOrg(flowsim.Org{ID: worldOrg, ClientID: "client-new", Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{worldSandbox, "dev"}})
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-new","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		w.Drain(24 * time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("the run was re-triggered %d times", n)
		}
		if n := w.Lineages()[id]; n > 3 {
			t.Errorf("the lineage has had %d re-triggers, 3 are allowed", n)
		}
	})
}

// Flow Service takes five seconds to list runs, longer than the time for records.
func TestASlowListingLosesNeitherTheOutcomeNorTheBreaker(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.runsCalls(func(http.ResponseWriter, *http.Request) bool {
			pass(5 * time.Second) // less than CALL_TIMEOUT
			return true
		})
		w.failing(1000)
		for range 5 {
			w.Told(w.Fail("f"))
			w.Drain(time.Hour)
		}
		for id := range w.DeadLetters() {
			if e := w.Entry(id); e["state"] != "dead_lettered" {
				t.Errorf("run %s: the log says %v, the ledger %s", id, w.outcomesOf(id), e["state"])
			}
		}
		if w.reasons()["breaker_open"] == 0 {
			t.Errorf("five lineages were exhausted and the breaker is not open: letters %v", w.reasons())
		}
		before := len(w.AWS.Messages(w.DeadLetterQueue))
		pass(12 * time.Hour)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","since":"24h"}}`)
		t.Logf("%+v", r)
		w.Drain(time.Hour)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != before {
			t.Errorf("a sweep made %d more letters of runs that have theirs", n-before)
		}
	})
}

// A person names a sandbox that has no such run.
func TestAWrongSandboxByHandHidesNoRunFromSweeps(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Send(`{"runId":"` + id + `","sandbox":"dev","orgId":"` + worldOrg + `"}`)
		w.Drain(time.Hour)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","sandbox":"prod","since":"24h"}}`)
		w.Drain(time.Hour)
		if w.Adobe.Retriggers(id) != 1 {
			t.Errorf("no event told of the run, and the sweep leaves it out: %+v", r)
		}
	})
}

// A purge of the queue, for example, loses the message of a paused run.
func TestASweepMakesUpForAMessageThatWasLostInAPause(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.pausing("pause", "")
		w.Told(id)
		w.Drain(0)
		pass(time.Until(w.Next()))
		lose(w, t)
		w.pausing("resume", "")
		pass(3 * 24 * time.Hour)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","since":"120h"}}`)
		if r.Requested != 1 || r.Skipped[sweep.Waiting] != 0 {
			t.Errorf("three days after the pause: %+v", r)
		}
	})
}

// A forced request waits in a pause beside the message of the same run that is due later.
func TestForceIsRememberedInAPause(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		id := w.Fail("f")
		w.Told(id)
		w.Poll(w.Start(-1, false))
		due, _ := time.Parse(time.RFC3339Nano, w.Entry(id)["due"])
		if time.Until(due) < 195*time.Minute {
			t.Fatalf("due in %s: too soon for this test", time.Until(due))
		}
		w.pausing("pause", "")
		w.Send(`{"runId":"` + id + `","force":true,"orgId":"` + worldOrg + `"}`)
		w.Drain(0)
		w.pausing("resume", "")
		w.Drain(3 * time.Hour)
		if w.Adobe.Retriggers(id) != 1 {
			t.Errorf("three hours after the resume the forced run has not been sent: %v", w.Logs.Outcomes())
		}
	})
}

// The invocation has no time left for a call.
func TestADryRunWithoutTimeChangesNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		p := w.Start(-1, false)
		p.SetTimeout(12 * time.Second) // CALL_TIMEOUT and the time for records do not fit
		answer := w.invoke(p, `{"runId":"`+id+`","sandbox":"prod","orgId":"`+worldOrg+`","dryRun":true}`)
		if e := w.Entry(id); e != nil || len(w.AWS.Messages(w.Requests)) != 0 {
			t.Errorf("a dry run was answered %+v; the ledger says %v; %d messages are on the queue", answer.Results, e, len(w.AWS.Messages(w.Requests)))
		}
		w.Drain(time.Hour)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","since":"24h"}}`)
		if r.Requested != 1 {
			t.Errorf("after the dry run the sweep says %+v", r.Counts)
		}
	})
}

// The invocation has no time left for a call.
func TestADuplicateWithoutTimeMakesNoSecondDeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Times: 10, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		w.Told(id)
		w.Drain(time.Hour)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 1 {
			t.Fatalf("%d letters", n)
		}
		w.Direct(w.Adobe.FailureEvent(id), func() *process {
			p := w.Start(-1, false)
			p.SetTimeout(12 * time.Second)
			return p
		})
		w.Drain(time.Hour)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 1 {
			t.Errorf("%d letters: %v", n, w.outcomesOf(id))
		}
	})
}

// The message has waited for days, with eight copies and twelve receives.
func TestTheFirstFaultAfterALongWaitIsNoDeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		at := time.Now().UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
		body := fmt.Sprintf(`{"runId":%q,"flowId":"f","orgId":%q,"sandbox":"prod","origin":{"failedAt":%q,"createdAt":%q,"createdClient":"acp_ui_platform","firstSeen":%q,"due":%q,"requeues":8}}`, id, worldOrg, at, at, at, at)
		pass(time.Minute)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable})
		response, err := w.Start(-1, false).Invoke(t.Context(), sqsBatch(t, awssim.QueueARN("requests"), 12, body))
		if err != nil || string(response.Payload) != `{"batchItemFailures":[{"itemIdentifier":"m"}]}` || len(w.reasons()) != 0 {
			t.Errorf("the first fault of the message: answer %s, %v; letters %v", response.Payload, err, w.reasons())
		}
	})
}
