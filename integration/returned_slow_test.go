//go:build slow

package integration

import (
	"net/http"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestReturnedMessagesBackOffAndEndOnTheDeadLetterQueue(t *testing.T) {
	t.Parallel()
	s := embedded(t)
	failedRuns(s, 1)
	s.Adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Times: 1 << 20, Status: http.StatusServiceUnavailable}) // IMS is down
	if err := s.Send(t.Context(), request("run-0")); err != nil {
		t.Fatal(err)
	}
	began := s.AWS.Now()
	var waits []time.Duration
	const deliveries = 10
	for range deliveries - 1 {
		if _, err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		waiting := s.AWS.Messages(s.RequestQueueURL)
		if len(waiting) != 1 {
			t.Fatalf("%d messages wait, want 1", len(waiting))
		}
		wait := waiting[0].VisibleAt.Sub(s.AWS.Now())
		waits = append(waits, wait)
		s.AWS.Advance(wait + time.Second)
	}
	for i, wait := range waits {
		if wait < 14*time.Second || wait > 15*time.Minute {
			t.Errorf("wait %d is %s", i+1, wait)
		}
	}
	if waits[7] < 7*time.Minute {
		t.Errorf("waits do not grow: %v", waits)
	}
	if _, err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	letters := deadLetters(t, s)
	if len(letters) != 1 || *letters[0].MessageAttributes["reason"].StringValue != "adobe_unavailable" {
		t.Errorf("dead letters = %v, want the request with its reason", letters)
	}
	wantOutcomes(t, s, map[string]int{"returned adobe_unavailable": deliveries - 1, "dead_lettered adobe_unavailable": 1})
	t.Logf("%d receives in %s", len(waits), s.AWS.Now().Sub(began).Round(time.Minute))
}
