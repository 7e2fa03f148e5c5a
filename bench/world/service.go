package world

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// service is one of the hosts that the process under test calls.
type service struct {
	url    string
	server *http.Server
	ended  chan struct{}

	mu   sync.Mutex
	open map[net.Conn]bool
}

// addresses are those of the services, one for each: a client keeps TLS sessions by the name
// of the host. Only Linux has more than one of loopback without being asked.
func addresses() []net.IP {
	all := make([]net.IP, hosts)
	for i := range all {
		all[i] = net.IPv4(127, 0, 0, 1)
		if runtime.GOOS == "linux" {
			all[i] = net.IPv4(127, 0, 0, byte(11+i))
		}
	}
	return all
}

// serve serves a handler at an address: HTTP/1.1, and with an authority over TLS.
func serve(ctx context.Context, address net.IP, handler http.Handler, a *authority) (*service, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort(address.String(), "0"))
	if err != nil {
		return nil, err
	}
	s := &service{url: "http://" + listener.Addr().String(), ended: make(chan struct{}), open: map[net.Conn]bool{}}
	s.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: time.Minute, ConnState: s.count,
		ErrorLog: log.New(io.Discard, "", 0), // a connection that a process left behind is no fault
	}
	if a != nil {
		s.url = "https://" + listener.Addr().String()
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{a.chain}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		})
	}
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(listener) // ends with close
	}()
	return s, nil
}

// count keeps the connections that are open.
func (s *service) count(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(s.open, conn)
	case http.StateActive, http.StateIdle:
	}
}

// hangUp closes all connections, as a server does with those that nothing is sent over.
func (s *service) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.open {
		_ = conn.Close() // over TLS it says goodbye first
	}
	clear(s.open)
}

func (s *service) close() {
	_ = s.server.Close()
	<-s.ended
}
