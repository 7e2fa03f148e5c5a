package sweep

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// failing gives runs of so many dataflows up, of which everything is told.
func (s *stage) failing(dataflows int) *bus {
	s.t.Helper()
	b := s.news(dataflows)
	s.options.Succeed = func(context.Context, event.Skip, time.Time, *retry.Batch) retry.Result {
		s.t.Error("no run of ours has an end")
		return retry.Result{}
	}
	for i := range dataflows {
		s.adobe.AddFlow(flowsim.Flow{ID: fmt.Sprint("f", i), OrgID: org, Sandbox: "prod"})
	}
	s.run(event.Sweep{ID: "tells", OrgIDs: []string{org}})
	b.sent = nil
	return b
}

func (s *stage) succeeds(flowID string, at time.Time) {
	s.adobe.AddRun(flowsim.Run{ID: "good-" + flowID, FlowID: flowID, Status: flowsim.Success, Records: 1, CreatedAt: at, CompletedAt: at})
}

func TestASweepEndsTheEpisodeOfADataflowThatWorksAgain(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		before := time.Now()
		<-time.After(time.Hour)
		b := s.failing(3)
		s.succeeds("f0", before) // it says nothing of the run that was given up since
		<-time.After(time.Hour)
		s.succeeds("f1", time.Now())
		<-time.After(time.Hour)
		if r := s.run(event.Sweep{ID: "s"}); r.Report.State != Finished || len(r.Reasons) > 0 {
			t.Errorf("the result is %+v", r)
		}
		if len(b.sent) != 1 || b.sent[0].Kind != notice.Recovered || b.sent[0].FlowID != "f1" {
			t.Errorf("the notices are %v", b.sent)
		}
		if left := s.failingNow(); !slices.Equal(left, []string{"f0", "f2"}) {
			t.Errorf("failing are still %v", left)
		}
		if s.run(event.Sweep{ID: "next"}); len(b.sent) != 1 {
			t.Errorf("it is told again: %v", b.sent)
		}
	})
}

// failingNow are the dataflows whose episode lasts.
func (s *stage) failingNow() (ids []string) {
	s.t.Helper()
	flows, err := s.options.Episodes.Failing(s.t.Context(), org, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range flows {
		ids = append(ids, f.FlowID)
	}
	return slices.Sorted(slices.Values(ids))
}

func TestASweepAsksAboutABoundedNumberOfFailingDataflowsInTurn(t *testing.T) {
	t.Parallel()
	flows := make([]ledger.Flow, 50)
	for i := range flows {
		flows[i].FlowID = fmt.Sprintf("%02d", i)
	}
	asked := map[string]bool{}
	for hour := range 5 {
		chosen := turn(flows, noon.Add(time.Duration(hour)*time.Hour))
		if len(chosen) != maxFailing {
			t.Fatalf("%d dataflows are asked about", len(chosen))
		}
		for _, f := range chosen {
			asked[f.FlowID] = true
		}
	}
	if len(asked) != len(flows) {
		t.Errorf("in five hours %d of %d dataflows were asked about", len(asked), len(flows))
	}
}

func TestAListingThatFailsEndsNoEpisodeAndStopsNoSweep(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{"refused": {Status: http.StatusForbidden}, "hangs": {Hang: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				b := s.failing(2)
				<-time.After(time.Hour)
				s.succeeds("f0", time.Now())
				fault.Op, fault.Times = flowsim.OpRuns, 1
				s.adobe.Inject(fault)
				if r := s.run(event.Sweep{ID: "s"}); r.Report.State != Finished || len(b.sent) != 0 {
					t.Errorf("the result is %+v, the notices %v", r, b.sent)
				}
				if s.run(event.Sweep{ID: "next"}); len(b.sent) != 1 {
					t.Errorf("the next sweep sends %v", b.sent)
				}
			})
		})
	}
}

func TestWithoutNoticesASweepEndsEpisodesAllTheSame(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.failing(1)
		s.options.Teller = (*retry.Teller)(nil)
		<-time.After(time.Hour)
		s.succeeds("f0", time.Now())
		<-time.After(time.Minute)
		if s.run(event.Sweep{ID: "s"}); len(s.failingNow()) != 0 {
			t.Errorf("failing are still %v", s.failingNow())
		}
	})
}
