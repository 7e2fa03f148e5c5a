package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// kill says when the command's process dies: at the nth call of an operation, counted from 1,
// before the call or after its effect. An operation of "" means any call.
type kill struct {
	op    string
	nth   int
	after bool
}

func (k kill) String() string {
	when := "before"
	if k.after {
		when = "after"
	}
	return fmt.Sprintf("%s call %d of %q", when, k.nth, k.op)
}

// proxy stands between the command and AWS. It counts the command's calls, and kills the
// command's process at one of them.
type proxy struct {
	url string

	mu      sync.Mutex
	counts  map[string]int
	kill    kill
	process *os.Process
}

// newProxy serves a proxy before the stack's endpoints.
func newProxy(t *testing.T, w *letters) *proxy {
	t.Helper()
	p := &proxy{counts: map[string]int{}}
	next := map[string]http.Handler{}
	for service, endpoint := range stack.Describe(w.Stack).Endpoints {
		u, err := url.Parse(endpoint)
		if err != nil {
			t.Fatal(err)
		}
		reverse := httputil.NewSingleHostReverseProxy(u)
		reverse.ErrorHandler = func(rw http.ResponseWriter, _ *http.Request, _ error) { rw.WriteHeader(http.StatusBadGateway) } // the process is dead
		next[service] = reverse
	}
	base, stop, err := loopback.Serve(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		service, op := called(r)
		dies, after := p.call(op)
		if !dies {
			next[service].ServeHTTP(rw, r)
			return
		}
		if after {
			body, _ := io.ReadAll(r.Body)
			again := r.Clone(context.WithoutCancel(r.Context()))
			again.Body = io.NopCloser(bytes.NewReader(body))
			next[service].ServeHTTP(nowhere{http.Header{}}, again)
		}
		p.die()
		panic(http.ErrAbortHandler)
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	p.url = base
	return p
}

// nowhere is where an answer goes that nobody gets.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header { return n.header }

func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }

func (n nowhere) WriteHeader(int) {}

// called is the service and the operation of a call.
func called(r *http.Request) (service, op string) {
	target, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	switch {
	case strings.HasPrefix(target, "DynamoDB"):
		return "dynamodb", op
	case target == "AmazonSQS":
		return "sqs", op
	}
	return "lambda", "Invoke"
}

// call counts a call, and says whether the process is to die at it.
func (p *proxy) call(op string) (dies, after bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[op]++
	p.counts[""]++
	return p.kill.nth > 0 && (p.kill.op == op || p.kill.op == "") && p.counts[p.kill.op] == p.kill.nth, p.kill.after
}

// die kills the process, and nothing can be done any more.
func (p *proxy) die() {
	p.mu.Lock()
	process := p.process
	p.mu.Unlock()
	_ = process.Kill()
}

// command is the real command as a process of its own, which uses AWS through the proxy.
func (w *letters) command(t *testing.T, p *proxy, k kill, args ...string) (output string, killed bool) {
	t.Helper()
	file, err := w.write(t.TempDir(), p.url)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "aep-retrigger", args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = append(os.Environ(), "AEP_RETRIGGER_LOCAL="+file), &out, &out
	p.mu.Lock()
	clear(p.counts)
	p.kill = k
	err = cmd.Start()
	p.process = cmd.Process
	p.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Wait()
	if exit := cmd.ProcessState.ExitCode(); exit > 0 {
		t.Fatalf("%v: exit code %d (%v): %s", args, exit, err, &out)
	}
	return out.String(), err != nil
}

const (
	matching = 25 // dead letters that a redrive is to send: three receives
	left     = 7  // and those that it is to leave
)

// redriving makes dead letters of two dataflows, the ones between the others, kills a redrive of
// one dataflow, and runs it again to its end. It returns whether the process was killed.
func redriving(t *testing.T, w *letters, p *proxy, k kill, deliverBetween bool) (killed bool) {
	t.Helper()
	ctx := t.Context()
	if _, err := w.DeadLetters(ctx); err != nil {
		t.Fatal(err)
	}
	var orders, crm []string
	for range left {
		one, err := w.deadLetter(ctx, "crm", 1)
		if err != nil {
			t.Fatal(err)
		}
		crm = append(crm, one...)
		some, err := w.deadLetter(ctx, "orders", min(matching-len(orders), 4))
		if err != nil {
			t.Fatal(err)
		}
		orders = append(orders, some...)
	}
	if len(orders) != matching || len(w.onQueue()) != matching+left {
		t.Fatalf("%d dead letters of %d runs: %v", len(w.onQueue()), len(orders), w.onQueue())
	}
	args := []string{"dead-letters", "redrive", "--flow", "orders", "--mended=false", "--rps", "10000", "--yes"}
	output, killed := w.command(t, p, k, args...)
	if killed != (k.nth > 0) {
		t.Fatalf("%v: killed %t: %s", k, killed, output)
	}
	if deliverBetween {
		if err := w.deliver(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if killed {
		w.AWS.Advance(15 * time.Minute) // what the dead process has hidden comes back
		output, _ = w.command(t, p, kill{}, args...)
	}
	if err := w.deliver(ctx); err != nil {
		t.Fatal(err)
	}
	made, onQueue := w.retriggered(), w.onQueue()
	for _, id := range orders {
		if made[id] != 1 || onQueue[id] != 0 {
			t.Errorf("%v: run %s was re-triggered %d times and has %d dead letters; the command said: %s", k, id, made[id], onQueue[id], output)
		}
	}
	for _, id := range crm {
		if made[id] != 0 || onQueue[id] != 1 {
			t.Errorf("%v: run %s, which does not match, was re-triggered %d times and has %d dead letters", k, id, made[id], onQueue[id])
		}
	}
	return killed
}

// calls are those of a redrive that nobody kills, by operation.
func calls(t *testing.T) map[string]int {
	t.Helper()
	w := newLetters(t)
	p := newProxy(t, w)
	redriving(t, w, p, kill{}, false)
	return p.counts
}

func TestARedriveThatIsKilledAtAnyKindOfCallIsRunAgainAndRetriesEachRunOnce(t *testing.T) {
	t.Parallel()
	counts := calls(t)
	if counts["ReceiveMessage"] < 3 || counts["SendMessage"] != matching || counts["DeleteMessage"] != matching || counts["ChangeMessageVisibilityBatch"] == 0 {
		t.Fatalf("the redrive makes the calls %v", counts)
	}
	for _, op := range []string{"Query", "GetQueueAttributes", "ReceiveMessage", "SendMessage", "DeleteMessage", "ChangeMessageVisibilityBatch"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			w := newLetters(t)
			p := newProxy(t, w)
			points := []int{1, (counts[op] + 1) / 2, counts[op]}
			for _, nth := range slices.Compact(points) {
				for _, after := range []bool{false, true} {
					redriving(t, w, p, kill{op, nth, after}, nth%2 == 0)
				}
			}
		})
	}
}
