package sweep

import (
	"fmt"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

func TestSweepsAreListedWithWhoAskedForThemAndTheNewestLast(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(3)
		for i := range 4 {
			r, _ := s.finish(event.Sweep{ID: fmt.Sprint("s-", i), Since: "2h", Codes: []string{"CONNECTOR-*"}, Limit: 50, By: "arn:a", Reason: "the source is back"})
			if r.Report.State != Finished {
				t.Fatalf("the report is %+v", r.Report)
			}
			<-time.After(time.Hour)
		}
		all, err := Recent(t.Context(), s.table, 2)
		if err != nil || len(all) != 2 || all[0].Report.ID != "s-2" || all[1].Report.ID != "s-3" {
			t.Fatalf("the sweeps are %+v, %v", all, err)
		}
		one := all[1]
		if one.By != "arn:a" || one.Why != "the source is back" || one.Limit != 50 || len(one.Codes) != 1 || one.Report.State != Finished || one.Asked.IsZero() || one.Until.Sub(one.Since) < 2*time.Hour {
			t.Errorf("the newest is %+v", one)
		}
		if len(one.Targets) != 1 || one.Targets[0] != (Target{org, "prod"}) {
			t.Errorf("it is of %v", one.Targets)
		}
	})
}

func TestAScheduledSweepTellsWhichOrgsItIsDoneWith(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(1)
		if r := s.run(sweep); len(r.Swept) != 1 || r.Swept[0].OrgID != org || r.Swept[0].Sandbox != "prod" {
			t.Errorf("swept are %+v", r.Swept)
		}
		if r := s.run(event.Sweep{ID: "narrow", FlowIDs: []string{"f"}}); len(r.Swept) != 0 {
			t.Errorf("a sweep of one dataflow is done with %+v", r.Swept)
		}
	})
}

// TestNewestSweepIsListedHoweverManyThereAre: somebody may sweep every few minutes.
func TestNewestSweepIsListedHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	table := memory.New()
	begun := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	const many = 2500
	for i := range many {
		s := saved{store: table, key: fmt.Sprint(keyPrefix, "s-", i)}
		if err := s.save(t.Context(), &progress{Begun: begun.Add(time.Duration(i) * time.Minute)}, begun); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := Recent(t.Context(), table, 1); err != nil || len(all) != 1 || all[0].Report.ID != fmt.Sprint("s-", many-1) {
		t.Errorf("the newest sweep is %+v, %v", all, err)
	}
}
