// Package dialahead opens a connection of an HTTP client before its first request, so that
// the request need not wait for name look-up, TCP and TLS.
//
// Nothing is sent over the connection. net/http goes on to dial when the request is given up
// that it dials for, "because a future request may be able to make use of the connection"
// (getConn in net/http/transport.go), and keeps the connection for that one. So [Open] begins
// a request and gives it up when the dial has begun.
package dialahead

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
)

// Client is the part of an [http.Client] that [Open] uses.
type Client interface {
	Do(request *http.Request) (*http.Response, error)
}

// Open opens a connection of the client to the host of a URL, TLS included, and returns when
// it is open, or why it is not. It waits no longer than the context.
//
// net/http keeps the connection for the client's next request a moment later, and tells nobody.
// A request that begins within that moment may dial once more, and goes over the connection that
// is there first. With MaxConnsPerHost 1 in the client's transport it waits for this one.
//
// A client that has an idle connection to the host sends HEAD / over it: without
// credentials, and with no effect. So does a client that does not dial by net/http.
func Open(ctx context.Context, client Client, address string) error {
	request, err := http.NewRequest(http.MethodHead, address, nil) //nolint:noctx,gosec // it gets its context below; the address is of a setting
	if err != nil {
		return err
	}
	request.URL.Path, request.URL.RawPath, request.URL.RawQuery = "/", "", ""
	giveUp, cancel := context.WithCancel(ctx)
	defer cancel()
	o := opening{secure: strings.EqualFold(request.URL.Scheme, "https"), opened: make(chan error, 1)}
	givenUp := make(chan struct{})
	begun := sync.OnceFunc(func() {
		cancel()
		select { // the dial goes on when nobody can send over its connection
		case <-givenUp:
		case <-ctx.Done():
		}
	})
	response, err := client.Do(request.WithContext(httptrace.WithClientTrace(giveUp, o.trace(begun))))
	if err == nil {
		return response.Body.Close()
	}
	if giveUp.Err() == nil || ctx.Err() != nil {
		return fmt.Errorf("open a connection: %w", err)
	}
	close(givenUp)
	select {
	case err = <-o.opened:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("open a connection: %w", err)
	}
	return nil
}

// opening is a dial under way.
type opening struct {
	secure bool
	opened chan error // has the dial's end

	mu             sync.Mutex
	tried, refused int // addresses
}

// trace watches the dial. begun is called when it has begun.
func (o *opening) trace(begun func()) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		ConnectStart: func(string, string) {
			o.mu.Lock()
			o.tried++
			o.mu.Unlock()
			begun()
		},
		ConnectDone: func(_, _ string, err error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			switch {
			case err == nil && !o.secure:
				o.end(nil)
			case err != nil:
				if o.refused++; o.refused == o.tried { // another address may follow; nobody waits for it
					o.end(err)
				}
			}
		},
		TLSHandshakeStart: begun,
		TLSHandshakeDone:  func(_ tls.ConnectionState, err error) { o.end(err) },
	}
}

// end says how the dial has ended. The first end counts.
func (o *opening) end(err error) {
	select {
	case o.opened <- err:
	default:
	}
}

// ErrNothingSent is what a [Refuser] answers every request with.
var ErrNothingSent = errors.New("the connection is open, and nothing was sent") //nolint:gochecknoglobals // a sentinel

// Refuser is an HTTP client that opens a connection for a request and does not send the
// request. An AWS client that has it makes any call into opening the connection for it: the
// call ends with [ErrNothingSent], and needs no permission.
type Refuser struct{ Client Client }

// Do opens the connection that the request would go over.
func (r Refuser) Do(request *http.Request) (*http.Response, error) {
	if err := Open(request.Context(), r.Client, request.URL.String()); err != nil {
		return nil, err
	}
	return nil, ErrNothingSent
}
