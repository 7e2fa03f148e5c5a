//go:build slow

package sweep

import (
	"testing"
	"time"
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
