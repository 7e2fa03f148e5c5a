//go:build slow

package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// TestSweepOutlivesTheRetentionOfItsMessage: A sweep waits longer than the queue keeps a
// message. It goes on with a requeue copy.
func TestSweepOutlivesTheRetentionOfItsMessage(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.MaxRunAge = 60 * 24 * time.Hour
		id := w.Fail("f")
		pass(time.Minute)
		w.pausing("pause", `"orgId":"`+worldOrg+`"`)
		w.Send(onlySweep)
		w.Drain(20 * 24 * time.Hour)
		w.pausing("resume", `"orgId":"`+worldOrg+`"`)
		w.Drain(24 * time.Hour)
		w.wantOnce(t, []string{id})
		if n := len(w.AWS.Messages(w.DeadLetterQueue)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

// TestSweepFromTheQueueStopsAfterHalfAMinute: The queue's other messages need the
// environment, however many pages are left to list.
func TestSweepFromTheQueueStopsAfterHalfAMinute(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		page := 0
		w.runsCalls(func(answer http.ResponseWriter, _ *http.Request) bool {
			pass(3 * time.Second)
			page++
			_, _ = fmt.Fprintf(answer, `{"items":[],"_links":{"next":{"href":"/runs?continuationToken=%d"}}}`, page)
			return false
		})
		w.Send(onlySweep)
		began := time.Now()
		w.Poll(w.Start(-1, false))
		if took := time.Since(began); took > 31*time.Second || page < 2 {
			t.Errorf("the sweep took %s for %d pages", took, page)
		}
	})
}

// TestSweepsOfTwoSandboxesReserveDifferentSlots: Two sweeps request runs at the same
// time. The runs are due one after the other.
func TestSweepsOfTwoSandboxesReserveDifferentSlots(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.AddFlow(flowsim.Flow{ID: "dev", Name: "dev", OrgID: worldOrg, Sandbox: "dev"})
		w.backlog(40, 40)
		for range 20 {
			w.Fail("dev")
		}
		pass(time.Minute)
		var group sync.WaitGroup
		for _, s := range []string{"prod", "dev"} {
			group.Go(func() { w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","sandbox":"` + s + `"}}`) })
		}
		group.Wait()
		runs := map[string]string{} // by due time
		for _, r := range w.Memory.Records() {
			if r["state"] != "deferred" {
				continue
			}
			if other := runs[r["due"]]; other != "" {
				t.Errorf("%s and %s are due at %s", other, r["runId"], r["due"])
			}
			runs[r["due"]] = r["runId"]
		}
		if len(runs) != 60 {
			t.Errorf("%d runs wait, want 60", len(runs))
		}
	})
}

// TestSweepIsRequeuedAtMostEightTimes: After that the rest of the sweep becomes a dead
// letter, which can be redriven as a new sweep.
func TestSweepIsRequeuedAtMostEightTimes(t *testing.T) {
	t.Parallel()
	for requeued, ends := range map[int]bool{0: false, 7: false, 8: true} {
		t.Run(strconv.Itoa(requeued), func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				pass(time.Minute)
				w.pausing("pause", `"orgId":"`+worldOrg+`"`)
				body := `{"sweep":{"id":"long","orgId":"` + worldOrg + `"}}`
				if requeued > 0 {
					body = fmt.Sprintf(`{"sweep":{"id":"long","orgId":%q,"requeues":%d}}`, worldOrg, requeued)
				}
				response, err := w.Start(-1, false).Invoke(t.Context(), sqsBatch(t, awssim.QueueARN("requests"), 800, body))
				if err != nil || string(response.Payload) != `{"batchItemFailures":[]}` {
					t.Errorf("the answer is %+v, %v", response, err)
				}
				left, letters := w.AWS.Messages(w.Requests), w.AWS.Messages(w.DeadLetterQueue)
				if ends {
					if len(left) != 0 || len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" || strings.Contains(letters[0].Body, `"id"`) || requeues(letters[0].Body) != 0 {
						t.Fatalf("the dead letters are %+v, and %d messages are on the queue", letters, len(left))
					}
					w.Send(letters[0].Body)
				} else if len(left) != 1 || len(letters) != 0 || requeues(left[0].Body) != requeued+1 || !strings.Contains(left[0].Body, `"id":"long"`) {
					t.Fatalf("on the queue are %+v, and there are %d dead letters", left, len(letters))
				}
				w.pausing("resume", `"orgId":"`+worldOrg+`"`)
				w.Drain(6 * time.Hour)
				w.wantOnce(t, []string{id})
			})
		})
	}
}

// TestAllSweepsOfAnOrgShareOnePace: However many sweeps and sandboxes there are, the
// requested runs come at half the pace of the org's budget.
func TestAllSweepsOfAnOrgShareOnePace(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 60 // a request each two minutes
		ids := w.backlog(60, 60)
		for i := range 20 {
			sandbox := fmt.Sprintf("s%02d", i)
			w.Adobe.AddFlow(flowsim.Flow{ID: "of-" + sandbox, Name: sandbox, OrgID: worldOrg, Sandbox: sandbox})
			w.Config.SweepSandboxes = append(w.Config.SweepSandboxes, sandbox)
			ids = append(ids, w.Fail("of-"+sandbox))
		}
		w.Config.SweepSandboxes = append(w.Config.SweepSandboxes, worldSandbox)
		w.Adobe.AddOrg(flowsim.Org{ID: worldOrg, ClientID: "client-W", Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: w.Config.SweepSandboxes})
		w.Config.RetryDelays = []time.Duration{0}
		pass(time.Minute)
		for i := range 4 {
			w.sweep(strings.Replace(bareSchedule, "9d1de2a0", fmt.Sprint("tick-", i), 1))
			w.sweep(fmt.Sprintf(`{"sweep":{"sandbox":%q}}`, w.Config.SweepSandboxes[i]))
			w.Drain(20 * time.Minute)
		}
		w.Drain(3 * time.Hour)
		w.wantOnce(t, ids)
		calls := w.sent()
		for i := 31; i < len(calls); i++ {
			if took := calls[i].At.Sub(calls[i-31].At); took < time.Hour {
				t.Fatalf("32 runs were re-triggered in %s", took)
			}
		}
		if took := calls[len(calls)-1].At.Sub(calls[0].At); took > 200*time.Minute {
			t.Errorf("80 runs took %s", took)
		}
	})
}
