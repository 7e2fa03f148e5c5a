package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// each is the latency of every call in row 5.1.
const each = 20 * time.Millisecond

// firstRetrigger measures the first re-trigger of a fresh process where every call takes 20 ms, and
// with the latencies that users see.
//
// Lambda hands over an event when init has ended, and init fetches secret and token. So the rows
// with a limit begin with the event and end with the answer. The rows beside them tell what the
// start adds, and row 5.10 compares all of it with the floor.
func firstRetrigger() study {
	const what, against = "the first re-trigger of a fresh process, from the event to the answer, %s (least)", "secret → token → re-trigger → record"
	const whole, bare = "the same from the start of the process (least)", "start of a bare handler, then " + against
	return study{
		name: "first re-trigger",
		rows: []spec{
			{id: "5.1", what: fmt.Sprintf(what, "20 ms each call"), against: against, limit: 1.15, busy: 1.6, unit: "×"},
			{id: "5.1a", what: whole, against: bare, unit: "×"},
			{id: "5.2", what: fmt.Sprintf(what, "users' latencies"), against: against, limit: 1.02, busy: 1.15, unit: "×"},
			{id: "5.2a", what: whole, against: bare, unit: "×"},
		},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			figures := map[string]figure{}
			for _, row := range []struct {
				id      string
				latency world.Latency
			}{{"5.1", world.Each(each)}, {"5.2", world.Users()}} {
				w, err := world.Start(ctx, world.Options{Latency: row.latency})
				if err != nil {
					return nil, err
				}
				bare, own, err := first(ctx, w, l, l.times(10))
				w.Close()
				if err != nil {
					return nil, err
				}
				path := row.latency.SecretsManager + row.latency.IMS + row.latency.FlowService + row.latency.DynamoDB
				figures[row.id] = figure{ratio: ratio(own.answer, path), value: millis(own.answer), base: millis(path)}
				figures[row.id+"a"] = figure{ratio: ratio(own.whole, bare+path), value: millis(own.whole), base: millis(bare + path)}
			}
			return figures, nil
		},
	}
}

// firstAnswer is how long a process took from its start, and from the event, to its answer.
type firstAnswer struct{ whole, answer time.Duration }

// first measures the start of a bare handler, and the first answer of the function.
func first(ctx context.Context, w *world.World, l *lab, rounds int) (bare time.Duration, own firstAnswer, err error) {
	bare, own = time.Hour, firstAnswer{time.Hour, time.Hour}
	for range rounds {
		if err := w.Forget(ctx); err != nil {
			return bare, own, err
		}
		_, ready, err := once(ctx, w, world.Command{Path: l.bare}, nil)
		if err != nil {
			return bare, own, err
		}
		bare = min(bare, ready)
		answer, ready, err := once(ctx, w, world.Command{Path: l.binary}, w.Batch(1))
		if err != nil {
			return bare, own, err
		}
		own.whole, own.answer = min(own.whole, ready+answer.Wall), min(own.answer, answer.Wall)
	}
	return bare, own, nil
}

// once launches a process, and invokes it if there is a payload.
func once(ctx context.Context, w *world.World, c world.Command, payload []byte) (answer world.Answer, ready time.Duration, err error) {
	p, err := w.Launch(ctx, c)
	if err != nil {
		return answer, 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if ready, err = p.Ready(ctx); err != nil || payload == nil {
		return answer, ready, err
	}
	answer, err = invoke(ctx, p, payload)
	return answer, ready, err
}

// invoke invokes a process with a batch, with all of whose messages it must have done.
func invoke(ctx context.Context, p *world.Process, batch []byte) (world.Answer, error) {
	answer, err := p.Invoke(ctx, batch)
	if err == nil && (answer.Failed || string(answer.Payload) != world.Done) {
		err = fmt.Errorf("the answer to a batch is %s\n%s", answer.Payload, p.Log()) //nolint:err113 // it is printed
	}
	return answer, err
}

// warm measures a re-trigger of a process that has done one before.
func warm() study {
	return study{
		name: "warm re-trigger",
		rows: []spec{{id: "5.3", what: "a warm re-trigger, users' latencies (least)", against: "the floor's read → claim → re-trigger → record (least)", limit: 1.02, busy: 1.15, unit: "×"}},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			users := world.Users()
			w, err := world.Start(ctx, world.Options{Latency: users})
			if err != nil {
				return nil, err
			}
			defer w.Close()
			took, err := leastWarm(ctx, w, world.Command{Path: l.binary}, 1, l.times(20))
			if err != nil {
				return nil, err
			}
			floor, err := world.Build(ctx, ".", "bench/floor", l.dir)
			if err != nil {
				return nil, err
			}
			base, err := leastWarm(ctx, w, world.Command{Path: floor, Env: []string{"FLOOR_READS=true"}}, 1, l.times(20))
			if err != nil {
				return nil, err
			}
			return map[string]figure{"5.3": {ratio: ratio(took, base), value: millis(took), base: millis(base)}}, nil
		},
	}
}

// rest is how long a process rests between two batches: the pace of calls lets a second's worth
// go at once, and the next batch finds its own.
const rest = 1100 * time.Millisecond

// leastWarm is the least time in which a warm process answers a batch of so many failed runs.
func leastWarm(ctx context.Context, w *world.World, c world.Command, size, rounds int) (least time.Duration, err error) {
	p, err := w.Launch(ctx, c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	least = time.Hour
	for round := range rounds + 1 {
		if err := w.Forget(ctx); err != nil {
			return 0, err
		}
		answer, err := invoke(ctx, p, w.Batch(size))
		if err != nil {
			return 0, err
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		}
		if round > 0 { // the first one has fetched secret and token, and opened connections
			least = min(least, answer.Wall)
		}
	}
	return least, nil
}
