package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// onBus is an event of Adobe's on EventBridge.
func onBus(detail string) string {
	return `{"version":"0","id":"e","detail-type":"Platform notifications:source_flow_run_error","source":"aws.partner/developer.adobe.com/x","detail":` + detail + `}`
}

func TestAnEventWithALayerThatAdobeHasNotDocumentedIsRetried(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Send(onBus(`{"notification":{"payload":` + string(w.Adobe.FailureEvent(id)) + `}}`))
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("it was re-triggered %d times\n%s", n, w)
		}
	})
}

func TestEventsWithoutARunAreOneDeadLetterForEachShapeAndHour(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 20 {
			w.Send(onBus(fmt.Sprintf(`{"runIdentifier":"r%d","state":{"now":"FAILED"}}`, i)))
		}
		w.Send(onBus(`{"another":{"shape":1}}`))
		w.Drain(20 * time.Minute)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 2 || w.Logs.Sum("unrecognized") != 21 || w.Logs.Sum("dead_lettered") != 21 || w.Logs.Sum("skipped") != 0 {
			t.Fatalf("%d dead letters, metrics unrecognized %d, dead_lettered %d, skipped %d", len(letters), w.Logs.Sum("unrecognized"), w.Logs.Sum("dead_lettered"), w.Logs.Sum("skipped"))
		}
		pass(time.Hour)
		w.Send(onBus(`{"runIdentifier":"r","state":{"now":"FAILED"}}`))
		w.Drain(20 * time.Minute)
		letters = w.AWS.Messages(w.Letters)
		if len(letters) != 3 || !strings.Contains(letters[2].Attributes["error"].StringValue, "so far: 21;") {
			t.Fatalf("%d dead letters, the last says %q", len(letters), letters[len(letters)-1].Attributes["error"].StringValue)
		}
		if got := letters[0].Attributes["reason"].StringValue; got != "unrecognized" || !strings.Contains(letters[0].Body, "runIdentifier") {
			t.Errorf("the first is %q: %s", got, letters[0].Body)
		}
	})
}

func TestEventsWithoutARunAreDeadLettersWhereTheyCannotBeCounted(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Faults.Fail(100, 0)
		w.Send(onBus(`{"a":1}`))
		w.Send(onBus(`{"a":2}`))
		w.Drain(time.Minute)
		if n := len(w.AWS.Messages(w.Letters)); n != 2 {
			t.Errorf("%d dead letters, want both", n)
		}
	})
}

func TestAnHTTPRequestFailsTheInvocationSoThatTheSenderSeesNo200(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		body, _ := json.Marshal(`{"runId":"` + id + `"}`)
		for name, payload := range map[string]string{
			"a Function URL": `{"version":"2.0","routeKey":"$default","rawPath":"/","headers":{},"requestContext":{"http":{"method":"POST"}},"body":` + string(body) + `}`,
			"a REST API":     `{"resource":"/","path":"/","httpMethod":"POST","headers":{},"requestContext":{"apiId":"a"},"body":` + string(body) + `}`,
			"a relay":        `{"headers":{"x-adobe-event-id":"1"},"body":` + string(body) + `}`,
		} {
			answer, err := w.Start(-1, false).Invoke(t.Context(), []byte(payload))
			if err != nil || !strings.Contains(answer.FunctionError, "HTTP") || !strings.Contains(answer.FunctionError, `{"runId":"…"}`) {
				t.Errorf("%s: %s, %v", name, answer.FunctionError, err)
			}
		}
		if len(w.sent()) != 0 || len(w.AWS.Messages(w.Letters)) != 0 {
			t.Errorf("%d re-triggers, %d dead letters", len(w.sent()), len(w.AWS.Messages(w.Letters)))
		}
	})
}

func TestAPauseOnTheQueueIsRefusedWithTheWayThatWorks(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		for _, body := range []string{`{"pause":{"reason":"by a message"}}`, `{"resume":{}}`, `{"Type":"Notification","TopicArn":"arn:x","Message":"{\"pause\":{}}"}`} {
			w.Send(body)
		}
		w.Drain(time.Minute)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 3 {
			t.Fatalf("%d dead letters, want 3", len(letters))
		}
		for _, m := range letters {
			if m.Attributes["reason"].StringValue != "not_direct" || !strings.Contains(m.Attributes["error"].StringValue, "invo") {
				t.Errorf("%v", m.Attributes)
			}
		}
		w.Told(w.Fail("f"))
		w.Drain(time.Hour)
		if n := len(w.sent()); n != 1 {
			t.Errorf("after a pause on the queue %d re-triggers were sent, want 1", n)
		}
	})
}

// TestAForgedOriginChangesNothing: whoever may send to the queue may ask for a retry, and
// no more than that. The run is read, and what Adobe says of it counts.
func TestAForgedOriginChangesNothing(t *testing.T) {
	t.Parallel()
	for name, origin := range map[string]string{
		"as if it had been read":  `{"failedAt":"2000-01-01T00:00:00Z"}`,
		"as if Adobe had told":    `{"eventId":"e","createdClient":"acp_ui_platform","createdAt":"2026-11-23T06:00:00Z","failedAt":"2026-11-23T06:00:00Z"}`,
		"as if it were exhausted": `{"attempts":99,"root":"another","parent":"another"}`,
		"as if it had waited":     `{"due":"1999-12-31T00:00:00Z","root":"another","attempts":7,"firstSeen":"1999-01-01T00:00:00Z","failedAt":"1999-01-01T00:00:00Z"}`,
		"as if it had an error":   `{"errors":[{"code":"INGEST-1212-400","message":"bad data"}],"due":"1999-12-31T00:00:00Z"}`,
		"as if often requeued":    `{"requeues":8}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				id := w.Fail("f")
				w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `","sandbox":"prod","flowId":"another","origin":` + origin + `}`)
				w.Drain(time.Hour)
				if n := w.Adobe.Retriggers(id); n != 1 || w.Entry(id)["flowId"] != "f" || w.Entry(id)["root"] != id {
					t.Errorf("it was re-triggered %d times; the ledger has %v", n, w.Entry(id))
				}
				w.Told(id)
				w.Drain(time.Hour)
				if n := w.Adobe.Retriggers(id); n != 1 {
					t.Errorf("after its event it was re-triggered %d times", n)
				}
			})
		})
	}
}

// TestAForgedMessageDoesNotBecomeTheOneThatWaits: where a run must wait, the message that
// waits for it has what Adobe says, and the run is retried when it is due.
func TestAForgedMessageDoesNotBecomeTheOneThatWaits(t *testing.T) {
	t.Parallel()
	for name, origin := range map[string]string{
		"too old":      `{"due":"1999-12-31T00:00:00Z","failedAt":"1990-01-01T00:00:00Z","createdClient":"x"}`,
		"bad data":     `{"due":"1999-12-31T00:00:00Z","createdClient":"x","errors":[{"code":"INGEST-1212-400","message":"bad data"}]}`,
		"a duplicate":  `{"due":"1999-12-31T00:00:00Z","createdClient":"x","errors":[{"code":"140","message":"already ingested"}]}`,
		"seen by 2099": `{"firstSeen":"2099-12-31T00:00:00Z"}`,
		"due late":     `{"due":"2000-01-12T00:00:00Z","createdClient":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.RetryDelays = []time.Duration{20 * time.Minute}
				id := w.Fail("f")
				w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `","flowId":"f","origin":` + origin + `}`)
				w.Drain(time.Minute)
				w.Told(id)
				w.Drain(2 * time.Hour)
				if n := w.Adobe.Retriggers(id); n != 1 {
					t.Errorf("it was re-triggered %d times; the ledger has %v", n, w.Entry(id))
				}
			})
		})
	}
}

func TestADueTimeFarAheadIsRefused(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		w.Send(`{"runId":"` + id + `","origin":{"due":"9999-01-01T00:00:00Z"}}`)
		w.Send(`{"runId":"` + id + `","origin":{"due":"` + time.Now().Add(15*24*time.Hour).UTC().Format(time.RFC3339) + `"}}`)
		w.Drain(time.Hour)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 2 || letters[0].Attributes["reason"].StringValue != "invalid_field" || len(w.AWS.Messages(w.Requests)) != 0 {
			t.Fatalf("%d dead letters, %d messages wait", len(letters), len(w.AWS.Messages(w.Requests)))
		}
		w.Told(id)
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("it was re-triggered %d times", n)
		}
	})
}

func TestTheSecondDeliveryOfASchedulesEventSaysThatItRepeats(t *testing.T) {
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

func TestASweepThatHasWaitedForDaysLooksBackFromNow(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Send(`{"sweep":{}}`)
		pass(3 * 24 * time.Hour)
		id := w.Fail("f")
		w.Drain(time.Hour)
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("a run that failed just now was re-triggered %d times; the sweep: %+v", n, w.lastSweep())
		}
	})
}

func TestEventBridgePipesGetsAPartialBatchResponse(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		id := w.Fail("f")
		record := func(message, body string) string {
			text, _ := json.Marshal(body)
			return `{"messageId":"` + message + `","receiptHandle":"h","eventSource":"aws:sqs","body":` + string(text) + `,"attributes":{"ApproximateReceiveCount":"1"}}`
		}
		w.AWS.PutSecret("secret-V", "no credential") // requests of that org come back
		payload := `[` + record("m1", `{"runId":"`+id+`","orgId":"`+worldOrg+`"}`) + `,` + record("m2", `{"runId":"x","orgId":"`+worldOther+`"}`) + `]`
		answer, err := w.Start(-1, false).Invoke(t.Context(), []byte(payload))
		if want := `{"batchItemFailures":[{"itemIdentifier":"m2"}]}`; err != nil || string(answer.Payload) != want {
			t.Errorf("the answer is %s, %v, %s; want %s", answer.Payload, err, answer.FunctionError, want)
		}
		if n := w.Adobe.Retriggers(id); n != 1 {
			t.Errorf("the run in the list was re-triggered %d times", n)
		}
	})
}

// TestTheDataflowsNameAndTheSourcesErrorStandEverywhere: in answer, log, ledger, dead
// letter and report, whatever brought the run.
func TestTheDataflowsNameAndTheSourcesErrorStandEverywhere(t *testing.T) {
	t.Parallel()
	const code, words = "CONNECTOR-1001-500", "Copying from the source failed"
	fail := func(w *world, flow string) string {
		w.Adobe.AddFlow(flowsim.Flow{ID: flow, Name: "Loyalty members hourly", OrgID: worldOrg, Sandbox: worldSandbox})
		id := "failed-of-" + flow
		w.Adobe.AddRun(flowsim.Run{
			ID: id, FlowID: flow, Status: flowsim.Failed, CreatedClient: "acp_ui_platform", CompletedAt: time.Now(),
			Errors: []flowsim.RunError{{Code: code, Message: words}},
		})
		return id
	}
	check := func(t *testing.T, w *world, id string) {
		t.Helper()
		if e := w.Entry(id); e["flowName"] != "Loyalty members hourly" || e["errorCode"] != code || e["errorText"] != words {
			t.Errorf("the ledger has %v", e)
		}
		for _, one := range w.Logs.Outcomes() {
			if one.RunID == id && (one.FlowName != "Loyalty members hourly" || one.ErrorCode != code || one.ErrorText != words) {
				t.Errorf("the log has %+v", one)
			}
		}
	}
	inWorld(t, func(t *testing.T, w *world) {
		id := fail(w, "by-event")
		w.Told(id)
		w.Drain(time.Minute)
		check(t, w, id)

		id = fail(w, "by-hand")
		answer := w.invoke(w.Start(-1, false), `{"runId":"`+id+`","orgId":"`+worldOrg+`"}`)
		if r := answer.Results[0]; r.FlowName != "Loyalty members hourly" || r.ErrorCode != code || r.ErrorText != words {
			t.Errorf("the answer is %+v", r)
		}
		check(t, w, id)

		id = fail(w, "by-sweep")
		dry := w.sweep(`{"sweep":{"since":"1h","orgId":"` + worldOrg + `","flowId":"by-sweep","dryRun":true}}`)
		if len(dry.Runs) != 1 || dry.Runs[0].FlowName != "Loyalty members hourly" || dry.Runs[0].ErrorCode != code || dry.Runs[0].ErrorText != words || dry.Flows["by-sweep"].Name != "Loyalty members hourly" {
			t.Errorf("the dry run says %+v, %+v", dry.Runs, dry.Flows)
		}
		w.sweep(`{"sweep":{"since":"1h","orgId":"` + worldOrg + `","flowId":"by-sweep"}}`)
		w.Drain(time.Hour)
		check(t, w, id)

		w.Config.RetryPolicy = []policy.Rule{{Action: policy.DeadLetter}}
		id = fail(w, "given-up")
		w.Send(`{"runId":"` + id + `","orgId":"` + worldOrg + `"}`)
		w.Drain(time.Minute)
		check(t, w, id)
		letters := w.AWS.Messages(w.Letters)
		if len(letters) != 1 || !strings.Contains(letters[0].Body, `"flowName":"Loyalty members hourly"`) || !strings.Contains(letters[0].Body, words) || letters[0].Attributes["code"].StringValue != code {
			t.Errorf("the dead letters are %+v", letters)
		}
	})
}

// TestARunWithNonsenseTimesIsNeverTooOld: by event, by hand and by a sweep.
func TestARunWithNonsenseTimesIsNeverTooOld(t *testing.T) {
	t.Parallel()
	for name, times := range map[string]func(now time.Time) (created, ended any){
		"in seconds":              func(now time.Time) (any, any) { return now.Unix(), now.Unix() + 60 },
		"ended in seconds":        func(now time.Time) (any, any) { return now.UnixMilli(), now.Unix() + 60 },
		"in microseconds":         func(now time.Time) (any, any) { return now.UnixMicro(), now.UnixMicro() + 60_000_000 },
		"created in microseconds": func(now time.Time) (any, any) { return now.UnixMicro(), now.UnixMilli() + 60_000 },
		"ended before it began":   func(now time.Time) (any, any) { return now.UnixMilli(), now.UnixMilli() - 30*24*3600_000 },
		"in the year 1970":        func(time.Time) (any, any) { return 1, 2 },
		"before the year 0":       func(now time.Time) (any, any) { return int64(-90000000000000), now.UnixMilli() },
		"in the year 31,969":      func(now time.Time) (any, any) { return int64(946684800000000000), now.UnixMilli() },
		"as texts": func(now time.Time) (any, any) {
			return now.UTC().Format(time.RFC3339), strconv.FormatInt(now.UnixMilli(), 10)
		},
		"of other types":           func(time.Time) (any, any) { return map[string]int{}, true },
		"ended in text, long past": func(now time.Time) (any, any) { return now.UnixMilli(), "1999-01-01T00:00:00Z" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				w.Config.OrgBudget, w.Config.FlowBudget = 0, 0
				ids := w.backlog(5, 5)
				created, ended := times(time.Now().Add(-time.Hour))
				fail := func(id string) string {
					w.Adobe.AddRun(flowsim.Run{
						ID: id, FlowID: "f", Status: flowsim.Failed, CreatedAt: time.Now().Add(-time.Hour), CompletedAt: time.Now(), CreatedClient: "acp_ui_platform",
						Document: func(d map[string]any) {
							metrics, _ := d["metrics"].(map[string]any)
							d["createdAt"], d["updatedAt"] = created, ended
							metrics["durationSummary"] = map[string]any{"startedAtUTC": created, "completedAtUTC": ended}
						},
					})
					return id
				}
				id := fail("odd")
				dry := w.invoke(w.Start(-1, false), `{"runId":"`+id+`","orgId":"`+worldOrg+`","dryRun":true}`)
				if !strings.Contains(dry.Results[0].Message, "would be re-triggered") {
					t.Errorf("by hand: %s", dry.Results[0].Message)
				}
				w.Send(`{"sweep":{"since":"48h","orgId":"` + worldOrg + `","sandbox":"prod"}}`)
				w.Drain(3 * time.Hour)
				w.wantOnce(t, append(ids, id))
				again := fail("odd-by-event")
				w.Told(again)
				w.Drain(time.Hour)
				if n := w.Adobe.Retriggers(again); n != 1 {
					t.Errorf("by event it was re-triggered %d times", n)
				}
			})
		})
	}
}

// TestARefusedCredentialIsNoDeadLetter, however long it is refused, of a run or a sweep;
// when it is mended, all that waited goes.
func TestARefusedCredentialIsNoDeadLetter(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"the gateway refuses the key":     {Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"error_code":"403003","message":"Api Key is invalid"}`},
		"the gateway refuses the profile": {Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"error_code":"403025","message":"Profile is not valid"}`},
		"IMS refuses the scope":           {Op: flowsim.OpToken, Status: http.StatusBadRequest, Body: `{"error":"invalid_scope","error_description":"The requested scope is not assigned to this client"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				fault.Times = 1 << 30
				for _, op := range []string{flowsim.OpRun, flowsim.OpRuns, flowsim.OpFlow, flowsim.OpFlows} {
					if fault.Op == flowsim.OpRetrigger {
						every := fault
						every.Op = op
						w.Adobe.Inject(every)
					}
				}
				w.Adobe.Inject(fault)
				ids := w.backlog(3, 3)
				w.tellAll(ids[:2])
				w.Send(`{"sweep":{"since":"24h","orgId":"` + worldOrg + `","sandbox":"prod"}}`)
				w.Drain(3 * 24 * time.Hour)
				if n := len(w.AWS.Messages(w.Letters)); n != 0 || len(w.sent()) != 0 && fault.Op == flowsim.OpToken {
					t.Errorf("%d dead letters: %v", n, w.reasons())
				}
				if w.Logs.Sum("credentials_refused") == 0 {
					t.Error("no metric says that the credential is refused")
				}
				w.Adobe.Heal()
				w.Drain(24 * time.Hour)
				w.wantOnce(t, ids)
			})
		})
	}
}
