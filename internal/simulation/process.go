package simulation

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// Process is one execution environment of the function. Make it with [World.Start].
type Process struct {
	tb      Fataler
	handler Handler
	gate    *gate
	timeout time.Duration
}

// Start starts a process that crashes after so many calls, pulses aside; never with a negative
// number. The last call takes its effect before the crash if after is set.
func (w *World) Start(calls int, after bool) *Process {
	g := &gate{left: calls, after: after}
	served := http.Handler(w.Adobe)
	if w.AdobeHandler != nil {
		served = w.AdobeHandler
	}
	adobe := []flowclient.Option{flowclient.WithHTTPClient(&http.Client{Transport: gated{g, loopback.Transport{Handler: served}}})}
	if !w.Repeats {
		adobe = append(adobe, flowclient.WithMaxAttempts(1))
	}
	return &Process{tb: w.TB, gate: g, timeout: w.Timeout, handler: w.Wire(Parts{
		Config: w.Config, Amazon: w.Amazon(gated{g, loopback.Transport{Handler: w.AWS}}), Store: w.table(g), Out: recorder{w.Logs, g},
		Adobe: adobe,
	})}
}

// table is the store as a process sees it.
func (w *World) table(g *gate) store.Table {
	if w.Mutate == nil {
		return gatedStore{g, w}
	}
	return w.Mutate(gatedStore{g, w})
}

// Amazon is a configuration of the AWS SDK for calls over a transport.
func (w *World) Amazon(transport http.RoundTripper) aws.Config {
	return aws.Config{
		Region: awssim.Region, HTTPClient: &http.Client{Transport: transport}, BaseEndpoint: aws.String("http://127.0.0.1"),
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	}
}

// CrashAfter lets the process crash after so many more calls; see [World.Start].
func (p *Process) CrashAfter(calls int, after bool) {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	p.gate.left, p.gate.after = calls, after
}

// SetTimeout gives the process another time limit for each invocation.
func (p *Process) SetTimeout(d time.Duration) { p.timeout = d }

// Dead reports whether the process has crashed.
func (p *Process) Dead() bool { return p.gate.isDead() }

// Calls counts the calls that the process has made.
func (p *Process) Calls() int {
	p.gate.mu.Lock()
	defer p.gate.mu.Unlock()
	return p.gate.calls
}

// Invoke implements [lambdaenv.Invoker]: a dead process gives no answer, and a living
// one in time.
func (p *Process) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	p.gate.mu.Lock()
	p.gate.trace = lambdaenv.Trace(ctx)
	p.gate.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	answer, err := p.handler.Invoke(ctx, payload)
	dead := p.gate.isDead()
	if deadline, _ := ctx.Deadline(); !dead && !time.Now().Before(deadline) {
		p.tb.Errorf("Lambda has killed the function, whose answer came %s after the deadline", time.Since(deadline))
	}
	switch {
	case dead:
		return lambdaenv.Response{}, ErrDead
	case err != nil:
		return lambdaenv.Response{Payload: []byte(`{}`), FunctionError: err.Error()}, nil
	}
	return lambdaenv.Response{Payload: answer}, nil
}

// ErrDead is the error of a call of a process that has crashed, and of its invocations.
var ErrDead = errors.New("the process is dead")

// gate is what a process's calls go through. It counts them down to the crash.
type gate struct {
	mu    sync.Mutex
	trace string // of the invocation under way
	left  int    // calls before the crash; negative for none
	after bool   // the crash comes after the call's effect
	dead  bool
	calls int
}

func (g *gate) isDead() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.dead
}

// call runs the effect of a call unless the process is dead.
func (g *gate) call(effect func()) error {
	g.mu.Lock()
	g.calls++
	last := g.left == 0 && !g.dead
	if g.left > 0 {
		g.left--
	}
	if last {
		g.dead = true
	}
	stop := g.dead && (!last || !g.after)
	g.mu.Unlock()
	if stop {
		return ErrDead
	}
	effect()
	if g.isDead() {
		return ErrDead
	}
	return nil
}

// gated is a transport as a process sees it.
type gated struct {
	gate *gate
	next http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (g gated) RoundTrip(r *http.Request) (response *http.Response, err error) {
	if r.Header.Get("X-Amz-Target") != "" { // as the SDK does within Lambda
		g.gate.mu.Lock()
		r.Header.Set(lambdaenv.TraceHeader, g.gate.trace)
		g.gate.mu.Unlock()
	}
	dead := g.gate.call(func() { response, err = g.next.RoundTrip(r) }) //nolint:bodyclose // the caller closes it
	if dead != nil {
		return nil, dead
	}
	return response, err
}

// Faults are those of the ledger's calls to come.
type Faults struct {
	mu     sync.Mutex
	before int // calls that fail without effect
	after  int // calls that take effect and fail
}

// Fail lets the next calls of the ledger fail: so many without effect, and then so many
// that take effect and lose their answer. It replaces what is left of earlier ones.
func (f *Faults) Fail(before, after int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

// Left counts the calls that are yet to fail.
func (f *Faults) Left() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.before + f.after
}

func (f *Faults) next() (before, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.before > 0:
		f.before--
		return true, false
	case f.after > 0:
		f.after--
		return false, true
	}
	return false, false
}

// gatedStore is the ledger's store as a process sees it.
type gatedStore struct {
	gate *gate
	*World
}

func (s gatedStore) do(op string, effect func() error) (err error) {
	before, after := s.Faults.next()
	if before {
		return &store.UnavailableError{Op: op, Err: errors.New("throttled")}
	}
	if dead := s.gate.call(func() { err = effect() }); dead != nil {
		return &store.UnavailableError{Op: op, Err: dead}
	}
	if after && err == nil {
		return &store.UnavailableError{Op: op, Err: errors.New("the answer is lost")}
	}
	return err
}

// Read implements [store.Table].
func (s gatedStore) Read(ctx context.Context, keys ...string) (found []store.Record, err error) {
	err = s.do("read", func() (err error) { found, err = s.Memory.Read(ctx, keys...); return err })
	return found, err
}

// Commit implements [store.Table]. The pulse of an org is no call to crash or fail at: it is
// written beside another, and no decision reads it.
func (s gatedStore) Commit(ctx context.Context, writes ...store.Write) error {
	if strings.HasPrefix(writes[0].Key, ledger.OrgKey("")) && !s.gate.isDead() {
		return s.Memory.Commit(ctx, writes...)
	}
	return s.do("commit", func() error { return s.Memory.Commit(ctx, writes...) })
}

// Add implements [store.Table].
func (s gatedStore) Add(ctx context.Context, key string, n, most int, ttl time.Time) (added bool, err error) {
	err = s.do("add", func() (err error) { added, err = s.Memory.Add(ctx, key, n, most, ttl); return err })
	return added && err == nil, err
}

// List implements [store.Table].
func (s gatedStore) List(ctx context.Context, index, value string, limit int) (found []store.Record, err error) {
	err = s.do("list", func() (err error) { found, err = s.Memory.List(ctx, index, value, limit); return err })
	return found, err
}

// Born implements [store.Table].
func (s gatedStore) Born(ctx context.Context) (born time.Time, err error) {
	err = s.do("describe", func() (err error) { born, err = s.Memory.Born(ctx); return err })
	return born, err
}

// ListFrom implements [store.Table].
func (s gatedStore) ListFrom(ctx context.Context, index, value, after string, limit int) (found []store.Record, err error) {
	err = s.do("list", func() (err error) {
		found, err = s.Memory.ListFrom(ctx, index, value, after, limit)
		return err
	})
	return found, err
}
