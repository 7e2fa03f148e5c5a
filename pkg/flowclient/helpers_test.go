package flowclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	org     = "0123456789ABCDEF@AdobeOrg"
	apiKey  = "api-key"
	sandbox = "prod"
	runID   = "ae4532-fe4324-f34vsd32"
	newID   = "3fb0418e-1804-45d6-8d56-dd51f05c0baf"
	secret  = "p8e-Zx/secret+of=the&client"

	made = `{"id":"` + newID + `","etag":"\"1100c53e\""}`
)

// tokens is a TokenSource that gives its tokens in order; the last one stays.
type tokens struct {
	mu          sync.Mutex
	left        []string
	invalidated []string
}

func (s *tokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.left[0], nil
}

func (s *tokens) Invalidate(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.invalidated = append(s.invalidated, token)
	if len(s.left) > 1 && s.left[0] == token {
		s.left = s.left[1:]
	}
}

// oneToken looks like one of Adobe's.
const oneToken = "eyJhbGciOiJSUzI1NiJ9.eyJpZCI6InRlc3QifQ.c2lnbmF0dXJl"

func noWait(int) time.Duration { return 0 }

// newClient returns a client of a server that answers with handler.
func newClient(t *testing.T, handler http.HandlerFunc, opts ...flowclient.Option) *flowclient.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return clientOf(t, server, &tokens{left: []string{oneToken}}, opts...)
}

func clientOf(t *testing.T, server *httptest.Server, source flowclient.TokenSource, opts ...flowclient.Option) *flowclient.Client {
	t.Helper()
	opts = slices.Concat([]flowclient.Option{
		flowclient.WithBaseURL(server.URL + "/base/"),
		flowclient.WithHTTPClient(server.Client()),
		flowclient.WithBackoff(noWait),
	}, opts)
	client, err := flowclient.New(org, apiKey, source, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// answer is one scripted answer.
type answer struct {
	status int
	header map[string]string
	body   string
	fault  func(w http.ResponseWriter, r *http.Request) // instead of the above
}

// script answers in order; the last answer stays. It counts the requests.
type script struct {
	mu       sync.Mutex
	requests int
	answers  []answer
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	a := s.answers[min(s.requests, len(s.answers)-1)]
	s.requests++
	s.mu.Unlock()
	if a.fault != nil {
		a.fault(w, r)
		return
	}
	for name, value := range a.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
}

func (s *script) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

// reset ends the connection without an answer.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// truncated sends the beginning of an answer and ends the connection.
func truncated(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "4096")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hang never answers.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client left
	<-r.Context().Done()
}

// slowBody sends the beginning of an answer and then nothing.
func slowBody(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, `{"id":`)
	_ = http.NewResponseController(w).Flush()
	hang(w, r)
}

func malformedHTTP(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// failure returns err as an *Error.
func failure(t *testing.T, err error) *flowclient.Error {
	t.Helper()
	failed, ok := errors.AsType[*flowclient.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want *flowclient.Error", err, err)
	}
	return failed
}

// checkNoSecret fails if an error, or one within it, shows one of the secrets.
func checkNoSecret(t *testing.T, err error, secrets ...string) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, hush := range secrets {
			if strings.Contains(err.Error(), hush) {
				t.Errorf("the error %T shows a secret", err)
			}
		}
	}
}

// network is an in-memory network with one HTTP server, for use in a synctest
// bubble: real HTTP, without the operating system's sockets.
type network struct {
	conns  chan net.Conn
	closed chan struct{}
	client *http.Client
}

// newNetwork starts a server that ends with the test.
func newNetwork(t *testing.T, handler http.Handler) *network {
	t.Helper()
	n := &network{conns: make(chan net.Conn), closed: make(chan struct{})}
	transport := &http.Transport{DialContext: n.dial}
	n.client = &http.Client{Transport: transport}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Hour}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(n)
	}()
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return n
}

// newBubbleClient returns a client of a server in a synctest bubble.
func newBubbleClient(t *testing.T, handler http.Handler, opts ...flowclient.Option) *flowclient.Client {
	t.Helper()
	opts = slices.Concat([]flowclient.Option{
		flowclient.WithBaseURL("http://localhost"), flowclient.WithHTTPClient(newNetwork(t, handler).client), flowclient.WithBackoff(noWait),
	}, opts)
	client, err := flowclient.New(org, apiKey, &tokens{left: []string{oneToken}}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case n.conns <- theirs:
		return mine, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (n *network) Accept() (net.Conn, error) {
	select {
	case conn := <-n.conns:
		return conn, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (n *network) Close() error {
	close(n.closed)
	return nil
}

// Addr implements net.Listener.
func (n *network) Addr() net.Addr { return &net.IPAddr{} }
