package console

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// pipes is a listener in this process, so that time can be virtual: a bubble of
// testing/synctest must not wait for a network.
type pipes struct {
	connections chan net.Conn
	closed      chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.connections:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.closed); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8123} }

// client connects to the listener.
func (p *pipes) client() *http.Client {
	return &http.Client{
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
			ours, theirs := net.Pipe()
			p.connections <- theirs
			return ours, nil
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// running is a console in virtual time, and when it ended.
type running struct {
	*testing.T

	pipes  *pipes
	client *http.Client
	cookie *http.Cookie
	began  time.Time
	ended  chan error
	stop   context.CancelFunc
}

// start serves a page in a bubble.
func start(t *testing.T, idle time.Duration) *running {
	t.Helper()
	listener := newPipes()
	c := newConsole(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "the page") }), idle)
	ctx, stop := context.WithCancel(t.Context())
	r := &running{T: t, pipes: listener, client: listener.client(), cookie: &c.guard.cookie, began: time.Now(), ended: make(chan error, 1), stop: stop}
	go func() { r.ended <- c.Serve(ctx) }()
	t.Cleanup(stop)
	return r
}

// get asks for the page, with the cookie or without.
func (r *running) get(cookie bool) int {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), http.MethodGet, "http://127.0.0.1:8123/", http.NoBody)
	if err != nil {
		r.Fatal(err)
	}
	if cookie {
		req.AddCookie(r.cookie)
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}

// endsAfter waits for the end.
func (r *running) endsAfter(want time.Duration, wantErr error) {
	r.Helper()
	err := <-r.ended
	if got := time.Since(r.began); got != want || !errors.Is(err, wantErr) {
		r.Errorf("the console ended after %s with %v, want %s and %v", got, err, want, wantErr)
	}
}

func TestConsoleEndsAfterAnHourWithoutAPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { start(t, 0).endsAfter(time.Hour, nil) })
}

func TestEachPageGivesTheConsoleAnotherHour(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0)
		<-time.After(50 * time.Minute)
		if code := r.get(true); code != http.StatusOK {
			t.Fatalf("the page is answered with %d", code)
		}
		<-time.After(5 * time.Minute)
		if code := r.get(false); code != http.StatusForbidden { // who may not read keeps nothing alive
			t.Fatalf("without the cookie the answer is %d", code)
		}
		r.endsAfter(110*time.Minute, nil)
	})
}

func TestConsoleOfMakeUpNeverEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, -1)
		<-time.After(100 * time.Hour)
		if code := r.get(true); code != http.StatusOK {
			t.Errorf("the page is answered with %d", code)
		}
		r.stop()
		r.endsAfter(100*time.Hour, context.Canceled)
	})
}

func TestCtrlCEndsTheConsole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0)
		<-time.After(time.Minute)
		r.stop()
		r.endsAfter(time.Minute, context.Canceled)
	})
}

func TestConnectionThatSaysNothingIsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 0)
		ours, theirs := net.Pipe()
		r.pipes.connections <- theirs
		if _, err := bufio.NewReader(ours).ReadString('\n'); err == nil {
			t.Error("something was answered")
		}
		if got := time.Since(r.began); got > 10*time.Second {
			t.Errorf("it was closed after %s", got)
		}
		r.stop()
		if err := <-r.ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the console ended with %v", err)
		}
	})
}

func TestConsoleListensOnLoopbackAlone(t *testing.T) {
	t.Parallel()
	c, err := Listen(t.Context(), newWorld(t).operator(nil), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if !strings.HasPrefix(c.Address(), "http://127.0.0.1:") || !strings.Contains(c.Address(), "/?token=") {
		t.Errorf("the address is %s", c.Address())
	}
	_, port, err := net.SplitHostPort(c.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Listen(t.Context(), newWorld(t).operator(nil), Options{Port: number})
	fault, ok := errors.AsType[*operate.Error](err)
	if !ok || fault.Kind != operate.Wrong || !strings.Contains(fault.Message, "in use") {
		t.Errorf("a port that is taken is answered with %v", err)
	}
}
