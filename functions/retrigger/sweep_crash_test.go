package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// onlySweep sweeps the default org by hand.
const onlySweep = `{"sweep":{"orgId":"` + worldOrg + `"}}`

// runsCalls serves Adobe's calls by the simulator, those for lists of runs through a
// function, which returns false for one that it has answered.
func (w *world) runsCalls(before func(answer http.ResponseWriter, r *http.Request) bool) {
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if !listsRuns(r) || before(answer, r) {
			w.Adobe.ServeHTTP(answer, r)
		}
	})
}

// refuseToken answers that a continuation token is no longer valid.
func refuseToken(answer http.ResponseWriter) {
	http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","title":"Bad request","status":400}`, http.StatusBadRequest)
}

// TestASweepLeavesTheQueueItsEnvironments: one that came by the queue keeps its
// environment for half a minute at the most, however much is left to list.
func TestASweepLeavesTheQueueItsEnvironments(t *testing.T) {
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

// TestRunsOfOthersAreNotTaken, should Flow Service list some of another sandbox or org.
func TestRunsOfOthersAreNotTaken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.runsCalls(func(answer http.ResponseWriter, _ *http.Request) bool {
			at := time.Now().Add(-time.Hour).UnixMilli()
			var items []string
			for id, of := range map[string][2]string{"mine": {"prod", worldOrg}, "of-a-sandbox": {"dev", worldOrg}, "of-an-org": {"prod", worldOther}} {
				items = append(items, fmt.Sprintf(`{"id":%q,"flowId":"f","createdAt":%d,"updatedAt":%[2]d,"sandboxName":%[3]q,"imsOrgId":%[4]q,"metrics":{"statusSummary":{"status":"failed"}}}`, id, at, of[0], of[1]))
			}
			_, _ = fmt.Fprintf(answer, `{"items":[%s],"_links":{}}`, strings.Join(items, ","))
			return false
		})
		if r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`); len(r.Runs) != 1 || r.Runs[0].RunID != "mine" {
			t.Errorf("the report is %+v", r)
		}
	})
}

// TestAListWithoutOrder: a listing that must begin again loses none of the runs that
// were on pages before.
func TestAListWithoutOrder(t *testing.T) {
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

// TestTokensAreRefusedNowAndThen: only a listing that begins again and again at the same
// place is given up.
func TestTokensAreRefusedNowAndThen(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var ids []string
		for i := range 240 { // two times, each of more runs than a page has
			at := time.Now().Add(time.Duration(i/120-3) * time.Hour)
			ids = append(ids, fmt.Sprint("together-", i))
			w.Adobe.AddRun(flowsim.Run{ID: ids[i], FlowID: "f", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at, Errors: []flowsim.RunError{{Code: "X"}}})
		}
		tokens := 0
		w.runsCalls(func(answer http.ResponseWriter, r *http.Request) bool {
			if !r.URL.Query().Has("continuationToken") {
				return true
			}
			// Three in a row at the first time, two at the second.
			if tokens++; tokens <= 3 || tokens == 5 || tokens == 6 {
				refuseToken(answer)
				return false
			}
			return true
		})
		w.sweep(onlySweep)
		w.Drain(time.Hour)
		if last := w.lastSweep(); last.State != "finished" || last.Restarts != 5 || last.Failures != 0 || len(w.AWS.Messages(w.Letters)) != 0 {
			t.Errorf("the sweep is %+v, and there are %d dead letters", last, len(w.AWS.Messages(w.Letters)))
		}
		for _, id := range ids {
			if w.Entry(id) == nil {
				t.Fatalf("run %s was not found", id)
			}
		}
	})
}

// TestSweepsTakeTurns: runs that sweeps of two sandboxes request at the same time are
// due one after the other.
func TestSweepsTakeTurns(t *testing.T) {
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

// TestTheSameSweepTwice: two deliveries of the schedule's event at the same time are one
// sweep.
func TestTheSameSweepTwice(t *testing.T) {
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

// TestNothingIsListedInAPause of the org, and the sweep goes on when it is over.
func TestNothingIsListedInAPause(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(20, 5)
		w.pausing("pause", `"orgId":"`+worldOrg+`"`)
		w.sweep(onlySweep)
		w.Drain(time.Hour)
		if n := w.Adobe.Count(flowsim.OpRuns); n != 0 {
			t.Errorf("%d lists in the pause", n)
		}
		w.pausing("resume", `"orgId":"`+worldOrg+`"`)
		w.Drain(6 * time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestASweepOutlivesItsMessage: a sweep that waits for longer than a queue keeps a
// message goes on with a new one.
func TestASweepOutlivesItsMessage(t *testing.T) {
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
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

// TestASweepIsRequeuedAtMostEightTimes; what is left of it becomes a dead letter, which
// can be sent again as a new sweep.
func TestASweepIsRequeuedAtMostEightTimes(t *testing.T) {
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
				left, letters := w.AWS.Messages(w.Requests), w.AWS.Messages(w.Letters)
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

// TestWhatCantBeListedIsAskedForAgain as it was asked for: the dead letter has all that
// narrows the sweep.
func TestWhatCantBeListedIsAskedForAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, flow := range []string{"g", "h"} {
			w.Flow(flow, worldOrg)
		}
		add := func(id, flow, code string, ago time.Duration) string {
			at := time.Now().Add(-ago)
			w.Adobe.AddRun(flowsim.Run{ID: id, FlowID: flow, Status: flowsim.Failed, CreatedAt: at, CompletedAt: at, Errors: []flowsim.RunError{{Code: code}}})
			return id
		}
		others := []string{
			add("another-code", "f", "OTHER-1", 2*time.Hour), add("another-flow", "h", "SLOW-1", 2*time.Hour),
			add("too-old", "f", "SLOW-1", 4*time.Hour), add("over-the-limit", "g", "SLOW-1", time.Minute),
		}
		wanted := []string{add("first", "f", "SLOW-1", time.Hour), add("second", "g", "SLOW-2", time.Hour)}
		w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`})
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","flowId":["f","g"],"code":"slow-*","limit":2,"since":"3h"}}`)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 1 {
			t.Fatalf("the dead letters are %+v", letters)
		}
		w.Send(letters[0].Body)
		w.Drain(time.Hour)
		w.wantOnce(t, wanted)
		for _, id := range others {
			if n := w.Adobe.Retriggers(id); n != 0 {
				t.Errorf("run %s was re-triggered %d times", id, n)
			}
		}
	})
}

// TestWhatASweepRequestsWaitsForTheEndOfAPause, however often it looks after it.
func TestWhatASweepRequestsWaitsForTheEndOfAPause(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		pass(time.Minute)
		scope := `"orgId":"` + worldOrg + `","flowId":"f"`
		w.pausing("pause", scope)
		if r := w.sweep(onlySweep); r.State != sweep.Finished || r.Requested != 1 {
			t.Fatalf("the report is %+v", r)
		}
		w.Drain(5 * 24 * time.Hour)
		w.pausing("resume", scope)
		w.Drain(12 * time.Hour)
		w.wantOnce(t, []string{id})
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

// TestALostMessageIsMadeUpFor: of a run whose message should have come twelve hours ago a
// sweep makes another request, and of none before.
func TestALostMessageIsMadeUpFor(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetryDelays = []time.Duration{12 * time.Hour}
		id := w.Fail("f")
		w.Told(id)
		w.Poll(w.Start(-1, false))
		due, err := time.Parse(time.RFC3339Nano, w.Entry(id)["due"])
		if err != nil || time.Until(due) < 2*time.Hour {
			t.Fatalf("it is due at %s, %v: too soon for this test", due, err)
		}
		pass(time.Until(w.Next()))
		w.lose(t)
		for _, at := range []struct {
			after time.Duration
			want  int
		}{{11 * time.Hour, 0}, {13 * time.Hour, 1}} {
			pass(time.Until(due.Add(at.after)))
			r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","since":"48h"}}`)
			if r.Failed != 1 || r.Requested != at.want || r.Skipped[sweep.Waiting] != 1-at.want {
				t.Errorf("%s after it was due the report is %+v", at.after, r)
			}
		}
		w.Drain(13 * time.Hour) // its delay begins anew
		w.wantOnce(t, []string{id})
	})
}

// lose deletes a message of the request queue.
func (w *world) lose(t *testing.T) {
	t.Helper()
	out, err := w.SQS().ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.Requests})
	if err != nil || len(out.Messages) != 1 {
		t.Fatalf("received %+v, %v", out, err)
	}
	if _, err := w.SQS().DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(w.Requests), ReceiptHandle: out.Messages[0].ReceiptHandle}); err != nil {
		t.Fatal(err)
	}
}
