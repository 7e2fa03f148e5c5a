package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
	"github.com/aep-retrigger/aep-retrigger/internal/config"
)

// batchSize is how many messages the template lets a batch have.
const batchSize = 10

// batches measures a batch of ten on the template's defaults.
func batches() study {
	return study{
		name: "batch of ten",
		rows: []spec{{id: "5.4", what: "a batch of ten on the template's defaults, users' latencies (least)", against: "the floor's batch of ten (least)", limit: 2, unit: "×"}},
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
			own, err := leastWarm(ctx, w, world.Command{Path: l.binary, Env: slices.Concat(defaults, l.extra)}, batchSize, l.times(8))
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
	const many, fewer = 1000, 400
	return study{
		name: "backlog",
		rows: []spec{{id: "5.5", what: "1,000 messages of 1,000 dataflows on the template's defaults, users' latencies", against: "the org's limit on calls", limit: 1.2, busy: 1.5, unit: "×"}},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			defaults, err := templateDefaults("template.yaml")
			if err != nil {
				return nil, err
			}
			messages, of := many, ""
			if l.quick {
				messages, of = fewer, fmt.Sprintf(" (%d messages)", fewer)
			}
			took, err := workOff(ctx, world.Command{Path: l.binary, Env: slices.Concat(defaults, l.extra)}, messages, config.DefaultQueueConcurrency)
			if err != nil {
				return nil, err
			}
			base := time.Duration(messages) * time.Second / config.DefaultCallsPerSecond
			return map[string]figure{"5.5": {ratio: ratio(took, base), value: seconds(took) + of, base: seconds(base)}}, nil
		},
	}
}

// portion is how many messages are worked off before the ledger is emptied: the simulated
// DynamoDB copies its table for each transaction, which would be measured, too. What a process
// waits for the other one meanwhile it makes up for, since a second's worth of calls may go at
// once.
const portion = 200

// workOff has some processes work off so many messages, and returns how long they took.
func workOff(ctx context.Context, c world.Command, messages, processes int) (took time.Duration, err error) {
	w, err := world.Start(ctx, world.Options{Latency: world.Users()})
	if err != nil {
		return 0, err
	}
	defer w.Close()
	began := time.Now()
	running := make([]*world.Process, processes)
	for i := range running {
		if running[i], err = w.Launch(ctx, c); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, running[i].Close()) }()
	}
	for left := messages; left > 0; left -= portion {
		if err := share(ctx, w, running, min(left, portion)); err != nil {
			return 0, err
		}
		if err := w.Forget(ctx); err != nil {
			return 0, err
		}
	}
	took = time.Since(began)
	if n := w.Retriggers(); n != messages {
		return 0, fmt.Errorf("%d re-triggers of %d runs", n, messages) //nolint:err113 // it is printed
	}
	return took, nil
}

// share has the processes work off so many messages.
func share(ctx context.Context, w *world.World, running []*world.Process, messages int) error {
	waiting := make(chan []byte, messages/batchSize)
	for range messages / batchSize {
		waiting <- w.Batch(batchSize)
	}
	close(waiting)
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range running {
		group.Go(func() error {
			for batch := range waiting {
				if _, err := invoke(ctx, p, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
