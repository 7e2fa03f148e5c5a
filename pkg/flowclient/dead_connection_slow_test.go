//go:build slow

package flowclient_test

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// wired returns a client whose calls go over the wire.
func wired(t *testing.T, w *wire, opts ...flowclient.Option) *flowclient.Client {
	t.Helper()
	return clientOf(t, w.Server, &tokens{left: []string{oneToken}}, append([]flowclient.Option{flowclient.WithBaseURL("https://" + w.address)}, opts...)...)
}

func retrigger(t *testing.T, client *flowclient.Client) error {
	t.Helper()
	_, err := client.Retrigger(t.Context(), sandbox, runID)
	return err
}

func TestADeadConnectionCostsOneCall(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, http2)
			client := wired(t, w, flowclient.WithCallTimeout(5*time.Second)) // which the call over the dead one takes
			if err := retrigger(t, client); err != nil {
				t.Fatal(err)
			}
			w.die()
			if err := retrigger(t, client); !errors.Is(err, flowclient.KindUnknownOutcome) {
				t.Fatalf("the call over a dead connection ended with %v", err)
			}
			for range 3 {
				if err := retrigger(t, client); err != nil {
					t.Errorf("a later call ended with %v", err)
				}
			}
			if n := w.count.Load(); n != 2 {
				t.Errorf("there were %d connections, want 2", n)
			}
		})
	}
}

// TestAReTriggerIsNotSentOverAConnectionThatWasIdleForLong: the connection has died
// meanwhile, and the clock says that time has passed which no timer has seen.
func TestAReTriggerIsNotSentOverAConnectionThatWasIdleForLong(t *testing.T) {
	t.Parallel()
	for name, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t, http2)
			began, passed := time.Now(), new(atomic.Int64)
			client := wired(t, w, flowclient.WithClock(func() time.Time { return began.Add(time.Duration(passed.Load())) }))
			for _, step := range []struct {
				passes time.Duration
				dials  int32
			}{{0, 1}, {flowclient.IdleTimeout - time.Second, 1}, {flowclient.IdleTimeout, 2}, {time.Hour, 3}, {-24 * time.Hour, 4}} {
				if passed.Add(int64(step.passes)); step.dials > w.count.Load() {
					w.die()
				}
				if err := retrigger(t, client); err != nil {
					t.Fatalf("after %s: %v", step.passes, err)
				}
				if n := w.count.Load(); n != step.dials {
					t.Errorf("after %s there were %d connections, want %d", step.passes, n, step.dials)
				}
			}
		})
	}
}

func TestAConnectionThatWasOpenedAheadCarriesTheFirstCall(t *testing.T) {
	t.Parallel()
	w := newWire(t, false)
	if transport, ok := w.Client().Transport.(*http.Transport); ok {
		transport.MaxConnsPerHost = 1 // a call that comes before net/http keeps the connection waits for it
	}
	began, passed := time.Now(), new(atomic.Int64)
	client := wired(t, w, flowclient.WithClock(func() time.Time { return began.Add(time.Duration(passed.Load())) }))
	for range 2 { // the second has nothing to do
		if err := client.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.answers.count(); n != 0 || w.count.Load() != 1 {
		t.Errorf("%d requests were sent over %d connections", n, w.count.Load())
	}
	if err := retrigger(t, client); err != nil || w.count.Load() != 1 {
		t.Errorf("after the first call there are %d connections: %v", w.count.Load(), err)
	}
	passed.Add(int64(time.Hour)) // in which the environment is frozen
	w.die()
	if err := client.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	// It is used once, so that net/http keeps it for sure when time passes: only what is kept can be
	// closed.
	for _, step := range []struct {
		passes time.Duration
		dials  int32
	}{{flowclient.IdleTimeout - time.Second, 2}, {flowclient.IdleTimeout, 3}} {
		passed.Add(int64(step.passes))
		if err := retrigger(t, client); err != nil || w.count.Load() != step.dials {
			t.Errorf("after %s there are %d connections, want %d: %v", step.passes, w.count.Load(), step.dials, err)
		}
	}
}

// TestAConnectionThatTheOtherSideHasClosedCarriesNoCall: however soon after the close. What
// net/http finds out a moment later, the kernel knows.
func TestAConnectionThatTheOtherSideHasClosedCarriesNoCall(t *testing.T) {
	t.Parallel()
	w := newWire(t, false)
	client := clientOf(t, w.Server, &tokens{left: []string{oneToken}}) // to the server itself
	for i := range 30 {
		if err := retrigger(t, client); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		w.CloseClientConnections()
	}
}
