package retrigger

import (
	"sync"
)

// maxNames bounds how many dataflows' names a process remembers.
const maxNames = 10_000

// names are those of dataflows, as events and Flow Service tell them. They are for
// people: nothing is decided by them.
type names struct {
	mu    sync.Mutex
	known map[string]string // by org and dataflow
}

func (n *names) get(orgID, flowID string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[orgID+"#"+flowID]
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
	n.known[orgID+"#"+flowID] = name
}

// name completes the request with its dataflow's name, where that is known without a
// call.
func (w *work) name() {
	if w.req.FlowName == "" {
		w.req.FlowName = w.names.get(w.req.OrgID, w.req.FlowID)
		return
	}
	w.names.put(w.req.OrgID, w.req.FlowID, w.req.FlowName)
}

// askName asks Flow Service for the dataflow's name, if there is time for that and for
// a re-trigger. Without an answer the run goes on without a name.
func (w *work) askName() {
	if w.name(); w.req.FlowName != "" || w.req.FlowID == "" {
		return
	}
	if deadline, ok := w.ctx.Deadline(); ok && deadline.Sub(w.Now()) < 2*w.CallTimeout {
		return
	}
	account, err := w.account()
	if err != nil {
		return
	}
	flow, err := account.Client.Flow(w.ctx, w.req.Sandbox, w.req.FlowID)
	if err != nil {
		w.Log.InfoContext(w.ctx, "the name of a dataflow could not be read", "flowId", w.req.FlowID, "error", err.Error())
		return
	}
	w.req.FlowName = flow.Name
	w.name()
}
