package main

import (
	"context"
	"errors"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// pulseless is a store that can't write pulses.
type pulseless struct {
	store.Table

	panics bool
}

func (s pulseless) Commit(ctx context.Context, writes ...store.Write) error {
	if len(writes[0].Sums) == 0 {
		return s.Table.Commit(ctx, writes...)
	}
	if s.panics {
		panic("a defect")
	}
	return &store.UnavailableError{Op: "commit", Err: errors.New("throttled")}
}
