package event_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// TestMessageKeepsTheFingerprintOfItsRequest: The function trusts its own message from
// the request queue without reading the run.
func TestMessageKeepsTheFingerprintOfItsRequest(t *testing.T) {
	t.Parallel()
	const shape = `{"event_id":"e","event":{"id":"r","flowId":"f","imsOrgId":"W@AdobeOrg","sandboxName":"prod","createdAt":1764000000123,"createdClient":"c\u0000","activities":[{"durationSummary":{"extensions":{"windowStart":1764000000123,"windowEnd":"2025-11-24T17:00:00Z"}}}],"metrics":{"statusSummary":{"status":"failed","errors":[{"code":"C-1","message":"MESSAGE"}]}}}}`
	for name, message := range map[string]string{
		"plain":                     "no route to host",
		"not ASCII":                 "Übertragung \u2028 🦊",
		"what SQS refuses":          `a\u0000b\uffff`,
		"half of a surrogate pair":  `\ud83e`,
		"longer than is kept of it": strings.Repeat("ä", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			request := func(payload []byte) event.Request {
				t.Helper()
				decoded, err := event.Decode(payload)
				if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
					t.Fatalf("%+v, %v", decoded, err)
				}
				return *decoded.Items[0].Request
			}
			told := request([]byte(strings.Replace(shape, "MESSAGE", message, 1)))
			told.Due = time.Now().UTC()
			body, err := json.Marshal(told)
			if err != nil {
				t.Fatal(err)
			}
			if got := request(body); got.Fingerprint() != told.Fingerprint() {
				t.Errorf("%+v became %+v", told, got)
			}
			if told.Window.IsZero() {
				t.Error("the window was not read")
			}
			for what, change := range map[string]func(*event.Request){
				"dataflow":    func(r *event.Request) { r.FlowID = "another" },
				"data window": func(r *event.Request) { r.Window.End = r.Window.End.Add(time.Hour) },
			} {
				other := told
				change(&other)
				if other.Fingerprint() == told.Fingerprint() {
					t.Errorf("another %s has the same fingerprint", what)
				}
			}
		})
	}
}
