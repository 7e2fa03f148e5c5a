//go:build slow

package sweep

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestASweepWaitsWhereItsRequestsAreFarAhead(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.options.Pace = 10 * time.Second // a page is a quarter of an hour
		s.fail(250)
		r := s.run(sweep)
		if !r.Again || r.After < 10*time.Minute || r.Report.Pages != 1 || r.Report.State != Continues {
			t.Fatalf("the result is %+v", r)
		}
		if r, n := s.finish(sweep); r.Report.Requested != 250 || n > 5 || len(s.queue) != 250 {
			t.Errorf("after %d invocations more: %+v", n, r.Report)
		}
	})
}

func TestARunThatIsTooLargeIsRequestedByItsID(t *testing.T) {
	t.Parallel()
	for name, codes := range map[string][]string{"whatever its error": nil, "of a code": {"CONNECTOR-*"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				s.fail(3)
				s.adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "f", Status: flowsim.Failed, CreatedAt: time.Now(), CompletedAt: time.Now(), Document: func(d map[string]any) { d["padding"] = strings.Repeat("x", 9<<20) }})
				r, _ := s.finish(event.Sweep{ID: "s", FlowIDs: []string{"f"}, Codes: codes})
				if requested := slices.Contains(s.queued(), "huge"); requested != (codes == nil) || len(r.Report.Failures) != len(codes) || r.Report.State != Finished {
					t.Errorf("it is requested: %t; the report is %+v", requested, r.Report)
				}
			})
		})
	}
}
