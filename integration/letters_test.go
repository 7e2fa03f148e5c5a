package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestADeadLetterThatNamesNoRunIsListedUntilAPersonDropsIt: what can't be read has no entry
// of a run that could tell of it.
func TestADeadLetterThatNamesNoRunIsListedUntilAPersonDropsIt(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend) {
		s := start(t, b)
		if _, deleted := deliver(t, s, `{"runId":`); deleted != 1 || len(deadLetters(t, s)) != 1 {
			t.Fatal("what can't be read is no dead letter")
		}
		listed, err := s.Lists.Letters(t.Context(), time.Time{}, 10)
		if err != nil || len(listed) != 1 {
			t.Fatalf("the list has %+v, %v", listed, err)
		}
		answer, err := s.Function.Invoke(t.Context(), fmt.Appendf(nil, `{"drop":{"letterIds":[%q],"reason":"a typing mistake","by":"a test"}}`, listed[0].ID))
		if err != nil || answer.FunctionError != "" || !strings.Contains(string(answer.Payload), listed[0].ID) {
			t.Fatalf("the answer is %s, %s, %v", answer.Payload, answer.FunctionError, err)
		}
		if listed, err = s.Lists.Letters(t.Context(), time.Time{}, 10); err != nil || len(listed) != 0 {
			t.Errorf("the list still has %+v, %v", listed, err)
		}
	})
}
