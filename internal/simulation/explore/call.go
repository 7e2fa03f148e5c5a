package explore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// errLost is the error of a call whose answer did not come.
var errLost = errors.New("the connection was reset") //nolint:gochecknoglobals // a sentinel

// anyKind stands for items of every kind.
const anyKind = "*"

// call is a call of the function that waits until the explorer lets it go on.
type call struct {
	by   *delivery
	what string // for people
	// mutates tells that others may see an effect of the call.
	mutates bool
	// isLocal tells that the call commutes with every call of another delivery, so that
	// its order among them need not be explored. See [history.local].
	local bool
	// kinds are the kinds of the store's items that the call reads or writes; nil for a
	// call that is none of the store's.
	kinds []string
	// effect carries the call out, in the explorer's goroutine, and says what the answer is.
	effect func() string
	result chan error
	// since is when the call's process died while the call was on its way.
	since time.Time
}

// lateness is how long a re-trigger may be on its way; see [Setup.Late].
const lateness = 30 * time.Minute

// mayWait reports whether the call may be on its way for so much longer.
func mayWait(h *history, c *call, d time.Duration) bool {
	return h.Late && c.kinds == nil && strings.Contains(c.what, "re-trigger") && time.Since(c.since)+d <= lateness
}

// wait returns when the explorer has decided on the call. The error means that no answer
// came, whether the call took its effect or not.
func (d *delivery) wait(ctx context.Context, c *call) error {
	c.by, c.result, c.what = d, make(chan error, 1), short(c.what)
	d.mu.Lock()
	if d.gone {
		d.mu.Unlock()
		return simulation.ErrDead
	}
	d.pending = append(d.pending, c)
	d.mu.Unlock()
	select {
	case err := <-c.result:
		return err
	case <-ctx.Done():
		d.mu.Lock()
		defer d.mu.Unlock()
		d.drop(c)
		return ctx.Err()
	}
}

// short leaves out of keys and ids what is the same in all of them: the org, and what
// follows the number in the ids that the simulated Adobe gives.
func short(text string) string {
	text = strings.ReplaceAll(text, "#"+simulation.Org+"#", " ")
	const middle = "-7e57-4000-8000-"
	for {
		before, after, found := strings.Cut(text, middle)
		if !found {
			return text
		}
		text = before + after[min(12, len(after)):]
	}
}

// drop takes a call out of those that wait; the lock is held.
func (d *delivery) drop(c *call) {
	d.pending = slices.DeleteFunc(d.pending, func(other *call) bool { return other == c })
}

// answer ends a call. It notes what the delivery learned by it.
func (d *delivery) answer(c *call, learned string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.drop(c)
	d.transcript = append(d.transcript, c.what+" -> "+learned)
	c.result <- err
}

// httpCalls is HTTP as one delivery sees it: each call waits for the explorer.
type httpCalls struct {
	by    *delivery
	serve http.Handler
	// describe says what a call is.
	describe func(r *http.Request, body string) *call
}

// RoundTrip implements [http.RoundTripper].
func (t httpCalls) RoundTrip(r *http.Request) (response *http.Response, err error) {
	var body []byte
	if r.Body != nil {
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close() // it was read
	}
	c := t.describe(r, string(body))
	c.effect = func() string { //nolint:contextcheck // the effect comes even where nobody waits for it any more
		again := r.Clone(context.WithoutCancel(r.Context()))
		again.Body = io.NopCloser(bytes.NewReader(body))
		response, err = loopback.Transport{Handler: t.serve}.RoundTrip(again) //nolint:bodyclose // the caller closes it
		if err != nil {
			return err.Error()
		}
		answer, _ := io.ReadAll(response.Body) // of a recorder
		response.Body = io.NopCloser(bytes.NewReader(answer))
		return response.Status + " " + string(answer)
	}
	if lost := t.by.wait(r.Context(), c); lost != nil {
		return nil, lost
	}
	return response, err
}

// amazonCall describes a call of SQS, Secrets Manager or EventBridge. A message that is sent,
// deleted or postponed is none that another delivery reads, and nor is a notice, so these
// calls commute with all others.
func amazonCall(r *http.Request, body string) *call {
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if op == "GetSecretValue" {
		return &call{what: "Secrets Manager: " + op + " " + strings.TrimSuffix(strings.TrimPrefix(body, `{"SecretId":"`), `"}`), local: true}
	}
	if service, _, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "."); service == "AWSEvents" {
		return &call{what: "EventBridge: " + op, mutates: op == "PutEvents", local: true}
	}
	queue := "request queue"
	if strings.Contains(body, "/letters") {
		queue = "dead-letter queue"
	}
	return &call{what: "SQS: " + op + " on the " + queue, mutates: true, local: true}
}

// adobeCall describes a call of Flow Service or IMS. A token is a reading here: that one
// more token exists is nothing that anybody else sees.
func adobeCall(r *http.Request, _ string) *call {
	_, rest, flow := strings.Cut(r.URL.Path, "/flowservice")
	switch {
	case !flow:
		return &call{what: "Adobe: token", local: true}
	case r.Method == http.MethodPost:
		return &call{what: "Adobe: re-trigger " + strings.TrimSuffix(strings.TrimPrefix(rest, "/runs/"), "/action"), mutates: true}
	default:
		return &call{what: "Adobe: read " + rest}
	}
}
