package sweep

import (
	"context"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// Episodes lists the dataflows with news that is yet to be told, and those that are failing;
// see [ledger.Episodes].
type Episodes interface {
	Untold(ctx context.Context, orgID string, limit int) ([]ledger.Flow, error)
	Failing(ctx context.Context, orgID string, limit int) ([]ledger.Flow, error)
	End(ctx context.Context, f ledger.Flow, seen time.Time) (before, after ledger.Flow, err error)
}

const (
	// maxUntold is of how many dataflows of an org an invocation tells the news, and
	// untoldTime how long it may take for that. The rest is left for the next sweep.
	maxUntold  = 50
	untoldTime = 10 * time.Second
	// maxUnsent notices that can't be sent let the invocation go on with its pages: the bus
	// is away. A single one may be a notice that the bus refuses.
	maxUnsent = 3
)

// tellUntold tells the news of failing episodes that was not marked as told: its process has
// crashed, or the bus was away. It stops no sweep.
func (w teller) tellUntold() {
	if w.Teller == nil || w.req.DryRun {
		return
	}
	ctx, cancel := context.WithTimeout(w.out.ctx, untoldTime)
	defer cancel()
	unsent := 0
	for i := range w.p.Parts {
		if w.p.Parts[i].Secrets {
			continue
		}
		flows, err := w.Episodes.Untold(ctx, w.p.Parts[i].OrgID, maxUntold)
		if err != nil {
			w.Log.WarnContext(ctx, "news that is yet to be told could not be listed", "orgId", w.p.Parts[i].OrgID, "error", err.Error())
			w.tally.addReason(retry.LedgerUnavailable)
			return
		}
		for _, f := range flows {
			if _, err := w.Teller.Tell(ctx, f, f.Untold()...); err == nil {
				continue
			}
			w.tally.addReason(retry.NoticesUnavailable)
			if unsent++; unsent == maxUnsent || ctx.Err() != nil {
				return
			}
		}
	}
}
