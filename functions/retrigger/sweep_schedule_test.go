package main

import (
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
