package retry

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// maxNames bounds how many dataflows' names a process remembers.
	maxNames = 1_000
	// If Flow Service does not tell a name, it is not asked for that name again before
	// namelessTime has passed. After a 429 it is asked for no name of the org before
	// throttledTime has passed. So no run waits for a name twice.
	namelessTime  = 5 * time.Minute
	throttledTime = time.Hour
	// nameTime is how long runs wait for a name, repetitions of the call included: a name
	// is worth less than a delivery.
	nameTime = 3 * time.Second
)

// names remembers the names of dataflows, as events and Flow Service tell them. They are
// for people: nothing is decided by them.
type names struct {
	asking singleflight.Group // by org and dataflow

	mu    sync.Mutex
	known map[string]string // by org and dataflow
	// nameless is until when names are not asked for: by org and dataflow, or by org
	// where the fault was not of one dataflow.
	nameless map[string]time.Time
}

func nameKey(orgID, flowID string) string { return orgID + "#" + flowID }

func (n *names) get(orgID, flowID string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[nameKey(orgID, flowID)]
}

func (n *names) put(orgID, flowID, name string) {
	if flowID == "" || name == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxNames {
		n.known = map[string]string{}
	}
	n.known[nameKey(orgID, flowID)] = name
}

// fail takes note that no name was told, so that runs do not wait for it again and again.
func (n *names) fail(key string, until time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.nameless == nil || len(n.nameless) >= maxNames {
		n.nameless = map[string]time.Time{}
	}
	n.nameless[key] = until
}

func (n *names) worthAsking(orgID, flowID string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return !now.Before(n.nameless[orgID]) && !now.Before(n.nameless[nameKey(orgID, flowID)])
}

// remember completes the request with its dataflow's name, where that is known without a
// call. Only an event of Adobe's tells other runs the name: anybody who may send to the
// queue can write an origin with one.
func (n *names) remember(req *event.Request, by ledger.Asker) {
	switch {
	case req.FlowName == "":
		req.FlowName = n.get(req.OrgID, req.FlowID)
	case by == ledger.AnEvent:
		n.put(req.OrgID, req.FlowID, req.FlowName)
	}
}

// askName asks Flow Service for the dataflow's name, once for all runs that want to know
// it, if there is time for that, a token and a re-trigger. Without an answer within
// nameTime the run goes on without a name.
func (w learner) askName() {
	req := &w.facts.Request
	defer w.describe()
	if w.names.remember(req, w.facts.By); w.facts.Observed || req.FlowName != "" || req.FlowID == "" || !w.names.worthAsking(req.OrgID, req.FlowID, w.Now()) {
		return
	}
	if deadline, ok := w.ctx.Deadline(); ok && deadline.Sub(w.Now()) < nameTime+2*w.CallTimeout {
		return
	}
	account, err := w.account()
	if err != nil {
		return
	}
	_, _, _ = w.names.asking.Do(nameKey(req.OrgID, req.FlowID), func() (any, error) {
		if w.names.get(req.OrgID, req.FlowID) == "" && w.names.worthAsking(req.OrgID, req.FlowID, w.Now()) {
			w.names.fetch(w.ctx, account.Client, req, w.Now(), w.Log)
		}
		return nil, nil
	})
	w.names.remember(req, w.facts.By)
}

func (n *names) fetch(ctx context.Context, client *flowclient.Client, req *event.Request, now time.Time, log *slog.Logger) {
	asking, cancel := context.WithTimeout(ctx, nameTime)
	defer cancel()
	flow, err := client.Flow(asking, req.Sandbox, req.FlowID)
	key, pause := nameKey(req.OrgID, req.FlowID), namelessTime
	switch {
	case err == nil && flow.Name != "":
		n.put(req.OrgID, req.FlowID, event.NewFlowName(flow.Name))
		return
	case errors.Is(err, flowclient.KindThrottled):
		key, pause = req.OrgID, throttledTime
	case err != nil && !ofOne(err):
		key = req.OrgID
	}
	if err != nil {
		log.InfoContext(ctx, "the name of a dataflow could not be read", "flowId", req.FlowID, "error", err.Error())
	}
	n.fail(key, now.Add(pause))
}

// ofOne reports whether a call failed for what it asked about, so that others may go well.
func ofOne(err error) bool {
	for _, kind := range []flowclient.Kind{flowclient.KindNotFound, flowclient.KindRejected, flowclient.KindTooLarge, flowclient.KindMalformed} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
