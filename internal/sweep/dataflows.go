package sweep

import (
	"strings"

	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const (
	// maxName is how many bytes of a dataflow's name a report keeps.
	maxName = 100
	// maxDataflows bounds what is remembered.
	maxDataflows = 10_000
)

// dataflows remembers for one invocation what Flow Service has told of dataflows, by
// [flowKey]. A dataflow that Flow Service does not tell of counts as a batch source's, since
// Flow Service refuses to re-trigger runs of streaming sources.
type dataflows map[string]dataflow

type dataflow struct {
	name      string
	streaming bool
}

func flowKey(target Target, flowID string) string { return target.OrgID + "#" + flowID }

// asked takes note that Flow Service is asked about the dataflows.
func (d dataflows) asked(target Target, ids []string) {
	for _, id := range ids {
		d[flowKey(target, id)] = dataflow{}
	}
}

// learn takes note of what Flow Service tells.
func (d dataflows) learn(target Target, flows []flowclient.Flow) {
	for i := range flows {
		name := flows[i].Name
		if len(name) > maxName {
			name = strings.ToValidUTF8(name[:maxName], "") + "…"
		}
		d[flowKey(target, flows[i].ID)] = dataflow{name, !flows[i].Batch()}
	}
}
