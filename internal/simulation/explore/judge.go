package explore

import (
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// mostSteps is how many steps a history may have. One that has more does not end.
const mostSteps = 300

// check judges what Adobe has seen so far.
func (h *history) check() {
	roots, lineages, made := map[string]string{}, map[string]int{}, map[string]int{}
	windows := map[time.Time]int{}
	for _, r := range h.world.Adobe.Runs() { // parents stand before their children
		root := r.ID
		if r.Of != "" {
			root = roots[r.Of]
			lineages[root]++
			made[r.Of]++
			windows[r.CreatedAt.Truncate(h.world.Config.BudgetWindow)]++
		}
		roots[r.ID] = root
		if n := made[r.Of]; n > 1 {
			h.violated("once", "run %s was re-triggered %d times", name(r.Of), n)
		}
		if n := lineages[root]; n > h.Attempts {
			h.violated("bounded", "the lineage of %s has had %d re-triggers, %d are allowed", name(root), n, h.Attempts)
		}
	}
	for begin, n := range windows {
		if most := h.world.Config.OrgBudget; most > 0 && n > most {
			h.violated("within the budget", "in the window from %s on %d re-triggers were sent, %d are allowed", begin.Format(time.TimeOnly), n, most)
		}
	}
	h.checkSums()
	if len(h.steps) > mostSteps {
		h.violated("it ends", "after %d steps nothing is at rest", len(h.steps))
	}
}

// checkSums judges the sums: each lineage is counted as recovered at most once, and only
// if a run that a re-trigger made has succeeded in truth. No more re-triggers are counted than
// Adobe has accepted.
func (h *history) checkSums() {
	recovered, retriggered, ended := 0, 0, map[string]string{}
	for _, r := range h.world.Memory.Records() {
		n, _ := strconv.Atoi(r["recovered"]) // of a sum; 0 for any other item
		recovered += n
		n, _ = strconv.Atoi(r["retriggered"])
		retriggered += n
		if r["state"] == "succeeded" {
			ended[r["runId"]] = r["root"]
		}
	}
	counted := map[string]bool{}
	for _, r := range h.world.Adobe.Runs() {
		if r.Of != "" {
			retriggered--
		}
		root, known := ended[r.ID]
		if !known {
			continue
		}
		if r.Status != flowsim.Success || r.Of == "" || counted[root] {
			h.violated("recovered once", "run %s of %s is counted as the success of %s, and is %s", name(r.ID), name(r.Of), name(root), r.Status)
		}
		counted[root] = true
	}
	if retriggered > 0 {
		h.violated("counted once", "the sums have %d re-triggers more than Adobe has accepted", retriggered)
	}
	if recovered != len(ended) {
		h.violated("recovered once", "the sums have %d recoveries, and %d runs have succeeded", recovered, len(ended))
	}
}

// atRest judges a world in which nothing is left to be done: each failed run was
// re-triggered, has a dead letter, or was skipped for an accepted reason.
func (h *history) atRest() {
	made := map[string]bool{}
	for _, r := range h.world.Adobe.Runs() {
		made[r.Of] = true
	}
	letters := h.world.DeadLetters()
	for _, r := range h.world.Adobe.Runs() {
		if r.Status != flowsim.Failed || made[r.ID] || letters[r.ID] > 0 || accepted(h, r.ID) {
			continue
		}
		h.violated("nothing vanishes", "run %s has failed; it was not re-triggered, has no dead letter, and was not skipped for an accepted reason", name(r.ID))
	}
	told(h)
}

// told judges the news of failing episodes at rest: what is not told is on the list of the
// next sweep, and what is marked as told was told. A dataflow of which a run was given up has
// an episode, or its notice was sent.
func told(h *history) {
	if h.world.Config.NoticeBus == "" {
		return
	}
	sent := map[string]int{}
	for _, e := range h.world.AWS.EventBuses.Sent(simulation.NoticeBus) {
		sent[e.DetailType]++
	}
	episodes := map[string]bool{}
	for _, n := range h.world.News() {
		episodes[n.FlowID] = true
		if n.Listed != (n.Untold > 0) {
			h.violated("told or listed", "dataflow %s has %d untold pieces of news; listed: %t", n.FlowID, n.Untold, n.Listed)
		}
		if len(n.Told) > 0 && len(sent) < len(n.Told) {
			h.violated("told or listed", "%q of dataflow %s is marked as told, and %v was sent", n.Told, n.FlowID, sent)
		}
	}
	for _, r := range h.world.Memory.Records() {
		if r["state"] == string(ledger.DeadLettered) && !episodes[r["flowId"]] && sent[string(notice.GivenUp)] == 0 {
			h.violated("told or listed", "run %s was given up, and nothing tells of it", name(r["runId"]))
		}
	}
}

// accepted reports whether the log says that a run was skipped for an accepted reason.
func accepted(h *history, runID string) bool {
	for _, one := range h.world.Logs.Ends(runID) {
		if one.Outcome == "skipped" && accepts(h, one) {
			return true
		}
	}
	return false
}

func accepts(h *history, one simulation.Record) bool { return h.Accepted == nil || h.Accepted(one) }
