package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/bench/cold"
	"github.com/aep-retrigger/aep-retrigger/bench/quota"
)

// coldUnderQuota measures the first invocation where the process has the part of a CPU that its
// memory setting is worth; see package cold.
func coldUnderQuota() study {
	return study{
		name: "cold under a quota",
		rows: []spec{
			{id: "5.7", what: "the first invocation after init (median)", against: "a warm one (median)", limit: 1.15, busy: 1.5, unit: "×"},
			{id: "5.8", what: "its CPU time (median)", against: "a warm one's (median)", limit: 2.5, unit: "×"},
			{id: "5.9", what: "the first invocation after a freeze (median)", against: "the first after init (median)", limit: 1.3, busy: 2, unit: "×"},
			{id: "5.10", what: "start of the process to its first answer (median)", against: "the floor (median)", limit: 0.9, unit: "×"},
			{id: "5.10a", what: "the same", against: "the Python rival (median)", limit: 0.55, unit: "×"},
		},
		run: func(ctx context.Context, l *lab) (map[string]figure, error) {
			programs, err := cold.Build(ctx, ".", l.dir)
			if err != nil {
				return nil, err
			}
			r, err := cold.Measure(ctx, programs, l.times(9))
			if missing, ok := errors.AsType[*quota.UnavailableError](err); ok {
				return nil, fmt.Errorf("%w: %w", errNotHere, missing)
			}
			if err != nil {
				return nil, err
			}
			return map[string]figure{
				"5.7":   {ratio: ratio(r.First.Wall, r.Warm.Wall), value: millis(r.First.Wall), base: millis(r.Warm.Wall)},
				"5.8":   {ratio: ratio(r.First.CPU, r.Warm.CPU), value: millis(r.First.CPU), base: millis(r.Warm.CPU)},
				"5.9":   {ratio: ratio(r.Thawed.Wall, r.First.Wall), value: millis(r.Thawed.Wall), base: millis(r.First.Wall)},
				"5.10":  {ratio: ratio(r.Function, r.Floor), value: millis(r.Function), base: millis(r.Floor)},
				"5.10a": {ratio: ratio(r.Function, r.Rival), value: millis(r.Function), base: millis(r.Rival)},
			}, nil
		},
	}
}
