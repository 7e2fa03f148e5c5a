package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
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

// invariants are what must hold of a world, with what is known of its course beside the
// simulators. The first that is violated is kept.
type invariants struct {
	*world
	heard map[string]bool // runs of whose failure the function was told
	// lag is how long Flow Service does not list a new run.
	lag time.Duration
	// grants are how often a person forced a lineage on, by its true root.
	grants map[string]int
	// weeks means that a week has passed: lost calls are no longer kept.
	weeks bool
	// noticed are the notices that were sent before the bus was away.
	noticed []awssim.Event
	// ended are the runs that a person has cancelled or whose dead letter a person has deleted,
	// asked is when a person has asked for a run last.
	ended  map[string]ending
	asked  map[string]time.Time
	broken *broken
}

// history is one random course of events.
type history struct {
	*invariants
	t         *rapid.T
	rotations int
	// successes counts the runs that the schedule made and that succeeded.
	successes int
	// commands are the pauses and resumes so far.
	commands []command
}

func (inv *invariants) violated(invariant, format string, args ...any) {
	if inv.broken == nil {
		inv.broken = &broken{invariant, fmt.Sprintf(format, args...), inv.String()}
	}
}

// trueRoots returns the true root of each run.
func (inv *invariants) trueRoots() map[string]string {
	roots := map[string]string{}
	for _, r := range inv.Adobe.Runs() { // parents stand before their children
		roots[r.ID] = r.ID
		if r.Of != "" {
			roots[r.ID] = roots[r.Of]
		}
	}
	return roots
}

// check is made after every step.
func (inv *invariants) check() {
	for _, one := range inv.Logs.Outcomes() {
		if one.Outcome != "retriggered" && one.Reason == "" {
			inv.violated("a reason for everything", "%+v", one)
		}
	}
	for root, n := range inv.Lineages() {
		if allowed := limit * (1 + inv.grants[root]); n > allowed {
			inv.violated("bounded", "lineage %s has had %d re-triggers, %d are allowed", root, n, allowed)
		}
	}
	flows, roots := map[string]string{}, inv.trueRoots()
	for _, r := range inv.Adobe.Runs() {
		flows[r.ID] = r.FlowID
		sent, allowed := inv.sends(r.ID), 1
		if inv.late() { // nothing can tell that an earlier one took effect
			allowed = sent
		}
		if n := inv.Adobe.Retriggers(r.ID); n > 1 && n > allowed {
			inv.violated("once", "run %s was re-triggered %d times", r.ID, n)
		}
		if sent > 2+inv.grants[roots[r.ID]] {
			inv.violated("bounded by one extra", "run %s was sent %d times", r.ID, sent)
		}
	}
	for _, c := range inv.Adobe.Calls() {
		if c.Op == flowsim.OpRetrigger && strings.Contains(flows[c.RunID], "other") != (c.OrgID == worldOther) {
			inv.violated("never the wrong org", "run %s of dataflow %s was re-triggered for %s", c.RunID, flows[c.RunID], c.OrgID)
		}
	}
	// A run that was made is recorded, or a re-trigger stands for it whose run is not
	// known.
	unknown := map[string]int{}
	for _, r := range inv.Adobe.Runs() {
		if r.Of != "" && inv.Entry(r.ID)["parent"] == "" {
			unknown[r.FlowID]++
		}
	}
	for flow, n := range unknown {
		calls := 0
		for _, r := range inv.Memory.Records() {
			if r["flowId"] == flow && r["runId"] == "" && r["day"] == "" {
				calls = strings.Count(r["slot"]+r["kept"], `"run"`)
			}
		}
		if n > calls && !inv.weeks {
			inv.violated("lineage", "%d runs of dataflow %s were made and are of no lineage, and only %d calls stand for them", n, flow, calls)
		}
	}
	inv.checkRecovered(roots)
	inv.checkEnded()
	for _, n := range inv.News() {
		if on := inv.Config.NoticeBus != ""; n.Listed != (on && n.Untold > 0) {
			inv.violated("told or listed", "dataflow %s has %d untold pieces of news; listed: %t", n.FlowID, n.Untold, n.Listed)
		}
	}
	for _, r := range inv.Memory.Records() {
		if len(r["slot"]+r["kept"]+r["cut"]+r["episodes"]) > 20_000 {
			inv.violated("no item grows without bound", "%s", r[store.AttributeKey])
		}
	}
}

// late reports whether Flow Service lists a new run later than a lost call is searched
// for. Then a run may be sent once more; the bounds hold all the same.
func (inv *invariants) late() bool { return inv.lag > ledger.LostCallWindow }

// sends returns how often a run was sent, by the ledger's count.
func (inv *invariants) sends(runID string) int {
	n, _ := strconv.Atoi(inv.Entry(runID)["sends"])
	return n
}

// made reports whether the run was made by a re-trigger of the run named of.
func (inv *invariants) made(of, runID string) bool {
	for _, r := range inv.Adobe.Runs() {
		if r.ID == runID {
			return r.Of == of
		}
	}
	return false
}

// finish ends all faults and all work, and checks what must hold then.
func (h *history) finish() {
	h.Adobe.Heal()
	h.sound()
	h.busIs(true)
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
	h.nothingVanished()
}

// nothingVanished checks, when all work has ended, that each run was retried, is skipped or has
// a dead letter, and that all news was told.
func (inv *invariants) nothingVanished() {
	inv.told()
	letters := inv.DeadLetters()
	for _, r := range inv.Adobe.Runs() {
		if entry := inv.Entry(r.ID); r.Status == flowsim.Success && entry["state"] == string(ledger.Made) {
			inv.violated("no recovery is missed", "run %s has succeeded, and its entry is %v", r.ID, entry)
		}
		if r.Status != flowsim.Failed || !inv.heard[r.ID] && time.Since(r.CompletedAt) > inv.Config.MaxRunAge-time.Hour {
			continue
		}
		entry := inv.Entry(r.ID)
		switch state := ledger.State(entry["state"]); {
		case state == ledger.Retriggered && !inv.late() && !inv.made(r.ID, entry["newRunId"]):
			inv.violated("nothing vanishes", "the ledger says that %s was made of run %s; it was not", entry["newRunId"], r.ID)
		case state == ledger.Skipped && letters[r.ID] == 0 && (entry["reason"] == "run_in_progress" || entry["reason"] == "run_succeeded"):
			inv.violated("nothing vanishes", "run %s has failed, and is skipped as %s", r.ID, entry["reason"])
		case state == ledger.Retriggered || state == ledger.Skipped:
		case state == ledger.DeadLettered && letters[r.ID] > 0:
		case letters[r.ID] > 0: // SQS or Lambda moved the message there
		default:
			inv.violated("nothing vanishes", "run %s is nowhere: its entry is %v, and it has no dead letter", r.ID, entry)
		}
		inv.agree(r.ID, entry, letters[r.ID])
		if entry["reason"] == "superseded_by_hand" && entry["state"] == "skipped" && !inv.doneByHand(r, entry["supersededBy"]) {
			inv.violated("only what people do is left to them", "run %s is skipped for run %s", r.ID, entry["supersededBy"])
		}
	}
}

// doneByHand reports whether a run is a newer one of the same data window that our client has
// not made. Weeks later, nobody knows of a run that a lost call of ours made.
func (inv *invariants) doneByHand(failed flowsim.Run, by string) bool {
	for _, r := range inv.Adobe.Runs() {
		if r.ID == by {
			return r.FlowID == failed.FlowID && r.Window == failed.Window && r.CreatedAt.After(failed.CreatedAt) && (r.ByHandOf != "" || inv.weeks || inv.late())
		}
	}
	return false
}

// told checks that all news was told, and of each dataflow of which a run was given up that
// somebody has heard of it.
func (inv *invariants) told() {
	if inv.Config.NoticeBus == "" {
		return
	}
	for _, n := range inv.News() {
		if n.Untold > 0 {
			inv.violated("told", "after a sweep, %d pieces of news of dataflow %s are not told", n.Untold, n.FlowID)
		}
	}
	heard := map[string]bool{}
	for _, e := range slices.Concat(inv.noticed, inv.notices()) {
		var n struct{ OrgID, FlowID string }
		if json.Unmarshal([]byte(e.Detail), &n) == nil && e.DetailType == string(notice.GivenUp) {
			heard[n.OrgID+n.FlowID] = true
		}
	}
	for _, r := range inv.Memory.Records() {
		if r["state"] == string(ledger.DeadLettered) && (r["reason"] == "attempts_exhausted" || r["reason"] == "breaker_open") && !heard[r["orgId"]+r["flowId"]] {
			inv.violated("told", "run %s of dataflow %s was given up, and nobody has heard of it", r["runId"], r["flowId"])
		}
	}
}

// agree checks that the last outcome in the log agrees with the ledger.
func (inv *invariants) agree(runID string, entry store.Record, letters int) {
	ends := inv.Logs.Ends(runID)
	if len(ends) == 0 {
		return // a process crashed before it could say so
	}
	last := ends[len(ends)-1]
	if last.Outcome != entry["state"] && letters == 0 {
		inv.violated("one outcome", "the log says %s of run %s, the ledger %v", last.Outcome, runID, entry)
	}
	if last.Outcome == "retriggered" && last.NewRunID != entry["newRunId"] {
		inv.violated("one outcome", "the log says that run %s became %s, the ledger %s", runID, last.NewRunID, entry["newRunId"])
	}
}

// play plays one random history and returns the invariant that it broke, or nil.
func play(t *testing.T, r *rapid.T, mutate func(store.Table) store.Table) (b *broken) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		t.Helper()
		skew := time.Duration(rapid.IntRange(-115, 115).Draw(r, "skew")) * time.Second
		lag := time.Duration(rapid.SampledFrom([]int{0, 20, 60, 300}).Draw(r, "lag")) * time.Second
		h := &history{t: r, invariants: &invariants{
			world: newWorld(r, skew, lag), lag: lag, heard: map[string]bool{}, grants: map[string]int{}, ended: map[string]ending{}, asked: map[string]time.Time{},
		}}
		h.Mutate = mutate
		h.Config.BudgetWindow, h.Config.FlowBudget = time.Hour, rapid.SampledFrom([]int{0, 2}).Draw(r, "budget")
		h.Config.CallsPerSecond, h.Config.ConcurrentCalls, h.Config.QueueConcurrency = rapid.SampledFrom([]int{0, 5}).Draw(r, "pace"), 5, 5
		h.Config.MaxRunAge = 60 * 24 * time.Hour
		h.Config.NoticeBus = rapid.SampledFrom([]string{"", simulation.NoticeBus}).Draw(r, "bus")
		h.Config.BreakerThreshold = rapid.SampledFrom([]int{0, 3}).Draw(r, "breaker")
		h.Flow("f", worldOrg)
		h.showing(rapid.SampledFrom([]flowsim.Windows{flowsim.WindowsRepeated, flowsim.WindowsOwn, flowsim.WindowsHidden}).Draw(r, "windows"))
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

func TestInvariantsHoldInRandomHistories(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		if b := play(t, r, nil); b != nil {
			r.Fatalf("%s: %s\n%s", b.invariant, b.what, b.world)
		}
	})
}
