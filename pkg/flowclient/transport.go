package flowclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// MaxAnswer is how much is read of a 2xx answer, in bytes after decompression.
const MaxAnswer = 8 << 20

// Limits on what is read of other answers, and beyond a limit.
const (
	maxErrorAnswer = 64 << 10 // anything but 2xx
	maxDrain       = 256 << 10
)

// errTooLarge means that an answer was longer than the limit.
var errTooLarge = fmt.Errorf("the answer is longer than %d MiB", MaxAnswer>>20)

// reply is an answer of which all has been read that will be.
type reply struct {
	status int
	header http.Header
	body   []byte
	err    error // why the body is not whole
}

func (r reply) ok() bool { return r.status/100 == 2 }

// whole reports whether the connection has brought the answer to its end or to our limit.
func (r reply) whole() bool { return r.err == nil || errors.Is(r.err, errTooLarge) }

// fault is the kind of a 2xx answer that could not be read.
func (r reply) fault() Kind {
	switch {
	case r.err == nil:
		return KindMalformed
	case errors.Is(r.err, errTooLarge):
		return KindTooLarge
	default:
		return KindTransient // the connection broke
	}
}

// noReply is why there is no answer.
type noReply struct {
	err       error
	maybeSent bool // part of the request may have left
}

// send sends one request and reads its answer, both within the call timeout. mutates says
// that the request must not go over a connection that may be dead.
func (s *settings) send(ctx context.Context, method, target string, header http.Header, body io.Reader, mutates bool) (answer reply, lost *noReply) {
	if !s.trust.begin(s.now(), mutates) {
		s.http.CloseIdleConnections()
	}
	var used atomic.Pointer[net.Conn]
	defer func() {
		alone := s.trust.end(s.now(), lost == nil && answer.whole())
		if conn := used.Load(); conn != nil && alone {
			_ = (*conn).Close() // of HTTP/2: the next call must not wait on it, too
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout)
	defer cancel()
	// A connection is the point of no return: what happens to the request after
	// it was had, the transport does not tell reliably; but over one that we close
	// nothing is sent. A transport of another make is believed only once it has shown
	// that it reports connections.
	var seeks, connected atomic.Bool
	_, known := s.http.Transport.(*http.Transport)
	seeks.Store(known || s.http.Transport == nil)
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { seeks.Store(true) },
		GotConn: func(info httptrace.GotConnInfo) {
			if info.WasIdle && info.Conn != nil && closedMeanwhile(info.Conn) {
				_ = info.Conn.Close() // nothing can be sent over it now
				return
			}
			connected.Store(true)
			if info.Conn != nil {
				used.Store(&info.Conn)
			}
		},
	})
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return reply{}, &noReply{err: withoutURL(err)}
	}
	req.Header = header
	req.Header.Set("User-Agent", s.userAgent)
	resp, err := s.http.Do(req)
	if err != nil {
		return reply{}, &noReply{err: withoutURL(err), maybeSent: connected.Load() || !seeks.Load()}
	}
	defer func() { _ = resp.Body.Close() }()
	return read(resp), nil
}

// read reads an answer, up to the limit.
func read(resp *http.Response) reply {
	answer := reply{status: resp.StatusCode, header: resp.Header}
	limit := int64(maxErrorAnswer)
	if answer.ok() {
		limit = MaxAnswer
	}
	answer.body, answer.err = readAll(io.LimitReader(resp.Body, limit), min(resp.ContentLength, limit))
	if answer.err != nil {
		return answer
	}
	// The rest is read so that the connection can be used again.
	rest, err := io.CopyN(io.Discard, resp.Body, maxDrain)
	switch {
	case rest > 0:
		answer.err = errTooLarge
	case !errors.Is(err, io.EOF):
		answer.err = err
	}
	return answer
}

// readAll reads to the end. The length is what the other side says that it is, or negative: a
// page of runs is some 100 KB, and [io.ReadAll] would copy it a dozen times.
func readAll(r io.Reader, length int64) ([]byte, error) {
	var buffer bytes.Buffer
	if length > 0 {
		buffer.Grow(int(length) + bytes.MinRead) // without which the buffer would grow to see the end
	}
	_, err := buffer.ReadFrom(r)
	return buffer.Bytes(), err
}

// withoutURL removes the URL that net/http puts around an error.
func withoutURL(err error) error {
	if outer, ok := errors.AsType[*url.Error](err); ok {
		return outer.Err
	}
	return err
}

// pause waits before retry number n, and reports whether it may be made.
func (s *settings) pause(ctx context.Context, n int, retryAfter time.Duration) bool {
	wait := max(s.backoff(n), retryAfter)
	if wait > MaxRetryWait {
		return false
	}
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= wait {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
