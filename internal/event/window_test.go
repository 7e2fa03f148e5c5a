package event_test

import (
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

// TestFailureEventTellsTheDataWindow: The window goes from the earliest start to the latest
// end that the run or one of its activities tells.
func TestFailureEventTellsTheDataWindow(t *testing.T) {
	t.Parallel()
	end := time.Date(2026, time.November, 23, 6, 0, 0, 0, time.UTC)
	hour := aeptime.Window{Start: end.Add(-time.Hour), End: end}
	summary := func(extensions string) string { return `{"durationSummary":{"extensions":` + extensions + `}}` }
	for name, tt := range map[string]struct {
		activities string
		want       aeptime.Window
	}{
		"milliseconds":    {`[` + summary(`{"windowStart":1795410000000,"windowEnd":1795413600000}`) + `,{"durationSummary":null},7]`, hour},
		"text":            {`[` + summary(`{"windowStart":"1795410000","windowEnd":"2026-11-23T07:00:00+01:00"}`) + `]`, hour},
		"two activities":  {`[` + summary(`{"windowStart":1795412000000,"windowEnd":1795413600000}`) + `,` + summary(`{"windowStart":1795410000000}`) + `]`, hour},
		"half of one":     {`[` + summary(`{"windowStart":1795410000000}`) + `]`, aeptime.Window{}},
		"no list":         {`{}`, aeptime.Window{}},
		"end and no time": {`[` + summary(`{"windowStart":"soon","windowEnd":[]}`) + `]`, aeptime.Window{}},
	} {
		decoded, err := event.Decode([]byte(`{"id":"r","flowId":"f","imsOrgId":"W@AdobeOrg","sandboxName":"prod","activities":` + tt.activities + `,"metrics":{"statusSummary":{"status":"failed"}}}`))
		if err != nil || len(decoded.Items) != 1 || decoded.Items[0].Request == nil {
			t.Fatalf("%s: %+v, %v", name, decoded, err)
		}
		if got := decoded.Items[0].Request.Window; got != tt.want {
			t.Errorf("%s: the window is %s, want %s", name, got, tt.want)
		}
	}
}
