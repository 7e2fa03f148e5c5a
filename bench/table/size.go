package main

import (
	"archive/zip"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// peakMemory measures the most memory that the function has had after many messages.
func peakMemory() study {
	const messages = 10_000 // also in a quick measurement: a bare handler's memory grows all the while
	return study{
		name: "memory",
		rows: []spec{
			{id: "5.11", what: "most memory after 10,000 messages, in batches of ten", against: "a bare handler after 10,000 (median of three)", limit: 2, unit: "×"},
			{id: "5.11a", what: "the same of the floor, which has two of these clients", against: "the same", unit: "×"},
		},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			w, err := world.Start(ctx, world.Options{})
			if err != nil {
				return nil, err
			}
			defer w.Close()
			unlimited := append([]string{"CALLS_PER_SECOND=0", "ORG_BUDGET=0"}, l.extra...)
			own, err := peak(ctx, w, world.Command{Path: l.binary, Env: unlimited}, messages, world.Done)
			if err != nil {
				return nil, err
			}
			program, err := world.Build(ctx, ".", "bench/floor", l.dir)
			if err != nil {
				return nil, err
			}
			floor, err := peak(ctx, w, world.Command{Path: program}, messages, world.Done)
			if err != nil {
				return nil, err
			}
			var peaks []int
			for range 3 { // it differs by 0.7 MiB
				kib, err := peak(ctx, w, world.Command{Path: l.bare}, messages, "null")
				if err != nil {
					return nil, err
				}
				peaks = append(peaks, kib)
			}
			bare := median(peaks)
			if own == 0 || bare == 0 {
				return nil, fmt.Errorf("%w: the system does not tell the peak of a process", errNotHere)
			}
			mib := func(kib int) string { return fmt.Sprintf("%.1f MiB", float64(kib)/1024) }
			return map[string]figure{
				"5.11":  {ratio: float64(own) / float64(bare), value: mib(own), base: mib(bare)},
				"5.11a": {ratio: float64(floor) / float64(bare), value: mib(floor), base: mib(bare)},
			}, nil
		},
	}
}

// peak is the most memory, in KiB, that a process has had after so many messages.
func peak(ctx context.Context, w *world.World, c world.Command, messages int, want string) (kib int, err error) {
	p, err := w.Launch(ctx, c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	const forget = 20 // batches
	for n := range messages / batchSize {
		if n%forget == 0 {
			if err := w.Forget(ctx); err != nil {
				return 0, err
			}
		}
		answer, err := p.Invoke(ctx, w.Batch(batchSize))
		if err != nil {
			return 0, err
		}
		if answer.Failed || string(answer.Payload) != want {
			return 0, fmt.Errorf("the answer to a batch is %s\n%s", answer.Payload, p.Log()) //nolint:err113 // it is printed
		}
	}
	return p.PeakMemory(), nil
}

// megabyte is Lambda's: its quota of 250 MB is 262,144,000 bytes in its error messages
// (https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html).
const megabyte = 1 << 20

// zipped measures what is deployed.
func zipped() study {
	return study{
		name: "zip",
		rows: []spec{{id: "5.12", what: "the zip for arm64, with its licenses (in Lambda's MB of 2^20 bytes)", against: "", limit: 4.5, unit: "MB"}},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			folder := filepath.Join(l.dir, "arm64")
			if out, err := exec.CommandContext(ctx, ".ci/build", "arm64", folder).CombinedOutput(); err != nil {
				return nil, fmt.Errorf(".ci/build: %w\n%s", err, out)
			}
			size, err := zipSize(os.DirFS(folder))
			if err != nil {
				return nil, err
			}
			return map[string]figure{"5.12": {ratio: float64(size) / megabyte, value: fmt.Sprintf("%d bytes", size)}}, nil
		},
	}
}

// zipSize is how many bytes a zip of a folder's files has, compressed as far as deflate goes.
func zipSize(folder fs.FS) (int64, error) {
	var size counter
	z := zip.NewWriter(&size)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	if err := z.AddFS(folder); err != nil {
		return 0, err
	}
	err := z.Close()
	return int64(size), err
}

// counter counts the bytes that are written to it.
type counter int64

// Write implements [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}
