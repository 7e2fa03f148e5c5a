//go:build slow

package operate_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// TestAHugeTableIsReadToTenThousandRows: each list is, and says that there is more.
func TestAHugeTableIsReadToTenThousandRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.defers("f-0", "Flow 0", "run-0")
	pattern := w.table.Records()
	for _, r := range pattern {
		if r["runId"] != "run-0" {
			continue
		}
		for i := range operate.MaxRows {
			next := store.Record{}
			for name, value := range r {
				next[name] = strings.ReplaceAll(strings.ReplaceAll(value, "run-0", fmt.Sprintf("run-%d", i+1)), "f-0", fmt.Sprintf("f-%d", i%500))
			}
			next[store.AttributeRev] += strconv.Itoa(i)
			if err := w.table.Commit(t.Context(), store.Write{Key: next[store.AttributeKey], New: next}); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	runs, err := operate.WaitingRuns(t.Context(), w.Operator, operate.Filter{})
	if err != nil || len(runs.Runs) != operate.MaxRows || !runs.More {
		t.Errorf("%d runs, more: %t, %v", len(runs.Runs), runs.More, err)
	}
	s, err := operate.ReadStatus(t.Context(), w.Operator)
	if err != nil || s.Waiting != (operate.Count{N: operate.MaxRows, More: true}) {
		t.Errorf("%+v, %v", s.Waiting, err)
	}
	flows, err := operate.ListFlows(t.Context(), w.Operator, "", 7)
	if err != nil || !flows.More || len(flows.Flows) != 500 {
		t.Errorf("%d dataflows, more: %t, %v", len(flows.Flows), flows.More, err)
	}
	t.Logf("three commands on %d runs took %s", operate.MaxRows, time.Since(began).Round(time.Millisecond))
}
