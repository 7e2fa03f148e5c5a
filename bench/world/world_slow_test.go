//go:build slow

package world_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/quota"
	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// start starts a world and one process in it, which is ready.
func start(t *testing.T, o world.Options, program string, cpus float64) (*world.World, *world.Process) {
	t.Helper()
	w, err := world.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	p, err := w.Launch(t.Context(), world.Command{Path: built[program], CPUs: cpus, QuotaAfterInit: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	if took, err := p.Ready(t.Context()); err != nil || took <= 0 {
		t.Fatalf("ready after %s: %v", took, err)
	}
	return w, p
}

func TestFunctionAndFloorRetriggerOverTLSWithLatencies(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"functions/retrigger", "bench/floor"} {
		t.Run(program, func(t *testing.T) {
			t.Parallel()
			latency := world.Each(20 * time.Millisecond)
			w, p := start(t, world.Options{Latency: latency, TLS: true}, program, 0)
			answer, err := p.Invoke(t.Context(), w.Batch(2))
			if err != nil || string(answer.Payload) != world.Done || w.Retriggers() != 2 {
				t.Fatalf("%s, %v; %d re-triggers\n%s", answer.Payload, err, w.Retriggers(), p.Log())
			}
			if least := 3 * latency.DynamoDB; answer.Wall < least { // claim, re-trigger, record
				t.Errorf("it took %s, want %s at least", answer.Wall, least)
			}
			if world.CPUIsMeasured && (answer.CPU <= 0 || answer.CPU > p.CPU()) {
				t.Errorf("the invocation took %s of CPU time, the process %s", answer.CPU, p.CPU())
			}
			w.HangUp()
			answer, err = p.Invoke(t.Context(), w.FailureEvent())
			if err != nil || answer.Failed || w.Retriggers() != 3 {
				t.Errorf("without connections: %s, %v; %d re-triggers\n%s", answer.Payload, err, w.Retriggers(), p.Log())
			}
		})
	}
}

func TestAFrozenProcessAnswersWhenItIsThawed(t *testing.T) {
	t.Parallel()
	w, p := start(t, world.Options{}, "bench/floor", 0)
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	const frozen = 50 * time.Millisecond
	thawed := make(chan time.Time, 1)
	timer := time.AfterFunc(frozen, func() {
		thawed <- time.Now()
		if err := p.Thaw(); err != nil {
			t.Error(err)
		}
	})
	defer timer.Stop()
	answer, err := p.Invoke(t.Context(), w.Batch(1))
	if err != nil || string(answer.Payload) != world.Done {
		t.Fatalf("%s, %v", answer.Payload, err)
	}
	// Not compared with the length of the freeze: the invocation may begin any time after it.
	select {
	case at := <-thawed:
		if answered := answer.Began.Add(answer.Wall); answered.Before(at) {
			t.Errorf("it answered %s before it was thawed", at.Sub(answered))
		}
	default:
		t.Error("it answered while it was frozen")
	}
	if err := w.Forget(t.Context()); err != nil {
		t.Error(err)
	}
	living, memory := p.CPU(), p.PeakMemory()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if world.CPUIsMeasured && (living <= 0 || p.CPU() < living-10*time.Millisecond || memory <= 0) {
		t.Errorf("%s of CPU time and %d KiB while it lived, %s afterwards", living, memory, p.CPU())
	}
}

func TestWhatAProcessCanNotDoIsSaid(t *testing.T) {
	t.Parallel()
	w, err := world.Start(t.Context(), world.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	if _, err := w.Launch(t.Context(), world.Command{Path: "/no/such/program"}); err == nil {
		t.Error("a program that does not exist was started")
	}
	p, err := w.Launch(t.Context(), world.Command{Path: "/bin/sh", Args: []string{"-c", "echo no credentials; exit 3"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	if _, err := p.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("a process that ends: %v", err)
	}
	silent, err := w.Launch(t.Context(), world.Command{Path: "/bin/sh", Args: []string{"-c", "read line"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := silent.Invoke(ctx, nil); err == nil {
		t.Error("a process that asks for nothing was invoked")
	}
}

func TestAQuotaHoldsAfterTheStart(t *testing.T) {
	t.Parallel()
	group, err := quota.New()
	if errors.As(err, new(*quota.UnavailableError)) {
		return // package quota's tests demand one in CI
	}
	if err := errors.Join(err, group.Remove()); err != nil {
		t.Fatal(err)
	}
	w, p := start(t, world.Options{}, "bench/floor", 0.1)
	answer, err := p.Invoke(t.Context(), w.Batch(10))
	if err != nil || string(answer.Payload) != world.Done {
		t.Fatalf("%s, %v", answer.Payload, err)
	}
	if least := 5 * (answer.CPU - 10*time.Millisecond); answer.Wall < least { // a tenth of a CPU, with what a period lends
		t.Errorf("%s of CPU time in %s", answer.CPU, answer.Wall)
	}
}
