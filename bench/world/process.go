package world

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/quota"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
)

// Command is a process to launch.
type Command struct {
	Path string
	Args []string
	// Env are variables besides those of [World.Env], "NAME=value"; of two values of one
	// variable the last one counts. Nothing is inherited.
	Env []string
	// CPUs are how many CPUs the process gets; 0 for as many as there are. See
	// [quota.OfMemory].
	CPUs float64
	// QuotaAfterInit lets the process have whole CPUs until it asks for its first invocation,
	// as Lambda does.
	QuotaAfterInit bool
}

// Process is a process under test. It is not safe for concurrent use.
type Process struct {
	api     *runtimeAPI
	stop    func()
	cmd     *exec.Cmd
	began   time.Time
	exited  chan struct{}
	quota   *quota.Group // nil without one
	waiting bool         // it has asked for an invocation
	log     *tail
}

// Answer is the answer to an invocation.
type Answer struct {
	Payload []byte
	// Failed says that the process reported an error, which is the payload.
	Failed bool
	// Began is when the process got the payload.
	Began time.Time
	// Wall is the time from then until its answer was there.
	Wall time.Duration
	// CPU is what the process used from Began until it asked for the next invocation, all its
	// threads together; 0 where that is not known ([CPUIsMeasured]).
	CPU time.Duration
}

// Launch starts a process. Where it needs a quota that can't be had, the error is a
// [*quota.UnavailableError]. Close it.
func (w *World) Launch(ctx context.Context, c Command) (p *Process, err error) {
	p = &Process{exited: make(chan struct{}), log: new(tail)}
	p.api = newRuntimeAPI(func() error { return p.limit(c.CPUs) })
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
			p = nil
		}
	}()
	if c.CPUs > 0 {
		if p.quota, err = quota.New(); err != nil {
			return p, err
		}
	}
	base, stop, err := loopback.Serve(p.api)
	if err != nil {
		return p, fmt.Errorf("runtime API: %w", err)
	}
	p.stop = stop
	cmd := exec.Command(c.Path, c.Args...) // it outlives the context of its launch
	cmd.Env = append(w.Env(), lambdaenv.Variables(strings.TrimPrefix(base, "http://"))...)
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Stdout, cmd.Stderr = p.log, p.log
	endWithUs(cmd)
	if err := ctx.Err(); err != nil {
		return p, err
	}
	p.began = time.Now()
	if err := cmd.Start(); err != nil {
		return p, fmt.Errorf("start the process: %w", err)
	}
	p.cmd = cmd
	go func() {
		defer close(p.exited)
		_ = cmd.Wait() // how it ended is in its state
	}()
	if p.quota == nil {
		return p, nil
	}
	if err := p.quota.Add(cmd.Process.Pid); err != nil {
		return p, err
	}
	if !c.QuotaAfterInit {
		err = p.limit(c.CPUs)
	}
	return p, err
}

// limit gives the process its quota, if it has one.
func (p *Process) limit(cpus float64) error {
	if p.quota == nil {
		return nil
	}
	return p.quota.Limit(cpus)
}

// Ready waits until the process asks for its first invocation. It returns how long that took,
// from the start of the process.
func (p *Process) Ready(ctx context.Context) (time.Duration, error) {
	at, err := p.asks(ctx)
	return at.Sub(p.began), err
}

// Began is when the process was started.
func (p *Process) Began() time.Time { return p.began }

// asks waits until the process asks for an invocation.
func (p *Process) asks(ctx context.Context) (time.Time, error) {
	select {
	case at := <-p.api.asked:
		p.waiting = true
		return at, nil
	case failed := <-p.api.answers:
		return time.Time{}, fmt.Errorf("the process can't start: %s", failed.payload)
	case <-p.exited:
		return time.Time{}, p.ended()
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	}
}

func (p *Process) ended() error {
	return fmt.Errorf("the process has ended: %s\n%s", p.cmd.ProcessState, p.log)
}

// Invoke invokes the process, and waits until it asks for the next invocation.
func (p *Process) Invoke(ctx context.Context, payload []byte) (Answer, error) {
	if !p.waiting {
		if _, err := p.asks(ctx); err != nil {
			return Answer{}, err
		}
	}
	p.waiting = false
	used, began := p.CPU(), time.Now()
	p.api.payload <- payload // the process waits for it
	var got answered
	select {
	case got = <-p.api.answers:
	case <-p.exited:
		return Answer{}, p.ended()
	case <-ctx.Done():
		return Answer{}, context.Cause(ctx)
	}
	_, err := p.asks(ctx)
	return Answer{Payload: got.payload, Failed: got.fault, Began: began, Wall: got.at.Sub(began), CPU: p.CPU() - used}, err
}

// CPU is how much CPU time the process has used so far, all its threads together: while it
// lives what the kernel's clock of the process says, in nanoseconds, and after its end what
// rusage says, which is the sum of the same. It is 0 for a living process where that is not
// known ([CPUIsMeasured]).
func (p *Process) CPU() time.Duration {
	select {
	case <-p.exited:
		return p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	default:
		return cpuTime(p.cmd.Process.Pid)
	}
}

// CPUOf is how much CPU time any living process has used so far, as [Process.CPU] is.
func CPUOf(pid int) time.Duration { return cpuTime(pid) }

// Freeze stops the process where it is, as Lambda does between invocations.
func (p *Process) Freeze() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen process go on.
func (p *Process) Thaw() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// PeakMemory is the most memory that the process has had, in KiB; 0 where the system does not
// tell of a living one.
func (p *Process) PeakMemory() int {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(text)[0])
			return n
		}
	}
	return 0
}

// Log is the end of what the process has written.
func (p *Process) Log() string { return p.log.String() }

// Close ends the process, and removes its quota.
func (p *Process) Close() error {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill() // it may have ended by itself
		<-p.exited
	}
	if p.stop != nil {
		p.stop()
	}
	if p.quota != nil {
		return p.quota.Remove()
	}
	return nil
}

// tail keeps the end of what is written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// maxTail is how many bytes a tail keeps, and twice as many for a while.
const maxTail = 64 << 10

// Write implements [io.Writer].
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.text = append(t.text, p...); len(t.text) > 2*maxTail {
		t.text = append(t.text[:0], t.text[len(t.text)-maxTail:]...)
	}
	return len(p), nil
}

// String returns the end.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
