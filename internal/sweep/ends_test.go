package sweep

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// ending is a stage on which sweeps look for the ends of runs that we made.
type ending struct {
	*stage

	log *bytes.Buffer
}

func onEnding(t *testing.T, test func(t *testing.T, s ending)) {
	t.Helper()
	onStage(t, func(t *testing.T, s *stage) {
		e := ending{s, &bytes.Buffer{}}
		s.options.Log = slog.New(slog.NewTextHandler(e.log, nil))
		engine := retry.New(s.accounts, e.ledger(), s.table, s.limits, nil, nil, retry.Options{Rules: s.options.Rules, Now: time.Now, Log: s.options.Log})
		s.options.Succeed = engine.Succeed
		s.adobe.AddFlow(flowsim.Flow{ID: "f", OrgID: org, Sandbox: "prod"})
		s.adobe.AddFlow(flowsim.Flow{ID: "d", OrgID: org, Sandbox: "dev"})
		test(t, e)
	})
}

func (s ending) ledger() *ledger.Ledger { return ledger.New(s.table, ledger.DefaultTTL, time.Now) }

// made lets a re-trigger of ours make a run, and a millisecond pass.
func (s ending) made(runID, flowID, sandbox string) {
	s.t.Helper()
	l := s.ledger()
	e, err := l.Load(s.t.Context(), ledger.Ref{OrgID: org, FlowID: flowID, Sandbox: sandbox, RunID: "root-" + runID})
	if err != nil {
		s.t.Fatal(err)
	}
	e.Describe("", "C-1", "", "")
	claim, e, err := l.Claim(s.t.Context(), e, ledger.ClaimOptions{By: ledger.AnEvent, ClientID: "client", Until: time.Now().Add(time.Minute)})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := l.Confirm(s.t.Context(), claim, e, runID); err != nil {
		s.t.Fatal(err)
	}
	<-time.After(time.Millisecond)
}

// ended makes runs of ours that Adobe knows with the status.
func (s ending) ended(status string, n int) (ids []string) {
	s.t.Helper()
	for i := range n {
		id := fmt.Sprintf("%s-%04d", status, i)
		s.made(id, "f", "prod")
		s.adobe.AddRun(flowsim.Run{ID: id, FlowID: "f", Status: status, CreatedClient: "client", CompletedAt: time.Now()})
		ids = append(ids, id)
	}
	return ids
}

// state is that of the ledger's entry of a run.
func (s ending) state(runID string) ledger.State {
	s.t.Helper()
	runs, err := s.ledger().Runs(s.t.Context(), org, runID)
	if err != nil {
		s.t.Fatal(err)
	}
	return runs[runID].State
}

// succeeded are the runs of those that the ledger knows as such.
func (s ending) succeeded(ids ...string) (n int) {
	s.t.Helper()
	for _, id := range ids {
		if s.state(id) == ledger.Succeeded {
			n++
		}
	}
	return n
}

// recovered is what the sums of all days have.
func (s ending) recovered() (n int) {
	s.t.Helper()
	sums, err := ledger.Lists{Table: s.table}.Days(s.t.Context(), org, time.Time{}, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, sum := range sums {
		n += sum.Recovered
	}
	return n
}

// asked counts the calls that asked for runs by their ids.
func (s ending) asked() (n int) {
	for _, c := range s.adobe.Calls() {
		if c.Op == flowsim.OpRuns && c.Status != 0 {
			n++
		}
	}
	return n - s.pages()
}

// pages counts the calls that listed failed runs: each sweep of the test lists one page.
func (s ending) pages() int {
	n := 0
	for _, r := range s.table.Records() {
		if strings.Contains(r["progress"], `"pages":1`) {
			n++
		}
	}
	return n
}

func (s ending) said(text string) int { return strings.Count(s.log.String(), text) }

func TestASweepFindsThatARunThatWeMadeHasSucceeded(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		id := s.ended(flowsim.Success, 1)[0]
		<-time.After(50 * time.Minute) // the minutes end with the run, not with the sweep
		r := s.run(sweep)
		if r.Report.State != Finished || len(r.Ends) != 1 || s.state(id) != ledger.Succeeded {
			t.Fatalf("the result is %+v; the run is %s", r, s.state(id))
		}
		if got := r.Ends[0]; !got.Recovered || got.RunID != id || got.RecoveredAfter > time.Second || got.Attempt != 1 || got.FlowID != "f" || got.Sandbox != "prod" {
			t.Errorf("the run's result is %+v", got)
		}
		sums, err := ledger.Lists{Table: s.table}.Days(t.Context(), org, time.Time{}, 10)
		want := []ledger.Sum{{OrgID: org, Day: time.Now().UTC().Format(time.DateOnly), FlowID: "f", ErrorCode: "C-1", Recovered: 1, Attempts: 1, Retriggered: 1}}
		if diff := gocmp.Diff(want, sums); diff != "" || err != nil {
			t.Errorf("the sums (-want +got):\n%s%v", diff, err)
		}
		again := s.run(event.Sweep{ID: "later"})
		if len(again.Ends) != 0 || s.recovered() != 1 || s.asked() != 1 {
			t.Errorf("a later sweep: %+v; %d calls", again.Ends, s.asked())
		}
	})
}

func TestASweepAsksForManyRunsInOneCall(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		ids := s.ended(flowsim.Success, 120)
		r := s.run(sweep)
		if len(r.Ends) != 120 || s.succeeded(ids...) != 120 || s.asked() != 3 {
			t.Errorf("%d of 120 runs were recorded, with %d calls", len(r.Ends), s.asked())
		}
	})
}

func TestOtherEndsAreLeftAlone(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		failed, running, partial := s.ended(flowsim.Failed, 1)[0], s.ended(flowsim.InProgress, 1)[0], s.ended("partialSuccess", 1)[0]
		good := s.ended(flowsim.Success, 1)[0]
		r := s.run(sweep)
		if s.state(good) != ledger.Succeeded || s.state(running) != ledger.Made || s.state(partial) != ledger.Made || len(r.Ends) != 1 {
			t.Errorf("the runs are %s, %s and %s; the ends %+v", s.state(good), s.state(running), s.state(partial), r.Ends)
		}
		if diff := gocmp.Diff([]string{failed}, s.queued()); diff != "" || s.recovered() != 1 { // as any other failed run
			t.Errorf("the requests (-want +got):\n%s", diff)
		}
	})
}

func TestRunsThatAdobeDoesNotKnowBlockNoOthers(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		s.made("gone", "g", "a-sandbox-that-is-gone")
		s.made("unknown", "f", "prod")
		s.made("a,b", "f", "prod")
		<-time.After(time.Hour)
		s.made("young", "f", "prod") // Flow Service may not list it yet
		good := s.ended(flowsim.Success, 1)[0]
		s.made("in-dev", "d", "dev")
		s.adobe.AddRun(flowsim.Run{ID: "in-dev", FlowID: "d", Status: "completed", CompletedAt: time.Now()})
		for i := range 3 {
			if r := s.run(event.Sweep{ID: fmt.Sprint("s", i)}); r.Report.State != Finished {
				t.Fatalf("the result is %+v", r)
			}
			<-time.After(time.Second)
		}
		if n := s.succeeded(good, "in-dev"); n != 2 || s.recovered() != 2 {
			t.Errorf("%d of 2 runs have succeeded", n)
		}
		if a, b := s.said("sandbox=a-sandbox-that-is-gone"), s.said("runIds=[unknown]"); a != 3 || b != 3 || s.said("young") != 0 {
			t.Errorf("%d and %d lines in three sweeps:\n%s", a, b, s.log)
		}
	})
}

func TestTheEndOfAnOldRunIsAskedForNoMore(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		s.options.Rules.Policy.MaxAge = 3 * time.Hour
		s.ended(flowsim.InProgress, 1)
		<-time.After(40 * time.Minute)
		for i := range 6 {
			s.run(event.Sweep{ID: fmt.Sprint("s", i)})
			<-time.After(time.Hour)
		}
		if n, told := s.asked(), s.said("is asked for no more"); n != 3 || told != 1 {
			t.Errorf("%d calls, want 3; the log told %d times, want once:\n%s", n, told, s.log)
		}
	})
}

func TestSweepsThatAPersonNarrowsAndDryRunsDoNotAskForEnds(t *testing.T) {
	t.Parallel()
	for name, req := range map[string]event.Sweep{
		"a dry run": {DryRun: true}, "a dataflow": {FlowIDs: []string{"f"}}, "a code": {Codes: []string{"*"}},
		"a sandbox": {Sandboxes: []string{"prod"}}, "an org": {OrgIDs: []string{org}}, "a limit": {Limit: 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEnding(t, func(t *testing.T, s ending) {
				id := s.ended(flowsim.Success, 1)[0]
				req.ID = "s"
				if r := s.run(req); r.Report.State != Finished || s.state(id) != ledger.Made || s.adobe.Count(flowsim.OpRuns) != 1 {
					t.Errorf("the run is %s; %d calls; %+v", s.state(id), s.adobe.Count(flowsim.OpRuns), r)
				}
			})
		})
	}
}

func TestEndsWaitAsPagesDo(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		hold   func(s ending)
		free   func(s ending)
		reason retry.Reason
	}{
		"for the end of a pause": {
			func(s ending) { s.pause(throttle.Scope{OrgID: org}) },
			func(s ending) {
				if _, err := s.limits.Resume(s.t.Context(), throttle.Scope{OrgID: org}, time.Now()); err != nil {
					s.t.Fatal(err)
				}
			}, retry.Paused,
		},
		"after a 429": {
			func(s ending) {
				s.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "60"}})
			},
			func(ending) {}, retry.Throttled,
		},
		"for a credential": {
			func(s ending) { // after the sweep has begun
				s.handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if strings.HasSuffix(r.URL.Path, "/runs") {
						http.Error(w, `{"error_code":"401013"}`, http.StatusUnauthorized)
						return
					}
					s.adobe.ServeHTTP(w, r)
				})
			},
			func(s ending) { s.handler = nil }, retry.CredentialsRefused,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEnding(t, func(t *testing.T, s ending) {
				id := s.ended(flowsim.Success, 1)[0]
				tt.hold(s)
				r := s.run(sweep)
				if !r.Again || !slices.Contains(r.Reasons, tt.reason) || s.state(id) != ledger.Made || r.Report.Pages != 0 {
					t.Fatalf("the result is %+v; the run is %s", r, s.state(id))
				}
				tt.free(s)
				<-time.After(r.After)
				if r, _ = s.finish(sweep); s.state(id) != ledger.Succeeded || s.recovered() != 1 || r.Report.Pages != 1 {
					t.Errorf("the run is %s; %+v", s.state(id), r)
				}
			})
		})
	}
}

func (s ending) pause(scope throttle.Scope) {
	s.t.Helper()
	if _, err := s.limits.Pause(s.t.Context(), scope, throttle.Cause{}, time.Now()); err != nil {
		s.t.Fatal(err)
	}
}

func TestEndsThatCantBeLookedUpKeepNoPageWaiting(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]flowsim.Fault{
		"Flow Service is unwell":      {Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable},
		"the listing hangs":           {Op: flowsim.OpRuns, Hang: true},
		"the answer is cut":           {Op: flowsim.OpRuns, Truncate: true, Body: `{"items":[`},
		"the filter is refused":       {Op: flowsim.OpRuns, Status: http.StatusBadRequest, Body: `{"message":"unknown property id"}`},
		"the credential may not list": {Op: flowsim.OpRuns, Status: http.StatusForbidden, Body: `{"type":"https://ns.adobe.com/aep/errors/FLOW-2120-403","title":"Forbidden","status":403}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEnding(t, func(t *testing.T, s ending) {
				id, failed := s.ended(flowsim.Success, 1)[0], s.fail(1)[0]
				s.adobe.Inject(fault)
				r := s.run(sweep)
				if r.Report.State != Finished || len(r.Ends) != 0 || !slices.Equal(s.queued(), []string{failed}) || s.said("could not be looked up") != 1 || len(s.letters) != 0 {
					t.Fatalf("the result is %+v, with %v:\n%s", r, s.queued(), s.log)
				}
				if s.run(event.Sweep{ID: "next"}); s.state(id) != ledger.Succeeded || s.recovered() != 1 {
					t.Errorf("after the next sweep the run is %s", s.state(id))
				}
			})
		})
	}
}

// failing is a table whose lists, or whose records of successes, fail.
type failing struct {
	store.Table

	lists, commits int
}

func (l *failing) ListFrom(ctx context.Context, index, value, after string, limit int) ([]store.Record, error) {
	if l.lists--; l.lists >= 0 {
		return nil, &store.UnavailableError{Op: "list", Err: errDown}
	}
	return l.Table.ListFrom(ctx, index, value, after, limit)
}

func (l *failing) Commit(ctx context.Context, writes ...store.Write) error {
	if strings.HasPrefix(writes[0].Key, "run#") {
		if l.commits--; l.commits >= 0 {
			return &store.UnavailableError{Op: "commit", Err: errDown}
		}
	}
	return l.Table.Commit(ctx, writes...)
}

func TestASuccessThatCantBeRecordedIsFoundAgain(t *testing.T) {
	t.Parallel()
	onEnding(t, func(t *testing.T, s ending) {
		ids := s.ended(flowsim.Success, 3)
		table := &failing{Table: s.table, lists: 1, commits: 1}
		engine := retry.New(s.accounts, ledger.New(table, ledger.DefaultTTL, time.Now), table, s.limits, nil, nil, retry.Options{Rules: s.options.Rules, Now: time.Now, Log: s.options.Log})
		s.options.Succeed = engine.Succeed
		on := func(id string) Result {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			return New(s.accounts, ledger.New(table, ledger.DefaultTTL, time.Now), table, s, s.limits, s.giveUp, s.giveUpRun, s.options).Run(ctx, event.Sweep{ID: id}, time.Now())
		}
		if r := on("no list"); r.Report.State != Finished || s.succeeded(ids...) != 0 || s.said("could not be listed") != 1 {
			t.Errorf("without the list: %+v", r)
		}
		if r := on("s"); !r.Again || !slices.Contains(r.Reasons, retry.LedgerUnavailable) || s.succeeded(ids...) != 0 {
			t.Errorf("without the record: %+v", r)
		}
		if r := on("s"); r.Report.State != Finished || s.succeeded(ids...) != 3 || len(r.Ends) != 3 || s.recovered() != 3 {
			t.Errorf("after that: %+v", r)
		}
	})
}

func TestOpenRunsAreLookedUpBySandboxAsFarAsThereAreCalls(t *testing.T) {
	t.Parallel()
	run := func(id, sandbox string, minute int) ledger.Run {
		r := ledger.NewRun(org, "f", sandbox, id)
		r.FirstSeen = noon.Add(time.Duration(minute) * time.Minute)
		return r
	}
	open := []ledger.Run{run("old", "prod", -1), run("a", "prod", 0), run("b", "dev", 1), run("x,y", "prod", 2), run("c", "prod", 3), run("d", "stage", 4), run("e", "prod", 5)}
	for _, tt := range []struct {
		most int
		want string
		cut  bool
		last int
	}{
		{3, "prod[a c e] dev[b] stage[d]", false, 5},
		{2, "prod[a c] dev[b]", true, 3},
		{1, "prod[a]", true, 0},
	} {
		p := planEnds(open, noon, tt.most)
		var got []string
		for _, l := range p.lookups {
			got = append(got, l.sandbox+fmt.Sprint(l.ids()))
		}
		if strings.Join(got, " ") != tt.want || p.cut != tt.cut || !p.last.Equal(noon.Add(time.Duration(tt.last)*time.Minute)) || len(p.tooOld) != 1 || p.tooOld[0].RunID != "old" {
			t.Errorf("%d lookups: %v, %+v", tt.most, got, p)
		}
	}
}

func TestOnlyRunsThatWereAskedForAndAreOfTheOrgCount(t *testing.T) {
	t.Parallel()
	found := func(id, orgID, status string) flowclient.Run {
		r := flowclient.Run{ID: id, OrgID: orgID}
		r.Metrics.Status.Status = flowclient.Status(status)
		return r
	}
	l := &lookup{sandbox: "prod"}
	for _, id := range []string{"a", "b", "c", "d"} {
		r := ledger.NewRun(org, "f", "prod", id)
		r.FirstSeen = noon
		l.runs = append(l.runs, r)
	}
	all := []flowclient.Run{found("a", org, "success"), found("b", "", "COMPLETED"), found("c", "X@AdobeOrg", "success"), found("theirs", org, "success")}
	succeeded, unknown := sortEnds(org, l, all, noon.Add(time.Hour))
	if len(succeeded) != 2 || succeeded[0].ID != "a" || succeeded[1].ID != "b" || !slices.Equal(unknown, []string{"c", "d"}) {
		t.Errorf("%v have succeeded, %v are unknown", succeeded, unknown)
	}
	if _, unknown := sortEnds(org, l, all, noon.Add(30*time.Minute)); len(unknown) != 0 {
		t.Errorf("%v are unknown so soon", unknown)
	}
	l.partly = true
	if _, unknown := sortEnds(org, l, all, noon.Add(time.Hour)); len(unknown) != 0 {
		t.Errorf("%v are unknown, though there are more pages", unknown)
	}
}
