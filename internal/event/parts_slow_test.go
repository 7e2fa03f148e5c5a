//go:build slow

package event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// TestUnreadablePartsTakeLittleMoreMemoryThanTheirPayload: Each part is kept with what
// its wrappings say. A thousand copies of a long text would end the function.
func TestUnreadablePartsTakeLittleMoreMemoryThanTheirPayload(t *testing.T) {
	t.Parallel()
	const bad, many = `{"id":"","flowId":"f","metrics":{"statusSummary":{"status":"failed"}}}`, 1000
	list := "[" + strings.TrimSuffix(strings.Repeat(bad+",", many), ",") + "]"
	long := strings.Repeat("<", event.MaxPayload-len(list)-200)
	for name, tt := range map[string]struct {
		payload string
		reason  event.Reason // of the whole payload; otherwise each element has its own
	}{
		"an id of Adobe's":      {`{"event_id":"` + long + `","event":` + list + `}`, ""},
		"the id that stays":     {`{"eventid":"` + long + `","event":` + list + `}`, ""},
		"an id of a CloudEvent": {`{"specversion":"1.0","type":"adobe","source":"adobe","id":"` + long + `","data":` + list + `}`, ""},
		"a detail-type":         {`{"detail-type":"Platform notifications:` + long + `","source":"aws.partner/developer.adobe.com","detail":` + list + `}`, ""},
		"an org":                {`{"imsOrgId":"` + long + `","event":` + list + `}`, event.InvalidField},
		"many orgs":             {`{` + strings.Repeat(`"imsOrgId":"a@AdobeOrg","imsOrgId":"b@AdobeOrg","imsOrgId":"c@AdobeOrg",`, 10_000) + `"event":` + list + `}`, ""},
		"a sandbox":             {`{"sandboxName":"` + long + `","event":` + list + `}`, event.InvalidField},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			decoded, err := event.Decode([]byte(tt.payload))
			if tt.reason != "" {
				if fault, ok := errors.AsType[*event.Error](err); !ok || fault.Reason != tt.reason || len(fault.Message) > 200 {
					t.Errorf("error = %.300v, want %s", err, tt.reason)
				}
				return
			}
			if err != nil || len(decoded.Items) != many {
				t.Fatalf("%d items, %v", len(decoded.Items), err)
			}
			for i, item := range decoded.Items {
				if len(item.Raw) > 1000 || item.Err == nil {
					t.Fatalf("part %d has %d bytes, of an element with %d", i, len(item.Raw), len(bad))
				}
			}
		})
	}
}
