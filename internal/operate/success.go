package operate

import (
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// success is what the ledger knows of the success of a later run of a dataflow.
type success struct {
	known, yes bool
	at         time.Time // zero where it is not known
	runID      string    // empty where it is not known
}

// successByEpisode tells by the dataflow's failing episodes whether any run of the dataflow has
// succeeded since the given one was given up. Giving a run up begins an episode, or belongs to
// the one that lasts, and only a success ends one. So there was a success unless an episode
// lasts that began at that time or before. For example: run A is given up at 10:00. If the
// episode that lasts began at 09:00, no run has succeeded since; if it began at 12:00, one has.
//
// It can't tell where giving the run up has begun no episode ([retry.Reason.GivesUp]), and where
// the ledger has no entry of the dataflow (flow is nil).
func successByEpisode(run *ledger.Run, flow *ledger.Flow) success {
	if flow == nil || !retry.Reason(run.Reason).GivesUp() {
		return success{}
	}
	if e := flow.Failing(); e != nil && !e.Began.After(run.ChangedAt) {
		return success{known: true}
	}
	s := success{known: true, yes: true}
	for i := range flow.Episodes {
		if ended := flow.Episodes[i].Ended; ended.After(run.ChangedAt) && (s.at.IsZero() || ended.Before(s.at)) {
			s.at = ended
		}
	}
	return s
}

// successAmong looks for a success among the newest runs of the dataflow: a run that a
// re-trigger made and that succeeded after the given one was given up. Where there is none, it
// can't tell: the ledger has no entry of a run that succeeded by itself.
func successAmong(run *ledger.Run, newest []ledger.Run) (s success) {
	for i := range newest {
		other := &newest[i]
		if other.RunID == run.RunID || other.State != ledger.Succeeded || !other.ChangedAt.After(run.ChangedAt) {
			continue
		}
		if !s.known || other.ChangedAt.Before(s.at) {
			s = success{known: true, yes: true, at: other.ChangedAt, runID: other.RunID}
		}
	}
	return s
}
