package handler

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/requestqueue"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
)

func TestASweepByHandIsAnsweredWithItsReport(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.sweeper.result = sweep.Result{
		Report: sweep.Report{
			State: sweep.Finished, Flows: map[string]*sweep.FlowCounts{knownFlow: {Name: "orders"}},
			Runs: []sweep.RunReport{{RunID: "found", Decision: "requested"}},
		},
		Added: sweep.Counts{Seen: 5, Failed: 3, Requested: 2, Skipped: map[sweep.Reason]int{sweep.Waiting: 1}},
	}
	answer, err := f.direct(t, `{"sweep":{}}`)
	if err != nil || answer.Sweep == nil || answer.Sweep.State != sweep.Finished || answer.Sweep.ID == "" {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
	if m := f.metrics(t); m[SweepSeen] != 5.0 || m[SweepFailed] != 3.0 || m[SweepRequested] != 2.0 || m[SweepSkipped] != 1.0 {
		t.Errorf("the metrics are %v", m)
	}
	for _, want := range []string{"sweep finished", "sweep of a dataflow", "a failed run would be requested"} {
		if !strings.Contains(f.log(), want) {
			t.Errorf("the log does not have %q: %s", want, f.log())
		}
	}
}

func TestASweepThatIsNotDoneGoesOn(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.sweeper.result = sweep.Result{Report: sweep.Report{State: sweep.Continues, Error: "throttled"}, Again: true, After: time.Minute, Reasons: []retry.Reason{retry.Throttled}}
	if again := f.poll(t, sent{body: `{"sweep":{}}`}); len(again) != 1 || f.requests.postponed[0].Delay != time.Minute {
		t.Errorf("%v come again after %v", again, f.requests.postponed)
	}
	if m := f.metrics(t); m["throttled"] != 1.0 {
		t.Errorf("the metrics are %v", m)
	}
	if again := f.poll(t, sent{body: `{"sweep":{}}`, receives: 500}); again != nil || len(f.requests.sweeps) != 1 || f.requests.sweeps[0].Requeues != 1 {
		t.Errorf("%v come again, %+v were sent", again, f.requests.sweeps)
	}
	if again := f.poll(t, sent{body: `{"sweep":{},"origin":{"requeues":8}}`, receives: 500}); len(again) != 0 && len(f.engine.refused) == 0 {
		t.Errorf("%v come again, %v are refused", again, f.engine.refused)
	}
	if _, err := f.direct(t, `{"sweep":{}}`); err != nil || len(f.requests.sweeps) < 2 {
		t.Errorf("by hand it does not go on by the queue: %v", err)
	}
}

func TestASweepThatTheQueueDoesNotTake(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.sweeper.result = sweep.Result{Report: sweep.Report{State: sweep.Continues}, Again: true}
	f.requests.err = errAway
	if _, err := f.direct(t, `{"sweep":{}}`); err == nil || f.metrics(t)["request_queue_unavailable"] != 1.0 {
		t.Errorf("the error is %v, the metrics are %v", err, f.metrics(t))
	}
	f.requests.err = &requestqueue.RefusedError{}
	if _, err := f.direct(t, `{"sweep":{}}`); err != nil || !slices.Equal(f.engine.refused, []event.Reason{event.SweepFailed}) {
		t.Errorf("the error is %v, refused are %v", err, f.engine.refused)
	}
}

func TestASweepThatCannotBeDoneIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.sweeper.result = sweep.Result{Report: sweep.Report{State: sweep.Refused}, Refused: "there is no such org"}
	if again := f.poll(t, sent{body: `{"sweep":{}}`}); len(again) != 0 || f.metrics(t)["dead_lettered"] != 1.0 {
		t.Errorf("%v come again, the metrics are %v", again, f.metrics(t))
	}
	if _, err := f.direct(t, `{"sweep":{}}`); err == nil || !strings.Contains(err.Error(), "there is no such org") || len(f.engine.refused) != 1 {
		t.Errorf("who asks directly is told %v, and refused are %v", err, f.engine.refused)
	}
	if _, err := f.direct(t, `{"sweep":{"dryRun":true}}`); err != nil || len(f.engine.refused) != 1 {
		t.Errorf("a dry run makes a dead letter: %v", f.engine.refused)
	}
	f.engine.noDead = true
	if again := f.poll(t, sent{body: `{"sweep":{}}`}); len(again) != 1 || f.metrics(t)["dead_letter_queue_unavailable"] != 1.0 {
		t.Errorf("without a dead letter %v come again", again)
	}
}

func TestADefectOfASweepEndsTheSweepAndNotTheFunction(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.sweeper.panics = true
	answer, err := f.direct(t, `{"sweep":{}}`)
	if err != nil || answer.Sweep.State != sweep.Refused || f.metrics(t)["internal_error"] != 1.0 {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
	f.pauses.panics = true
	if _, err := f.direct(t, `{"pause":{}}`); err == nil {
		t.Error("a pause that failed is no error")
	}
}

func TestAPauseAndAResumeAreAnsweredWithThePausesInForce(t *testing.T) {
	t.Parallel()
	f := newFunction()
	answer, err := f.direct(t, `{"pause":{"flowId":"`+knownFlow+`","reason":"moving"}}`)
	if err != nil || answer.Pauses == nil || len(*answer.Pauses) != 1 {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
	if want := (throttle.Scope{OrgID: testOrg, FlowID: knownFlow}); !slices.Equal(f.pauses.paused, []throttle.Scope{want}) {
		t.Errorf("paused are %v, want %v", f.pauses.paused, want)
	}
	if answer, err = f.direct(t, `{"resume":{}}`); err != nil || answer.Pauses == nil || len(*answer.Pauses) != 0 {
		t.Errorf("the answer is %+v, %v", answer, err)
	}
	if !strings.Contains(f.log(), "is paused") || !strings.Contains(f.log(), "is resumed") {
		t.Errorf("the log is %s", f.log())
	}
}

func TestAPauseOfAnOrgThatNoSecretHasIsRefused(t *testing.T) {
	t.Parallel()
	f := newFunction()
	_, err := f.direct(t, `{"pause":{"orgId":"B@AdobeOrg"}}`)
	if err == nil || f.engine.refused != nil || f.pauses.paused != nil {
		t.Errorf("the error is %v, refused are %v, paused are %v", err, f.engine.refused, f.pauses.paused)
	}
}

func TestASecretThatCannotBeReadHindersOnlyAPauseThatNamesNoOrg(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.accounts.err = &credentials.Error{Kind: credentials.Unavailable, Err: errAway}
	if _, err := f.direct(t, `{"pause":{"flowId":"`+knownFlow+`"}}`); err == nil {
		t.Error("a dataflow of an unknown org is paused")
	}
	if _, err := f.direct(t, `{"pause":{"orgId":"`+testOrg+`"}}`); err != nil {
		t.Errorf("an org is not paused: %v", err)
	}
	f.pauses.err = errAway
	if _, err := f.direct(t, `{"resume":{}}`); err == nil {
		t.Error("a resume that failed is no error")
	}
}

func TestAPauseFromAQueueIsRefused(t *testing.T) {
	t.Parallel()
	f := newFunction()
	if again := f.poll(t, sent{body: `{"pause":{}}`}, sent{body: `{"resume":{}}`}); again != nil || f.pauses.paused != nil {
		t.Errorf("%v come again, paused are %v", again, f.pauses.paused)
	}
	if !slices.Equal(f.engine.refused, []event.Reason{event.NotDirect, event.NotDirect}) {
		t.Errorf("refused are %v", f.engine.refused)
	}
}

func TestARunThatASweepCannotSendIsADeadLetter(t *testing.T) {
	t.Parallel()
	f := newFunction()
	letters := NewDeadLetters(f.engine, f.control.log)
	if !letters.Run(t.Context(), event.Request{RunID: "large-1", OrgID: testOrg}, "it is too large") || len(f.engine.gaveUp) != 1 {
		t.Errorf("given up are %v", f.engine.gaveUp)
	}
	f.engine.noDead = true
	if letters.Run(t.Context(), event.Request{RunID: "large-1", OrgID: testOrg}, "it is too large") {
		t.Error("a dead letter that could not be written counts")
	}
}
