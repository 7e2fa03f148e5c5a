package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// calls counts the calls of retries and duplicates, on the real process. In more cases they are
// held by the tests TestBatchOfTenTakesFewCalls and TestCallsPerRetry.
func calls() study {
	return study{
		name: "calls",
		rows: []spec{{id: "5.13", what: "calls of a batch of ten, of one retry and of ten duplicates (`TestBatchOfTenTakesFewCalls`, `TestCallsPerRetry`)", against: "those that [Calls](#calls) lists", limit: 1, unit: "×"}},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			w, err := world.Start(ctx, world.Options{})
			if err != nil {
				return nil, err
			}
			defer w.Close()
			made, err := countCalls(ctx, w, world.Command{Path: l.binary})
			if err != nil {
				return nil, err
			}
			want := counted{ten: [2]int{10, 22}, one: [2]int{1, 4}, again: [2]int{0, 1}}
			if made != want {
				return nil, fmt.Errorf("calls of Adobe and of the table are %s, and should be %s", made, want) //nolint:err113 // it is printed
			}
			return map[string]figure{"5.13": {ratio: 1, value: made.String(), base: want.String()}}, nil
		},
	}
}

// counted are calls of Adobe and of the ledger's table.
type counted struct{ ten, one, again [2]int }

// String is for people.
func (c counted) String() string {
	return fmt.Sprintf("%d + %d, %d + %d, %d + %d", c.ten[0], c.ten[1], c.one[0], c.one[1], c.again[0], c.again[1])
}

func countCalls(ctx context.Context, w *world.World, c world.Command) (made counted, err error) {
	p, err := w.Launch(ctx, c)
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	count := func(batch []byte) (n [2]int, err error) {
		adobe, table := len(w.Stack.Adobe.Calls()), w.Stack.LedgerCalls()
		_, err = invoke(ctx, p, batch)
		return [2]int{len(w.Stack.Adobe.Calls()) - adobe, w.Stack.LedgerCalls() - table}, err
	}
	// The first invocation also writes the org's pulse, and nothing is counted.
	if _, err := count(w.Batch(1)); err != nil {
		return made, err
	}
	ten := w.Batch(batchSize)
	for _, batch := range []struct {
		payload []byte
		into    *[2]int
	}{{ten, &made.ten}, {w.Batch(1), &made.one}, {ten, &made.again}} {
		if *batch.into, err = count(batch.payload); err != nil {
			return made, err
		}
	}
	if n := w.Stack.Adobe.Count(flowsim.OpRetrigger); n != batchSize+2 {
		return made, fmt.Errorf("%d re-triggers of %d runs", n, batchSize+2) //nolint:err113 // it is printed
	}
	return made, nil
}
