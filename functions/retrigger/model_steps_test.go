package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// process draws a process that may crash.
func (h *history) process() *process {
	if rapid.IntRange(0, 3).Draw(h.t, "crash") != 0 {
		return h.Start(-1, false)
	}
	return h.Start(rapid.IntRange(0, 13).Draw(h.t, "calls"), rapid.Bool().Draw(h.t, "after"))
}

func (h *history) tell(id string) string {
	h.heard[id] = true
	return string(h.Adobe.FailureEvent(id))
}

func (h *history) aFailedRun() (string, bool) {
	var ids []string
	for _, r := range h.Adobe.Runs() {
		if r.Status == flowsim.Failed {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return "", false
	}
	return rapid.SampledFrom(ids).Draw(h.t, "run"), true
}

// step does one random thing.
func (h *history) step() {
	switch rapid.SampledFrom([]string{
		"fail", "fail", "settle", "settle", "settle", "poll", "poll", "poll", "poll", "poll", "polls", "duplicate", "direct", "pass", "pass", "pass long", "fault", "ledger", "by hand", "in Adobe's UI", "force", "unheard", "sweep", "pause", "PAUSED", "redrive", "rotate", "week", "the same pause again", "slow listings", "success", "bus", "cancel", "now", "now", "drop",
	}).Draw(h.t, "step") {
	case "fail":
		if len(h.Flows) == 0 || h.Roots > 8 {
			return
		}
		h.Send(h.tell(h.Fail(rapid.SampledFrom(h.Flows).Draw(h.t, "flow"))))
	case "settle":
		h.end()
	case "poll":
		h.Poll(h.process())
	case "polls":
		a, b := h.process(), h.process()
		var group sync.WaitGroup
		group.Go(func() { h.Poll(a) })
		group.Go(func() { h.Poll(b) })
		group.Wait()
	case "duplicate":
		if id, ok := h.aFailedRun(); ok {
			h.Send(h.tell(id))
		}
	case "direct":
		if id, ok := h.aFailedRun(); ok {
			h.Direct([]byte(h.tell(id)), h.process)
		}
	case "by hand":
		if runs := h.Adobe.Runs(); len(runs) > 0 { // some of them are running
			id := rapid.SampledFrom(runs).Draw(h.t, "run").ID
			named := rapid.SampledFrom([]string{"", `"flowId":"f",`, `"sandbox":"dev",`}).Draw(h.t, "named")
			h.asked[id] = time.Now()
			h.Send(`{"runId":"` + id + `",` + named + `"orgId":"` + h.orgOf(id) + `"}`)
		}
	case "in Adobe's UI": // a person retries a failed run there
		if id, ok := h.aFailedRun(); ok && h.Roots <= 8 {
			h.Roots++
			flowsim.RetryByHand(h.Adobe, id)
			pass(rapid.SampledFrom([]time.Duration{0, 11 * time.Minute}).Draw(h.t, "later"))
		}
	case "PAUSED":
		h.Config.Paused = rapid.Bool().Draw(h.t, "is")
	case "redrive":
		h.redrive()
	case "force":
		if id, ok := h.aFailedRun(); ok && rapid.IntRange(0, 2).Draw(h.t, "really") == 0 {
			h.heard[id], h.asked[id] = true, time.Now()
			h.grants[h.trueRoots()[id]]++
			h.Send(`{"runId":"` + id + `","force":true,"orgId":"` + h.orgOf(id) + `"}`)
		}
	case "unheard":
		if len(h.Flows) > 0 && h.Roots <= 8 {
			h.Fail(rapid.SampledFrom(h.Flows).Draw(h.t, "flow"))
		}
	case "sweep":
		if rapid.Bool().Draw(h.t, "direct") {
			h.Direct([]byte(bareSchedule), h.process)
		} else {
			h.Send(rapid.SampledFrom([]string{`{"sweep":{}}`, `{"sweep":{"flowId":"f","limit":1}}`, bareSchedule}).Draw(h.t, "sweep"))
		}
	case "pause":
		h.sound()
		c := command{
			word: rapid.SampledFrom([]string{"pause", "resume"}).Draw(h.t, "word"),
			scope: rapid.SampledFrom([]string{
				"", `"orgId":"` + worldOrg + `"`, `"orgId":"` + worldOrg + `","flowId":"f"`,
			}).Draw(h.t, "scope"), at: time.Now(),
		}
		h.commands = append(h.commands, c)
		h.give(c)
	case "the same pause again": // Lambda delivers an asynchronous event again
		if len(h.commands) > 0 {
			h.sound()
			h.give(rapid.SampledFrom(h.commands).Draw(h.t, "command"))
		}
	case "slow listings": // longer than the ledger's records may take
		slow := rapid.SampledFrom([]time.Duration{0, 5 * time.Second, 9 * time.Second}).Draw(h.t, "slow")
		h.AdobeHandler = http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
			if listsRuns(r) {
				pass(slow)
			}
			h.Adobe.ServeHTTP(answer, r)
		})
	case "pass":
		pass(time.Duration(rapid.IntRange(1, 90).Draw(h.t, "seconds")) * time.Second)
	case "pass long":
		pass(time.Duration(rapid.IntRange(5, 60).Draw(h.t, "minutes")) * time.Minute)
	case "rotate": // the secret gets another client id; the old one stays valid
		h.rotations++
		id := fmt.Sprintf("client-W%d", h.rotations)
		h.Adobe.AddOrg(flowsim.Org{ID: worldOrg, ClientID: id, Secrets: []string{"s"}, Scopes: []string{"openid"}, Sandboxes: []string{worldSandbox, "dev"}})
		h.AWS.PutSecret("secret-W", fmt.Sprintf(`{"client_id":%q,"client_secret":"s","org_id":%q,"scopes":"openid","sandbox":"prod"}`, id, worldOrg))
	case "success": // of a run that nobody re-triggered, or a second event of one of ours
		h.succeed()
	case "cancel", "drop": // they end a run for a person, and a person may take it up again
		if id, ok := h.aFailedRun(); ok {
			h.command(rapid.SampledFrom([]string{"cancel", "drop"}).Draw(h.t, "word"), id)
		}
	case "now":
		if id, ok := h.aFailedRun(); ok {
			h.command("now", id)
		}
	case "bus":
		h.busIs(rapid.Bool().Draw(h.t, "is there"))
	case "week":
		if !h.weeks { // once: sweeps look back for forty days
			h.weeks = true
			pass(8 * 24 * time.Hour)
		}
	case "fault":
		fault := rapid.SampledFrom([]flowsim.Fault{
			{Op: flowsim.OpRetrigger, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "20"}},
			{Op: flowsim.OpRetrigger, Status: http.StatusServiceUnavailable},
			{Op: flowsim.OpRetrigger, Status: http.StatusBadGateway, AfterEffect: true},
			{Op: flowsim.OpRetrigger, AfterEffect: true, Reset: true},
			{Op: flowsim.OpRetrigger, AfterEffect: true, Hang: true},
			{Op: flowsim.OpRetrigger, Hang: true},
			{Op: flowsim.OpRetrigger, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`},
			{Op: flowsim.OpRetrigger, Status: http.StatusUnauthorized, Body: `{"error_code":"401013"}`},
			{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable},
			{Op: flowsim.OpRun, Status: http.StatusServiceUnavailable},
			{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable},
		}).Draw(h.t, "fault")
		fault.Times = rapid.SampledFrom([]int{1, 1, 1, 2, 4, 12}).Draw(h.t, "times")
		h.Adobe.Inject(fault)
	case "ledger":
		h.Faults.Fail(rapid.IntRange(0, 2).Draw(h.t, "before"), rapid.IntRange(0, 2).Draw(h.t, "lost"))
	}
}

// command gives a command of a person for a run. The process may crash over it.
func (h *history) command(word, id string) {
	payload := `{"` + word + `":{"runIds":["` + id + `"],"orgId":"` + h.orgOf(id) + `","by":"a person","reason":"a test"}}`
	response, err := h.process().Invoke(context.Background(), []byte(payload))
	var answer handler.Answer
	if err != nil || response.FunctionError != "" || json.Unmarshal(response.Payload, &answer) != nil || len(answer.Results) != 1 {
		return
	}
	if reason := answer.Results[0].Reason; reason == retry.Cancelled || reason == retry.Dropped {
		h.ended[id] = ending{time.Now(), h.Adobe.Retriggers(id)}
	}
}

// ending is when a person has ended a run, and how often it was re-triggered until then.
type ending struct {
	at         time.Time
	retriggers int
}

// checkEnded holds that a run which a person has ended is sent no more, unless a person has
// asked for it since.
func (inv *invariants) checkEnded() {
	for id, end := range inv.ended {
		if n := inv.Adobe.Retriggers(id); n > end.retriggers && inv.asked[id].Before(end.at) {
			inv.violated("what a person has ended stays ended", "run %s was ended at %s and is re-triggered %d times, %d before that", id, end.at, n, end.retriggers)
		}
	}
}

// command is a pause or a resume, and when it was asked for.
type command struct {
	word, scope string
	at          time.Time
}

// give delivers a command, under the trace id of its first delivery. One that is older than
// the newest command of its scope changes nothing.
func (h *history) give(c command) {
	trace := fmt.Sprintf("Root=1-%x-0123456789abcdef01234567", c.at.Unix())
	response, err := h.Start(-1, false).Invoke(context.WithValue(context.Background(), "x-amzn-trace-id", trace), []byte(`{"`+c.word+`":{`+c.scope+`}}`)) //nolint:revive,staticcheck // Lambda's own key
	var answer handler.Answer
	if err == nil {
		err = json.Unmarshal(response.Payload, &answer)
	}
	if err != nil || answer.Pauses == nil {
		h.TB.Fatalf("%+v: %v, %q", c, err, response.Payload)
	}
	newest := c
	for _, other := range h.commands {
		if other.scope == c.scope && !other.at.Before(newest.at) {
			newest = other
		}
	}
	if newest.at.Sub(c.at) <= 4*time.Second || time.Since(c.at) > 5*time.Hour { // clocks, or too old to be Lambda's
		return
	}
	lasts := slices.ContainsFunc(*answer.Pauses, func(p throttle.Pause) bool {
		return p.ResumedAt == nil && c.scope == scopeOf(p.Scope)
	})
	if lasts != (newest.word == "pause") {
		h.violated("pause", "the newest command is %+v; after %+v came again the pauses are %+v", newest, c, *answer.Pauses)
	}
}

// scopeOf writes a scope as the commands of this test do.
func scopeOf(s throttle.Scope) string {
	switch {
	case s.FlowID != "":
		return `"orgId":"` + s.OrgID + `","flowId":"` + s.FlowID + `"`
	case s.OrgID != "":
		return `"orgId":"` + s.OrgID + `"`
	}
	return ""
}

// redrive sends all dead letters again. The dead letter of a forced request is forced again.
func (h *history) redrive() {
	client := h.SQS()
	for {
		out, err := client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &h.DeadLetterQueue, MaxNumberOfMessages: 10})
		if err != nil {
			h.TB.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return
		}
		for _, m := range out.Messages {
			for _, r := range h.Adobe.Runs() {
				if strings.Contains(*m.Body, `"runId":"`+r.ID+`"`) {
					h.asked[r.ID] = time.Now()
				}
			}
			if strings.Contains(*m.Body, `"force":true`) {
				for id, root := range h.trueRoots() {
					if strings.Contains(*m.Body, `"runId":"`+id+`"`) {
						h.grants[root]++
					}
				}
			}
			h.Send(*m.Body)
			if _, err := client.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: &h.DeadLetterQueue, ReceiptHandle: m.ReceiptHandle}); err != nil {
				h.TB.Fatal(err)
			}
		}
	}
}

// succeed tells of a success: of a run that the schedule made, or of any other one that has
// succeeded, perhaps for a second time.
func (h *history) succeed() {
	var ids []string
	for _, r := range h.Adobe.Runs() {
		if r.Status == flowsim.Success {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 || h.successes < 5 && rapid.Bool().Draw(h.t, "new") {
		h.successes++
		ids = []string{fmt.Sprintf("good-%d", h.successes)}
		flow := rapid.SampledFrom(h.Flows).Draw(h.t, "flow")
		h.Adobe.AddRun(flowsim.Run{ID: ids[0], FlowID: flow, Status: flowsim.Success, Records: 1, CreatedClient: "acp_ui_platform", CompletedAt: time.Now()})
	}
	h.Send(string(h.Adobe.FailureEvent(rapid.SampledFrom(ids).Draw(h.t, "run")))) // the event of any end has this form
}

// busIs makes the bus of the notices, or takes it away.
func (h *history) busIs(there bool) {
	h.noticed = append(h.noticed, h.notices()...)
	h.AWS.EventBuses.Remove(simulation.NoticeBus)
	if there {
		h.AWS.EventBuses.Add(simulation.NoticeBus)
	}
}

// sound ends the faults of the ledger.
func (h *history) sound() {
	h.Faults.Fail(0, 0)
}

func (h *history) orgOf(id string) string {
	for _, r := range h.Adobe.Runs() {
		if r.ID == id && strings.Contains(r.FlowID, "other") {
			return worldOther
		}
	}
	return worldOrg
}

// end lets the runs in progress end. The events of failed runs come now, later or more
// than once.
func (h *history) end() {
	for _, flow := range h.Flows {
		if rapid.IntRange(0, 3).Draw(h.t, "fate") != 0 {
			h.Adobe.Script(flow, flowsim.Fail("CONNECTOR-1001-500", "again"))
		} else {
			h.Adobe.Script(flow, flowsim.Succeed())
		}
	}
	for _, r := range h.Adobe.Settle() {
		if r.Status == flowsim.Failed {
			for range rapid.SampledFrom([]int{1, 1, 1, 2, 0}).Draw(h.t, "copies") {
				h.Send(h.tell(r.ID))
			}
		}
	}
}
