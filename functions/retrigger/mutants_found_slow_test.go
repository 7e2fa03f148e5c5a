//go:build slow

package main

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

func TestSweepDoesNotEndBeforeTheLedgerHasItsRequests(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(3, 1)
		var notes atomic.Int32
		w.Mutate = func(table store.Table) store.Table {
			return meeting{table, "deferred", func() error {
				if notes.Add(1) == 1 {
					return &store.UnavailableError{Op: "commit", Err: errors.New("throttled")}
				}
				return nil
			}}
		}
		w.Send(`{"sweep":{}}`)
		w.Poll(w.Start(-1, false))
		if last := w.lastSweep(); last.State == "finished" {
			t.Errorf("the ledger lacks a request, and the sweep is %+v", last)
		}
		w.Drain(3 * time.Hour)
		if last := w.lastSweep(); last.State != "finished" {
			t.Errorf("in the end the sweep is %+v", last)
		}
		w.wantOnce(t, ids)
	})
}
