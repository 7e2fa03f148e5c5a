package sweep

import (
	"errors"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/internal/credentials"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// maxName is how many bytes of a dataflow's name a report keeps.
const maxName = 100

// name takes note of a dataflow's name.
func (w *work) name(key, name string) {
	if w.names == nil || len(w.names) >= maxStreaming {
		w.names = map[string]string{}
	}
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	w.names[key] = name
}

// streaming remembers for one invocation which dataflows are of streaming sources, by
// [flowKey].
type streaming map[string]bool

// maxStreaming bounds what is remembered.
const maxStreaming = 10_000

func flowKey(target Target, flowID string) string { return target.OrgID + "#" + flowID }

// loadFlows asks Flow Service for the names of dataflows, and for which of them are of
// streaming sources, many at a time. It asks for runs that may be requested and for
// downstream runs: the ledger has the names of the others. A dataflow that Flow Service
// does not tell of counts as a batch source's, since Flow Service refuses to re-trigger
// runs of streaming sources. The error means that it is worth asking again.
func (w *work) loadFlows(target Target, runs []*flowclient.Run, known map[string]ledger.Run) error {
	if w.streaming == nil || len(w.streaming) >= maxStreaming {
		w.streaming = streaming{}
	}
	var ask []string
	for _, run := range runs {
		key := flowKey(target, run.FlowID)
		if _, ok := w.streaming[key]; ok || run.FlowID == "" || strings.Contains(run.FlowID, ",") || w.isOwn(known[run.ID]) {
			continue
		}
		if reason, _ := w.dealtWith(known[run.ID], throttle.PauseStatus{}); reason == "" {
			w.streaming[key] = false
			ask = append(ask, run.FlowID)
		}
	}
	for ids := range slices.Chunk(ask, flowclient.MaxFlows) {
		err := w.withAccount(target.OrgID, func(account *credentials.Account) error {
			flows, err := account.Client.Flows(w.ctx, target.Sandbox, ids...)
			for i := range flows {
				w.streaming[flowKey(target, flows[i].ID)] = !flows[i].Batch()
				w.name(flowKey(target, flows[i].ID), flows[i].Name)
			}
			return err
		})
		switch {
		case err == nil:
		case w.ctx.Err() != nil, errors.Is(err, flowclient.KindThrottled):
			w.streaming = nil // ask again
			return err
		default:
			w.Log.InfoContext(w.ctx, "whether dataflows are of streaming sources could not be found out", "dataflows", len(ids), "first", ids[0], "error", err.Error())
		}
	}
	return nil
}
