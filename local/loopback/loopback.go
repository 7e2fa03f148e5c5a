// Package loopback serves simulators on this machine alone.
package loopback

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Serve serves on a free port of loopback until stop is called, which ends open
// connections and may be called more than once.
func Serve(handler http.Handler) (baseURL string, stop func(), err error) {
	listener, err := listen()
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with stop
	}()
	return "http://" + listener.Addr().String(), sync.OnceFunc(func() {
		_ = server.Close()
		<-done
	}), nil
}

// FreeAddress returns an address of loopback, "127.0.0.1:port", at which nothing
// listens.
func FreeAddress() (string, error) {
	listener, err := listen()
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func listen() (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
}
