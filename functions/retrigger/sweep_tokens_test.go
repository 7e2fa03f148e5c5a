package main

import (
	"net/http"
	"testing"
	"time"
)

// TestUnorderedListingThatBeginsAgainLosesNoRun: The runs of the pages before are kept.
func TestUnorderedListingThatBeginsAgainLosesNoRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(150, 5)
		listed := 0
		w.runsCalls(func(answer http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("property") != "" && r.Header.Get("X-Gw-Ims-Org-Id") == worldOrg {
				listed++
			}
			switch listed {
			case 1: // the first page has the newest
				q := r.URL.Query()
				q.Set("orderby", "-createdAt")
				r.URL.RawQuery = q.Encode()
			case 2:
				refuseToken(answer)
				return false
			}
			return true
		})
		w.sweep(onlySweep)
		w.Drain(3 * time.Hour)
		w.wantOnce(t, ids)
		if last := w.lastSweep(); last.State != "finished" || last.Restarts != 1 || last.Failures != 0 {
			t.Errorf("the sweep is %+v", last)
		}
	})
}
