package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAllProcessesTogetherKeepThePaceOfAnOrg: Each environment that the reserved
// concurrency allows has its share of the pace.
func TestAllProcessesTogetherKeepThePaceOfAnOrg(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallsPerSecond, w.Config.ConcurrentCalls, w.Config.ReservedConcurrency = 10, 10, 5
		ids := w.backlog(300, 300)
		w.tellAll(ids)
		var group sync.WaitGroup
		for range 5 {
			group.Go(func() {
				for p := w.Start(-1, false); w.Poll(p) > 0; {
				}
			})
		}
		group.Wait()
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
		calls := w.sent()
		for _, c := range calls {
			const burst = 10 // a second's worth
			for _, seconds := range []int{1, 5, 20} {
				if n := within(calls, c.At, time.Duration(seconds)*time.Second); n > 10*seconds+burst {
					t.Fatalf("%d calls in %d s", n, seconds)
				}
			}
		}
		if took := calls[len(calls)-1].At.Sub(calls[0].At); took > time.Minute {
			t.Errorf("300 calls took %s", took)
		}
	})
}

// TestLongestRetryAfterOfAListCounts: A list has requests of two orgs, and Adobe asks
// each to wait. The message comes again after the longer wait.
func TestLongestRetryAfterOfAListCounts(t *testing.T) {
	t.Parallel()
	for _, longest := range []string{worldOrg, worldOther} {
		inWorld(t, func(t *testing.T, w *world) {
			w.Flow("other", worldOther)
			w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/action") {
					w.Adobe.ServeHTTP(answer, r)
					return
				}
				wait := "60"
				if r.Header.Get("X-Gw-Ims-Org-Id") == longest {
					wait = "840"
				}
				answer.Header().Set("Retry-After", wait)
				answer.WriteHeader(http.StatusTooManyRequests)
			})
			w.Send(fmt.Sprintf(`{"requests":[{"runId":%q,"orgId":%q,"flowId":"f"},{"runId":%q,"orgId":%q,"flowId":"other"}]}`, w.Fail("f"), worldOrg, w.Fail("other"), worldOther))
			w.Poll(w.Start(-1, false))
			if left := time.Until(w.Next()); left < 840*time.Second {
				t.Errorf("Adobe asks %s to wait for 840 s, and the message comes in %s", longest, left)
			}
		})
	}
}
