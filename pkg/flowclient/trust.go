package flowclient

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/dialahead"
)

// trust is what is known of a client's idle connections. The zero value trusts none with a
// re-trigger.
type trust struct {
	mu       sync.Mutex
	at       time.Time // when a connection was last known to work
	lost     bool      // the last answer did not come
	underWay int
}

// begin takes note of a request that begins, and reports whether it may use an idle
// connection.
func (t *trust) begin(now time.Time, mutates bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underWay++
	return t.holds(now, mutates)
}

// holds reports whether idle connections may be used. A re-trigger needs one that has
// worked within [IdleTimeout]. A request that may be repeated needs only that no answer was
// lost since. The lock is held.
func (t *trust) holds(now time.Time, mutates bool) bool {
	age := now.Sub(t.at)
	return !t.lost && (!mutates || age >= 0 && age < IdleTimeout) // a negative age: the clock was set back
}

// end takes note of a request that has ended. It reports whether its connection must be
// closed: the answer did not come, and no other request may be under way over it.
func (t *trust) end(now time.Time, answered bool) (closes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.underWay--
	t.works(now, answered)
	return !answered && t.underWay == 0
}

// works takes note of a connection that works, or of one that does not. The lock is held.
func (t *trust) works(now time.Time, does bool) {
	if t.lost = !does; does {
		t.at = now
	}
}

// Connect opens a connection to Flow Service for the next call, which then need not wait for
// TCP and TLS. Nothing is sent over it, and it is trusted with a re-trigger for
// [IdleTimeout]. While the client is in use, and with a transport that is no
// *[http.Transport], it does nothing.
func (c *Client) Connect(ctx context.Context) error {
	t := c.trust
	t.mu.Lock()
	fresh := t.holds(c.now(), true)
	t.mu.Unlock()
	if _, ok := c.http.Transport.(*http.Transport); !ok || fresh {
		return nil
	}
	c.http.CloseIdleConnections()
	err := dialahead.Open(ctx, c.http, c.baseURL)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.works(c.now(), err == nil)
	return err
}
