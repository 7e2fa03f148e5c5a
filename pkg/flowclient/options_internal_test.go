package flowclient

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestDefaultTransport: a server that speaks HTTP/2 is spoken to in HTTP/1.1, so that a
// connection carries one call.
func TestDefaultTransport(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	transport := NewTransport()
	t.Cleanup(transport.CloseIdleConnections)
	if transport.TLSClientConfig.MinVersion != tls.VersionTLS12 || transport.IdleConnTimeout != IdleTimeout || transport.Proxy == nil {
		t.Errorf("got %+v", transport)
	}
	if standard, ok := http.DefaultTransport.(*http.Transport); ok && standard.IdleConnTimeout == IdleTimeout {
		t.Error("the standard transport was changed")
	}
	trusting, ok := server.Client().Transport.(*http.Transport)
	if !ok {
		t.Fatalf("the server's client has a %T", server.Client().Transport)
	}
	transport.TLSClientConfig.RootCAs = trusting.TLSClientConfig.RootCAs
	for _, resumes := range []bool{false, true} { // TLS costs CPU time, a resumed session less
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Close = true
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Error(err)
		}
		if err := resp.Body.Close(); err != nil || resp.ProtoMajor != 1 || resp.TLS.DidResume != resumes {
			t.Errorf("got %s, resumed %t, %v, want HTTP/1.1, resumed %t", resp.Proto, resp.TLS.DidResume, err, resumes)
		}
	}
}
