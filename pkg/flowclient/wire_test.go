package flowclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// wire is what lies between a client and a server. It counts connections.
type wire struct {
	*httptest.Server

	listener net.Listener
	address  string // of the wire, which stands in for the server's
	answers  *script

	mu    sync.Mutex
	all   []*link
	count atomic.Int32
}

// link is one connection.
type link struct {
	client, server net.Conn
	dead           atomic.Bool
}

// newWire returns a wire to a server with TLS that makes a run of each re-trigger.
func newWire(t *testing.T, http2 bool) *wire {
	t.Helper()
	w := &wire{answers: &script{answers: []answer{{status: http.StatusOK, body: made}}}}
	w.Server = httptest.NewUnstartedServer(w.answers)
	w.EnableHTTP2 = http2
	w.StartTLS()
	t.Cleanup(w.Close)
	var err error
	if w.listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	w.address = w.listener.Addr().String()
	t.Cleanup(w.closeAll)
	go w.accept()
	return w
}

func (w *wire) accept() {
	for {
		client, err := w.listener.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), "tcp", w.Listener.Addr().String())
		if err != nil {
			_ = client.Close()
			return
		}
		l := &link{client: client, server: server}
		w.mu.Lock()
		w.all = append(w.all, l)
		w.mu.Unlock()
		w.count.Add(1)
		go l.carry(server, client)
		go l.carry(client, server)
	}
}

// carry takes bytes from one end to the other, and drops those of a dead connection.
func (l *link) carry(to, from net.Conn) {
	bytes := make([]byte, 1<<12)
	for {
		n, err := from.Read(bytes)
		if n > 0 && !l.dead.Load() {
			_, _ = to.Write(bytes[:n])
		}
		if err != nil {
			if errors.Is(err, io.EOF) && !l.dead.Load() {
				_ = to.Close()
			}
			return
		}
	}
}

// die lets all connections that there are die in silence: nobody is told.
func (w *wire) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.all {
		l.dead.Store(true)
	}
}

func (w *wire) closeAll() {
	_ = w.listener.Close()
	w.hangUp()
}

// hangUp closes all connections.
func (w *wire) hangUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.all {
		_, _ = l.client.Close(), l.server.Close()
	}
}
