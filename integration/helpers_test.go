package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

const flow = "0b7e1c1a-0000-4000-8000-00000000f10e"

// failedRuns makes so many failed runs and returns their ids.
func failedRuns(s *stack.Stack, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("run-%d", i)
		s.AddFailedRun(ids[i], flow, stack.OrgID, stack.Sandbox)
	}
	return ids
}

func request(id string) string { return fmt.Sprintf(`{"runId":%q}`, id) }

// deliver puts the bodies on the request queue and polls once.
func deliver(t *testing.T, s *stack.Stack, bodies ...string) (received, deleted int) {
	t.Helper()
	for _, body := range bodies {
		if err := s.Send(t.Context(), body); err != nil {
			t.Fatal(err)
		}
	}
	received, deleted, err := mapping(s).Poll(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return received, deleted
}

func mapping(s *stack.Stack) *lambdaenv.Mapping {
	return &lambdaenv.Mapping{SQS: s.SQS, QueueURL: s.RequestQueueURL, BatchSize: 10, Invoker: s.Function}
}

// outcomes counts the records by outcome and reason.
func outcomes(s *stack.Stack) map[string]int {
	counts := map[string]int{}
	for _, r := range s.Log.Records() {
		counts[strings.TrimSuffix(r.Outcome+" "+r.Reason, " ")]++
	}
	return counts
}

func wantOutcomes(t *testing.T, s *stack.Stack, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, outcomes(s)); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

func deadLetters(t *testing.T, s *stack.Stack) []types.Message {
	t.Helper()
	letters, err := s.DeadLetters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		all, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		noSecrets(t, "a dead letter", string(all))
	}
	return letters
}

// embedded is for tests that need faults of AWS or its clock.
func embedded(t *testing.T, change ...func(*stack.Options)) *stack.Stack {
	t.Helper()
	return start(t, prepared.backends[0], change...)
}

func env(variables ...string) func(*stack.Options) {
	return func(o *stack.Options) { o.Env = append(o.Env, variables...) }
}
