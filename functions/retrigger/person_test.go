package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// person gives a command for one run and returns its result.
func (w *world) person(word, runID string) retry.Result {
	w.TB.Helper()
	answer := w.invoke(w.Start(-1, false), fmt.Sprintf(`{%q:{"runIds":[%q],"orgId":%q,"reason":"a test","by":"arn:a"}}`, word, runID, worldOrg))
	if len(answer.Results) != 1 || answer.Results[0].RunID != runID {
		w.TB.Fatalf("%s: the answer is %+v", word, answer)
	}
	return answer.Results[0]
}

// waiting is a failed run whose first attempt waits for hours.
func (w *world) waiting() string {
	w.TB.Helper()
	w.Config.RetryDelays = []time.Duration{12 * time.Hour, 12 * time.Hour}
	id := w.Fail("f")
	w.Told(id)
	w.Poll(w.Start(-1, false))
	if state := w.Entry(id)["state"]; state != "deferred" {
		w.TB.Fatalf("the run is %s", state)
	}
	return id
}

// wantResult compares what became of a command.
func wantResult(t *testing.T, r retry.Result, outcome retry.Outcome, reason retry.Reason) {
	t.Helper()
	if r.Outcome != outcome || r.Reason != reason || r.Message == "" && reason != "" {
		t.Errorf("got %s (%s) %s, want %s (%s)", r.Outcome, r.Reason, r.Message, outcome, reason)
	}
}

// TestACancelledRunIsNotSentWhenItsMessageComes: nor by an event that is delivered again or a
// sweep. A person who asks for it anew gets it.
func TestACancelledRunIsNotSentWhenItsMessageComes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.waiting()
		if runs, err := (ledger.Lists{Table: w.Memory}).Waiting(t.Context(), worldOrg, time.Time{}, 9); err != nil || len(runs) != 1 {
			t.Errorf("waiting are %+v, %v", runs, err)
		}
		wantResult(t, w.person("cancel", id), retry.Skipped, retry.Cancelled)
		if runs, err := (ledger.Lists{Table: w.Memory}).Waiting(t.Context(), worldOrg, time.Time{}, 9); err != nil || len(runs) != 0 {
			t.Errorf("waiting are %+v, %v", runs, err)
		}
		w.Told(id) // a duplicate
		pass(time.Minute)
		w.Drain(24 * time.Hour)
		w.sweep(onlySweep)
		w.Drain(24 * time.Hour)
		if n := len(w.sent()); n != 0 || w.Entry(id)["reason"] != "cancelled" {
			t.Errorf("it was sent %d times, and its entry is %v", n, w.Entry(id))
		}
		if decisions := w.Entry(id)["decisions"]; !strings.Contains(decisions, `"by":"arn:a"`) || !strings.Contains(decisions, `"why":"a test"`) {
			t.Errorf("the entry remembers %s", decisions)
		}
		wantResult(t, w.person("cancel", id), retry.Skipped, retry.NotWaiting)
		w.Config.RetryDelays = []time.Duration{0}
		w.invoke(w.Start(-1, false), `{"runId":"`+id+`","orgId":"`+worldOrg+`"}`)
		w.wantOnce(t, []string{id})
	})
}

// TestARequestFromBeforeTheCancelIsNotSentAfterIt: the message of a person's request waits,
// since another run of the dataflow is under way.
func TestARequestFromBeforeTheCancelIsNotSentAfterIt(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `","flowId":"f"}`)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: 429})
		w.Poll(w.Start(-1, false))
		if state := w.Entry(id)["state"]; state != "returned" {
			t.Fatalf("the run is %s", state)
		}
		pass(time.Second)
		wantResult(t, w.person("cancel", id), retry.Skipped, retry.Cancelled)
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(id); n != 0 {
			t.Errorf("it was re-triggered %d times", n)
		}
	})
}

func TestARunWithACallUnderWayOrLostIsNotCancelled(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Told(id)
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true})
		w.Poll(w.Start(-1, false))
		wantResult(t, w.person("cancel", id), retry.Returned, retry.OutcomeUnknown)
		w.Drain(time.Hour)
		wantResult(t, w.person("cancel", id), retry.Retriggered, retry.NotWaiting)
		wantResult(t, w.person("cancel", "no-such-run"), retry.Skipped, retry.NotWaiting)
		w.wantOnce(t, []string{id})
	})
}

// TestARunThatWaitsIsRetriedNow: its message finds nothing left to do.
func TestARunThatWaitsIsRetriedNow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.waiting()
		wantResult(t, w.person("now", id), retry.Retriggered, "")
		w.Drain(24 * time.Hour)
		w.wantOnce(t, []string{id})
		wantResult(t, w.person("now", id), retry.Retriggered, retry.NotWaiting)
		if decisions := w.Entry(id)["decisions"]; !strings.Contains(decisions, `"by":"arn:a"`) {
			t.Errorf("the entry remembers %s", decisions)
		}
	})
}

// TestARunThatIsRetriedNowPassesOverItsDelayAndNothingElse: a pause, the budget and the rest
// hold. The run goes on waiting as before.
func TestARunThatIsRetriedNowPassesOverItsDelayAndNothingElse(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		prepare func(w *world)
		outcome retry.Outcome
		reason  retry.Reason
	}{
		"a pause": {func(w *world) { w.pausing("pause", `"orgId":"`+worldOrg+`"`) }, retry.Returned, retry.Paused},
		"the dataflow's budget": {func(w *world) {
			w.Config.FlowBudget, w.Config.BudgetWindow = 1, time.Hour
			w.person("now", w.waiting())
		}, retry.Deferred, retry.BudgetSpent},
		"the org's budget": {func(w *world) {
			w.Config.OrgBudget, w.Config.BudgetWindow = 1, time.Hour
			w.person("now", w.waiting())
		}, retry.Deferred, retry.BudgetSpent},
		"Adobe is down": {func(w *world) {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRun, Status: 503, Times: 99})
		}, retry.Returned, retry.AdobeUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.waiting()
				tt.prepare(w)
				before, waiting := w.Entry(id), len(w.AWS.Messages(w.Requests))
				sent := w.Adobe.Retriggers(id)
				wantResult(t, w.person("now", id), tt.outcome, tt.reason)
				if after := w.Entry(id); after["due"] != before["due"] || after["state"] != "deferred" || len(w.AWS.Messages(w.Requests)) != waiting || w.Adobe.Retriggers(id) != sent {
					t.Errorf("its entry is %v, and was %v", after, before)
				}
			})
		})
	}
}

// TestADroppedDeadLetterIsTakenUpByAPersonAlone: also one whose call was lost, by force.
func TestADroppedDeadLetterIsTakenUpByAPersonAlone(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{}
		id := w.Fail("f")
		w.Told(id)
		w.Poll(w.Start(-1, false))
		lists := ledger.Lists{Table: w.Memory}
		if dead, err := lists.DeadLetters(t.Context(), worldOrg, time.Time{}, 9); err != nil || len(dead) != 1 {
			t.Fatalf("dead letters are %+v, %v", dead, err)
		}
		wantResult(t, w.person("cancel", id), retry.DeadLettered, retry.NotWaiting)
		wantResult(t, w.person("drop", id), retry.Skipped, retry.Dropped)
		if dead, err := lists.DeadLetters(t.Context(), worldOrg, time.Time{}, 9); err != nil || len(dead) != 0 {
			t.Errorf("dead letters are %+v, %v", dead, err)
		}
		wantResult(t, w.person("drop", id), retry.Skipped, retry.NotDeadLettered)
		w.Config.RetryDelays = []time.Duration{0}
		w.Told(id)
		w.sweep(onlySweep)
		w.Drain(time.Hour)
		if n := len(w.sent()); n != 0 {
			t.Errorf("it was sent %d times", n)
		}
		w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `"}`)
		w.Poll(w.Start(-1, false))
		w.wantOnce(t, []string{id})
	})
}

// TestADeadLetterWithoutARunIsListedUntilItIsSentAgain: after a redrive its message comes with
// the id under which it is listed, and is a dead letter anew.
func TestADeadLetterWithoutARunIsListedUntilItIsSentAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Send(`{"shape":"unknown"}`)
		w.Poll(w.Start(-1, false))
		lists := ledger.Lists{Table: w.Memory}
		first, err := lists.Letters(t.Context(), time.Time{}, 9)
		letter := w.letter()
		if err != nil || len(first) != 1 || letter.Attributes["letterId"].StringValue != first[0].ID || first[0].Body != `{"shape":"unknown"}` {
			t.Fatalf("the letters are %+v, %v; the message has %v", first, err, letter.Attributes)
		}
		batch := strings.Replace(string(sqsBatch(t, "arn:aws:sqs:us-east-1:000000000000:requests", 1, letter.Body)), `"attributes":`,
			`"messageAttributes":{"reason":{"stringValue":"unrecognized","dataType":"String"},"letterId":{"stringValue":"`+first[0].ID+`","dataType":"String"}},"attributes":`, 1)
		w.invoke(w.Start(-1, false), batch)
		second, err := lists.Letters(t.Context(), time.Time{}, 9)
		if err != nil || len(second) != 1 || second[0].ID == first[0].ID {
			t.Fatalf("after it was sent again the letters are %+v, %v", second, err)
		}
		answer := w.invoke(w.Start(-1, false), `{"drop":{"letterIds":["`+second[0].ID+`","no-such-letter"],"by":"arn:a"}}`)
		if len(answer.Results) != 2 || answer.Results[0].Reason != retry.Dropped || answer.Results[1].Reason != retry.NotDeadLettered {
			t.Errorf("the answer is %+v", answer)
		}
		if left, err := lists.Letters(t.Context(), time.Time{}, 9); err != nil || len(left) != 0 {
			t.Errorf("left are %+v, %v", left, err)
		}
	})
}

func TestTheStatusSaysWhetherAdobeAcceptsTheCredentialsAndWhenAnEventCameLast(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.Paused = true
		came := time.Now()
		w.Told(w.Fail("f"))
		w.Poll(w.Start(-1, false))
		pass(time.Hour)
		w.Adobe.AddOrg(flowsim.Org{ID: worldOther, ClientID: "another", Secrets: []string{"another"}, Scopes: []string{"openid"}, Sandboxes: []string{worldSandbox}})
		s := w.invoke(w.Start(-1, false), `{"status":{}}`).Status
		if s == nil || len(s.Orgs) != 2 || !s.Paused || s.Mode != "retry" || s.Version != version || s.Schema != ledger.Schema || len(s.Errors) != 0 || s.Settings["maxRunAge"] == "" {
			t.Fatalf("the status is %+v", s)
		}
		for _, org := range s.Orgs {
			want := "accepted"
			if org.OrgID == worldOther {
				want = "refused"
			} else if !org.LastEvent.Equal(came.UTC().Truncate(time.Millisecond)) {
				t.Errorf("the last event was at %s, want %s", org.LastEvent, came)
			}
			if string(org.Credential) != want || want == "refused" && org.Message == "" {
				t.Errorf("the org is %+v, want %s", org, want)
			}
		}
	})
}

func TestADataflowIsPausedByItsNameAndItsConnectionIsTested(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		org := `"orgId":"` + worldOrg + `"`
		for i := range 120 { // more than a page
			w.Adobe.AddFlow(flowsim.Flow{ID: fmt.Sprintf("flow-%03d", i), Name: fmt.Sprint("Orders ", i%119), OrgID: worldOrg, Sandbox: worldSandbox, Refuses: "the password has expired"})
		}
		fails := func(payload, want string) {
			t.Helper()
			r, err := w.Start(-1, false).Invoke(t.Context(), []byte(payload))
			if err != nil || !strings.Contains(r.FunctionError, want) {
				t.Errorf("%s: %+v, %v; want %s", payload, r, err, want)
			}
		}
		fails(`{"pause":{`+org+`,"flowName":"Orders 0"}}`, "2 dataflows are meant")
		fails(`{"pause":{`+org+`,"flowName":"orders 1"}}`, "Adobe knows no dataflow")
		fails(`{"pause":{`+org+`,"flowId":"flow-1"}}`, "Adobe knows no dataflow")
		if got := w.pausing("pause", org+`,"flowName":"Orders 118","by":"arn:a","reason":"a move"`); len(got) != 1 || got[0].FlowID != "flow-118" || got[0].By != "arn:a" || got[0].FlowName != "Orders 118" {
			t.Errorf("the pauses are %+v", got)
		}
		if got := *w.invoke(w.Start(-1, false), `{"pauses":{}}`).Pauses; len(got) != 1 || got[0].Reason != "a move" {
			t.Errorf("the pauses are %+v", got)
		}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpFlow, Status: 503, Times: 99})
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpFlows, Status: 503, Times: 99})
		if answer := w.invoke(w.Start(-1, false), `{"pause":{`+org+`,"flowId":"unchecked"}}`); !strings.Contains(answer.Message, "was not checked") || len(*answer.Pauses) != 2 {
			t.Errorf("while Adobe is down: %+v", answer)
		}
		fails(`{"pause":{`+org+`,"flowName":"Orders 5"}}`, "name it by its id")
		if got := w.pausing("resume", org+`,"flowName":"Orders 118"`); len(got) != 1 {
			t.Errorf("the pauses are %+v", got)
		}
		w.Adobe.Heal()
		c := w.invoke(w.Start(-1, false), `{"connections":{`+org+`,"flowName":"Orders 7"}}`).Connection
		if c == nil || c.Accepted || !strings.Contains(c.Message, "the password has expired") || c.FlowID != "flow-007" || c.ConnectionID == "" {
			t.Errorf("the connection is %+v", c)
		}
		if c = w.invoke(w.Start(-1, false), `{"connections":{`+org+`,"flowId":"f"}}`).Connection; c == nil || !c.Accepted {
			t.Errorf("the connection is %+v", c)
		}
	})
}
