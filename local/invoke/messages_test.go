package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// told invokes the function with an event, and returns what is said of the messages.
func told(t *testing.T, binary string, payload []byte, env ...string) string {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Binary: binary, Env: env})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Seed(payload)
	payload, batch := receive(s, payload)
	answer, err := s.Function.Invoke(t.Context(), payload)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	fates(&out, s, batch, answer)
	return out.String()
}

func TestWhatBecameOfEachMessageIsTold(t *testing.T) {
	t.Parallel()
	mixed, err := os.ReadFile("../../events/sqs-mixed.json")
	if err != nil {
		t.Fatal(err)
	}
	binary, err := lambdaenv.Build(t.Context(), "../..", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	batch := `{"Records":[{"messageId":"m1","receiptHandle":"r","body":"{\"runId\":\"a-run\"}","attributes":{"ApproximateReceiveCount":"1","SentTimestamp":"1795413600000"},"eventSource":"aws:sqs"}]}`
	for name, tt := range map[string]struct {
		payload string
		env     []string
		want    []string
	}{
		"a batch":     {string(mixed), nil, []string{" is done: SQS deletes it", "a dead letter is on the dead-letter queue (unknown_field): unknown field \"runid\"", "(unreadable): the payload is not JSON"}},
		"it waits":    {`{"runId":"a-run"}`, []string{"PAUSED=true"}, []string{"a new message is on the request queue until ", "Z (in ", "run a-run is deferred paused, PAUSED is true"}},
		"it returns":  {batch, []string{"SECRET_ID=none"}, []string{"message m1 is on the request queue until ", "run a-run is returned credentials_unavailable"}},
		"it fails":    {batch, []string{"SECRET_ID= "}, []string{"message m1 is on the request queue until ", "the function failed, and SQS delivers it again"}},
		"a pause":     {`{"resume":{}}`, nil, []string{"none: nothing waits, and nothing was given up"}},
		"retriggered": {batch, nil, []string{"message m1 is done: SQS deletes it"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := told(t, binary, []byte(tt.payload), tt.env...)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("it lacks %q:\n%s", want, got)
				}
			}
		})
	}
}
