// Package cold measures what a cold function costs: the first invocation after a start, and
// after Lambda has frozen the process, beside a warm one, beside bench/floor and beside the
// Python function of bench/rival.
//
// The setting is that of users: their latencies, TLS to every host, a whole CPU until the
// process asks for its first invocation and from then on the part that 256 MB are worth.
package cold

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/quota"
	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// Memory is the memory setting in MB, as in template.yaml. It decides the part of a CPU.
const Memory = 256

// warmInvocations are how many are made after the first one, and settling how many of them are
// left out: the first of them may still do something for the first time.
const (
	warmInvocations = 6
	settling        = 2
)

// frozen is for how long a process is frozen at least. Five minutes would be no different for
// the function: after five seconds it trusts no idle connection with a re-trigger, after 15 it
// reads the pauses anew, and after SECRET_CACHE_TTL the secret, which is why that is
// secretTTL here: longer than the invocations before the freeze take, and shorter than the
// freeze. Tokens last for a day.
const (
	frozen    = 16 * time.Second
	secretTTL = "SECRET_CACHE_TTL=15s"
)

// Programs are the three that are measured; see [Build].
type Programs struct{ Function, Floor, Rival world.Command }

// Build builds function and floor into a folder, and installs what the rival needs. Root is
// the root of the module.
func Build(ctx context.Context, root, dir string) (Programs, error) {
	var p Programs
	for _, program := range []struct {
		of   string
		into *world.Command
	}{{"functions/retrigger", &p.Function}, {"bench/floor", &p.Floor}} {
		binary, err := world.Build(ctx, root, program.of, dir)
		if err != nil {
			return p, err
		}
		program.into.Path = binary
	}
	var err error
	p.Rival, err = rival(ctx, root)
	return p, err
}

// rival installs the Python function's packages, and returns how it is started.
func rival(ctx context.Context, root string) (world.Command, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return world.Command{}, err
	}
	if out, err := exec.CommandContext(ctx, filepath.Join(root, "bench/rival/install")).CombinedOutput(); err != nil {
		return world.Command{}, fmt.Errorf("install the rival: %w\n%s", err, out)
	}
	return world.Command{
		Path: filepath.Join(root, ".tools/rival/bin/python"), Args: []string{"-m", "awslambdaric", "function.handler"},
		Env: []string{"PYTHONPATH=" + filepath.Join(root, "bench/rival"), "PYTHONDONTWRITEBYTECODE=1"},
	}, nil
}

// Times are those of one kind of invocation: medians of all rounds.
type Times struct{ Wall, CPU time.Duration }

// Result is what was measured.
type Result struct {
	// First is the function's first invocation after its start, Warm one that follows, and
	// Thawed the first after a freeze in which the servers have closed all connections.
	First, Warm, Thawed Times
	// Function, Floor and Rival are the times from the start of the process to its first
	// answer.
	Function, Floor, Rival time.Duration
	// Starts are the parts of these until the process asks for its first invocation.
	Starts struct{ Function, Floor, Rival time.Duration }
}

// Measure measures everything, so many times. Where a process can't get a part of a CPU, the
// error is a [*quota.UnavailableError].
func Measure(ctx context.Context, p Programs, rounds int) (Result, error) {
	return measure(ctx, p, rounds, frozen, world.Users())
}

func measure(ctx context.Context, p Programs, rounds int, frozen time.Duration, latency world.Latency) (r Result, err error) {
	w, err := world.Start(ctx, world.Options{Latency: latency, TLS: true})
	if err != nil {
		return Result{}, err
	}
	defer w.Close()
	var s samples
	defer func() { err = errors.Join(err, s.close()) }()
	for range rounds {
		if err := s.round(ctx, w, p); err != nil {
			return Result{}, err
		}
	}
	if err := s.thaw(ctx, w, frozen); err != nil {
		return Result{}, err
	}
	return s.result(), nil
}

// samples are what the rounds have measured.
type samples struct {
	first, warm, thawed []world.Answer
	readies, totals     [3][]time.Duration // of function, floor and rival
	frozen              []*world.Process   // the function, once for each round
}

func (s *samples) result() Result {
	r := Result{
		First: times(s.first), Warm: times(s.warm), Thawed: times(s.thawed),
		Function: Median(s.totals[0]), Floor: Median(s.totals[1]), Rival: Median(s.totals[2]),
	}
	r.Starts.Function, r.Starts.Floor, r.Starts.Rival = Median(s.readies[0]), Median(s.readies[1]), Median(s.readies[2])
	return r
}

func (s *samples) close() (err error) {
	for _, process := range s.frozen {
		err = errors.Join(err, process.Close())
	}
	return err
}

func times(answers []world.Answer) Times {
	var wall, cpu []time.Duration
	for _, a := range answers {
		wall, cpu = append(wall, a.Wall), append(cpu, a.CPU)
	}
	return Times{Median(wall), Median(cpu)}
}

// Median is the middle one; 0 of none.
func Median(all []time.Duration) time.Duration {
	if len(all) == 0 {
		return 0
	}
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// round starts each program once. The function is frozen afterwards.
func (s *samples) round(ctx context.Context, w *world.World, p Programs) error {
	for i, command := range []world.Command{p.Function, p.Floor, p.Rival} {
		if err := w.Forget(ctx); err != nil {
			return err
		}
		command.CPUs, command.QuotaAfterInit = quota.OfMemory(Memory), true
		process, err := s.start(ctx, w, command, i)
		switch {
		case err == nil && i == 0:
			s.frozen = append(s.frozen, process)
			err = s.invoke(ctx, w, process)
		case process != nil:
			err = errors.Join(err, process.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// start starts a program and waits for its first answer.
func (s *samples) start(ctx context.Context, w *world.World, command world.Command, i int) (*world.Process, error) {
	command.Env = append(slices.Clip(command.Env), secretTTL)
	process, err := w.Launch(ctx, command)
	if err != nil {
		return nil, err
	}
	ready, err := process.Ready(ctx)
	if err != nil {
		return process, err
	}
	answer, err := Invoke(ctx, w, process, 1)
	s.readies[i], s.totals[i] = append(s.readies[i], ready), append(s.totals[i], ready+answer.Wall)
	if i == 0 {
		s.first = append(s.first, answer)
	}
	return process, err
}

// invoke invokes a process that has answered once, and freezes it.
func (s *samples) invoke(ctx context.Context, w *world.World, process *world.Process) error {
	for n := range warmInvocations {
		answer, err := Invoke(ctx, w, process, 1)
		if err != nil {
			return err
		}
		if n >= settling {
			s.warm = append(s.warm, answer)
		}
	}
	return process.Freeze()
}

// thaw has the frozen processes wait, closes their connections meanwhile, and lets one after
// the other go on.
func (s *samples) thaw(ctx context.Context, w *world.World, frozen time.Duration) error {
	w.HangUp()
	select {
	case <-time.After(frozen):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for _, process := range s.frozen {
		if err := errors.Join(w.Forget(ctx), process.Thaw()); err != nil {
			return err
		}
		answer, err := Invoke(ctx, w, process, 1)
		if err != nil {
			return err
		}
		s.thawed = append(s.thawed, answer)
		if err := process.Freeze(); err != nil { // it takes no CPU from the next
			return err
		}
	}
	return nil
}

// done reports whether an answer says that the batch is done with. Python writes a space more.
func done(payload []byte) bool {
	var compact bytes.Buffer
	return json.Compact(&compact, payload) == nil && compact.String() == world.Done
}

// Invoke has a process re-trigger so many runs of one batch, and fails if it does not.
func Invoke(ctx context.Context, w *world.World, p *world.Process, runs int) (world.Answer, error) {
	before := w.Retriggers()
	answer, err := p.Invoke(ctx, w.Batch(runs))
	switch {
	case err != nil:
		return answer, err
	case answer.Failed || !done(answer.Payload) || w.Retriggers() != before+runs:
		return answer, fmt.Errorf("not all of %d runs were re-triggered: %s\n%s", runs, answer.Payload, p.Log()) //nolint:err113 // it is printed
	}
	return answer, nil
}
