//go:build slow

package sweep

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

func TestASweepMakesABoundedNumberOfCallsForEndsAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		all := maxEndCalls*endsAtOnce + 120
		ids := s.ended(flowsim.InProgress, all) // none of them ends, and none keeps the others from being asked for
		last := ids[all-1]
		s.adobe.End(last, flowsim.Succeed())
		for i, want := range []struct {
			calls int
			state ledger.State
		}{{maxEndCalls, ledger.Made}, {maxEndCalls + 3, ledger.Succeeded}, {2*maxEndCalls + 3, ledger.Succeeded}} {
			if r := s.run(event.Sweep{ID: fmt.Sprint("s", i)}); r.Report.State != Finished {
				t.Fatalf("sweep %d: %+v", i, r)
			}
			if n := s.asked(); n != want.calls || s.state(last) != want.state {
				t.Errorf("after sweep %d there were %d calls, and the last run is %s; want %d and %s", i, n, s.state(last), want.calls, want.state)
			}
		}
		if s.recovered() != 1 {
			t.Errorf("%d have recovered", s.recovered())
		}
	})
}

func TestARunThatIsTooLargeToBeListedIsLeftOutOfTheEnds(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		ids := s.ended(flowsim.Success, 3)
		s.adobe.AddRun(flowsim.Run{ID: ids[1], FlowID: "f", Status: flowsim.Success, CompletedAt: time.Now(), Document: func(d map[string]any) { d["padding"] = strings.Repeat("x", 9<<20) }})
		if r := s.run(sweep); s.succeeded(ids...) != 2 || r.Report.State != Finished || s.said("too large to be listed") != 1 {
			t.Errorf("%d runs have succeeded; %+v\n%s", s.succeeded(ids...), r, s.log)
		}
	})
}

func TestEndsGoOnInTheNextInvocation(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		ids := s.ended(flowsim.Success, 4*endsAtOnce)
		s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-time.After(800 * time.Millisecond)
			s.adobe.ServeHTTP(w, r)
		})
		invocations := 1
		for r := s.within(12*time.Second, sweep); r.Again; r = s.within(12*time.Second, sweep) {
			if invocations++; invocations > 20 {
				t.Fatalf("it does not end: %+v", r)
			}
			<-time.After(cmp.Or(r.After, time.Second))
		}
		if invocations < 2 || s.succeeded(ids...) != len(ids) || s.recovered() != len(ids) || s.asked() > maxEndCalls {
			t.Errorf("%d of %d runs have succeeded after %d invocations and %d calls", s.succeeded(ids...), len(ids), invocations, s.asked())
		}
	})
}
