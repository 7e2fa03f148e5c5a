// Package loopback serves simulators on this machine alone.
package loopback

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Serve serves on a free port of loopback until stop is called, which ends open
// connections and may be called more than once.
func Serve(handler http.Handler) (baseURL string, stop func(), err error) {
	listener, err := listen("127.0.0.1:0")
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
// listens. The port is none of those that the system gives to whoever asks for any
// (on Linux 32768 to 60999, on others above 49151), so that no connection gets it
// before the caller's program listens there.
func FreeAddress() (string, error) {
	const first, ports, tries = 20000, 12000, 100
	var failed error
	for range tries {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(first+rand.IntN(ports))) //nolint:gosec // no secret
		listener, err := listen(address)
		if err == nil {
			return address, listener.Close()
		}
		failed = err
	}
	return "", failed
}

func listen(address string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
}
