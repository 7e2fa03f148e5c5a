//go:build slow

package retry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

func TestARunThatIsTooLargeToListMayBeTheOneThatACallMade(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.fail("run")
		at := time.Now()
		w.lose(req, false)
		large := strings.Repeat("x", flowclient.MaxAnswer)
		w.adobe.AddRun(flowsim.Run{ID: "large", FlowID: flow, Status: flowsim.InProgress, CreatedClient: ourClient, CreatedAt: at.Add(time.Second), Document: func(d map[string]any) { d["large"] = large }})
		pass(reconcile)
		w.want(w.deliver(w.fail("other")), Retriggered, "") // it is free
		w.wantState("run", ledger.CannotTell)
		w.want(w.deliver(req), DeadLettered, OutcomeUnknown)
	})
}
