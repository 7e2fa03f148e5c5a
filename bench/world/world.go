// Package world is what the benchmarks stand on: one process under test, of whatever language,
// and around it all that it calls, with the latencies that users see.
//
// The services are those of package stack: simulated AWS and Adobe on loopback. Each has an
// address of its own here, answers after its [Latency], and may speak TLS, with a chain of
// certificates like those of AWS. Connections are opened without a wait: a round trip on
// loopback takes nothing, which is the same for all who are compared.
//
// The process speaks Lambda's Runtime API and gets one invocation at a time
// ([World.Launch], [Process.Invoke]). It may have a part of a CPU only, after its start as on
// Lambda; the services are not in its cgroup.
package world

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// Options are the settings of a [World].
type Options struct {
	Latency Latency
	// TLS has every host but the Runtime API speak TLS 1.3.
	TLS bool
}

// The services, in the order of their addresses.
const (
	dynamoDB = iota
	secretsManager
	queues
	ims
	flowService
	hosts // how many there are
)

// World is a running world. Its DynamoDB refuses transactions that overlap, as the real one
// does: each is under way for [Latency.DynamoDB].
type World struct {
	// Stack is what stands behind the services, to look at: it answers without latency, but
	// for its DynamoDB.
	Stack *stack.Stack

	dir      string
	trusted  *authority // nil without TLS
	services []*service
	serial   int
}

// Start starts everything but a process. Close it.
func Start(ctx context.Context, o Options) (w *World, err error) {
	w = &World{}
	defer func() {
		if err != nil {
			w.Close()
			w = nil
		}
	}()
	if w.dir, err = os.MkdirTemp("", "bench-world"); err != nil {
		return w, err
	}
	if w.Stack, err = stack.Start(ctx, stack.Options{LedgerLatency: o.Latency.DynamoDB}); err != nil {
		return w, err
	}
	at := addresses()
	if o.TLS {
		if w.trusted, err = newAuthority(w.dir, at); err != nil {
			return w, err
		}
	}
	return w, w.serve(ctx, at, o.Latency)
}

// serve serves everything.
func (w *World) serve(ctx context.Context, at []net.IP, l Latency) error {
	for i, handler := range []http.Handler{
		dynamoDB:       stack.LedgerHandler(w.Stack), // has its latency already
		secretsManager: late{w.Stack.AWS, l.SecretsManager},
		queues:         late{w.Stack.AWS, l.SQS},
		ims:            late{w.Stack.Adobe, l.IMS},
		flowService:    late{w.Stack.Adobe, l.FlowService},
	} {
		s, err := serve(ctx, at[i], handler, w.trusted)
		if err != nil {
			return err
		}
		w.services = append(w.services, s)
	}
	return nil
}

// Env is what a process needs to know, "NAME=value", whoever's it is: where everything is, and
// what it is called. All settings that have a default have it.
func (w *World) Env() []string {
	env := []string{
		"AWS_ENDPOINT_URL_DYNAMODB=" + w.services[dynamoDB].url,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER=" + w.services[secretsManager].url,
		"AWS_ENDPOINT_URL_SQS=" + w.services[queues].url,
		"IMS_URL=" + w.services[ims].url,
		"FLOW_SERVICE_URL=" + w.services[flowService].url + flowServicePath,
	}
	set := map[string]bool{"LOG_LEVEL": true, "FAULT_INTERVAL": true, "CALLS_PER_SECOND": true, "AWS_ENDPOINT_URL_EVENTBRIDGE": true} // left out
	for _, variable := range env {
		name, _, _ := strings.Cut(variable, "=")
		set[name] = true
	}
	for _, variable := range stack.Variables(w.Stack) {
		if name, _, _ := strings.Cut(variable, "="); !set[name] {
			env = append(env, variable)
		}
	}
	if w.trusted != nil {
		env = append(env, w.trusted.env()...)
	}
	return env
}

// HangUp closes all connections to the services, as servers do with those that nothing is sent
// over for long.
func (w *World) HangUp() {
	for _, s := range w.services {
		s.hangUp()
	}
}

// Forget empties the ledger. The simulated DynamoDB copies its table for each transaction, so
// that a large one would be measured, too.
func (w *World) Forget(ctx context.Context) error {
	if err := w.Stack.EmptyLedger(ctx); err != nil {
		return fmt.Errorf("empty the ledger: %w", err)
	}
	return nil
}

// Close ends everything. Processes are closed before.
func (w *World) Close() {
	for _, s := range w.services {
		s.close()
	}
	if w.Stack != nil {
		w.Stack.Close()
	}
	if w.dir != "" {
		_ = os.RemoveAll(w.dir)
	}
}
