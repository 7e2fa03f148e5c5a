//go:build slow

package event_test

import (
	"strings"
	"testing"
)

func TestTooDeepLayerDoesNotHideOtherRequests(t *testing.T) {
	t.Parallel()
	run := failed(runA, "")
	deep := strings.Repeat(`{"a":`, 20) + "1" + strings.Repeat("}", 20)
	wants(t, map[string][2]string{
		"beside a run":              {eventBridge(`{"run":` + run + `,"meta":` + deep + `}`), retried + ", error too_deep"},
		"before a run":              {`{"meta":` + deep + `,"run":` + run + `}`, retried + ", error too_deep"},
		"in an event without a run": {eventBridge(deep), "error unrecognized"},
		"in one event of a journal": {`{"events":[{"position":"1","event":` + adobeEvent(run) + `},{"position":"2","event":` + adobeEvent(deep) + `}],"_page":{}}`, retried + ", error unrecognized, error too_deep"},
		"beside two faulty runs":    {eventBridge(`{"a":` + failed(runA, `,"id":""`) + `,"b":` + failed(runA, `,"id":5`) + `,"meta":` + deep + `}`), "error missing_run_id, error missing_run_id, error too_deep"},
		"in an application's event": {ofApplication(`{"run":` + run + `,"meta":` + deep + `}`), retried},
		// Were each of the lists split, this would take minutes.
		"in 9000 lists":                {adobeEvent(strings.Repeat("[", 9000) + strings.Repeat("1,", 400_000) + "1" + strings.Repeat("]", 9000)), "error unrecognized"},
		"in a run":                     {failed(runA, `,"activities":`+deep), retried},
		"beside a sweep":               {`[{"sweep":{}},` + strings.Repeat("[", 20) + `{"sweep":{}}` + strings.Repeat("]", 20) + `]`, "error too_deep"},
		"with nothing beside it":       {`{"a":` + deep + `}`, "error unrecognized"},
		"lists with nothing beside it": {strings.Repeat("[", 20) + request + strings.Repeat("]", 20), "error too_deep"},
	})
}
