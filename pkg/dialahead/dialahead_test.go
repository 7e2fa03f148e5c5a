package dialahead_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/dialahead"
)

// counted is a server that counts its connections and its requests.
type counted struct {
	*httptest.Server

	connections, requests atomic.Int32
	first                 atomic.Value // connection: its client's address
}

func serve(t *testing.T, secure, http2 bool) *counted {
	t.Helper()
	s := &counted{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		w.Header().Set("From", r.RemoteAddr)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that a test breaks
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew && s.connections.Add(1) == 1 {
			s.first.Store(c.RemoteAddr().String())
		}
	}
	s.EnableHTTP2 = http2
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return s
}

func TestTheFirstRequestUsesTheConnectionThatWasOpenedAhead(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, true, http2)
			if transport, ok := s.Client().Transport.(*http.Transport); ok {
				transport.MaxConnsPerHost = 1 // a request that comes before net/http keeps the connection waits for it
			}
			if err := dialahead.Open(t.Context(), s.Client(), s.URL+"/base?a=b"); err != nil {
				t.Fatal(err)
			}
			if n := s.requests.Load(); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := s.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if first, used := s.first.Load(), response.Header.Get("From"); first != used {
				t.Errorf("the connection that was opened is %v, the request used %v", first, used)
			}
		})
	}
}

func TestNothingIsSentWithoutTLSEither(t *testing.T) {
	t.Parallel()
	s := serve(t, false, false)
	if err := dialahead.Open(t.Context(), s.Client(), s.URL); err != nil || s.requests.Load() != 0 {
		t.Errorf("%d requests were sent: %v", s.requests.Load(), err)
	}
}

func TestAConnectionThatCannotBeOpenedIsAnError(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	if err := dialahead.Open(t.Context(), new(http.Client), s.URL); err == nil {
		t.Error("a certificate that nobody trusts is no error")
	}
	s.Close()
	if err := dialahead.Open(t.Context(), s.Client(), s.URL); err == nil {
		t.Error("a server that is gone is no error")
	}
	if err := dialahead.Open(t.Context(), s.Client(), "https://no such host"); err == nil {
		t.Error("a wrong URL is no error")
	}
}

// TestAHostThatDoesNotAnswerCostsTheTimeThatThereIs: a listener takes connections, and never
// answers a handshake.
func TestAHostThatDoesNotAnswerCostsTheTimeThatThereIs(t *testing.T) {
	t.Parallel()
	silent, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	client := &http.Client{Transport: new(http.Transport)} // httptest ends what the default one dials
	if err := dialahead.Open(ctx, client, "https://"+silent.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the error is %v", err)
	}
}

func TestARefusedRequestIsNeverSent(t *testing.T) {
	t.Parallel()
	s := serve(t, true, false)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/path", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := dialahead.Refuser{Client: s.Client()}.Do(request)
	if response != nil {
		_ = response.Body.Close()
	}
	if !errors.Is(err, dialahead.ErrNothingSent) || s.requests.Load() != 0 || s.connections.Load() != 1 {
		t.Errorf("%d requests over %d connections: %v", s.requests.Load(), s.connections.Load(), err)
	}
}
