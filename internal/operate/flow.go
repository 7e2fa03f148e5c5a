package operate

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/typo"
)

// Flow names a dataflow.
type Flow struct {
	OrgID   string `json:"orgId"`
	Sandbox string `json:"sandbox,omitempty"`
	FlowID  string `json:"flowId"`
	// Name is for people; empty where it is not known.
	Name string `json:"flowName,omitempty"`
}

// String names the dataflow in a sentence.
func (f Flow) String() string {
	if f.Name == "" {
		return "dataflow " + f.FlowID
	}
	return `dataflow "` + f.Name + `" (` + f.FlowID + `)`
}

// weeks is how far back sums are read for the names of dataflows.
const weeks = 5

// ResolveFlow finds a dataflow by its id or by its name, among those that the ledger has dealt
// with in the last weeks. The error is an [*Error]: of kind Wrong if several dataflows have the
// name, or if it is empty, and of kind NotThere, with the nearest names, if none has.
func ResolveFlow(ctx context.Context, o *Operator, orgID, name string) (Flow, error) {
	if strings.TrimSpace(name) == "" {
		return Flow{}, Errorf(Wrong, "the name of the dataflow is empty")
	}
	orgs, err := Orgs(ctx, o, orgID)
	if err != nil {
		return Flow{}, err
	}
	if flow, found, err := flowByID(ctx, o, orgs, name); err != nil || found {
		return flow, err
	}
	var known []Flow
	for _, days := range []int{7, 7 * weeks} { // most names are of this week
		known, err = knownFlows(ctx, o, orgs, o.Now().AddDate(0, 0, -days))
		if err != nil {
			return Flow{}, err
		}
		flow, err := byName(known, name)
		if err != nil || flow.FlowID != "" {
			return flow, err
		}
	}
	return Flow{}, Errorf(NotThere, "the ledger knows no dataflow \"%s\"%s", name, nearest(known, name))
}

// flowByID looks whether the text is the id of a dataflow that the ledger has a run of.
func flowByID(ctx context.Context, o *Operator, orgs []ledger.Pulse, id string) (flow Flow, found bool, err error) {
	for _, p := range orgs {
		runs, err := o.Ledger().OfFlow(ctx, p.OrgID, id, 1)
		if err != nil {
			return flow, false, o.fault(err)
		}
		if len(runs) == 1 {
			return Flow{OrgID: p.OrgID, Sandbox: runs[0].Sandbox, FlowID: id, Name: runs[0].FlowName}, true, nil
		}
	}
	return flow, false, nil
}

// byName returns the dataflow with the name, whatever its case, or with the id; none where
// there is none.
func byName(known []Flow, name string) (Flow, error) {
	equal := func(same func(a, b string) bool) (found []Flow) {
		for _, f := range known {
			if same(f.Name, name) || f.FlowID == name {
				found = append(found, f)
			}
		}
		return found
	}
	found := equal(func(a, b string) bool { return a == b })
	if len(found) == 0 {
		found = equal(strings.EqualFold)
	}
	switch len(found) {
	case 0:
		return Flow{}, nil
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, f := range found {
		ids[i] = f.FlowID + " (org " + f.OrgID + ", sandbox " + cmp.Or(f.Sandbox, "unknown") + ")"
	}
	return Flow{}, Errorf(Wrong, "%d dataflows are called \"%s\": say which by its id: %s", len(found), name, listed(ids))
}

// nearest names the dataflows that may have been meant.
func nearest(known []Flow, name string) string {
	low := strings.ToLower(name)
	var near []string
	for _, f := range known {
		candidate := strings.ToLower(cmp.Or(f.Name, f.FlowID))
		if typo.Distance(candidate, low) < 4 || strings.Contains(candidate, low) || len(candidate) > 3 && strings.Contains(low, candidate) {
			near = append(near, `"`+cmp.Or(f.Name, f.FlowID)+`"`)
		}
	}
	slices.Sort(near)
	if near = slices.Compact(near); len(near) > 0 {
		return "; did you mean " + listed(near) + "?"
	}
	return "; aep-retrigger flows lists those that it knows"
}

// knownFlows are the dataflows that the ledger's lists name: sums since a time, and what waits,
// is open, was given up or fails.
func knownFlows(ctx context.Context, o *Operator, orgs []ledger.Pulse, since time.Time) ([]Flow, error) {
	found := make([]map[string]Flow, len(orgs))
	var group errgroup.Group
	for i, p := range orgs {
		group.Go(func() (err error) {
			found[i], err = flowsOfOrg(ctx, o, p.OrgID, since)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, o.fault(err)
	}
	var all []Flow
	for _, flows := range found {
		all = slices.AppendSeq(all, maps.Values(flows))
	}
	slices.SortFunc(all, func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.OrgID, b.OrgID), cmp.Compare(a.FlowID, b.FlowID))
	})
	return all, nil
}

func flowsOfOrg(ctx context.Context, o *Operator, orgID string, since time.Time) (map[string]Flow, error) {
	flows := map[string]Flow{}
	add := func(f Flow) {
		before := flows[f.FlowID]
		f.OrgID, f.Name, f.Sandbox = orgID, cmp.Or(f.Name, before.Name), cmp.Or(f.Sandbox, before.Sandbox)
		if f.FlowID != "" {
			flows[f.FlowID] = f
		}
	}
	lists := o.Lists()
	sums, err := lists.Days(ctx, orgID, since, MaxRows)
	if err != nil {
		return nil, err
	}
	for i := range sums {
		add(Flow{FlowID: sums[i].FlowID, Name: sums[i].FlowName})
	}
	for _, list := range []func(context.Context, string, time.Time, int) ([]ledger.Run, error){lists.Open, lists.Waiting, lists.DeadLetters} {
		runs, err := list(ctx, orgID, time.Time{}, MaxRows)
		if err != nil {
			return nil, err
		}
		for i := range runs {
			add(Flow{FlowID: runs[i].FlowID, Name: runs[i].FlowName, Sandbox: runs[i].Sandbox})
		}
	}
	failing, err := lists.Failing(ctx, orgID, MaxRows)
	for i := range failing {
		e := failing[i].Failing()
		add(Flow{FlowID: failing[i].FlowID, Name: e.FlowName, Sandbox: e.Sandbox})
	}
	return flows, err
}
