package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/loopback"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// startUp is the CPU time of a start.
//
// Init waits for the network on purpose (row 5.6a), so that the row with the limit ends where
// that begins: the function logs that it starts, to a pipe that is full, so that it stands
// still there. The bare handler logs the same, and what it takes from there to its first call
// of the Runtime API is added to ours.
func startUp() study {
	return study{
		name: "start",
		rows: []spec{
			{id: "5.6", what: "CPU time of a start, without what it fetches (median)", against: "a bare handler to its first `/next` (median)", limit: 2, busy: 2.2, unit: "×"},
			{id: "5.6a", what: "the same with what it fetches, to its first `/next`", against: "the same", unit: "×"},
			{id: "5.6b", what: "the same of a handler that only links `config` and `secretsmanager` of the AWS SDK, which the function must have", against: "the same", unit: "×"},
		},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			if !world.CPUIsMeasured {
				return nil, fmt.Errorf("%w: the system does not tell the CPU time of a process", errNotHere)
			}
			c, err := measureStarts(ctx, l, l.times(40))
			if err != nil {
				return nil, err
			}
			if err := l.noteImports(ctx, l.times(15)); err != nil {
				return nil, err
			}
			next := max(0, median(c.bareNext)-median(c.bareLine))
			bare, own, linked := median(c.bareNext), median(c.ownLine)+next, median(c.linkedLine)+next
			return map[string]figure{
				"5.6":  {ratio: ratio(own, bare), value: millis(own), base: millis(bare)},
				"5.6b": {ratio: ratio(linked, bare), value: millis(linked), base: millis(bare)},
				"5.6a": {
					ratio: ratio(median(c.ownNext), bare), value: millis(median(c.ownNext)) + "; " + millis(median(c.ownWall)) + " by the clock",
					base: millis(bare) + "; " + millis(median(c.bareWall)) + " by the clock",
				},
			}, nil
		},
	}
}

func ratio(value, base time.Duration) float64 { return float64(value) / float64(base) }

func millis(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// starts are the CPU times until the log's first line and until the first call of the Runtime
// API, and the times until the latter by the clock.
type starts struct{ ownLine, ownNext, ownWall, bareLine, bareNext, bareWall, linkedLine []time.Duration }

func measureStarts(ctx context.Context, l *lab, rounds int) (c starts, err error) {
	linked, err := world.Build(ctx, ".", "bench/sdk", l.dir)
	if err != nil {
		return c, err
	}
	services, err := stack.Start(ctx, stack.Options{Binary: l.binary})
	if err != nil {
		return c, err
	}
	defer services.Close()
	// As in a deployment, the secret is named by its ARN.
	const arn = "arn:aws:secretsmanager:us-east-1:123456789012:secret:aep/ims-AbCdEf"
	services.AWS.PutSecret(arn, fmt.Sprintf(`{"client_id":%q,"client_secret":%q,"org_id":%q,"scopes":"openid","sandbox":%q}`, stack.ClientID, stack.ClientSecret, stack.OrgID, stack.Sandbox))
	asked := make(chan struct{}, 1)
	base, stop, err := loopback.Serve(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done() // there is no event
	}))
	if err != nil {
		return c, err
	}
	defer stop()
	env := slices.Concat(lambdaenv.Variables(strings.TrimPrefix(base, "http://")), stack.Variables(services), []string{"SECRET_ID=" + arn})
	for range rounds {
		for _, p := range []struct {
			binary           string
			line, next, wall *[]time.Duration
		}{{l.bare, &c.bareLine, &c.bareNext, &c.bareWall}, {l.binary, &c.ownLine, &c.ownNext, &c.ownWall}} {
			cpu, err := cpuUntilLine(ctx, p.binary, env)
			if err != nil {
				return c, err
			}
			*p.line = append(*p.line, cpu)
			cpu, wall, err := cpuUntilNext(ctx, p.binary, env, asked)
			if err != nil {
				return c, err
			}
			*p.next, *p.wall = append(*p.next, cpu), append(*p.wall, wall)
		}
		cpu, err := cpuUntilLine(ctx, linked, env)
		if err != nil {
			return c, err
		}
		c.linkedLine = append(c.linkedLine, cpu)
	}
	return c, nil
}

// startTime is how long a start may take.
const startTime = 20 * time.Second

// cpuUntilNext starts a binary and returns how much CPU time, and time by the clock, it took
// until its first call of the Runtime API.
func cpuUntilNext(ctx context.Context, binary string, env []string, asked <-chan struct{}) (cpu, wall time.Duration, err error) {
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env = env
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	timeout := time.NewTimer(startTime)
	defer timeout.Stop()
	select {
	case <-asked:
		wall, cpu = time.Since(began), world.CPUOf(cmd.Process.Pid)
	case <-timeout.C:
		err = errors.New(binary + " has not asked for an event") //nolint:err113 // it is printed
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	kill(cmd)
	return cpu, wall, err
}

func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
}

// cpuUntilLine starts a binary whose log is a full pipe, and returns how much CPU time it has
// had when it stands still at the first line of its log.
func cpuUntilLine(ctx context.Context, binary string, env []string) (time.Duration, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer reader.Close() //nolint:errcheck // nothing is kept in it
	defer writer.Close() //nolint:errcheck // the same
	for _, size := range []int{4096, 1} {
		full := bytes.Repeat([]byte{'\n'}, size)
		for err = nil; err == nil; {
			if err := writer.SetWriteDeadline(time.Now().Add(time.Millisecond)); err != nil {
				return 0, err
			}
			_, err = writer.Write(full)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
	}
	cmd := exec.CommandContext(ctx, binary)
	cmd.Env, cmd.Stdout = env, writer
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer kill(cmd)
	if err := standsStill(ctx, cmd.Process.Pid); err != nil {
		return 0, err
	}
	return world.CPUOf(cmd.Process.Pid), nil
}

// standsStill waits until no thread of a process runs or could run, several times in a row.
func standsStill(ctx context.Context, pid int) error {
	const inARow = 3
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for still := 0; still < inARow; {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("process %d does not stand still: %w", pid, context.Cause(ctx))
		}
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		if err != nil || len(threads) == 0 {
			return fmt.Errorf("%w: there is no /proc", errNotHere)
		}
		still++
		for _, path := range threads {
			stat, err := os.ReadFile(path)
			if err != nil { // the thread has ended
				continue
			}
			if _, state, _ := bytes.Cut(stat, []byte(") ")); !bytes.HasPrefix(state, []byte("S")) {
				still = 0
			}
		}
	}
	return nil
}

// topImports is how many imports are listed.
const topImports = 10

// noteImports lists the imports that cost most at a start.
func (l *lab) noteImports(ctx context.Context, rounds int) error {
	least := map[string]time.Duration{}
	for range rounds {
		cmd := exec.CommandContext(ctx, l.binary)
		cmd.Env = []string{"GODEBUG=inittrace=1"} // without settings the function ends by itself
		var log bytes.Buffer
		cmd.Stderr = &log
		_ = cmd.Run()
		for name, took := range inits(log.Bytes()) {
			if before, known := least[name]; !known || took < before {
				least[name] = took
			}
		}
	}
	if len(least) == 0 {
		return errors.New("GODEBUG=inittrace=1 tells nothing")
	}
	names := make([]string, 0, len(least))
	all := time.Duration(0)
	for name, took := range least {
		names, all = append(names, name), all+took
	}
	slices.SortFunc(names, func(a, b string) int { return int(least[b] - least[a]) })
	var text strings.Builder
	text.WriteString("| import | at a start |\n| --- | --- |\n")
	for _, name := range names[:min(topImports, len(names))] {
		_, _ = fmt.Fprintf(&text, "| `%s` | %.2f ms |\n", name, float64(least[name].Microseconds())/1000)
	}
	_, _ = fmt.Fprintf(&text, "| all %d | %.2f ms |\n", len(names), float64(all.Microseconds())/1000)
	l.note(fmt.Sprintf("The imports that cost most at a start (`GODEBUG=inittrace=1`, the least of %d):", rounds), text.String())
	return nil
}

// inits reads what the runtime tells of the initialization of packages: "init net/http @1.2 ms,
// 0.034 ms clock, 4872 bytes, 50 allocs".
func inits(log []byte) map[string]time.Duration {
	took := map[string]time.Duration{}
	lines := bufio.NewScanner(bytes.NewReader(log))
	for lines.Scan() {
		var name string
		var at, ms float64
		if n, _ := fmt.Sscanf(lines.Text(), "init %s @%f ms, %f ms clock", &name, &at, &ms); n == 3 {
			took[name] = time.Duration(ms * float64(time.Millisecond))
		}
	}
	return took
}
