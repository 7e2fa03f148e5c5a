package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
	"github.com/aep-retrigger/aep-retrigger/internal/config"
)

// batchSize is how many messages the template lets a batch have.
const batchSize = 10

// allAtOnce are settings that the template does not have as its defaults yet. With those that it
// has, five of ten runs are worked on at once: two waves, which take 2.05 times as long as the
// floor's one before anything else is counted.
func allAtOnce() []string { return []string{"MAX_CONCURRENT_RUNS=10", "CONCURRENT_CALLS=20"} }

// batches measures a batch of ten on the template's defaults.
func batches() study {
	return study{
		name: "batch of ten",
		rows: []spec{{id: "5.4", what: "a batch of ten on the template's defaults (and " + strings.Join(allAtOnce(), ", ") + "), users' latencies (least)", against: "the floor's batch of ten (least)", limit: 2, unit: "×"}},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			defaults, err := templateDefaults("template.yaml")
			if err != nil {
				return nil, err
			}
			floor, err := world.Build(ctx, ".", "bench/floor", l.dir)
			if err != nil {
				return nil, err
			}
			w, err := world.Start(ctx, world.Options{Latency: world.Users()})
			if err != nil {
				return nil, err
			}
			defer w.Close()
			own, err := leastWarm(ctx, w, world.Command{Path: l.binary, Env: slices.Concat(defaults, allAtOnce(), l.extra)}, batchSize, l.times(8))
			if err != nil {
				return nil, err
			}
			base, err := leastWarm(ctx, w, world.Command{Path: floor}, batchSize, l.times(8))
			if err != nil {
				return nil, err
			}
			return map[string]figure{"5.4": {ratio: ratio(own, base), value: millis(own), base: millis(base)}}, nil
		},
	}
}

// backlog measures how long many messages take on the template's defaults: the environments
// that work on the queue, each with its share of the org's limit on calls.
func backlog() study {
	const many, fewer = 1000, 300
	return study{
		name: "backlog",
		rows: []spec{{id: "5.5", what: "1,000 messages of 1,000 dataflows on the template's defaults, users' latencies", against: "the org's limit on calls", limit: 1.2, unit: "×"}},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			defaults, err := templateDefaults("template.yaml")
			if err != nil {
				return nil, err
			}
			messages, of := many, ""
			if l.quick {
				messages, of = fewer, fmt.Sprintf(" (%d messages)", fewer)
			}
			took, err := workOff(ctx, world.Command{Path: l.binary, Env: slices.Concat(defaults, allAtOnce(), l.extra)}, messages, config.DefaultQueueConcurrency)
			if err != nil {
				return nil, err
			}
			base := time.Duration(messages) * time.Second / config.DefaultCallsPerSecond
			return map[string]figure{"5.5": {ratio: ratio(took, base), value: seconds(took) + of, base: seconds(base)}}, nil
		},
	}
}

// workOff has some processes work off so many messages, and returns how long they took.
func workOff(ctx context.Context, c world.Command, messages, processes int) (took time.Duration, err error) {
	w, err := world.Start(ctx, world.Options{Latency: world.Users()})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	waiting := make(chan []byte, messages/batchSize)
	for range messages / batchSize {
		waiting <- w.Batch(batchSize)
	}
	close(waiting)
	var closing sync.Mutex
	var closed error
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range processes {
		group.Go(func() error {
			p, err := w.Launch(ctx, c)
			if err != nil {
				return err
			}
			defer func() {
				closing.Lock()
				defer closing.Unlock()
				closed = errors.Join(closed, p.Close())
			}()
			for batch := range waiting {
				if _, err := invoke(ctx, p, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = group.Wait()
	took = time.Since(began)
	if n := w.Retriggers(); err == nil && n != messages {
		err = fmt.Errorf("%d re-triggers of %d runs", n, messages) //nolint:err113 // it is printed
	}
	return took, errors.Join(err, closed)
}
