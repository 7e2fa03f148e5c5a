//go:build slow

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
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// kill says when the command's process dies: at the nth call of an operation, counted from 1,
// before the call or after its effect. An operation of "" means any call. With interrupt the
// process gets Ctrl-C instead, and the call goes on.
type kill struct {
	op        string
	nth       int
	after     bool
	interrupt bool
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
		dies, k := p.call(op)
		if dies && k.interrupt {
			p.signal(os.Interrupt)
			dies = false
		}
		// The body is read to its end before: net/http closes the connection to AWS, and the
		// rest of an answer is lost, where the answer comes while it still looks for that end.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the process is dead
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !dies {
			next[service].ServeHTTP(rw, r)
			return
		}
		if k.after {
			next[service].ServeHTTP(nowhere{http.Header{}}, r.Clone(context.WithoutCancel(r.Context())))
		}
		p.signal(os.Kill)
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
func (p *proxy) call(op string) (dies bool, k kill) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[op]++
	p.counts[""]++
	return p.kill.nth > 0 && (p.kill.op == op || p.kill.op == "") && p.counts[p.kill.op] == p.kill.nth, p.kill
}

// signal sends a signal to the process. After os.Kill it does nothing any more.
func (p *proxy) signal(s os.Signal) {
	p.mu.Lock()
	process := p.process
	p.mu.Unlock()
	_ = process.Signal(s) // it lives: its call is under way
}

// command is the real command as a process of its own, which uses AWS through the proxy. It
// returns what the command says, and its exit code.
func (w *letters) command(t *testing.T, p *proxy, k kill, args ...string) (output string, exit int) {
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
	_ = cmd.Wait() // the exit code tells
	return out.String(), cmd.ProcessState.ExitCode()
}

// killedBySignal is the exit code of a process that a signal has ended.
const killedBySignal = -1

const (
	matching = 25 // dead letters that a redrive is to send: three receives
	left     = 7  // and those that it is to leave
)

// redriving makes dead letters of two dataflows, the ones between the others, kills a redrive of
// one dataflow, and runs it again to its end. The function gets what was sent before that, if
// deliverBetween is set, and otherwise all at the end, so that some runs are sent twice.
func redriving(t *testing.T, w *letters, p *proxy, k kill, deliverBetween bool) {
	t.Helper()
	ctx := t.Context()
	before := len(w.onQueue()) // dead letters of crm that earlier ones have left
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
	if n := len(w.onQueue()); len(orders) != matching || n != before+matching+left {
		t.Fatalf("%d dead letters of %d runs, after %d", n, len(orders), before)
	}
	args := []string{"dead-letters", "redrive", "--flow", "orders", "--mended=false", "--rps", "1000", "--yes"}
	output, exit := w.command(t, p, k, args...)
	if want := exitOf(k); exit != want {
		t.Fatalf("%v: exit code %d, want %d: %s", k, exit, want, output)
	}
	if k.interrupt && !regexp.MustCompile(`(?m)^Sent \d+ dead letters`).MatchString(output) {
		t.Errorf("%v: it does not say what was done: %s", k, output)
	}
	if deliverBetween {
		if err := w.deliver(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if k.nth > 0 {
		if !k.interrupt {
			w.AWS.Advance(15 * time.Minute) // what the dead process has hidden comes back
		}
		again(t, w, p, args...)
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
}

// again runs the command until it has come to its end, as a person does where AWS could not be
// reached.
func again(t *testing.T, w *letters, p *proxy, args ...string) {
	t.Helper()
	output, exit := "", 1
	for range 3 {
		if output, exit = w.command(t, p, kill{}, args...); exit == 0 {
			return
		}
		w.AWS.Advance(15 * time.Minute)
	}
	t.Fatalf("run again: exit code %d: %s", exit, output)
}

// exitOf is the exit code of a command that ends so.
func exitOf(k kill) int {
	switch {
	case k.nth == 0:
		return 0
	case k.interrupt:
		return 130
	}
	return killedBySignal
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
	for _, op := range []string{"ReceiveMessage", "SendMessage", "DeleteMessage", "ChangeMessageVisibilityBatch"} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			w := newLetters(t)
			p := newProxy(t, w)
			for _, nth := range slices.Compact([]int{1, (counts[op] + 1) / 2, counts[op]}) {
				for _, after := range []bool{false, true} {
					k := kill{op: op, nth: nth, after: after}
					redriving(t, w, p, k, after)
					if op == "SendMessage" && after || op == "DeleteMessage" && !after { // between sending and deleting
						redriving(t, w, p, k, !after)
					}
				}
			}
		})
	}
}

// TestARedriveThatIsStoppedWithCtrlCLeavesTheRestVisible, so that it can be run again at once.
func TestARedriveThatIsStoppedWithCtrlCLeavesTheRestVisible(t *testing.T) {
	t.Parallel()
	w := newLetters(t)
	p := newProxy(t, w)
	for _, k := range []kill{{op: "ReceiveMessage", nth: 2, interrupt: true}, {op: "SendMessage", nth: 11, interrupt: true}, {op: "DeleteMessage", nth: 20, interrupt: true}} {
		redriving(t, w, p, k, false)
	}
}
