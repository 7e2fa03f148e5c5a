// Command curve measures what the memory setting of the function is worth, and draws it into
// docs/images/memory.svg: `make bench-memory`. Lambda gives a part of a CPU that follows the
// memory, after a start with a whole one; everything else is as package cold has it: users'
// latencies, and TLS to every host.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/cold"
	"github.com/aep-retrigger/aep-retrigger/bench/quota"
	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// picture is where the curve is drawn, and deployed has the setting that is marked.
const (
	picture  = "docs/images/memory.svg"
	deployed = "template.yaml"
)

// settings are the memory settings in MB that are measured.
func settings() []int { return []int{128, 192, 256, 384, 512, 768, 1024} }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rounds := flag.Int("rounds", 7, "measure each setting so often; the median counts")
	flag.Parse()
	if err := run(ctx, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench/curve:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

func run(ctx context.Context, rounds int) error {
	chosen, err := memorySize(deployed)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-curve")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // it is temporary
	binary, err := world.Build(ctx, ".", "functions/retrigger", dir)
	if err != nil {
		return err
	}
	w, err := world.Start(ctx, world.Options{Latency: world.Users(), TLS: true})
	if err != nil {
		return err
	}
	defer w.Close()
	points, err := measure(ctx, w, binary, settings(), rounds)
	if err != nil {
		return err
	}
	tell(os.Stdout, points)
	svg, err := draw(points, chosen)
	if err != nil {
		return err
	}
	return os.WriteFile(picture, svg, 0o600)
}

// memorySize reads the function's memory setting in MB.
func memorySize(path string) (int, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	found := regexp.MustCompile(`(?m)^ *MemorySize: (\d+)$`).FindSubmatch(text)
	if found == nil {
		return 0, errors.New("there is no MemorySize in " + path)
	}
	return strconv.Atoi(string(found[1]))
}

// point is what was measured with one memory setting: medians.
type point struct {
	memory int
	// first is the first invocation after a start, warm a later one, and batch a later one with
	// ten runs.
	first, warm, batch time.Duration
}

// cost is what an invocation of a length is charged, in GB-ms.
func (p point) cost(took time.Duration) float64 {
	const perGB = 1024
	return float64(p.memory) / perGB * float64(took.Microseconds()) / 1000
}

// measure measures each setting, all of them in each round: what else the machine does then
// meets all of them.
func measure(ctx context.Context, w *world.World, binary string, settings []int, rounds int) ([]point, error) {
	all := map[int]*samples{}
	for range rounds {
		for _, memory := range settings {
			if all[memory] == nil {
				all[memory] = new(samples)
			}
			command := world.Command{Path: binary, CPUs: quota.OfMemory(memory), QuotaAfterInit: true, Env: []string{
				"CALLS_PER_SECOND=0", // else a batch right after another one waits for the limit, not for the CPU
			}}
			if err := all[memory].start(ctx, w, command); err != nil {
				return nil, fmt.Errorf("%d MB: %w", memory, err)
			}
		}
	}
	var points []point
	for _, memory := range settings {
		s := all[memory]
		points = append(points, point{memory, cold.Median(s.first), cold.Median(s.warm), cold.Median(s.batch)})
	}
	return points, nil
}

// samples are what was measured with one memory setting.
type samples struct{ first, warm, batch []time.Duration }

// start starts the function and invokes it.
func (s *samples) start(ctx context.Context, w *world.World, command world.Command) (err error) {
	if err := w.Forget(ctx); err != nil {
		return err
	}
	p, err := w.Launch(ctx, command)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if _, err := p.Ready(ctx); err != nil {
		return err
	}
	for _, kind := range []struct {
		runs, leftOut, counts int
		into                  *[]time.Duration
	}{{1, 0, 1, &s.first}, {1, 1, 3, &s.warm}, {10, 1, 1, &s.batch}} {
		for n := range kind.leftOut + kind.counts {
			answer, err := cold.Invoke(ctx, w, p, kind.runs)
			if err != nil {
				return err
			}
			if n >= kind.leftOut {
				*kind.into = append(*kind.into, answer.Wall)
			}
		}
	}
	return nil
}

// tell prints a table in Markdown.
func tell(out io.Writer, points []point) {
	_, _ = fmt.Fprintln(out, "| MB | part of a CPU | first invocation | warm | a batch of ten, warm | GB-ms: first | warm | batch |\n| --- | --- | --- | --- | --- | --- | --- | --- |")
	for _, p := range points {
		_, _ = fmt.Fprintf(out, "| %d | %.2f | %d ms | %d ms | %d ms | %.0f | %.0f | %.0f |\n", p.memory, quota.OfMemory(p.memory),
			p.first.Milliseconds(), p.warm.Milliseconds(), p.batch.Milliseconds(), p.cost(p.first), p.cost(p.warm), p.cost(p.batch))
	}
}
