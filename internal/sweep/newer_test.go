package sweep

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

const byHand = Reason(retry.SupersededByHand)

// newestListings are how often the newest runs of a dataflow were listed: beside the pages
// of the sweep.
func (s *stage) newestListings() int { return s.adobe.Count(flowsim.OpRuns) - s.pages }

// inLedger is the ledger's entry of a run.
func (s *stage) inLedger(id string) ledger.Run {
	s.t.Helper()
	found, err := ledger.New(s.table, ledger.DefaultTTL, time.Now).Runs(s.t.Context(), org, id)
	if err != nil {
		s.t.Fatal(err)
	}
	return found[id]
}

func TestPlanLeavesRunsThatWereRetriedByHand(t *testing.T) {
	t.Parallel()
	q := asked()
	q.limit = 1
	f := facts{
		target: prod, runs: []*flowclient.Run{listed("by-hand"), listed("not"), listed("unclear")}, now: noon,
		newer: map[string]retry.Newer{
			"by-hand": {Answer: retry.Yes, By: retry.ListedRun{ID: "h", Status: "success"}}, "not": {Answer: retry.No}, "unclear": {Answer: retry.No, Unclear: "no window"},
		},
	}
	verdicts, limited := q.plan(f, q.consider(f, nil), nil)
	var got []string
	for _, v := range verdicts {
		got = append(got, fmt.Sprint(v.run.ID, " ", v.reason, " ", v.by))
	}
	if diff := cmp.Diff([]string{"by-hand superseded_by_hand h", "not  ", "unclear over_limit "}, got); diff != "" || !limited {
		t.Errorf("limited: %t; (-want +got):\n%s", limited, diff)
	}
}

func TestTenDataflowsOfAPageAreAskedAboutRetriesByHand(t *testing.T) {
	t.Parallel()
	var runs []*flowclient.Run
	for i := range 30 {
		runs = append(runs, listed(strconv.Itoa(i), func(r *flowclient.Run) { r.FlowID = fmt.Sprint("f", i%15) }))
	}
	runs = append(runs, listed("odd", func(r *flowclient.Run) { r.FlowID = "a,b" }),
		listed("at once", func(r *flowclient.Run) {
			r.Metrics.Duration.CompletedAt = flowclient.Millis(noon.Add(-time.Minute).UnixMilli())
		}))
	f := facts{target: prod, runs: runs, now: noon}
	flows, of := newerQuestions(asked().consider(f, nil))
	if len(flows) != maxAsked || flows[0] != "f0" || len(of) != maxAsked || len(of["f0"]) != 2 {
		t.Errorf("asked are %v: %v", flows, slices.Collect(maps.Keys(of)))
	}
}

// TestASweepListsTheNewestRunsOfADataflowOnce: of three failed runs of a dataflow somebody
// has retried one by hand.
func TestASweepListsTheNewestRunsOfADataflowOnce(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		ids := s.fail(3)
		by := flowsim.RetryByHand(s.adobe, ids[1])
		dry := sweep
		dry.DryRun = true
		if r := s.run(dry); r.Report.Skipped[byHand] != 1 || r.Report.Runs[1].Reason != byHand || r.Report.Runs[1].Decision != "skipped" {
			t.Errorf("the dry run says %+v", r.Report)
		}
		if s.pages = 1; s.newestListings() != 1 || s.inLedger(ids[1]).State != ledger.NoEntry {
			t.Errorf("%d listings; the entry is %+v", s.newestListings(), s.inLedger(ids[1]))
		}
		r, _ := s.finish(sweep)
		if diff := cmp.Diff([]string{ids[0], ids[2]}, s.queued()); diff != "" || r.Report.Skipped[byHand] != 1 {
			t.Errorf("%+v; requested (-want +got):\n%s", r.Report, diff)
		}
		if s.pages = 2; s.newestListings() != 2 {
			t.Errorf("%d listings in two sweeps", s.newestListings())
		}
		if e := s.inLedger(ids[1]); e.State != ledger.Skipped || e.Reason != string(byHand) || e.SupersededBy != by || e.Window.IsZero() {
			t.Errorf("the entry is %+v", e)
		}
		s.adobe.End(by, flowsim.Fail("C", "again")) // which is a failure of its own
		next := sweep
		next.ID = "next"
		r, _ = s.finish(next)
		if r.Report.Skipped[byHand] != 1 || r.Report.Requested != 1 || s.queued()[2] != by {
			t.Errorf("the next sweep says %+v; %v", r.Report, s.queued())
		}
	})
}

// TestASweepGoesOnWithoutTheNewestRuns: their listing fails or hangs. It is tried once, and
// the runs are requested.
func TestASweepGoesOnWithoutTheNewestRuns(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"the listing fails":        {Status: http.StatusServiceUnavailable},
		"the listing is forbidden": {Status: http.StatusForbidden},
		"the listing hangs":        {Hang: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onStage(t, func(t *testing.T, s *stage) {
				ids := s.fail(120)
				flowsim.RetryByHand(s.adobe, ids[1])
				fault.Op, fault.After = flowsim.OpRuns, 1
				s.adobe.Inject(fault)
				s.options.Pace = time.Millisecond
				began := time.Now()
				r, n := s.finish(sweep)
				if s.pages = 2; r.Report.Requested != 120 || len(r.Report.Failures) != 0 || n != 1 || s.newestListings() != 1 {
					t.Errorf("%+v after %d invocations, with %d listings", r.Report, n, s.newestListings())
				}
				if took := time.Since(began); took > retry.NewerTime {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestASweepIsThrottledByTheListingOfTheNewestRuns(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		ids := s.fail(1)
		s.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, After: 1, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "7"}})
		if r := s.run(sweep); !r.Again || r.After != 7*time.Second || !slices.Contains(r.Reasons, retry.Throttled) || len(s.queue) != 0 {
			t.Errorf("the first result is %+v", r)
		}
		<-time.After(7 * time.Second)
		if r, _ := s.finish(sweep); r.Report.Requested != 1 || !slices.Equal(s.queued(), ids) {
			t.Errorf("the sweep ends so: %+v", r.Report)
		}
	})
}

func TestARunOfOursIsNoRetryByHandForASweep(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		ids := s.fail(1)
		by := flowsim.RetryByHand(s.adobe, ids[0])
		entries := ledger.New(s.table, ledger.DefaultTTL, time.Now)
		other, err := entries.Load(t.Context(), ledger.Ref{OrgID: org, FlowID: "f", Sandbox: "prod", RunID: "other"})
		if err != nil {
			t.Fatal(err)
		}
		claim, other, err := entries.Claim(t.Context(), other, ledger.ClaimOptions{By: ledger.AnEvent, ClientID: "client", Until: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entries.Confirm(t.Context(), claim, other, by); err != nil {
			t.Fatal(err)
		}
		if r, _ := s.finish(sweep); r.Report.Requested != 1 {
			t.Errorf("the report is %+v", r.Report)
		}
	})
}

func TestASweepAsksOnlyWithTimeLeft(t *testing.T) {
	t.Parallel()
	onStage(t, func(t *testing.T, s *stage) {
		s.fail(1)
		if r := s.within(12*time.Second, sweep); r.Report.Requested != 1 || s.adobe.Count(flowsim.OpRuns) != 1 {
			t.Errorf("%d listings: %+v", s.adobe.Count(flowsim.OpRuns), r)
		}
	})
}
