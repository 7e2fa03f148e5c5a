//go:build slow

package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestSweepGoesOnAfterAFailedPage(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"503":              {Op: flowsim.OpRuns, After: 1, Times: 3, Status: http.StatusServiceUnavailable, Body: "<html>"},
		"reset":            {Op: flowsim.OpRuns, After: 2, Times: 2, Reset: true},
		"cut off":          {Op: flowsim.OpRuns, After: 1, Truncate: true, Body: `{"items":[`},
		"no JSON":          {Op: flowsim.OpRuns, Body: `<html>`},
		"the deadline":     {Op: flowsim.OpRuns, After: 1, Hang: true, Times: 5},
		"a refused token":  {Op: flowsim.OpRuns, After: 1, Status: http.StatusUnauthorized, Body: `{"error_code":"401013","message":"Oauth token is not valid"}`},
		"429":              {Op: flowsim.OpRuns, After: 1, Times: 4, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "20"}},
		"429 without time": {Op: flowsim.OpRuns, Times: 10, Status: http.StatusTooManyRequests},
		"flows: 429":       {Op: flowsim.OpFlows, Times: 3, Status: http.StatusTooManyRequests},
		"flows: token":     {Op: flowsim.OpFlows, Status: http.StatusUnauthorized, Body: `{"error_code":"401013","message":"Oauth token is not valid"}`},
		"flows: time":      {Op: flowsim.OpFlows, Hang: true, Times: 5},
		"flows unknown":    {Op: flowsim.OpFlows, Times: 100, Status: http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				ids := w.backlog(250, 5)
				w.Adobe.Inject(fault)
				w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
				w.Drain(5 * time.Hour)
				w.wantOnce(t, ids)
				if last := w.lastSweep(); last.State != "finished" || last.Seen != 250 || last.Requested != 250 || last.Failures != 0 {
					t.Errorf("the sweep is %+v", last)
				}
				if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
					t.Errorf("there are %d dead letters", n)
				}
			})
		})
	}
}

// TestSweepThatCrashesTheFunctionIsGivenUp: After about ten invocations without an end
// the sweep becomes a dead letter.
func TestSweepThatCrashesTheFunctionIsGivenUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Fail("f")
		w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		deaths := 0
		for ; !w.Next().IsZero() && deaths < 100; deaths++ {
			pass(time.Until(w.Next()))
			w.Poll(w.Start(6, false)) // it dies when it has begun
		}
		letters := w.AWS.Messages(w.DeadLetterQueue)
		if deaths > 12 || len(letters) != 1 || !strings.Contains(letters[0].Attributes["error"].StringValue, "it may kill the function") {
			t.Errorf("%d deliveries, and the dead letters are %+v", deaths, letters)
		}
	})
}

// TestSweepWorksInShortInvocations: A sweep does not need a whole call timeout for each
// page. A sweep that lists no page in ten invocations is given up.
func TestSweepWorksInShortInvocations(t *testing.T) {
	t.Parallel()
	t.Run("for a call that hangs", func(t *testing.T) {
		t.Parallel()
		inWorld(t, func(t *testing.T, w *world) {
			w.Config.CallTimeout = 50 * time.Second
			ids := w.backlog(250, 5)
			w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
			if last := w.lastSweep(); last.State != "finished" || last.Requested != 250 {
				t.Errorf("the sweep is %+v", last)
			}
			w.Drain(5 * time.Hour)
			w.wantOnce(t, ids)
		})
	})
	t.Run("for a page", func(t *testing.T) {
		t.Parallel()
		inWorld(t, func(t *testing.T, w *world) {
			w.Timeout = 15 * time.Second
			run := w.Fail("f")
			pass(time.Minute)
			w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
			w.Drain(24 * time.Hour)
			letters := w.AWS.Messages(w.DeadLetterQueue)
			if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" || !strings.Contains(letters[0].Attributes["error"].StringValue, "raise the function's timeout") {
				t.Fatalf("the dead letters are %+v", letters)
			}
			if n := len(w.Logs.Sweeps()); n != 10 {
				t.Errorf("it took %d invocations, want 10", n)
			}
			w.Timeout = worldTimeout
			w.Send(letters[0].Body)
			w.Drain(time.Hour)
			w.wantOnce(t, []string{run})
		})
	})
	t.Run("since a call hangs each time", func(t *testing.T) {
		t.Parallel()
		inWorld(t, func(t *testing.T, w *world) {
			w.Config.CallTimeout = 2 * worldTimeout
			w.Fail("f")
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Hang: true, Times: 1000})
			w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
			w.Drain(24 * time.Hour)
			if letters := w.AWS.Messages(w.DeadLetterQueue); len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" {
				t.Fatalf("the dead letters are %+v", letters)
			}
			if n := w.Adobe.Count(flowsim.OpRuns); n != 10 {
				t.Errorf("it was listed %d times, want 10", n)
			}
		})
	})
}

// TestSweepFromTheQueueEndsWithSlowPages: CALL_TIMEOUT allows for pages that take 13 s.
func TestSweepFromTheQueueEndsWithSlowPages(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.CallTimeout = 50 * time.Second
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet {
				pass(13 * time.Second)
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		ids := w.backlog(60, 5)
		w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(24 * time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestCrashInASweepLosesNoRun: The process dies at any call. The sweep's redelivered
// message goes on with at most one page repeated, and each run is retried once.
func TestCrashInASweepLosesNoRun(t *testing.T) {
	t.Parallel()
	for calls := range 70 {
		if calls > 12 && calls%7 != 0 {
			continue // in the middle of a page all calls are alike
		}
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("after %d calls, %t", calls, after), func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					ids := w.backlog(150, 5)
					w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
					w.Poll(w.Start(calls, after))
					lists := w.Adobe.Count(flowsim.OpRuns)
					w.Drain(2 * time.Hour)
					w.wantOnce(t, ids)
					// What a dying process has requested may have been retried before the sweep
					// goes on.
					if last := w.lastSweep(); last.State != "finished" || last.Seen != 150 || last.Requested+last.Skipped["superseded"] != 150 || last.Requested < 50 {
						t.Errorf("the sweep is %+v", last)
					}
					if n := w.Adobe.Count(flowsim.OpRuns); n > 3 {
						t.Errorf("%d pages were listed, %d of them before the crash, want one more than 2 at most", n, lists)
					}
				})
			})
		}
	}
}

// TestOnlyRequestsMissingOnTheQueueAreSentAgain: SQS takes some of a page's requests. The
// sweep repeats the page and sends only the rest.
func TestOnlyRequestsMissingOnTheQueueAreSentAgain(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]awssim.Fault{
		"entries": {Op: "SendMessageBatch", EntriesOnly: true, Times: 3},
		"calls":   {Op: "SendMessageBatch", Code: "AccessDenied", Times: 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				ids := w.backlog(60, 5)
				w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
				w.AWS.Inject(fault)
				p := w.Start(-1, false)
				w.Poll(p)
				some := len(w.AWS.Messages(w.Requests)) - 1 // the sweep's own
				if some == 0 || some == 60 {
					t.Fatalf("%d of 60 requests are on the queue", some)
				}
				sent := w.AWS.Count("SendMessageBatch")
				pass(firstBackoff) // the sweep's message comes again
				for w.lastSweep().State != "finished" {
					if w.Poll(p) == 0 {
						pass(time.Until(w.Next()))
					}
				}
				if n := w.AWS.Count("SendMessageBatch") - sent; n > (60-some+9)/10 {
					t.Errorf("%d batches for the %d that were missing", n, 60-some)
				}
				w.Drain(time.Hour)
				w.wantOnce(t, ids)
			})
		})
	}
}
