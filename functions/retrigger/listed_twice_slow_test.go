//go:build slow

package main

import (
	"testing"
	"time"
)

func TestSweepOfAListingThatNamesARunTwiceRequestsItOnce(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		listsTwice(w)
		ids := w.backlog(10, 10)
		w.Send(`{"sweep":{"since":"48h","sandbox":"prod"}}`)
		w.Drain(5 * time.Hour)
		w.wantOnce(t, ids)
		if r := w.lastSweep(); r.Requested != 10 {
			t.Errorf("the sweep is %+v", r)
		}
	})
}
