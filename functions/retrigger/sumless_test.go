package main

import (
	"context"
	"errors"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// sumless is a store that can't add to sums.
type sumless struct {
	store.Table

	panics bool
}

func (s sumless) Commit(ctx context.Context, writes ...store.Write) error {
	if len(writes[0].Sums) == 0 {
		return s.Table.Commit(ctx, writes...)
	}
	if s.panics {
		panic("a defect")
	}
	return &store.UnavailableError{Op: "commit", Err: errors.New("throttled")}
}
