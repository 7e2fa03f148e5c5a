// Package awssim serves the few operations of SQS, Secrets Manager and EventBridge that the
// function and its event source mapping use, over AWS's JSON protocols, for the
// embedded default and for tests.
//
// It is small and strict: an unknown operation, parameter limit or receipt handle
// is an error as AWS answers it, and a receiver gets the attributes that it asks for. It is not the judge of the function: the
// integration suite also runs against independent emulators.
//
// Its clock can be moved ahead ([Server.Advance]), so that nobody waits for a
// visibility timeout.
package awssim

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// Region and Account appear in ARNs.
const (
	Region  = "us-east-1"
	Account = "123456789012"
)

// Fault makes the next calls of an operation go wrong.
type Fault struct {
	// Op is the operation, such as "SendMessage".
	Op string
	// Times is how many calls; 0 means one.
	Times int
	// Code is the error's; empty means InternalFailure.
	Code string
	// EntriesOnly fails the entries of a batch instead of the call.
	EntriesOnly bool
	// Of limits the fault to calls whose input has this text in it; empty means any. With
	// EntriesOnly the entries that have it in their body fail, as the sender's fault.
	Of string
	// Hang answers nothing until the caller gives up.
	Hang bool
}

// Server is the simulator. It is an [http.Handler] and safe for concurrent use.
type Server struct {
	// EventBuses are the buses of EventBridge.
	EventBuses *EventBuses
	// Actions are those of IAM that callers have used.
	Actions *Actions

	mu      sync.Mutex
	base    string
	mark    string // begins each receipt handle
	ahead   time.Duration
	queues  map[string]*queue
	secrets map[string]string
	faults  []*Fault
	calls   map[string]int
	changed chan struct{} // closed and replaced when a message may have become visible
}

// New returns a Server without queues and secrets.
func New() *Server {
	return &Server{
		EventBuses: &EventBuses{buses: map[string][]Event{}}, mark: rand.Text(), Actions: new(Actions),
		queues: map[string]*queue{}, secrets: map[string]string{}, calls: map[string]int{}, changed: make(chan struct{}),
	}
}

// Listen serves on a free loopback port until stop is called.
func (s *Server) Listen() (baseURL string, stop func(), err error) {
	baseURL, stop, err = loopback.Serve(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.base = baseURL
	return baseURL, stop, err
}

// PutSecret sets a secret's text.
func (s *Server) PutSecret(name, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secrets[name] = text
}

// Advance moves the clock ahead.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
	s.wake()
}

// Inject adds a fault.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.Times = max(f.Times, 1)
	s.faults = append(s.faults, &f)
}

// Count returns how often an operation was called.
func (s *Server) Count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// Now is the simulator's time.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now()
}

func (s *Server) now() time.Time { return time.Now().Add(s.ahead) }

func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) fault(op string, input []byte) *Fault {
	for i, f := range s.faults {
		if f.Op == op && bytes.Contains(input, []byte(f.Of)) {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
			return f
		}
	}
	return nil
}

// refusal is an error as AWS names it.
type refusal struct {
	status  int
	code    string
	message string
}

func (r *refusal) Error() string { return r.code + ": " + r.message }

func refuse(code, message string) error { return &refusal{http.StatusBadRequest, code, message} }

// ServeHTTP answers one call.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.serve(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		w.Header().Set("X-Amzn-Query-Error", refused.code+";Sender")
		w.WriteHeader(refused.status)
		answer = map[string]string{"__type": refused.code, "message": refused.message}
	case err != nil:
		w.WriteHeader(http.StatusBadRequest)
		answer = map[string]string{"__type": "SerializationException", "message": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (s *Server) serve(r *http.Request) (any, error) {
	service, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	switch {
	case err != nil:
		return nil, err
	case r.Method != http.MethodPost:
		return nil, refuse("InvalidAction", "want POST")
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		return nil, &refusal{http.StatusForbidden, "MissingAuthenticationToken", "the request is not signed"}
	}
	s.Actions.Note(r, body)
	s.mu.Lock()
	s.calls[op]++
	fault := s.fault(op, body)
	s.mu.Unlock()
	if fault != nil && fault.Hang {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	if fault != nil && !fault.EntriesOnly {
		if fault.Code != "" {
			return nil, refuse(fault.Code, "an injected fault")
		}
		return nil, &refusal{http.StatusInternalServerError, "InternalFailure", "an injected fault"}
	}
	send := func(in sendIn) (any, error) { return operations{s}.send(in, r.Header.Get("X-Amzn-Trace-Id")) }
	switch service + "." + op {
	case "AmazonSQS.SendMessage":
		return with(s, body, send)
	case "AmazonSQS.SendMessageBatch":
		return with(s, body, func(in batchIn[sendIn]) (any, error) {
			if err := in.tooLong(sendIn.size); err != nil {
				return nil, err
			}
			return batch(in.Entries, fault, send, in.QueueURL)
		})
	case "AmazonSQS.ReceiveMessage":
		return operations{s}.receive(r.Context(), body)
	case "AmazonSQS.DeleteMessage":
		return with(s, body, operations{s}.remove)
	case "AmazonSQS.DeleteMessageBatch":
		return with(s, body, func(in batchIn[receiptIn]) (any, error) {
			return batch(in.Entries, fault, operations{s}.remove, in.QueueURL)
		})
	case "AmazonSQS.ChangeMessageVisibility":
		return with(s, body, operations{s}.changeVisibility)
	case "AmazonSQS.ChangeMessageVisibilityBatch":
		return with(s, body, func(in batchIn[receiptIn]) (any, error) {
			return batch(in.Entries, fault, operations{s}.changeVisibility, in.QueueURL)
		})
	case "AmazonSQS.GetQueueAttributes":
		return with(s, body, operations{s}.attributes)
	case "AmazonSQS.StartMessageMoveTask":
		return with(s, body, operations{s}.move)
	case "secretsmanager.GetSecretValue":
		return with(s, body, s.secret)
	case "AWSEvents.DescribeEventBus":
		return with(s, body, s.EventBuses.describe)
	case "AWSEvents.PutEvents":
		return with(s, body, func(in struct{ Entries []eventIn }) (any, error) {
			return s.EventBuses.put(in.Entries, fault, s.now())
		})
	default:
		return nil, refuse("InvalidAction", "no such operation: "+op)
	}
}

// with decodes the input and runs the operation under the lock.
func with[In any](s *Server, body []byte, run func(In) (any, error)) (any, error) {
	var in In
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return run(in)
}

func (s *Server) secret(in struct{ SecretId string }) (any, error) { //nolint:revive,staticcheck // AWS's spelling
	text, ok := s.secrets[in.SecretId]
	if !ok {
		return nil, refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
	}
	return map[string]any{"ARN": "arn:aws:secretsmanager:" + Region + ":" + Account + ":secret:" + in.SecretId, "Name": in.SecretId, "SecretString": text, "VersionStages": []string{"AWSCURRENT"}}, nil
}
