package sweep

import (
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// Where events of successes are not subscribed, nobody tells that a dataflow works again. A
// scheduled sweep lists the newest runs of each dataflow whose failing episode lasts. For
// example, a run is given up on Monday, a person mends the source, and the next run of the
// schedule succeeds on Tuesday at 8:00: the sweep at 9:00 ends the episode.
const (
	// maxFailing is of how many failing dataflows of an org a sweep lists the newest runs, in
	// one call each. Where more are failing, each hour has others.
	maxFailing = 20
	// maxFailingRead is how many failing dataflows of an org are read from the ledger.
	maxFailingRead = 500
	// failingTime is how long an invocation may take for that.
	failingTime = 10 * time.Second
)

// turn chooses the failing dataflows that a sweep asks about: each has its hour. It is pure.
func turn(flows []ledger.Flow, now time.Time) []ledger.Flow {
	if len(flows) <= maxFailing {
		return flows
	}
	flows = slices.SortedFunc(slices.Values(flows), func(a, b ledger.Flow) int { return strings.Compare(a.FlowID, b.FlowID) })
	begin := int(now.Unix()/int64(time.Hour/time.Second)) * maxFailing % len(flows)
	return slices.Concat(flows, flows)[begin : begin+maxFailing]
}

// successAfter is when one of the runs has succeeded after the given time; zero for none.
func successAfter(listed []retry.ListedRun, last time.Time) (at time.Time) {
	for _, r := range listed {
		if r.Status.Succeeded() && r.EndedAt.After(last) && r.EndedAt.After(at) {
			at = r.EndedAt
		}
	}
	return at
}

// endEpisodes ends the failing episodes of an org's dataflows that work again, and tells
// that. It stops no sweep: what can't be listed or written is left for the next one.
func (w teller) endEpisodes(orgID string) {
	if w.Episodes == nil {
		return
	}
	begun := w.Now()
	flows, err := w.Episodes.Failing(w.out.ctx, orgID, maxFailingRead)
	if err != nil {
		w.Log.WarnContext(w.out.ctx, "the dataflows that are failing could not be listed", "orgId", orgID, "error", err.Error())
		return
	}
	for _, f := range turn(flows, begun) {
		episode := f.Failing()
		if episode.Sandbox == "" || w.Now().Sub(begun) > failingTime {
			continue
		}
		listed, err := w.newestRuns(Target{OrgID: orgID, Sandbox: episode.Sandbox}, f.FlowID)
		if err != nil {
			w.Log.InfoContext(w.out.ctx, "whether a failing dataflow works again can't be told", "orgId", orgID, "flowId", f.FlowID, "detail", err.Error())
			return
		}
		if at := successAfter(listed, episode.Last); !at.IsZero() && !w.endEpisode(f, at) {
			return
		}
	}
}

// endEpisode ends the episode of a dataflow, and tells that. It reports whether it could.
func (w teller) endEpisode(f ledger.Flow, at time.Time) bool {
	before, after, err := w.Episodes.End(w.out.ctx, f, at)
	if err != nil {
		w.Log.WarnContext(w.out.ctx, "that a dataflow works again could not be recorded", "orgId", f.OrgID, "flowId", f.FlowID, "error", err.Error())
		w.tally.addReason(retry.LedgerUnavailable)
		return false
	}
	news := retry.NewsOf(&before, &after)
	if w.Teller == nil || len(news) == 0 {
		return true
	}
	if _, err := w.Teller.Tell(w.out.ctx, after, news...); err != nil { // it is on the list now
		w.tally.addReason(retry.NoticesUnavailable)
		return false
	}
	return true
}
