package main

import (
	"sync"
	"testing"
	"time"
)

func TestSecondDeliveryOfAScheduleIsReportedAsRepeated(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Fail("f")
		const sample = `{"id":"cdc73f9d-aea9-11e3-9d5a-835b769c0d9c","detail-type":"Scheduled Event","source":"aws.events","time":"1970-01-01T00:00:00Z","detail":{}}`
		first, second := w.sweep(sample), w.sweep(sample)
		if first.Repeated || first.Requested != 1 || !second.Repeated || second.Requested != 1 || second.ID != first.ID {
			t.Errorf("first %+v, second %+v", first, second)
		}
		if time.Since(first.Since) > 25*time.Hour {
			t.Errorf("it looks back to %s", first.Since)
		}
	})
}

// TestTwoDeliveriesOfAScheduleAreOneSweep: The schedule's event is delivered twice at the
// same time.
func TestTwoDeliveriesOfAScheduleAreOneSweep(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(150, 5)
		var group sync.WaitGroup
		for range 2 {
			p := w.Start(-1, false)
			group.Go(func() { _, _ = p.Invoke(t.Context(), []byte(bareSchedule)) })
		}
		group.Wait()
		if n := len(w.AWS.Messages(w.Requests)); n > len(ids)+2 { // and the sweep's own
			t.Errorf("%d messages for %d runs", n, len(ids))
		}
		w.Drain(3 * time.Hour)
		w.wantOnce(t, ids)
		if last := w.lastSweep(); last.State != "finished" || last.Seen != len(ids) || last.Requested != len(ids) {
			t.Errorf("the sweep is %+v", last)
		}
	})
}
