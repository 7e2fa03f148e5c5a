package sweep

import (
	"context"
	"errors"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// maxAsked is of how many dataflows of a page the newest runs are listed. The runs of
	// the others are requested, and each request asks for itself.
	maxAsked = 10
	// maxNewest bounds of how many dataflows the newest runs are remembered.
	maxNewest = 100
)

// newest remembers for one invocation the newest runs of dataflows, by [flowKey].
type newest map[string][]retry.ListedRun

// newerQuestions returns the runs that are requested unless somebody has retried them by
// hand, by dataflow, and the dataflows in their order, at most [maxAsked].
func newerQuestions(all []considered) (flowIDs []string, runs map[string][]*considered) {
	runs = map[string][]*considered{}
	for i := range all {
		c, id := &all[i], all[i].run.FlowID
		if !c.asks() || c.run.Downstream() || strings.Contains(id, ",") {
			continue
		}
		if runs[id] == nil {
			if len(flowIDs) == maxAsked {
				continue
			}
			flowIDs = append(flowIDs, id)
		}
		runs[id] = append(runs[id], c)
	}
	return flowIDs, runs
}

// learnNewer finds out of which runs somebody has made a newer one by hand: one listing for
// each dataflow. Where a listing fails, or takes too long, no other is tried in this
// invocation, and the runs are requested. The error means that it is worth dealing with the page again.
func (w *work) learnNewer(target Target, f facts, all []considered) (map[string]retry.Newer, error) {
	answers := map[string]retry.Newer{}
	flowIDs, runs := newerQuestions(all)
	for _, flowID := range flowIDs {
		if w.unlisted {
			break
		}
		if f.flows[flowKey(target, flowID)].streaming {
			continue
		}
		listed, err := w.newestRuns(target, flowID)
		switch {
		case err == nil:
		case w.out.ctx.Err() != nil, errors.Is(err, flowclient.KindThrottled):
			return nil, err
		default:
			w.Log.InfoContext(w.out.ctx, "whether somebody has retried runs by hand can't be told", "sweepId", w.req.ID, "flowId", flowID, "detail", err.Error())
			w.unlisted = true
			continue
		}
		if err := w.out.compareNewer(target, flowID, listed, runs[flowID], answers); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// errNoTimeToAsk means that too little time is left for a listing.
var errNoTimeToAsk = errors.New("the invocation has too little time left to list the dataflow's runs")

// newestRuns lists one page of the dataflow's newest runs, unless the invocation has done so.
func (w *work) newestRuns(target Target, flowID string) ([]retry.ListedRun, error) {
	key := flowKey(target, flowID)
	if listed, known := w.newest[key]; known {
		return listed, nil
	}
	if !w.out.timeForNewest() {
		return nil, errNoTimeToAsk
	}
	listed, err := w.out.newestRuns(target, flowID)
	if err != nil {
		return nil, err
	}
	if w.newest == nil || len(w.newest) >= maxNewest {
		w.newest = newest{}
	}
	w.newest[key] = listed
	return listed, nil
}

// timeForNewest reports whether a listing of a dataflow's newest runs fits before the time
// that the page's requests need.
func (o outside) timeForNewest() bool {
	deadline, ok := o.ctx.Deadline()
	return !ok || deadline.Sub(o.Now()) >= retry.NewerTime+closingTime/2
}

func (o outside) newestRuns(target Target, flowID string) (listed []retry.ListedRun, err error) {
	err = o.withAccount(target.OrgID, func(account *credentials.Account) (err error) {
		listed, err = retry.NewestPage(o.ctx, account.Client, target.Sandbox, flowID)
		return err
	})
	return listed, err
}

// compareNewer answers for the runs of one dataflow. It reads the ledger only if there are
// newer runs of their data windows.
func (o outside) compareNewer(target Target, flowID string, listed []retry.ListedRun, runs []*considered, answers map[string]retry.Newer) error {
	flow := ledger.Ref{OrgID: target.OrgID, FlowID: flowID, Sandbox: target.Sandbox}
	newer := map[string][]retry.ListedRun{}
	var keys []string
	for _, c := range runs {
		on := c.facts()
		found, unclear := retry.NewerRuns(on.OwnRun(), listed)
		answers[c.run.ID] = retry.Newer{Answer: retry.No, Unclear: unclear}
		if len(found) > 0 {
			newer[c.run.ID] = found
			keys = append(keys, retry.NewerKeys(found, flow)...)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(o.ctx, maxCall)
	defer cancel()
	snapshot, err := o.ledger.Read(ctx, keys...)
	if err != nil {
		return err
	}
	for id, found := range newer {
		answers[id] = retry.MadeByHand(found, func(runID string) ledger.Entries {
			flow.RunID = runID
			return snapshot.Entries(flow)
		})
	}
	return nil
}
