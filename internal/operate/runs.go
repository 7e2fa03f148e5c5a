package operate

import (
	"context"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// Filter narrows a list to an org and a dataflow; empty for all.
type Filter struct {
	OrgID string
	// Flow is the dataflow's id or name.
	Flow string
}

// Runs is a list of runs.
type Runs struct {
	Runs []Run `json:"runs"`
	// More means that there are more than were read: 10,000 of each org.
	More bool `json:"more"`
}

// WaitingRuns lists the runs of which something is still to come, the oldest failure first.
func WaitingRuns(ctx context.Context, o *Operator, f Filter) (Runs, error) {
	return runsOn(ctx, o, f, o.Lists().Waiting)
}

// OpenRuns lists the runs that re-triggers made and whose end is not known, the oldest first.
func OpenRuns(ctx context.Context, o *Operator, f Filter) (Runs, error) {
	return runsOn(ctx, o, f, o.Lists().Open)
}

type listRuns func(ctx context.Context, orgID string, after time.Time, limit int) ([]ledger.Run, error)

// runsOn reads a list of each org. A list of one org is read to MaxRows at most.
func runsOn(ctx context.Context, o *Operator, f Filter, list listRuns) (Runs, error) {
	orgs, err := Orgs(ctx, o, f.OrgID)
	if err != nil {
		return Runs{}, err
	}
	flow := Flow{}
	if f.Flow != "" {
		if flow, err = ResolveFlow(ctx, o, f.OrgID, f.Flow); err != nil {
			return Runs{}, err
		}
	}
	var all []ledger.Run
	more := false
	for _, p := range orgs {
		runs, err := list(ctx, p.OrgID, time.Time{}, MaxRows+1)
		if err != nil {
			return Runs{}, o.fault(err)
		}
		runs, cut := cutToMax(runs)
		all, more = append(all, runs...), more || cut
	}
	all = slices.DeleteFunc(all, func(r ledger.Run) bool {
		return f.Flow != "" && (r.FlowID != flow.FlowID || r.OrgID != flow.OrgID)
	})
	sortByFirstSeen(all)
	return Runs{Runs: runsOf(all, o.Now()), More: more}, nil
}

// RunsOfFlow lists the runs of a dataflow that the ledger knows, the newest first, at most
// limit.
func RunsOfFlow(ctx context.Context, o *Operator, f Filter, limit int) (Flow, Runs, error) {
	flow, err := ResolveFlow(ctx, o, f.OrgID, f.Flow)
	if err != nil {
		return flow, Runs{}, err
	}
	runs, err := o.Ledger().OfFlow(ctx, flow.OrgID, flow.FlowID, limit+1)
	if err != nil {
		return flow, Runs{}, o.fault(err)
	}
	return flow, Runs{Runs: runsOf(runs[:min(limit, len(runs))], o.Now()), More: len(runs) > limit}, nil
}
