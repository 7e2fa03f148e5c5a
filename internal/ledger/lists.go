package ledger

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Lister is the part of a [store.Table] that reads lists.
type Lister interface {
	ListFrom(ctx context.Context, index, value, after string, limit int) ([]store.Record, error)
}

// Lists reads the lists of the table: which orgs there are, what is open, waits or is dead in
// an org, which of its dataflows fail, and what was done in each day. Each list is one sparse
// index, and is read page by page; none needs a scan. A list may lag behind what was written
// by about a second.
//
// No call returns more than its limit. Who reads on names the time of the last item as after;
// items of the very same time on both sides of that border would be left out, so that limit
// should be as many as are wanted.
type Lists struct{ Table Lister }

// Open returns runs of the org that our re-triggers made and of whose end the ledger knows
// nothing: at most limit of those first seen after the given time, the oldest first.
func (l Lists) Open(ctx context.Context, orgID string, after time.Time, limit int) ([]Run, error) {
	return l.runs(ctx, openList(orgID), after, limit)
}

// Waiting returns runs of the org for which something is still to come: those that wait for
// their time or for another delivery, that are being worked on, or whose lost call is yet to
// be cleared up. There are at most limit of those first seen after the given time, the oldest
// first.
func (l Lists) Waiting(ctx context.Context, orgID string, after time.Time, limit int) ([]Run, error) {
	return l.runs(ctx, waitingList(orgID), after, limit)
}

// DeadLetters returns runs of the org that were given up and that nobody has taken up since:
// at most limit of those first seen after the given time, the oldest first.
func (l Lists) DeadLetters(ctx context.Context, orgID string, after time.Time, limit int) ([]Run, error) {
	return l.runs(ctx, deadList(orgID), after, limit)
}

func (l Lists) runs(ctx context.Context, list string, after time.Time, limit int) ([]Run, error) {
	return runsOf(l.Table.ListFrom(ctx, store.IndexList, list, stamp(after), limit))
}

// Failing returns at most limit dataflows of the org that are in a failing episode, those first
// that have failed for the longest time, whether people were told of it or not.
func (l Lists) Failing(ctx context.Context, orgID string, limit int) ([]Flow, error) {
	var flows []Flow
	for _, list := range []string{failingList(orgID), untoldList(orgID)} {
		records, err := l.Table.ListFrom(ctx, store.IndexList, list, "", limit)
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			f := flowOf(r)
			twice := slices.ContainsFunc(flows, func(other Flow) bool { return other.FlowID == f.FlowID }) // it went from one to the other meanwhile
			if f.Failing() != nil && !twice {
				flows = append(flows, f)
			}
		}
	}
	slices.SortStableFunc(flows, func(a, b Flow) int { return a.Failing().Since.Compare(b.Failing().Since) })
	return flows[:min(limit, len(flows))], nil
}

// Days returns at most limit sums of an org, those of the day since and later: day by day,
// and dataflow by dataflow. It may lag behind.
func (l Lists) Days(ctx context.Context, orgID string, since time.Time, limit int) ([]Sum, error) {
	records, err := l.Table.ListFrom(ctx, store.IndexList, daysList(orgID), since.UTC().Format(time.DateOnly), limit)
	sums := make([]Sum, len(records))
	for i, r := range records {
		sums[i] = Sum{
			OrgID: r["orgId"], Day: r["day"], FlowID: r["flowId"], FlowName: r["flowName"], ErrorCode: r["errorCode"],
			Recovered: stored(r, sumRecovered), Minutes: stored(r, sumMinutes), Attempts: stored(r, sumAttempts),
			Retriggered: stored(r, sumRetriggered), GivenUp: stored(r, sumGivenUp),
		}
	}
	return sums, err
}

// stored is a number that the table itself has written; 0 where there is none.
func stored(r store.Record, name string) int {
	n, _ := strconv.Atoi(r[name])
	return n
}
