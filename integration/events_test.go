package integration

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/scenario"
)

// TestEachEventAndFaultHasItsOutcome: Each example event, each fault and the failing episode
// of the scenario has its outcome, and no run is re-triggered twice.
func TestEachEventAndFaultHasItsOutcome(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		files, err := scenario.Files("../events")
		if err != nil {
			t.Fatal(err)
		}
		s := start(t, b, env(scenario.Env()...))
		for _, step := range slices.Concat(files, scenario.Faults(), scenario.Episodes()) {
			if step.MovesClock && b.emulated() {
				continue // played on the embedded default
			}
			if _, err := step.Play(t.Context(), s); err != nil {
				t.Errorf("%s (%s): %v", step.Name, step.Trigger, err)
			}
		}
		for _, r := range s.Adobe.Runs() {
			if n := s.Adobe.Retriggers(r.ID); n > 1 {
				t.Errorf("run %s was re-triggered %d times", r.ID, n)
			}
		}
		deadLetters(t, s)
	})
}

func TestDuplicatesAreRetriedOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b)
		failedRuns(s, 1)
		for range 2 { // in one batch, and in the next
			deliver(t, s, request("run-0"), `{"runId":"run-0","sandbox":"prod"}`, string(s.Adobe.FailureEvent("run-0")), request("run-0"))
			if _, err := s.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.Adobe.Retriggers("run-0"); n != 1 {
			t.Errorf("the run was re-triggered %d times, want once", n)
		}
		wantOutcomes(t, s, map[string]int{"retriggered": 1, "retriggered duplicate": 7})
	})
}

func TestRestOfAThrottledBatchWaits(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("MAX_CONCURRENT_RUNS=1"))
	ids := failedRuns(s, 10)
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "1200"}})
	var bodies []string
	for _, id := range ids {
		bodies = append(bodies, request(id))
	}
	if _, deleted := deliver(t, s, bodies...); deleted != 0 {
		t.Errorf("%d messages were deleted", deleted)
	}
	if n := s.Adobe.Count(flowsim.OpRetrigger); n != 1 {
		t.Errorf("%d calls after a 429, want no more than the first", n)
	}
	for _, m := range s.AWS.Messages(s.RequestQueueURL) {
		if wait := m.VisibleAt.Sub(s.AWS.Now()); wait < 1190*time.Second {
			t.Errorf("a message comes back in %s, before Adobe's Retry-After", wait)
		}
	}
}

func TestEventIsDeliveredAgainWithoutAQueue(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("QUEUE_URL="))
	failedRuns(s, 1)
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable, Times: 16}) // four for the start, four for each delivery
	payload := s.Adobe.FailureEvent("run-0")
	err := lambdaenv.InvokeAsync(t.Context(), s.Function, payload, func(envelope []byte) error { return s.SendDeadLetter(t.Context(), envelope) })
	if err != nil {
		t.Fatal(err)
	}
	wantOutcomes(t, s, map[string]int{"returned adobe_unavailable": 3})
	letters := deadLetters(t, s)
	if len(letters) != 1 {
		t.Fatalf("%d envelopes on the dead-letter queue, want 1", len(letters))
	}
	if _, deleted := deliver(t, s, *letters[0].Body); deleted != 1 || s.Adobe.Retriggers("run-0") != 1 {
		t.Error("the on-failure envelope did not retry the run")
	}
}

func TestBatchThatCannotBeAnsweredIsNotStarted(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	for name, payload := range map[string]string{
		"no message id": `{"Records":[{"eventSource":"aws:sqs","messageId":"m1","body":"{\"runId\":\"run-0\"}"},{"eventSource":"aws:sqs","body":"{}"}]}`,
		"mixed sources": `{"Records":[{"eventSource":"aws:sqs","messageId":"m1","body":"{\"runId\":\"run-0\"}"},{"eventSource":"aws:s3"}]}`,
	} {
		answer, err := s.Function.Invoke(t.Context(), []byte(payload))
		if err != nil || !strings.Contains(string(answer.Payload), "SQS batch: record 2 of 2") || answer.FunctionError == "" {
			t.Errorf("%s: %s, %v", name, answer.Payload, err)
		}
	}
	if n := s.Adobe.Count(flowsim.OpRetrigger); n != 0 {
		t.Errorf("%d re-triggers of batches that can't be answered", n)
	}
}

// TestBatchOfTenTakesFewCalls: The function reads the ledger once and writes the org's
// budget once for a batch of ten, and once in five minutes the org's pulse. Each run takes two transactions
// and one call of Flow Service; a duplicate takes none.
func TestBatchOfTenTakesFewCalls(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	began := s.LedgerCalls()
	var failures []string
	for _, id := range failedRuns(s, 10) {
		failures = append(failures, string(s.Adobe.FailureEvent(id)))
	}
	deliver(t, s, failures...)
	wantOutcomes(t, s, map[string]int{"retriggered": 10})
	got := map[string]int{
		"token": s.Adobe.Count(flowsim.OpToken), "retrigger": s.Adobe.Count(flowsim.OpRetrigger), "run": s.Adobe.Count(flowsim.OpRun), "runs": s.Adobe.Count(flowsim.OpRuns),
		"GetSecretValue": s.AWS.Count("GetSecretValue"), "SendMessage": s.AWS.Count("SendMessage"), "ledger": s.LedgerCalls() - began,
	}
	want := map[string]int{"token": 1, "retrigger": 10, "run": 0, "runs": 0, "GetSecretValue": 1, "SendMessage": 10, "ledger": 24} // messages: those sent by the test; the ledger's: the start reads the pauses; then one read, one budget, two for each run, one for the org's pulse
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls for 10 retries (-want +got):\n%s", diff)
	}
	began = s.LedgerCalls()
	deliver(t, s, failures...)
	wantOutcomes(t, s, map[string]int{"retriggered": 10, "retriggered duplicate": 10})
	if n := s.LedgerCalls() - began; n != 1 || s.Adobe.Count(flowsim.OpRetrigger) != 10 {
		t.Errorf("ten duplicates took %d calls of the ledger, want one; %d re-triggers", n, s.Adobe.Count(flowsim.OpRetrigger))
	}
}
