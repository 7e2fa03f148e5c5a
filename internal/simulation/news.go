package simulation

import (
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// News is what the ledger says of a dataflow's failing episodes.
type News struct {
	OrgID, FlowID string
	// Untold counts the pieces of news that are not marked as told, Told are those that are.
	Untold int
	Told   []ledger.News
	// Listed means that the entry is on the list of those with untold news.
	Listed bool
}

// News is what the ledger says of the failing episodes of each dataflow that has one.
func (w *World) News() (all []News) {
	for _, r := range w.Memory.Records() {
		ref := ledger.Ref{OrgID: r["orgId"], FlowID: r["flowId"]}
		key := ledger.FlowKey(ref.OrgID, ref.FlowID)
		if r[store.AttributeKey] != key || r["episodes"]+r[store.IndexList] == "" {
			continue
		}
		flow := ledger.Snapshot{key: r}.Entries(ref).Flow
		n := News{OrgID: ref.OrgID, FlowID: ref.FlowID, Untold: len(flow.Untold()), Listed: flow.Listed}
		for _, e := range flow.Episodes {
			n.Told = slices.Concat(n.Told, e.Told)
		}
		all = append(all, n)
	}
	return all
}
