package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

func TestFunctionAnswersBeforeItsDeadline(t *testing.T) {
	t.Parallel()
	s := embedded(t, env("MAX_CONCURRENT_RUNS=1", "CALL_TIMEOUT=1s", "RECONCILE_AFTER=0s", "EXTRA_SEND_AFTER=0s"), func(o *stack.Options) { o.Timeout = 12 * time.Second })
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true, Times: 10})
	var ids, bodies []string
	for i := range 10 { // of a dataflow each: those of one would wait for the first
		id := fmt.Sprintf("run-%d", i)
		s.AddFailedRun(id, "flow-of-"+id, stack.OrgID, stack.Sandbox)
		ids, bodies = append(ids, id), append(bodies, request(id))
	}
	_, deleted := deliver(t, s, bodies...)
	got := outcomes(s)
	calls := s.Adobe.Count(flowsim.OpRetrigger)
	if deleted != 0 || calls == 0 || calls == len(ids) || got["returned outcome_unknown"] != calls || got["returned deadline"] != len(ids)-calls {
		t.Errorf("%d deleted, %d calls, outcomes %v", deleted, calls, got)
	}
	// None of them is sent a second time: the runs that were made are found.
	s.Adobe.Heal()
	for range 3 {
		s.AWS.Advance(time.Hour)
		if _, err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range ids {
		if n := s.Adobe.Retriggers(id); n != 1 {
			t.Errorf("%s was re-triggered %d times, want once", id, n)
		}
	}
	if got := outcomes(s); got["retriggered reconciled"] != calls || got["retriggered"] != len(ids)-calls {
		t.Errorf("outcomes %v", got)
	}
}

func TestFunctionAnswersBeforeItsDeadlineWhenAWSHangs(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ op, want string }{{"GetSecretValue", "returned credentials_unavailable"}, {"SendMessage", "returned dead_letter_queue_unavailable"}} {
		t.Run(tt.op, func(t *testing.T) {
			t.Parallel()
			s := embedded(t, env("CALL_TIMEOUT=1s"), func(o *stack.Options) { o.Timeout = 12 * time.Second })
			if err := s.Send(t.Context(), request("no-such-run")); err != nil {
				t.Fatal(err)
			}
			s.AWS.Inject(awssim.Fault{Op: tt.op, Hang: true, Times: 100})
			if _, deleted := deliver(t, s); deleted != 0 { // deliver fails the test if the function is killed
				t.Error("the message was deleted")
			}
			wantOutcomes(t, s, map[string]int{tt.want: 1})
		})
	}
}

// TestHangingFunctionIsAnErrorOfItsInvocation: Wherever the suite runs, the hanging
// function gives no answer: with an answer, the messages of its batch would be deleted.
func TestHangingFunctionIsAnErrorOfItsInvocation(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		hangs := filepath.Join(t.TempDir(), "bootstrap")
		if err := os.WriteFile(hangs, []byte("#!/bin/sh\nexec sleep 5\n"), 0o700); err != nil { //nolint:gosec // it is to be run
			t.Fatal(err)
		}
		o := lambdaenv.Options{Binary: hangs, Timeout: time.Second, Logs: io.Discard}
		var function lambdaenv.Invoker
		if b.options.RIE == "" {
			process, err := lambdaenv.Start(o)
			if err != nil {
				t.Fatal(err)
			}
			defer process.Close()
			function = process
		} else {
			emulator, err := lambdaenv.StartRIE(t.Context(), b.options.RIE, o)
			if err != nil {
				t.Fatal(err)
			}
			defer emulator.Close()
			function = emulator
		}
		if answer, err := function.Invoke(t.Context(), []byte(`{}`)); err != nil || answer.FunctionError == "" || !json.Valid(answer.Payload) {
			t.Errorf("answer = %q %s, %v", answer.FunctionError, answer.Payload, err)
		}
	})
}
