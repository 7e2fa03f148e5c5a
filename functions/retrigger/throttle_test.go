package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

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
