package main

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestOneDeliveryAtATimeWritesTheDeadLetter: Two deliveries give the same run up at the
// same time. There is one dead letter.
func TestOneDeliveryAtATimeWritesTheDeadLetter(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var err error
		if w.Config.RetryPolicy, err = policy.ParseRules(`[{"action":"dead_letter"}]`); err != nil {
			t.Fatal(err)
		}
		root := w.Fail("f")
		w.Told(root)
		w.AWS.Inject(awssim.Fault{Op: "SendMessage", Hang: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = w.Start(-1, false).Invoke(t.Context(), w.Adobe.FailureEvent(root))
		}()
		synctest.Wait()
		w.Poll(w.Start(-1, false))
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("%d letters while another delivery writes one", n)
		}
		<-done
		w.Drain(24 * time.Hour)
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 1 {
			t.Errorf("%d letters, want 1", n)
		}
	})
}

// TestRedrivenDeadLetterIsRetriedOnce: When the cause is corrected, a redrive of the dead
// letter re-triggers the run. A second redrive is a duplicate.
func TestRedrivenDeadLetterIsRetriedOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		event := string(w.Adobe.FailureEvent(root))
		w.Send(event)
		w.Drain(time.Hour)
		w.Send(event) // a duplicate makes no second letter
		w.Drain(time.Hour)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 {
			t.Fatalf("%d dead letters, want 1", len(letters))
		}
		for range 2 { // redriven twice
			w.Send(letters[0].Body)
		}
		w.Drain(time.Hour)
		want := []string{"dead_lettered forbidden", "dead_lettered duplicate", "retriggered", "retriggered duplicate"}
		got := w.outcomesOf(root)
		slices.Sort(got[2:]) // either of the two comes first
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
	})
}

func TestDeadLetterNamesItsLineageAndAttempts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.lineage(100)
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if len(letters) != 1 || letters[0].Attributes["attempts"].StringValue != "3" {
			t.Fatalf("dead letters = %+v", letters)
		}
		var body struct {
			RunID  string
			Origin struct{ Root, Parent, Due string }
		}
		if err := json.Unmarshal([]byte(letters[0].Body), &body); err != nil || body.Origin.Root != root || body.Origin.Parent == "" || body.Origin.Due != "" {
			t.Errorf("body = %+v, %v", body, err)
		}
	})
}

// TestGivenUpRunIsInTheLedger: The ledger has an entry of each given-up run, also where
// only its org was known.
func TestGivenUpRunIsInTheLedger(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Send(`{"runId":"no-such-run","orgId":"` + worldOrg + `"}`)
		root := w.Fail("f")
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 1 << 30, Status: http.StatusServiceUnavailable})
		w.Send(string(w.Adobe.FailureEvent(root)))
		w.Drain(time.Hour)
		p := w.Start(-1, false)
		for range 20 {
			pass(15 * time.Minute)
			w.Poll(p)
		}
		for run, reason := range map[string]string{"no-such-run": "adobe_unavailable", root: "adobe_unavailable"} {
			if e := w.Entry(run); e["state"] != "dead_lettered" || e["reason"] != reason {
				t.Errorf("the entry of %s is %v, want dead_lettered %s", run, e, reason)
			}
		}
		if len(w.AWS.Messages(w.DeadLetterQueue)) != 2 {
			t.Errorf("%d dead letters, want 2", len(w.AWS.Messages(w.DeadLetterQueue)))
		}
	})
}

// TestLateDuplicateKeepsTheFirstOutcome: A duplicate comes ten days later, when the
// policy would skip the run as too old. The run stays re-triggered.
func TestLateDuplicateKeepsTheFirstOutcome(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		root := w.Fail("f")
		event := string(w.Adobe.FailureEvent(root))
		w.Send(event)
		w.Drain(time.Hour)
		pass(10 * 24 * time.Hour) // the run is too old for a retry
		w.Send(event)
		w.Drain(time.Hour)
		if diff := cmp.Diff([]string{"retriggered", "retriggered duplicate"}, w.outcomesOf(root)); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		if e := w.Entry(root); e["state"] != "retriggered" {
			t.Errorf("the entry is %v", e)
		}
	})
}
