package operate

import (
	"context"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// Orgs are the orgs that the function has worked for, in the order of their ids; only the
// given one, where it is named. The error is an [*Error], of kind NotThere for an org of which
// the ledger knows nothing.
func Orgs(ctx context.Context, o *Operator, orgID string) ([]ledger.Pulse, error) {
	all, err := o.Lists().Orgs(ctx)
	if err != nil {
		return nil, o.fault(err)
	}
	if orgID == "" {
		return all, nil
	}
	if len(all) == 0 { // no function that tells of its orgs has worked here yet
		return []ledger.Pulse{{OrgID: orgID}}, nil
	}
	at := slices.IndexFunc(all, func(p ledger.Pulse) bool { return p.OrgID == orgID })
	if at < 0 {
		return nil, Errorf(NotThere, "the ledger knows nothing of org %s; it knows %s", orgID, listed(orgIDs(all)))
	}
	return all[at : at+1], nil
}

// oneOrg is the org that is meant where one must be named: the given one, or the only one.
func oneOrg(ctx context.Context, o *Operator, orgID string) (ledger.Pulse, error) {
	all, err := Orgs(ctx, o, orgID)
	switch {
	case err != nil:
		return ledger.Pulse{}, err
	case len(all) == 0:
		return ledger.Pulse{OrgID: orgID}, nil // the function knows its one org
	case len(all) > 1:
		return ledger.Pulse{}, Errorf(Wrong, "there are several orgs: name one of %s with --org", listed(orgIDs(all)))
	}
	return all[0], nil
}

func orgIDs(all []ledger.Pulse) []string {
	ids := make([]string, len(all))
	for i, p := range all {
		ids[i] = p.OrgID
	}
	return ids
}

// listed names some things in a sentence.
func listed(names []string) string {
	const most = 8
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

// findRun reads the entry of a run, of the given org or of the one that has it. found is false
// where the ledger has no such run.
func findRun(ctx context.Context, o *Operator, orgID, runID string) (run ledger.Run, found bool, err error) {
	all, err := findRuns(ctx, o, orgID, runID)
	run, found = all[runID]
	return run, found, err
}

// findRuns reads the entries of runs, by run id; those that the ledger does not have are left
// out. The error is an [*Error], of kind Wrong where several orgs have a run of one id.
func findRuns(ctx context.Context, o *Operator, orgID string, runIDs ...string) (map[string]ledger.Run, error) {
	for _, id := range runIDs {
		if err := event.ValidRunID(id); err != nil {
			return nil, &Error{Kind: Wrong, Message: err.Error(), Err: err}
		}
	}
	all, err := Orgs(ctx, o, orgID)
	if err != nil {
		return nil, err
	}
	found, of := map[string]ledger.Run{}, map[string][]string{}
	for _, p := range all {
		runs, err := o.Ledger().Runs(ctx, p.OrgID, runIDs...)
		if err != nil {
			return nil, o.fault(err)
		}
		for id, run := range runs {
			found[id], of[id] = run, append(of[id], p.OrgID)
		}
	}
	for id, orgs := range of {
		if len(orgs) > 1 {
			return nil, Errorf(Wrong, "several orgs have a run %s: name one of %s with --org", id, listed(orgs))
		}
	}
	return found, nil
}
