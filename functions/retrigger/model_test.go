package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retrigger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// The model-based test: random dataflows, failures, duplicates, reorderings,
// concurrent deliveries, crashes between any two calls, pauses, requests by hand that
// come too soon or name something else, redrives, and faults of Flow Service and of the
// ledger that pass or last. The invariants are checked at every step against what the
// simulator of Flow Service has seen, which knows the true lineages.

// limit is how many attempts a lineage is allowed.
const limit = 3

// broken is a violated invariant.
type broken struct{ invariant, what, world string }

// history is one random course of events.
type history struct {
	*world
	t     *rapid.T
	heard map[string]bool // runs of whose failure the function was told
	// lag is how long Flow Service does not list a new run.
	lag time.Duration
	// grants are how often a person forced a lineage on, by its true root.
	grants map[string]int
	broken *broken
}

func (h *history) violated(invariant, format string, args ...any) {
	if h.broken == nil {
		h.broken = &broken{invariant, fmt.Sprintf(format, args...), h.String()}
	}
}

// roots returns the true root of each run.
func (h *history) trueRoots() map[string]string {
	roots := map[string]string{}
	for _, r := range h.Adobe.Runs() { // parents stand before their children
		roots[r.ID] = r.ID
		if r.Of != "" {
			roots[r.ID] = roots[r.Of]
		}
	}
	return roots
}

// check is made after every step.
func (h *history) check() {
	for _, one := range h.Logs.Outcomes() {
		if one.Outcome != "retriggered" && one.Reason == "" {
			h.violated("a reason for everything", "%+v", one)
		}
	}
	for root, n := range h.Lineages() {
		if allowed := limit * (1 + h.grants[root]); n > allowed {
			h.violated("bounded", "lineage %s has had %d re-triggers, %d are allowed", root, n, allowed)
		}
	}
	flows, roots := map[string]string{}, h.trueRoots()
	for _, r := range h.Adobe.Runs() {
		flows[r.ID] = r.FlowID
		sent, allowed := h.sends(r.ID), 1
		if h.late() { // nothing can tell that an earlier one took effect
			allowed = sent
		}
		if n := h.Adobe.Retriggers(r.ID); n > 1 && n > allowed {
			h.violated("once", "run %s was re-triggered %d times", r.ID, n)
		}
		if sent > 2+h.grants[roots[r.ID]] {
			h.violated("bounded by one extra", "run %s was sent %d times", r.ID, sent)
		}
	}
	for _, c := range h.Adobe.Calls() {
		if c.Op == flowsim.OpRetrigger && strings.Contains(flows[c.RunID], "other") != (c.OrgID == worldOther) {
			h.violated("never the wrong org", "run %s of dataflow %s was re-triggered for %s", c.RunID, flows[c.RunID], c.OrgID)
		}
	}
	// A run that was made is recorded, or a re-trigger stands for it whose run is not
	// known.
	unknown := map[string]int{}
	for _, r := range h.Adobe.Runs() {
		if r.Of != "" && h.Entry(r.ID)["parent"] == "" {
			unknown[r.FlowID]++
		}
	}
	for flow, n := range unknown {
		sends := 0
		for _, r := range h.Memory.Records() {
			if r["flowId"] == flow && r["runId"] == "" {
				sends = strings.Count(r["sends"], `"run"`)
			}
		}
		if n > sends {
			h.violated("lineage", "%d runs of dataflow %s were made and are of no lineage, and only %d re-triggers stand for them", n, flow, sends)
		}
	}
	for _, r := range h.Memory.Records() {
		if len(r["sends"]) > 20_000 {
			h.violated("no item grows without bound", "%s", r[store.AttributeKey])
		}
	}
}

// late reports whether Flow Service lists a new run later than it is waited for.
// Then a run may be sent once more, and of two that are lost together one may be
// taken for the other; the bounds hold all the same.
func (h *history) late() bool { return h.lag > h.Config.ReconcileAfter }

// sends is how often a run was sent, as the ledger knows.
func (h *history) sends(runID string) int {
	n, _ := strconv.Atoi(h.Entry(runID)["sends"])
	return n
}

// made reports whether a run was made of another.
func (h *history) made(of, runID string) bool {
	for _, r := range h.Adobe.Runs() {
		if r.ID == runID {
			return r.Of == of
		}
	}
	return false
}

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
		"fail", "fail", "settle", "settle", "settle", "poll", "poll", "poll", "poll", "poll", "polls", "duplicate", "direct", "pass", "pass", "pass long", "fault", "ledger", "by hand", "force", "unheard", "sweep", "pause", "PAUSED", "redrive",
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
			h.Send(`{"runId":"` + id + `",` + named + `"orgId":"` + h.orgOf(id) + `"}`)
		}
	case "PAUSED":
		h.Config.Paused = rapid.Bool().Draw(h.t, "is")
	case "redrive":
		h.redrive()
	case "force":
		if id, ok := h.aFailedRun(); ok && rapid.IntRange(0, 2).Draw(h.t, "really") == 0 {
			h.heard[id] = true
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
		h.pausing(rapid.SampledFrom([]string{"pause", "resume"}).Draw(h.t, "word"), rapid.SampledFrom([]string{
			"", `"orgId":"` + worldOrg + `"`, `"orgId":"` + worldOrg + `","flowId":"f"`,
		}).Draw(h.t, "scope"))
	case "pass":
		pass(time.Duration(rapid.IntRange(1, 90).Draw(h.t, "seconds")) * time.Second)
	case "pass long":
		pass(time.Duration(rapid.IntRange(5, 60).Draw(h.t, "minutes")) * time.Minute)
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

// redrive sends all dead letters again. One of a request with force is forced again.
func (h *history) redrive() {
	client := h.SQS()
	for {
		out, err := client.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: &h.Letters, MaxNumberOfMessages: 10})
		if err != nil {
			h.TB.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return
		}
		for _, m := range out.Messages {
			if strings.Contains(*m.Body, `"force":true`) {
				for id, root := range h.trueRoots() {
					if strings.Contains(*m.Body, `"runId":"`+id+`"`) {
						h.grants[root]++
					}
				}
			}
			h.Send(*m.Body)
			if _, err := client.DeleteMessage(context.Background(), &sqs.DeleteMessageInput{QueueUrl: &h.Letters, ReceiptHandle: m.ReceiptHandle}); err != nil {
				h.TB.Fatal(err)
			}
		}
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

// end lets runs in progress end; the events of those that fail come now, later or
// more than once.
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

// finish lets everything come to its end without further faults, and checks that
// nothing has vanished.
func (h *history) finish() {
	h.Adobe.Heal()
	h.sound()
	h.Config.Paused = false
	for _, scope := range []string{"", `"orgId":"` + worldOrg + `"`, `"orgId":"` + worldOrg + `","flowId":"f"`} {
		h.pausing("resume", scope)
	}
	for range 30 { // a sweep finds what no event told of
		h.Drain(48 * time.Hour)
		if h.check(); h.broken != nil {
			return
		}
		if h.Adobe.Running() || !h.Next().IsZero() {
			continue
		}
		pass(5 * time.Minute) // Flow Service lists everything
		if r := h.sweep(`{"sweep":{"since":"960h"}}`); r.State == sweep.Finished && r.Requested == 0 {
			break
		}
	}
	if next := h.Next(); !next.IsZero() || h.Adobe.Running() {
		h.violated("it ends", "messages are left on the queue until %s", next)
		return
	}
	letters := h.DeadLetters()
	for _, r := range h.Adobe.Runs() {
		if r.Status != flowsim.Failed || !h.heard[r.ID] && time.Since(r.CompletedAt) > h.Config.MaxRunAge-time.Hour {
			continue
		}
		entry := h.Entry(r.ID)
		switch state := ledger.State(entry["state"]); {
		case state == ledger.Retriggered && !h.late() && !h.made(r.ID, entry["newRunId"]):
			h.violated("nothing vanishes", "the ledger says that %s was made of run %s; it was not", entry["newRunId"], r.ID)
		case state == ledger.Skipped && letters[r.ID] == 0 && (entry["reason"] == "run_in_progress" || entry["reason"] == "run_succeeded"):
			h.violated("nothing vanishes", "run %s has failed, and is skipped as %s", r.ID, entry["reason"])
		case state == ledger.Retriggered || state == ledger.Skipped:
		case state == ledger.DeadLettered && letters[r.ID] > 0:
		case letters[r.ID] > 0: // SQS or Lambda moved the message there
		default:
			h.violated("nothing vanishes", "run %s is nowhere: its entry is %v, and it has no dead letter", r.ID, entry)
		}
		h.agree(r.ID, entry, letters[r.ID])
	}
}

// agree checks that the last outcome in the log is that of the ledger.
func (h *history) agree(runID string, entry store.Record, letters int) {
	ends := h.Logs.Ends(runID)
	if len(ends) == 0 {
		return // a process crashed before it could say so
	}
	last := ends[len(ends)-1]
	if last.Outcome != entry["state"] && letters == 0 {
		h.violated("one outcome", "the log says %s of run %s, the ledger %v", last.Outcome, runID, entry)
	}
	if last.Outcome == "retriggered" && last.NewRunID != entry["newRunId"] {
		h.violated("one outcome", "the log says that run %s became %s, the ledger %s", runID, last.NewRunID, entry["newRunId"])
	}
}

// play plays one random course and returns what it broke.
func play(t *testing.T, r *rapid.T, mutate func(retrigger.Ledger) retrigger.Ledger) (b *broken) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		t.Helper()
		skew := time.Duration(rapid.IntRange(-115, 115).Draw(r, "skew")) * time.Second
		lag := time.Duration(rapid.SampledFrom([]int{0, 20, 60, 300}).Draw(r, "lag")) * time.Second
		h := &history{world: newWorld(r, skew, lag), t: r, lag: lag, heard: map[string]bool{}, grants: map[string]int{}}
		h.Mutate = mutate
		h.Config.BudgetWindow, h.Config.FlowBudget = time.Hour, rapid.SampledFrom([]int{0, 2}).Draw(r, "budget")
		h.Config.CallsPerSecond, h.Config.ConcurrentCalls, h.Config.ReservedConcurrency = rapid.SampledFrom([]int{0, 5}).Draw(r, "pace"), 5, 5
		h.Config.MaxRunAge = 60 * 24 * time.Hour
		h.Config.BreakerThreshold = rapid.SampledFrom([]int{0, 3}).Draw(r, "breaker")
		h.Flow("f", worldOrg)
		if rapid.Bool().Draw(r, "several") {
			h.Flow("g", worldOrg)
			h.Flow("other", worldOther)
		}
		for range rapid.IntRange(1, 40).Draw(r, "steps") {
			h.step()
			if h.check(); h.broken != nil {
				break
			}
		}
		if h.broken == nil {
			h.finish()
		}
		b = h.broken
	})
	return b
}

func TestInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		if b := play(t, r, nil); b != nil {
			r.Fatalf("%s: %s\n%s", b.invariant, b.what, b.world)
		}
	})
}

// mutants are ledgers that are broken on purpose. TestInvariants must find each.
func mutants() map[string]func(retrigger.Ledger) retrigger.Ledger {
	return map[string]func(retrigger.Ledger) retrigger.Ledger{
		"the claim is dropped":         func(l retrigger.Ledger) retrigger.Ledger { return noClaim{l} },
		"attempts are counted per run": func(l retrigger.Ledger) retrigger.Ledger { return perRun{l} },
		"recorded before the call":     func(l retrigger.Ledger) retrigger.Ledger { return recordFirst{l} },
		"nothing is reconciled":        func(l retrigger.Ledger) retrigger.Ledger { return noReconciliation{l} },
		"overtaking is not seen":       func(l retrigger.Ledger) retrigger.Ledger { return overtaken{l} },
	}
}

// TestTheModelFindsMutants is the test of the test.
func TestTheModelFindsMutants(t *testing.T) {
	t.Parallel()
	for name, mutate := range mutants() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := map[string]int{}
			const courses = 400
			for seed := range courses {
				var b *broken
				rapid.Custom(func(r *rapid.T) bool {
					b = play(t, r, mutate)
					return true
				}).Example(seed)
				if b != nil {
					found[b.invariant]++
					if found[b.invariant] == 1 {
						t.Logf("course %d: %s: %s", seed, b.invariant, b.what)
					}
					return
				}
			}
			t.Errorf("none of %d courses broke an invariant", courses)
		})
	}
}

// noClaim sends without having claimed.
type noClaim struct{ retrigger.Ledger }

func (m noClaim) Claim(_ context.Context, v ledger.View, until time.Time, _ bool) (ledger.View, error) {
	v.Run.State, v.Run.ClaimUntil, v.Run.Sends = ledger.Claimed, until, v.Run.Sends+1
	v.Lineage.Attempts++
	return v, nil
}

func (m noClaim) Retriggered(ctx context.Context, v ledger.View, newRunID string) (ledger.View, error) {
	claimed, err := m.Ledger.Claim(ctx, ledger.Guess(v.Run.OrgID, v.Run.FlowID, v.Run.Sandbox, v.Run.RunID), v.Run.ClaimUntil, false)
	if errors.As(err, new(*store.ConflictError)) {
		claimed.Run.NewRunID = newRunID
		return claimed, nil
	}
	return m.Ledger.Retriggered(ctx, claimed, newRunID)
}

func (m noClaim) Release(_ context.Context, v ledger.View, _ ledger.State, _ string) (ledger.View, error) {
	return v, nil
}

// perRun forgets what a lineage has had.
type perRun struct{ retrigger.Ledger }

func (m perRun) Retriggered(ctx context.Context, v ledger.View, newRunID string) (ledger.View, error) {
	v.Lineage.Attempts = 0
	return m.Ledger.Retriggered(ctx, v, newRunID)
}

func (m perRun) Adopt(ctx context.Context, parent ledger.View, send ledger.Send, _ []ledger.Send, newRunID string) (ledger.View, error) {
	parent.Lineage.Attempts, send.Attempt = 0, 0
	return m.Ledger.Adopt(ctx, parent, send, nil, newRunID)
}

// recordFirst calls a run retried that is about to be.
type recordFirst struct{ retrigger.Ledger }

func (m recordFirst) Claim(ctx context.Context, v ledger.View, until time.Time, forgive bool) (ledger.View, error) {
	claimed, err := m.Ledger.Claim(ctx, v, until, forgive)
	if err != nil {
		return claimed, err
	}
	return m.Ledger.Retriggered(ctx, claimed, v.Run.RunID+"-new")
}

func (m recordFirst) Retriggered(_ context.Context, v ledger.View, newRunID string) (ledger.View, error) {
	v.Run.NewRunID = newRunID
	return v, nil
}

// noReconciliation forgets that something may have been sent.
type noReconciliation struct{ retrigger.Ledger }

func (m noReconciliation) Look(ctx context.Context, v ledger.View) (ledger.View, error) {
	v, err := m.Ledger.Look(ctx, v)
	v.Flow.Sends = nil
	return v, err
}

// overtaken does not see that re-triggers are under way.
type overtaken struct{ retrigger.Ledger }

func (m overtaken) Claim(ctx context.Context, v ledger.View, until time.Time, forgive bool) (ledger.View, error) {
	next, err := m.Ledger.Claim(ctx, v, until, forgive)
	if errors.As(err, new(*store.ConflictError)) && next.Run.Parent == "" && next.Run.State == ledger.Unknown {
		return m.Ledger.Claim(ctx, next, until, forgive)
	}
	return next, err
}
