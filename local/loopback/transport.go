package loopback

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
)

// ErrCut is what a [Transport]'s caller gets for an answer that was cut off.
var ErrCut = errors.New("loopback: the connection was cut") //nolint:gochecknoglobals // a sentinel

// Transport calls a handler in this process instead of a server, so that tests in
// a bubble of testing/synctest can have it: goroutines of a bubble must not wait
// for a network.
type Transport struct{ Handler http.Handler }

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
		if trace.GetConn != nil {
			trace.GetConn(r.URL.Host)
		}
		if trace.GotConn != nil {
			trace.GotConn(httptrace.GotConnInfo{})
		}
	}
	defer func() {
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler { //nolint:errorlint,err113 // net/http compares it so
				panic(p)
			}
			response, err = nil, ErrCut
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	t.Handler.ServeHTTP(recorder, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return recorder.Result(), nil
}
