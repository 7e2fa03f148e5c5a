// Package console serves the state of a stack as web pages on this machine: dataflows,
// lineages, what waits, dead letters, sweeps and pauses. It reads only; docs/console.md
// describes it to people.
//
//	console.go   listening, and the end after an idle hour
//	guard.go     who may read: host, method, the address that works once, the headers
//	pages.go     an address for each page; views.go has what is read for each
//	read.go      dataflows and what waits, from package operate; dead.go the dead letters
//	story.go     what became of a lineage, step by step; line.go draws it
//	show.go      how times, numbers and states are written
//	templates/   the pages; html/template escapes every text
package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// DefaultIdle is after how long without a page the console ends.
const DefaultIdle = time.Hour

// stopTime is how long pages that are being made have when the console ends.
const stopTime = 3 * time.Second

// Options are how a [Console] is served. The zero value is what people usually want.
type Options struct {
	// Port is the port on 127.0.0.1; 0 for any that is free.
	Port int
	// Idle is after how long without a page the console ends; 0 for [DefaultIdle], less
	// for never.
	Idle time.Duration
}

// Console is a listening console. Make it with [Listen].
type Console struct {
	listener net.Listener
	guard    *guard
	idle     time.Duration
	used     chan struct{}
}

// Listen begins to listen on loopback. Pages are answered as soon as [Console.Serve] is
// called. The error is an [*operate.Error].
func Listen(ctx context.Context, o *operate.Operator, options Options) (*Console, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(options.Port)))
	if err != nil {
		kind := operate.Failed
		if options.Port != 0 {
			kind = operate.Wrong
		}
		return nil, &operate.Error{Kind: kind, Message: fmt.Sprintf("the console can't listen: %v", err), Err: err}
	}
	return newConsole(listener, newPages(o), options.Idle), nil
}

func newConsole(listener net.Listener, pages http.Handler, idle time.Duration) *Console {
	c := &Console{listener: listener, idle: cmp.Or(idle, DefaultIdle), used: make(chan struct{}, 1)}
	c.guard = newGuard(listener.Addr().String(), pages, c.use)
	return c
}

// Address is where a browser begins. It works once: the browser then keeps a cookie, and
// anybody who finds the address later finds it used.
func (c *Console) Address() string {
	return "http://" + c.listener.Addr().String() + "/?" + tokenParameter + "=" + c.guard.token
}

// Close ends a console that is not served.
func (c *Console) Close() error { return c.listener.Close() }

// use notes that a page was asked for by somebody who may.
func (c *Console) use() {
	select {
	case c.used <- struct{}{}:
	default:
	}
}

// Serve answers until the context ends, and returns its error then, or until nobody has
// asked for a page for an idle hour, and returns nil then.
func (c *Console) Serve(ctx context.Context) error {
	server := &http.Server{
		Handler: c.guard, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: time.Minute,
		IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	ended := make(chan error, 1)
	var serving sync.WaitGroup
	serving.Go(func() { ended <- server.Serve(c.listener) })
	defer serving.Wait()
	defer stop(ctx, server)
	timer := time.NewTimer(c.idle)
	defer timer.Stop()
	if c.idle < 0 {
		timer.Stop()
	}
	for {
		select {
		case <-c.used:
			if c.idle > 0 {
				timer.Reset(c.idle)
			}
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return &operate.Error{Kind: operate.Failed, Message: fmt.Sprintf("the console has ended: %v", err), Err: err}
		}
	}
}

// stop ends the server: pages that are being made come to their end within [stopTime].
func stop(ctx context.Context, server *http.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if server.Shutdown(ctx) != nil {
		_ = server.Close() // nothing is lost: it reads only
	}
}
