package ledger

import (
	"context"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Lister is the part of a [store.Table] that reads lists.
type Lister interface {
	ListFrom(ctx context.Context, index, value, after string, limit int) ([]store.Record, error)
}

// Lists reads the lists of an org: what is open, and what was done in each day. A list may
// lag behind what was written.
type Lists struct{ Table Lister }

// Open returns runs of the org that our re-triggers made and of whose end the ledger knows
// nothing: at most limit of those first seen after the given time, the oldest first.
func (l Lists) Open(ctx context.Context, orgID string, after time.Time, limit int) ([]Run, error) {
	return runsOf(l.Table.ListFrom(ctx, store.IndexList, openList(orgID), stamp(after), limit))
}

// Days returns at most limit sums of an org, those of the day since and later: day by day,
// and dataflow by dataflow. It may lag behind.
func (l Lists) Days(ctx context.Context, orgID string, since time.Time, limit int) ([]Sum, error) {
	records, err := l.Table.ListFrom(ctx, store.IndexList, daysList(orgID), since.UTC().Format(time.DateOnly), limit)
	sums := make([]Sum, len(records))
	for i, r := range records {
		n := func(name string) int {
			n, _ := strconv.Atoi(r[name]) // the table's own number; 0 where there is none
			return n
		}
		sums[i] = Sum{
			OrgID: r["orgId"], Day: r["day"], FlowID: r["flowId"], FlowName: r["flowName"], ErrorCode: r["errorCode"],
			Recovered: n(sumRecovered), Minutes: n(sumMinutes), Attempts: n(sumAttempts), Retriggered: n(sumRetriggered), GivenUp: n(sumGivenUp),
		}
	}
	return sums, err
}
