package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestHTTPRequestFailsTheInvocationSoThatTheSenderSeesNo200(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		body, _ := json.Marshal(`{"runId":"` + id + `"}`)
		for name, payload := range map[string]string{
			"a Function URL": `{"version":"2.0","routeKey":"$default","rawPath":"/","headers":{},"requestContext":{"http":{"method":"POST"}},"body":` + string(body) + `}`,
			"a REST API":     `{"resource":"/","path":"/","httpMethod":"POST","headers":{},"requestContext":{"apiId":"a"},"body":` + string(body) + `}`,
			"a relay":        `{"headers":{"x-adobe-event-id":"1"},"body":` + string(body) + `}`,
		} {
			answer, err := w.Start(-1, false).Invoke(t.Context(), []byte(payload))
			if err != nil || !strings.Contains(answer.FunctionError, "HTTP") || !strings.Contains(answer.FunctionError, `{"runId":"…"}`) {
				t.Errorf("%s: %s, %v", name, answer.FunctionError, err)
			}
		}
		if len(w.sent()) != 0 || len(w.AWS.Messages(w.DeadLetterQueue)) != 0 {
			t.Errorf("%d re-triggers, %d dead letters", len(w.sent()), len(w.AWS.Messages(w.DeadLetterQueue)))
		}
	})
}

func TestEventBridgePipesGetsAPartialBatchResponse(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		record := func(message, body string) string {
			text, _ := json.Marshal(body)
			return `{"messageId":"` + message + `","receiptHandle":"h","eventSource":"aws:sqs","body":` + string(text) + `,"attributes":{"ApproximateReceiveCount":"1"}}`
		}
		w.AWS.PutSecret("secret-V", "no credential") // requests of that org come back
		payload := `[` + record("m1", `{"runId":"`+id+`","orgId":"`+worldOrg+`"}`) + `,` + record("m2", `{"runId":"x","orgId":"`+worldOther+`"}`) + `]`
		answer, err := w.Start(-1, false).Invoke(t.Context(), []byte(payload))
		if want := `{"batchItemFailures":[{"itemIdentifier":"m2"}]}`; err != nil || string(answer.Payload) != want {
			t.Errorf("the answer is %s, %v, %s; want %s", answer.Payload, err, answer.FunctionError, want)
		}
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("the run in the list was re-triggered %d times", n)
		}
	})
}
