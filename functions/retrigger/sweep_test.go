package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// invoke invokes a process by hand.
func (w *world) invoke(p *process, payload string) Answer {
	w.TB.Helper()
	response, err := p.Invoke(context.Background(), []byte(payload))
	if err != nil || response.FunctionError != "" {
		w.TB.Fatalf("%s: %v, %s", payload, err, response.FunctionError)
	}
	var answer Answer
	if err := json.Unmarshal(response.Payload, &answer); err != nil {
		w.TB.Fatal(err)
	}
	return answer
}

// sweep invokes a process with a sweep by hand.
func (w *world) sweep(payload string) sweep.Report {
	w.TB.Helper()
	answer := w.invoke(w.Start(-1, false), payload)
	if answer.Sweep == nil {
		w.TB.Fatalf("%s: the answer is %+v", payload, answer)
	}
	return *answer.Sweep
}

// backlog makes failed runs, one a second up to now, of so many dataflows.
func (w *world) backlog(runs, flows int) []string {
	ids := make([]string, runs)
	for i := range runs {
		flow := fmt.Sprintf("b%d", i%flows)
		if i < flows {
			w.Flow(flow, worldOrg)
		}
		ids[i] = fmt.Sprintf("lost-%05d", i)
		at := time.Now().Add(time.Duration(i-runs) * time.Second)
		w.Adobe.AddRun(flowsim.Run{
			ID: ids[i], FlowID: flow, Status: flowsim.Failed, CreatedAt: at, CompletedAt: at.Add(time.Millisecond),
			CreatedClient: "acp_ui_platform", Errors: []flowsim.RunError{{Code: "CONNECTOR-1001-500"}},
		})
	}
	return ids
}

// wantOnce holds that each of the runs was re-triggered once.
func (w *world) wantOnce(t *testing.T, ids []string) {
	t.Helper()
	made := map[string]int{}
	for _, r := range w.Adobe.Runs() {
		made[r.Of]++
	}
	wrong := 0
	for _, id := range ids {
		if made[id] != 1 {
			wrong++
			if wrong < 5 {
				t.Errorf("run %s was re-triggered %d times; its entry is %v", id, made[id], w.Entry(id))
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d runs were not re-triggered once", wrong, len(ids))
	}
}

// lastSweep is the last that the log says of a sweep.
func (w *world) lastSweep() sweepRecord {
	if len(w.Logs.Sweeps()) == 0 {
		w.TB.Fatal("the log has nothing of a sweep")
	}
	return w.Logs.Sweeps()[len(w.Logs.Sweeps())-1]
}

const bareSchedule = `{"version":"0","id":"9d1de2a0","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-23T07:00:00Z","detail":{}}`

func TestASweepOfNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		r := w.sweep(bareSchedule)
		if r.State != sweep.Finished || r.Pages != 2 || r.Seen != 0 || r.Until.Sub(r.Since) != 24*time.Hour+2*time.Minute { // a page of each org
			t.Errorf("the report is %+v", r)
		}
		if n := len(w.AWS.Messages(w.Requests)); n != 0 {
			t.Errorf("%d messages are on the queue", n)
		}
	})
}

func TestASweepOfOneRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		pass(time.Minute)
		r := w.sweep(bareSchedule)
		if r.State != sweep.Finished || r.Seen != 1 || r.Failed != 1 || r.Requested != 1 || len(r.Skipped) != 0 {
			t.Errorf("the report is %+v", r)
		}
		if e := w.Entry(id); e["state"] != "deferred" || !strings.HasPrefix(e["reason"], "sweep schedule-") {
			t.Errorf("its entry is %v", e)
		}
		again := w.sweep(bareSchedule) // the schedule delivers its event twice
		r.Repeated = true
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("the second delivery (-want +got):\n%s", diff)
		}
		if r := w.sweep(`{"sweep":{}}`); r.Skipped[sweep.Waiting] != 1 || r.Requested != 0 {
			t.Errorf("the report of another sweep is %+v", r)
		}
		w.Told(id) // its event comes late
		w.Drain(time.Hour)
		w.wantOnce(t, []string{id})
		if r := w.sweep(`{"sweep":{}}`); r.Skipped[sweep.Superseded] != 1 || r.Requested != 0 {
			t.Errorf("the report of a sweep after the retry is %+v", r)
		}
	})
}

// TestASweepOfMany finds ten thousand failed runs, most of which were dealt with.
func TestASweepOfMany(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.SweepLimit = 500
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 72_000 // a request each 100 ms
		ids := w.backlog(10_000, 20)
		w.sweep(`{"sweep":{}}`)
		w.Drain(24 * time.Hour)
		if last := w.lastSweep(); last.State != "finished" || last.Requested != 500 || last.Seen != 600 || last.Skipped["over_limit"] != 100 {
			t.Errorf("the sweep with a limit: %+v", last)
		}
		w.wantOnce(t, ids[:500])
		w.Config.SweepLimit = 10_000
		r := w.sweep(`{"sweep":{"since":"48h"}}`)
		if r.State != sweep.Continues {
			t.Errorf("ten thousand requests are sent within one invocation: %+v", r)
		}
		most := 0
		p := w.Start(-1, false)
		for {
			waiting := w.AWS.Messages(w.Requests)
			if len(waiting) == 0 {
				break
			}
			most = max(most, len(waiting))
			if w.Poll(p) == 0 {
				pass(time.Until(w.Next()))
			}
			w.Adobe.Settle()
		}
		if last := w.lastSweep(); last.State != "finished" || last.Seen < 10_000 || last.Requested != 9_500 || last.Skipped["superseded"] != 500 {
			t.Errorf("the last record is %+v", last)
		}
		if most > 3_200 { // five minutes and a page or two
			t.Errorf("%d messages were on the queue at once", most)
		}
		w.wantOnce(t, ids)
	})
}

// TestDataflowsAreAskedForTogether: of a hundred dataflows two calls tell whether they
// are of streaming sources.
func TestDataflowsAreAskedForTogether(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(250, 250)
		for i := 0; i < len(ids); i += 50 {
			flow := fmt.Sprintf("b%d", i)
			w.Adobe.AddFlow(flowsim.Flow{ID: flow, Name: flow, OrgID: worldOrg, Sandbox: worldSandbox, Streaming: true})
		}
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`)
		if r.State != sweep.Finished || r.Requested != 245 || r.Skipped[sweep.StreamingRun] != 5 {
			t.Errorf("the report is %+v", r)
		}
		if n := w.Adobe.Count(flowsim.OpFlows); n != 5 || w.Adobe.Count(flowsim.OpFlow) != 0 {
			t.Errorf("%d calls for dataflows, want 5", n)
		}
	})
}

// TestSweepsAndEventsOverlap: two sweeps at once, the events of some of the same runs,
// and a sweep after that. TestInvariants has the same with crashes.
func TestSweepsAndEventsOverlap(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(250, 5)
		var group sync.WaitGroup
		for range 2 {
			group.Go(func() { w.sweep(`{"sweep":{"sandbox":"prod"}}`) })
		}
		for i, id := range ids {
			if i%3 == 0 {
				w.Told(id)
			}
		}
		group.Go(func() { w.Poll(w.Start(-1, false)) })
		group.Wait()
		w.Drain(time.Hour)
		w.sweep(`{"sweep":{}}`)
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
		if n := len(w.AWS.Messages(w.Letters)); n != 0 {
			t.Errorf("there are %d dead letters", n)
		}
	})
}

// TestASweepDies: wherever the process dies, the sweep's redelivered message goes on
// with at most one page repeated, and nothing is lost or done twice.
func TestASweepDies(t *testing.T) {
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

func TestAPageFails(t *testing.T) {
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
				if n := len(w.AWS.Messages(w.Letters)); n != 0 {
					t.Errorf("there are %d dead letters", n)
				}
			})
		})
	}
}

// TestTheQueueTakesSome of a page's requests: the page is repeated, and those that
// are on the queue are not sent again.
func TestTheQueueTakesSome(t *testing.T) {
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

// TestTheTokenExpires in the middle of a sweep, and the secret is rotated.
func TestTheTokenExpires(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(600, 5)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		if r.State != sweep.Continues {
			t.Fatalf("the report is %+v", r)
		}
		w.Adobe.RotateSecret(worldOrg, "rotated")
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"rotated","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		w.Drain(5 * time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestAStaleToken: the listing begins again at the last time seen, and counts no run
// twice.
func TestAStaleToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		ids := w.backlog(450, 5)
		for _, after := range []int{2, 1} {
			w.Adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, After: after, Status: http.StatusBadRequest, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","title":"Bad request","status":400}`})
		}
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(5 * time.Hour)
		w.wantOnce(t, ids)
		if last := w.lastSweep(); last.State != "finished" || last.Seen != 450 || last.Requested != 450 || last.Restarts != 2 {
			t.Errorf("the sweep is %+v", last)
		}
	})
}

// TestNoTokenIsTaken: a sweep gets along without continuation tokens where that is
// possible, and is given up where it goes round in a circle.
func TestNoTokenIsTaken(t *testing.T) {
	t.Parallel()
	for _, together := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Has("continuationToken") {
					http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","status":400}`, http.StatusBadRequest)
					return
				}
				w.Adobe.ServeHTTP(answer, r)
			})
			ids := w.backlog(300, 5)
			want := sweepRecord{State: "finished", Seen: 300, Requested: 300, Pages: 7, Restarts: 6}
			if together { // as many as a page has no room for, at the same time
				at := time.Now().Add(-time.Hour)
				for _, id := range ids {
					w.Adobe.AddRun(flowsim.Run{ID: id, FlowID: "b0", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at})
				}
				ids = ids[:flowclient.DefaultPageSize]
				want = sweepRecord{State: "finished", Seen: 100, Requested: 100, Pages: 10, Restarts: 9, Failures: 1}
			}
			w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
			w.Drain(5 * time.Hour)
			w.wantOnce(t, ids)
			last := w.lastSweep()
			last.SweepID, last.Failed, last.Skipped = "", 0, nil
			if diff := cmp.Diff(want, last); diff != "" {
				t.Errorf("the sweep (-want +got):\n%s", diff)
			}
			if n := len(w.AWS.Messages(w.Letters)); n != want.Failures {
				t.Errorf("there are %d dead letters", n)
			}
		})
	}
}

// answering has Adobe answer the calls of the world's first org that match with a
// status, and all others as ever.
func (w *world) answering(status int, header http.Header, body string, match func(*http.Request) bool) {
	w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Gw-Ims-Org-Id") != worldOrg || !match(r) {
			w.Adobe.ServeHTTP(answer, r)
			return
		}
		maps.Copy(answer.Header(), header)
		answer.WriteHeader(status)
		_, _ = answer.Write([]byte(body)) // into memory
	})
}

func listsRuns(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/runs") }

// TestASandboxThatCantBeListed becomes a dead letter, and does not keep the others.
func TestASandboxThatCantBeListed(t *testing.T) {
	t.Parallel()
	for name, status := range map[string]int{"forbidden": http.StatusForbidden, "down": http.StatusServiceUnavailable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Flow("other", worldOther)
				first, second := w.Fail("f"), w.Fail("other")
				w.answering(status, nil, `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`, listsRuns)
				pass(time.Minute)
				w.sweep(bareSchedule)
				pass(2 * time.Second)
				for w.Poll(w.Start(-1, false)) > 0 { // the other org need not wait
					pass(time.Second)
				}
				w.wantOnce(t, []string{second})
				w.Drain(24 * time.Hour)
				letters := w.AWS.Messages(w.Letters)
				if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" || !strings.Contains(letters[0].Body, `"sandbox":["prod"]`) {
					t.Fatalf("the dead letters are %+v", letters)
				}
				if n := w.Adobe.Retriggers(first); n != 0 {
					t.Fatalf("the run of the other org was re-triggered %d times", n)
				}
				w.AdobeHandler = nil // the cause is mended, and the letter sent again
				w.Send(letters[0].Body)
				w.Drain(24 * time.Hour)
				w.wantOnce(t, []string{first, second})
			})
		})
	}
}

// TestAnOrgThatMustWaitKeepsNoOtherWaiting: each org has its own place in a sweep.
func TestAnOrgThatMustWaitKeepsNoOtherWaiting(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]func(*world){
		"paused": func(w *world) { w.pausing("pause", `"orgId":"`+worldOrg+`"`) },
		"throttled": func(w *world) {
			w.answering(http.StatusTooManyRequests, http.Header{"Retry-After": {"600"}}, "", listsRuns)
		},
		"ahead of its pace": func(w *world) { w.backlog(2000, 200) },
		"without a secret":  func(w *world) { w.AWS.PutSecret("secret-W", "no credential") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 1200
				w.Flow("other", worldOther)
				hinder(w)
				id := w.Fail("other")
				pass(time.Minute)
				if r := w.sweep(bareSchedule); r.State != sweep.Continues {
					t.Errorf("the report is %+v", r)
				}
				for end := time.Now().Add(15 * time.Minute); time.Now().Before(end); pass(10 * time.Second) {
					w.Poll(w.Start(-1, false))
				}
				w.wantOnce(t, []string{id})
				sweeps := 0
				for _, m := range w.AWS.Messages(w.Requests) {
					if strings.Contains(m.Body, `"sweep"`) {
						sweeps++
					}
				}
				if sweeps != 1 {
					t.Errorf("%d messages of the sweep are on the queue, want one for the rest", sweeps)
				}
			})
		})
	}
}

// TestTheWindowOfASweepStands, however long it can't begin.
func TestTheWindowOfASweepStands(t *testing.T) {
	t.Parallel()
	for name, ask := range map[string]func(*world, string){
		"by hand":      func(w *world, payload string) { w.sweep(payload) },
		"by the queue": func(w *world, payload string) { w.Send(payload) },
	} {
		for name2, hinder := range map[string]func(w *world){
			"no secret": func(w *world) { w.AWS.PutSecret("secret-W", "no credential") },
			"no ledger": func(w *world) { w.Faults.Fail(1000, 0) },
		} {
			t.Run(name+", "+name2, func(t *testing.T) {
				t.Parallel()
				inWorld(t, func(t *testing.T, w *world) {
					w.Config.SecretCacheTTL = time.Minute
					id := w.Fail("f")
					pass(time.Minute)
					secret := fmt.Sprintf(`{"client_id":"client-W","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg)
					hinder(w)
					ask(w, `{"sweep":{"since":"30m","orgId":"`+worldOrg+`"}}`)
					for end := time.Now().Add(time.Hour); time.Now().Before(end); pass(time.Minute) {
						w.Poll(w.Start(-1, false))
					}
					w.AWS.PutSecret("secret-W", secret)
					w.Faults.Fail(0, 0)
					w.Drain(3 * time.Hour)
					w.wantOnce(t, []string{id})
				})
			})
		}
	}
}

// TestASecretThatStaysUnreadable ends a sweep visibly: after ten tries with a dead
// letter, and with a metric each time.
func TestASecretThatStaysUnreadable(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AWS.PutSecret("secret-V", "no credential")
		w.AWS.PutSecret("secret-W", "no credential")
		r := w.sweep(bareSchedule)
		if r.State != sweep.Continues || !strings.Contains(r.Error, "is not a JSON object") || r.Since.IsZero() || r.Until.Sub(r.Since) != 24*time.Hour+2*time.Minute {
			t.Errorf("the report is %+v", r)
		}
		w.Drain(24 * time.Hour)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" || strings.Contains(letters[0].Body, "24h") {
			t.Fatalf("the dead letters are %+v", letters)
		}
		if n := w.Logs.Sum("credentials_unavailable"); n != 10 {
			t.Errorf("the metric credentials_unavailable counts %d, want 10", n)
		}
	})
}

// TestARefusedCredentialOfASweep is in the report, the metric and, of a dry run, the
// answer.
func TestARefusedCredentialOfASweep(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":"client-W","client_secret":"wrong","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOrg))
		if r := w.sweep(bareSchedule); r.State != sweep.Continues || r.Pages != 1 || !strings.Contains(r.Error, "refuse") {
			t.Errorf("the report is %+v", r)
		}
		if n := w.Logs.Sum("credentials_refused"); n != 1 {
			t.Errorf("the metric credentials_refused counts %d, want 1", n)
		}
		r := w.sweep(`{"sweep":{"dryRun":true}}`)
		if r.State != sweep.CutOff || r.Pages != 1 || len(r.Failures) != 1 || r.Failures[0].OrgID != worldOrg || !strings.Contains(r.Error, "refuse") {
			t.Errorf("the report of a dry run is %+v", r)
		}
	})
}

// TestARefusedFilterIsOfOneSandbox: another is listed by the last change all the same.
func TestARefusedFilterIsOfOneSandbox(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.SweepSandboxes = []string{"dev", worldSandbox}
		w.answering(http.StatusBadRequest, nil, `{"type":"https://ns.adobe.com/aep/errors/FLOW-2000-400","title":"Invalid org","status":400}`, func(r *http.Request) bool {
			return listsRuns(r) && r.Header.Get("X-Sandbox-Name") == "dev"
		})
		at := time.Now().Add(-time.Hour)
		w.Adobe.AddRun(flowsim.Run{ID: "never", FlowID: "f", Status: flowsim.Failed, CreatedAt: at, CompletedAt: at, NeverStarted: true})
		if r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`); r.Requested != 1 || len(r.Failures) != 1 {
			t.Errorf("the report is %+v", r)
		}
	})
}

// TestTheProgressOfASweepIsBounded: it is one item, of which DynamoDB takes 400 KB.
func TestTheProgressOfASweepIsBounded(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 500 {
			w.Config.SweepSandboxes = append(w.Config.SweepSandboxes, fmt.Sprintf("%s-%03d", strings.Repeat("s", 250), i))
		}
		w.answering(http.StatusForbidden, http.Header{"Content-Type": {"text/html"}}, "<!DOCTYPE html><html><body><h1>403 Forbidden</h1>"+strings.Repeat("<b>Blocked.</b>", 100), listsRuns)
		r := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(time.Hour)
		if last := w.lastSweep(); last.Failures != 500 || len(r.Failures) > 20 || len(w.AWS.Messages(w.Letters)) != 500 {
			t.Errorf("the last report is %+v, the first has %d failures; %d dead letters", last, len(r.Failures), len(w.AWS.Messages(w.Letters)))
		}
		most := 0
		for _, e := range w.Memory.Records() {
			most = max(most, len(e["progress"]))
		}
		if most == 0 || most > 200_000 {
			t.Errorf("the progress has %d bytes", most)
		}
	})
}

// TestARunThatIsListedTwice on one page is requested once.
func TestARunThatIsListedTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if !listsRuns(r) || r.Header.Get("X-Gw-Ims-Org-Id") != worldOrg {
				w.Adobe.ServeHTTP(answer, r)
				return
			}
			run := `{"id":"` + id + `","flowId":"f","createdAt":` + strconv.FormatInt(time.Now().Add(-time.Minute).UnixMilli(), 10) + `,"metrics":{"statusSummary":{"status":"failed"}}}`
			_, _ = answer.Write([]byte(`{"items":[` + run + `,` + run + `],"_links":{}}`))
		})
		if r := w.sweep(`{"sweep":{}}`); r.Seen != 2 || r.Failed != 1 || r.Requested != 1 {
			t.Errorf("the report is %+v", r)
		}
	})
}

// TestSlowPages come to an end by the queue, too, where CALL_TIMEOUT allows for them.
func TestSlowPages(t *testing.T) {
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

// TestASweepThatCrashesTheFunctionIsGivenUp: after ten invocations without an end.
func TestASweepThatCrashesTheFunctionIsGivenUp(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Fail("f")
		w.Send(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		deaths := 0
		for ; !w.Next().IsZero() && deaths < 100; deaths++ {
			pass(time.Until(w.Next()))
			w.Poll(w.Start(6, false)) // it dies when it has begun
		}
		letters := w.AWS.Messages(w.Letters)
		if deaths > 12 || len(letters) != 1 || !strings.Contains(letters[0].Attributes["error"].StringValue, "it may kill the function") {
			t.Errorf("%d deliveries, and the dead letters are %+v", deaths, letters)
		}
	})
}

// TestTokensThatLiveTooShortly, in a listing that is in no order, begin it again and
// again: that is no circle as long as it requests something.
func TestTokensThatLiveTooShortly(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.BudgetWindow, w.Config.OrgBudget = time.Hour, 1200
		ids := w.backlog(600, 30)
		last := time.Now()
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); listsRuns(r) {
				if q.Has("continuationToken") && time.Since(last) > 5*time.Minute {
					http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","status":400}`, http.StatusBadRequest)
					return
				}
				last = time.Now()
				q.Set("orderby", "-createdAt")
				r.URL.RawQuery = q.Encode()
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		w.Drain(24 * time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestInvocationsTooShort: a sweep needs no whole call timeout for each page, and one
// that gets nowhere is given up.
func TestInvocationsTooShort(t *testing.T) {
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
			letters := w.AWS.Messages(w.Letters)
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
			if letters := w.AWS.Messages(w.Letters); len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "sweep_failed" {
				t.Fatalf("the dead letters are %+v", letters)
			}
			if n := w.Adobe.Count(flowsim.OpRuns); n != 10 {
				t.Errorf("it was listed %d times, want 10", n)
			}
		})
	})
}

// TestASecretThatCantBeRead does not keep the other orgs from being swept, and is looked
// at again.
func TestASecretThatCantBeRead(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Flow("other", worldOther)
		first, second := w.Fail("f"), w.Fail("other")
		pass(time.Minute)
		w.AWS.PutSecret("secret-V", "no credential")
		if r := w.sweep(`{"sweep":{"orgId":"` + worldOther + `"}}`); r.State != sweep.Continues || !strings.Contains(r.Error, "secret-V") {
			t.Errorf("a sweep of that org: %+v", r)
		}
		if r := w.sweep(bareSchedule); r.State != sweep.Continues || r.Requested != 1 || !strings.Contains(r.Error, "secret-V") {
			t.Errorf("the report is %+v", r)
		}
		if r := w.sweep(`{"sweep":{"dryRun":true}}`); r.State != sweep.CutOff || r.Failed != 1 || len(r.Failures) != 1 || !strings.Contains(r.Failures[0].Message, "secret-V") {
			t.Errorf("the report of a dry run is %+v", r)
		}
		if r := w.sweep(`{"sweep":{"dryRun":true,"orgId":"` + worldOrg + `"}}`); r.State != sweep.Finished || r.Failed != 1 {
			t.Errorf("the report of a dry run of the other org is %+v", r)
		}
		w.AWS.PutSecret("secret-V", fmt.Sprintf(`{"client_id":"client-V","client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, worldOther))
		w.Drain(time.Hour)
		w.wantOnce(t, []string{first, second})
		if letters := w.AWS.Messages(w.Letters); len(letters) != 0 {
			t.Errorf("the dead letters are %+v", letters)
		}
	})
}

func TestSweepsThatCantBegin(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for payload, want := range map[string]string{
			`{"sweep":{"orgId":"X@AdobeOrg"}}`:           "no configured secret is of org X@AdobeOrg",
			`{"sweep":{"since":"1h","until":"2h"}}`:      "can't begin at",
			`{"sweep":{"since":"2999-01-01T00:00:00Z"}}`: "can't begin at",
		} {
			before := len(w.AWS.Messages(w.Letters))
			if r := w.sweep(payload); r.State != sweep.Refused {
				t.Errorf("%s: the report is %+v", payload, r)
			}
			letters := w.AWS.Messages(w.Letters)[before:]
			if len(letters) != 1 || !strings.Contains(letters[0].Attributes["error"].StringValue, want) {
				t.Errorf("%s: the dead letters are %+v", payload, letters)
			}
		}
	})
}

// TestWhatASweepTakes has a run of each kind, and compares a dry run with the sweep,
// also where Flow Service does not heed filters, or refuses those that its documents
// have no example of.
func TestWhatASweepTakes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) { whatASweepTakes(t, w, nil) })
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if q := r.URL.Query(); strings.HasSuffix(r.URL.Path, "/runs") {
				q.Del("property")
				r.URL.RawQuery = q.Encode()
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		whatASweepTakes(t, w, nil)
	})
	inWorld(t, func(t *testing.T, w *world) {
		w.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if strings.Contains(r.URL.RawQuery, "updatedAt") {
				http.Error(answer, `{"type":"https://ns.adobe.com/aep/errors/FLOW-1401-400","status":400}`, http.StatusBadRequest)
				return
			}
			w.Adobe.ServeHTTP(answer, r)
		})
		whatASweepTakes(t, w, []string{"very-long", "never-started"})
	})
}

func whatASweepTakes(t *testing.T, w *world, missed []string) {
	t.Helper()
	for _, f := range []string{"good", "other", "downstream", "paused"} {
		w.Flow(f, worldOrg)
	}
	w.Adobe.AddFlow(flowsim.Flow{ID: "stream", Name: "stream", OrgID: worldOrg, Sandbox: worldSandbox, Streaming: true})
	now := time.Now()
	add := func(id, flow, status, code string, ago time.Duration, more ...func(*flowsim.Run)) {
		r := flowsim.Run{ID: id, FlowID: flow, Status: status, CreatedAt: now.Add(-ago), CompletedAt: now.Add(-ago), Errors: []flowsim.RunError{{Code: code}}}
		for _, change := range more {
			change(&r)
		}
		w.Adobe.AddRun(r)
	}
	const code = "CONNECTOR-1001-500"
	add("plain", "good", "failed", code, time.Hour)
	add("capital", "good", "FAILED", code, time.Hour)
	add("long", "good", "Failed", code, 30*time.Hour, func(r *flowsim.Run) { r.CompletedAt = now.Add(-time.Hour) })
	add("very-long", "good", "failed", code, 90*time.Hour, func(r *flowsim.Run) { r.CompletedAt = now.Add(-time.Hour) })
	add("never-started", "good", "failed", code, time.Hour, func(r *flowsim.Run) { r.NeverStarted = true })
	add("old", "good", "failed", code, 50*time.Hour)
	add("fresh", "good", "failed", code, time.Minute)
	add("succeeded", "good", "success", code, time.Hour)
	add("running", "good", "inProgress", code, time.Hour)
	add("of-another", "other", "failed", code, time.Hour)
	add("other-code", "good", "failed", "MAPPER-3700-400", time.Hour)
	add("follows", "downstream", "failed", code, time.Hour, func(r *flowsim.Run) { r.Downstream = true })
	add("streams", "stream", "failed", code, time.Hour)
	add("waits", "paused", "failed", code, time.Hour)
	add("retried", "good", "failed", code, time.Hour)
	w.Told("retried")
	w.Drain(time.Hour)
	w.invoke(w.Start(-1, false), `{"pause":{"orgId":"`+worldOrg+`","flowId":"paused"}}`)
	now = time.Now()
	const query = `"sandbox":"prod","orgId":"W@AdobeOrg","flowId":["good","downstream","stream","paused"],"code":"connector-*","since":"26h","until":"20m"`
	dry := w.sweep(`{"sweep":{` + query + `,"dryRun":true}}`)
	entries := len(w.Memory.Records())
	want := map[string]string{
		"plain": "requested", "capital": "requested", "long": "requested", "very-long": "requested", "never-started": "requested", "follows": "skipped downstream_run", "streams": "skipped streaming_run",
		"waits": "requested", "retried": "skipped superseded",
	}
	for _, id := range missed {
		delete(want, id)
	}
	got := map[string]string{}
	for _, r := range dry.Runs {
		got[r.RunID] = strings.TrimSpace(r.Decision + " " + string(r.Reason))
		if r.Decision == "skipped" && r.Detail == "" || r.RunID == "waits" && !strings.Contains(r.Detail, "is paused since") {
			t.Errorf("the dry run says of run %s: %+v", r.RunID, r)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the dry run (-want +got):\n%s", diff)
	}
	for id, f := range dry.Flows {
		if f.Failed > 0 && f.Name != id {
			t.Errorf("the report calls dataflow %s %q", id, f.Name)
		}
	}
	if n := len(w.Memory.Records()); n != entries || len(w.AWS.Messages(w.Requests)) != 0 || !dry.DryRun || dry.State != sweep.Finished {
		t.Errorf("the dry run changed something: %+v", dry)
	}
	r := w.sweep(`{"sweep":{` + query + `}}`)
	if r.Requested != 6-len(missed) || r.Failed != dry.Failed || !maps.Equal(r.Skipped, dry.Skipped) {
		t.Errorf("the sweep's report is %+v, that of the dry run %+v", r, dry)
	}
	w.Drain(time.Hour)
	w.wantOnce(t, []string{"plain", "capital", "long", "retried"})
	for _, id := range []string{"old", "fresh", "of-another", "other-code", "follows", "streams", "waits"} {
		if n := w.Adobe.Retriggers(id); n != 0 {
			t.Errorf("run %s was re-triggered %d times", id, n)
		}
	}
	// What waits for the end of the pause is not requested again, and lost by nobody.
	for range 3 {
		pass(12 * time.Hour)
		w.Drain(time.Second)
		again := w.sweep(`{"sweep":{` + strings.ReplaceAll(query, "26h", "100h") + `}}`)
		if again.Skipped[sweep.Waiting] != 1 {
			t.Errorf("in the pause the sweep's report is %+v", again)
		}
	}
	w.invoke(w.Start(-1, false), `{"resume":{"orgId":"`+worldOrg+`","flowId":"paused"}}`)
	w.Drain(12 * time.Hour)
	w.wantOnce(t, []string{"waits", "plain"})
}

// TestSweepsKeepThePaceTogether: however many sweeps and sandboxes there are, the
// runs that they request come at half the pace of the org's budget.
func TestSweepsKeepThePaceTogether(t *testing.T) {
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

// TestSweepsOfSeveralSandboxes are of those that the sweep names, or else of those
// that are configured, in every org.
func TestSweepsOfSeveralSandboxes(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		var ids []string
		for _, org := range []string{worldOrg, worldOther} {
			for _, sandbox := range []string{"prod", "dev"} {
				flow := sandbox + "-of-" + org[:1]
				w.Adobe.AddFlow(flowsim.Flow{ID: flow, Name: flow, OrgID: org, Sandbox: sandbox})
				ids = append(ids, w.Fail(flow))
			}
		}
		pass(time.Minute)
		for payload, want := range map[string]int{
			`{"sweep":{"dryRun":true}}`:                                      2, // the secrets name prod
			`{"sweep":{"dryRun":true,"sandbox":["dev","prod"]}}`:             4,
			`{"sweep":{"dryRun":true,"sandbox":"dev","orgId":"W@AdobeOrg"}}`: 1,
		} {
			if r := w.sweep(payload); r.Requested != want || len(r.Runs) != want {
				t.Errorf("%s: the report is %+v", payload, r)
			}
		}
		w.Config.SweepSandboxes = []string{"prod", "dev"}
		if r := w.sweep(bareSchedule); r.Requested != 4 || r.Pages != 4 {
			t.Errorf("the report is %+v", r)
		}
		w.Drain(time.Hour)
		w.wantOnce(t, ids)
	})
}

// TestADryRunThatFails says why, and is not gone on with.
func TestADryRunThatFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"hangs":     {Op: flowsim.OpRuns, Hang: true, Times: 10},
		"is down":   {Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable},
		"throttles": {Op: flowsim.OpRuns, Status: http.StatusTooManyRequests},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.QueueURL = ""
				w.Fail("f")
				w.Adobe.Inject(fault)
				if r := w.sweep(`{"sweep":{"dryRun":true}}`); r.State != sweep.CutOff || len(w.Memory.Records()) > 1 {
					t.Errorf("the report is %+v", r)
				}
				w.Adobe.Heal()
				w.Faults.Fail(1, 0)
				if r := w.sweep(`{"sweep":{"dryRun":true}}`); r.State != sweep.CutOff || r.Error == "" {
					t.Errorf("without the ledger the report is %+v", r)
				}
				if r := w.sweep(`{"sweep":{}}`); r.State != sweep.Refused || !strings.Contains(r.Error, "QUEUE_URL") {
					t.Errorf("without a queue the report is %+v", r)
				}
			})
		})
	}
}

// TestASweepTakesTheNewestOfALineage: the failure of a run that our re-trigger made
// was never told; the sweep finds it, and attempts go on being counted.
func TestASweepTakesTheNewestOfALineage(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.failing(100)
		root := w.Fail("f")
		w.Told(root)
		tell := w.Told
		w.Told = func(string) {} // events are lost from now on
		w.Drain(time.Hour)
		for range 5 {
			w.sweep(`{"sweep":{}}`)
			w.Drain(time.Hour)
		}
		w.Told = tell
		if n := w.Lineages()[root]; n != 3 {
			t.Errorf("the lineage has had %d re-triggers, want 3", n)
		}
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 1 || letters[0].Attributes["reason"].StringValue != "attempts_exhausted" {
			t.Errorf("the dead letters are %+v", letters)
		}
		r := w.sweep(`{"sweep":{}}`)
		if r.Requested != 0 || r.Skipped[sweep.Superseded] != 3 || r.Skipped["attempts_exhausted"] != 1 {
			t.Errorf("the report of the last sweep is %+v", r)
		}
	})
}

// lister answers GET /runs with very many runs, and everything else as flowsim does.
type lister struct {
	http.Handler
	runs int
	page int
	wait time.Duration
	mu   sync.Mutex
	seen int
}

func (l *lister) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != flowsim.FlowServicePath+"/runs" {
		l.Handler.ServeHTTP(w, r)
		return
	}
	pass(l.wait)
	from, _ := strconv.Atoi(r.URL.Query().Get("continuationToken"))
	to := min(from+l.page, l.runs)
	items := make([]string, 0, l.page)
	begin := time.Now().Add(-time.Hour).Truncate(time.Hour).UnixMilli()
	for i := from; i < to; i++ {
		items = append(items, fmt.Sprintf(`{"id":"m-%d","flowId":"f","createdAt":%d,"metrics":{"statusSummary":{"status":"success"}}}`, i, begin+int64(i)))
	}
	next := ""
	if to < l.runs {
		next = fmt.Sprintf(`"next":{"href":"/runs?continuationToken=%d"}`, to)
	}
	l.mu.Lock()
	l.seen++
	l.mu.Unlock()
	_, _ = fmt.Fprintf(w, `{"items":[%s],"_links":{%s}}`, strings.Join(items, ","), next)
}

// TestAVeryLongSweep takes far more invocations than Lambda allows for a chain of
// messages. Its own message is delivered again and again, and is renewed before SQS
// gives it up.
func TestAVeryLongSweep(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T) {
		w := newWorld(t, 0, 0)
		w.Flow("f", worldOrg)
		const runs = 46_000 // ten on a page
		pages := &lister{Handler: w.Adobe, runs: runs, page: 10, wait: 9 * time.Second}
		w.AdobeHandler = pages
		w.sweep(`{"sweep":{"orgId":"` + worldOrg + `"}}`)
		p := w.Start(-1, false)
		invocations, messages := 0, map[string]int{}
		for {
			waiting := w.AWS.Messages(w.Requests)
			if len(waiting) == 0 {
				break
			}
			messages[waiting[0].ID] = waiting[0].Receives
			if w.Poll(p) > 0 {
				invocations++
				continue
			}
			pass(time.Until(w.Next()))
		}
		if last := w.lastSweep(); last.State != "finished" || last.Seen != runs || last.Pages != runs/10 || pages.seen != runs/10 {
			t.Errorf("the last record is %+v, %d pages were listed", last, pages.seen)
		}
		receives := slices.Max(slices.Collect(maps.Values(messages)))
		if invocations < 900 || len(messages) > 3 || receives > 801 {
			t.Errorf("%d invocations by %d messages, received at most %d times", invocations, len(messages), receives)
		}
	})
}
