package retry_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// window is the hour before noon, or one that overlaps it.
func window(later time.Duration) flowclient.Window {
	return flowclient.Window{Start: noon().Add(later - time.Hour), End: noon().Add(later)}
}

// listedRun is a run of the window, made so long after the failed one.
func listedRun(id string, later time.Duration, status flowclient.Status, w flowclient.Window) ListedRun {
	return ListedRun{ID: id, Client: "exc_app", CreatedAt: noon().Add(later), Status: status, Window: w}
}

func TestNewerRunsAreThoseOfTheSameWindowThatSucceededOrRun(t *testing.T) {
	t.Parallel()
	const later, before = time.Minute, -time.Minute
	same, none := window(0), flowclient.Window{}
	own := ListedRun{ID: "run", CreatedAt: noon(), Window: same}
	unknown := ListedRun{ID: "run"}
	for name, tt := range map[string]struct {
		own     ListedRun
		listed  []ListedRun
		want    []string
		unclear string
	}{
		"it has succeeded":                     {own, []ListedRun{listedRun("h", later, "success", same)}, []string{"h"}, ""},
		"it is running":                        {own, []ListedRun{listedRun("h", later, "inProgress", same)}, []string{"h"}, ""},
		"it is queued":                         {own, []ListedRun{listedRun("h", later, "QUEUED", same)}, []string{"h"}, ""},
		"it has failed":                        {own, []ListedRun{listedRun("h", later, "failed", same)}, nil, ""},
		"it has succeeded in part":             {own, []ListedRun{listedRun("h", later, "partialSuccess", same)}, nil, ""},
		"it is older":                          {own, []ListedRun{listedRun("h", before, "success", same)}, nil, ""},
		"it is of the same time":               {own, []ListedRun{listedRun("h", 0, "success", same)}, nil, ""},
		"it is the run itself":                 {own, []ListedRun{listedRun("run", later, "success", same)}, nil, ""},
		"it is of another window":              {own, []ListedRun{listedRun("h", later, "success", window(time.Hour))}, nil, ""},
		"its window overlaps":                  {own, []ListedRun{listedRun("h", later, "success", window(time.Minute))}, nil, ""},
		"its window contains it":               {own, []ListedRun{listedRun("h", later, "success", flowclient.Window{Start: same.Start.Add(-time.Hour), End: same.End})}, nil, ""},
		"no newer run has a window":            {own, []ListedRun{listedRun("h", later, "success", none), listedRun("i", later, "inProgress", none)}, nil, "Adobe does not tell the data window of any newer run"},
		"another newer run has a window":       {own, []ListedRun{listedRun("h", later, "success", none), listedRun("i", later, "success", window(time.Hour))}, nil, ""},
		"two of the same window":               {own, []ListedRun{listedRun("h", later, "success", same), listedRun("i", later, "inProgress", same)}, []string{"h", "i"}, ""},
		"the listing tells the own window":     {unknown, []ListedRun{listedRun("h", later, "success", same), listedRun("run", 0, "failed", same)}, []string{"h"}, ""},
		"nothing tells the own window":         {unknown, []ListedRun{listedRun("h", later, "success", same), listedRun("run", 0, "failed", none)}, nil, "Adobe does not tell the data window of the run"},
		"nothing tells it, and nothing is new": {unknown, []ListedRun{listedRun("run", 0, "failed", none)}, nil, ""},
		"nothing tells when the run was made":  {unknown, []ListedRun{listedRun("h", later, "success", same)}, nil, "Adobe does not tell when the run was made"},
		"nothing is listed":                    {own, nil, nil, ""},
	} {
		newer, unclear := NewerRuns(tt.own, tt.listed)
		var ids []string
		for _, r := range newer {
			ids = append(ids, r.ID)
		}
		if diff := cmp.Diff(tt.want, ids); diff != "" || unclear != tt.unclear {
			t.Errorf("%s: unclear since %q; runs (-want +got):\n%s", name, unclear, diff)
		}
	}
}

// late makes a run fail, and lets so much time pass that a delivery asks for a retry by hand.
func (w *world) late() event.Request {
	req := w.fail("run")
	pass(11 * time.Minute)
	return req
}

func TestARunThatSomebodyHasRetriedByHandIsSkipped(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *world, id string){
		"it is running":    func(*world, string) {},
		"it has succeeded": func(w *world, id string) { w.adobe.End(id, flowsim.Succeed()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.late()
				by := flowsim.RetryByHand(w.adobe.Server, "run")
				end(w, by)
				pass(time.Minute)
				r := w.deliver(req)
				w.want(r, Skipped, SupersededByHand)
				run := w.entries("run").Run
				if r.SupersededBy != by || !strings.Contains(r.Message, by) || run.SupersededBy != by || run.Window.IsZero() {
					t.Errorf("%+v\n%+v", r, run)
				}
				again := w.deliver(req)
				w.want(again, Skipped, ReasonDuplicate)
				if again.SupersededBy != by {
					t.Errorf("the second answer is %+v", again)
				}
				w.want(w.deliver(byHand("run")), Skipped, SupersededByHand)
				forced := byHand("run")
				forced.Force = true
				w.want(w.deliver(forced), Retriggered, "")
				if w.entries("run").Run.SupersededBy != "" {
					t.Error("a run that was sent since is still superseded")
				}
				w.wantRetriggers(1)
			})
		})
	}
}

func TestARunOfOursIsNoRetryByHand(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.late()
		w.want(w.deliver(w.event("run")), Retriggered, "")
		made := w.adobe.MadeOf("run")
		// A second run of the window, which a lost call of ours may have made, too.
		pass(time.Minute)
		other := w.fail("other")
		for _, r := range w.adobe.Runs() {
			if r.ID == "run" {
				w.adobe.AddRun(flowsim.Run{ID: "other", FlowID: flow, Status: flowsim.Failed, CreatedClient: "a-schedule", CreatedAt: r.CreatedAt, CompletedAt: r.CompletedAt, Window: r.Window})
			}
		}
		other.CreatedAt, other.FailedAt = req.CreatedAt, req.FailedAt
		r := w.deliver(other)
		w.want(r, Retriggered, "") // although the run of ours is running
		if made == "" || r.SupersededBy != "" {
			t.Errorf("%+v", r)
		}
	})
}

func TestARunThatALostCallMayHaveMadeIsNoRetryByHand(t *testing.T) {
	t.Parallel()
	at := noon()
	call := ledger.Call{ID: "c", RunID: "other", ClientID: ourClient, At: at, Until: at.Add(time.Minute)}
	flowEntry := func(change func(*ledger.Flow)) ledger.Flow {
		f := ledger.Flow{OrgID: org, FlowID: flow}
		change(&f)
		return f
	}
	ours, theirs := ListedRun{ID: "h", Client: ourClient, CreatedAt: at}, ListedRun{ID: "i", Client: "exc_app", CreatedAt: at, Status: "inProgress"}
	done := ListedRun{ID: "j", Client: "exc_app", CreatedAt: at, Status: "success"}
	child := ledger.NewRun(org, flow, sandbox, "h")
	child.Parent = "run"
	for name, tt := range map[string]struct {
		newer   []ListedRun
		run     *ledger.Run
		flow    ledger.Flow
		want    string
		unclear bool
	}{
		"nobody knows it":               {newer: []ListedRun{ours}, want: "h"},
		"we made it":                    {newer: []ListedRun{ours}, run: &child},
		"the call in the slot may have": {newer: []ListedRun{ours}, flow: flowEntry(func(f *ledger.Flow) { f.Slot = &call }), unclear: true},
		"a kept call may have":          {newer: []ListedRun{ours}, flow: flowEntry(func(f *ledger.Flow) { f.Kept = []ledger.Call{call} }), unclear: true},
		"a call that was cut may have": {newer: []ListedRun{ours}, flow: flowEntry(func(f *ledger.Flow) {
			f.Cut = &ledger.CutMark{ClientIDs: []string{ourClient}, Until: at.Add(time.Hour)}
		}), unclear: true},
		"another run is certainly by hand":  {newer: []ListedRun{ours, theirs}, flow: flowEntry(func(f *ledger.Flow) { f.Kept = []ledger.Call{call} }), want: "i"},
		"the one that has succeeded counts": {newer: []ListedRun{theirs, done}, want: "j"},
		"otherwise the newest counts":       {newer: []ListedRun{theirs, ours}, want: "i"},
		"nothing is newer":                  {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := MadeByHand(tt.newer, func(runID string) ledger.Entries {
				if tt.run != nil && tt.run.RunID == runID {
					return ledger.Entries{Run: *tt.run, Flow: tt.flow}
				}
				return ledger.Entries{Run: ledger.NewRun(org, flow, sandbox, runID), Flow: tt.flow}
			})
			if got.By.ID != tt.want || (got.Answer == Yes) != (tt.want != "") || (got.Unclear != "") != tt.unclear {
				t.Errorf("the answer is %+v", got)
			}
		})
	}
}

// TestARetryGoesOnWhereNobodyCanTellOfARetryByHand: the listing costs one call of at most
// five seconds, and the log says why it is no use.
func TestARetryGoesOnWhereNobodyCanTellOfARetryByHand(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fault  flowsim.Fault
		change func(map[string]any)
		says   string
	}{
		"the listing fails":         {fault: flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusServiceUnavailable}, says: "could not be listed"},
		"the listing is forbidden":  {fault: flowsim.Fault{Op: flowsim.OpRuns, Status: http.StatusForbidden}, says: "could not be listed"},
		"the listing is no listing": {fault: flowsim.Fault{Op: flowsim.OpRuns, Body: `{}`}, says: "could not be listed"},
		"the listing hangs":         {fault: flowsim.Fault{Op: flowsim.OpRuns, Hang: true}, says: "could not be listed"},
		"windows are not told":      {change: func(d map[string]any) { delete(d, "activities") }, says: "does not tell the data window"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				req := w.late()
				w.adobe.AddRun(flowsim.Run{ID: "by-hand", FlowID: flow, Status: flowsim.Success, CreatedClient: "exc_app", Document: tt.change})
				if tt.fault.Op != "" {
					w.adobe.Inject(tt.fault)
				}
				began := time.Now()
				w.want(w.deliver(req), Retriggered, "")
				if took := time.Since(began); took > NewerTime {
					t.Errorf("it took %s", took)
				}
				if n := w.adobe.Count(flowsim.OpRuns); n != 1 || !strings.Contains(w.log.String(), tt.says) {
					t.Errorf("%d listings; the log is\n%s", n, w.log.String())
				}
			})
		})
	}
}

func TestARetryByHandIsLookedForOnThePageOfTheNewestRuns(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.late()
		flowsim.RetryByHand(w.adobe.Server, "run")
		for range 2 * flowclient.DefaultPageSize { // many hours later
			w.adobe.AddRun(flowsim.Run{ID: time.Now().String(), FlowID: flow, Status: flowsim.Success, CreatedClient: "a-schedule"})
			pass(time.Second)
		}
		w.want(w.deliver(req), Retriggered, "")
		if n := w.adobe.Count(flowsim.OpRuns); n != 1 {
			t.Errorf("%d pages were listed", n)
		}
	})
}

func TestNothingIsSentIfTheLedgerCantTellWhoMadeTheNewerRun(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.late()
		flowsim.RetryByHand(w.adobe.Server, "run")
		w.table.onRead = func() error {
			if w.adobe.Count(flowsim.OpRuns) > 0 {
				return errDown
			}
			return nil
		}
		w.want(w.deliver(req), Returned, LedgerUnavailable)
		w.wantRetriggers(0)
	})
}

func TestADryRunTellsOfARetryByHand(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.late()
		dry := byHand("run")
		dry.DryRun = true
		w.adobe.AddRun(flowsim.Run{ID: "unclear", FlowID: flow, Status: flowsim.Success, CreatedClient: "exc_app", NoWindow: true})
		if r := w.deliver(dry); !strings.Contains(r.Message, "would be re-triggered") || !strings.Contains(r.Message, "by hand can't be told") {
			t.Errorf("%+v", r)
		}
		by := flowsim.RetryByHand(w.adobe.Server, "run")
		if r := w.deliver(dry); r.Reason != DryRun || r.SupersededBy != by || !strings.Contains(r.Message, "would be skipped (superseded_by_hand)") {
			t.Errorf("%+v", r)
		}
	})
}

func TestNobodyIsAskedWithoutAToken(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		req := w.late()
		req.FlowName = "Orders" // which is not asked for then
		w.adobe.Inject(flowsim.Fault{Op: flowsim.OpToken, Status: http.StatusServiceUnavailable})
		w.want(w.deliver(req), Returned, AdobeUnavailable)
		if n := w.adobe.Count(flowsim.OpRuns); n != 0 || w.adobe.Count(flowsim.OpToken) != 1 {
			t.Errorf("%d listings, %d calls for a token", n, w.adobe.Count(flowsim.OpToken))
		}
	})
}

// TestRunsOfADataflowShareTheListing: it is made once a minute, also where it fails.
func TestRunsOfADataflowShareTheListing(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"it succeeds": false, "it hangs": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				var requests []event.Request
				for _, id := range []string{"run", "second", "third"} {
					requests = append(requests, w.fail(id))
				}
				pass(11 * time.Minute)
				if fails {
					w.adobe.Inject(flowsim.Fault{Op: flowsim.OpRuns, Hang: true, Times: 9})
				}
				e := w.engine()
				for i, req := range requests[:2] {
					w.want(w.deliverTo(e, req, Delivery{Name: req.RunID}), Retriggered, "")
					if n := w.adobe.Count(flowsim.OpRuns); n != 1 {
						t.Errorf("%d listings for %d runs", n, i+1)
					}
				}
				pass(time.Minute)
				w.want(w.deliverTo(e, requests[2], Delivery{Name: "third"}), Retriggered, "")
				if n := w.adobe.Count(flowsim.OpRuns); n != 2 {
					t.Errorf("%d listings, want one more after a minute", n)
				}
			})
		})
	}
}
