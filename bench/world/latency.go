package world

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// Latency is how long each answer of a service takes, from when its request is there.
type Latency struct {
	DynamoDB, SecretsManager, SQS, IMS, FlowService time.Duration //nolint:staticcheck // IMS is a service, not a unit
}

// Users are the latencies that users see.
func Users() Latency {
	return Latency{
		DynamoDB: 5 * time.Millisecond, SecretsManager: 15 * time.Millisecond, SQS: 5 * time.Millisecond,
		IMS: 120 * time.Millisecond, FlowService: 300 * time.Millisecond,
	}
}

// Each is the same latency for all.
func Each(d time.Duration) Latency { return Latency{d, d, d, d, d} }

// late answers as another handler does, and not before its time. What the call changes is
// changed at once.
type late struct {
	http.Handler
	latency time.Duration
}

// ServeHTTP answers one call.
func (l late) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answers := time.Now().Add(l.latency)
	answer := httptest.NewRecorder()
	l.Handler.ServeHTTP(answer, r)
	loopback.WaitUntil(answers)
	maps.Copy(w.Header(), answer.Header())
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}
