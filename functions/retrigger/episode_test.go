package main

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// inNoticedWorld runs a test in a world whose function sends notices.
func inNoticedWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.NoticeBus = simulation.NoticeBus
		w.Config.RetryDelays = []time.Duration{0}
		test(t, w)
	})
}

func (r results) notices() []awssim.Event { return r.AWS.EventBuses.Sent(simulation.NoticeBus) }

// noticeDetail is what a notice says.
type noticeDetail struct {
	ID, Title, Message, NextStep, FlowID, FlowName, RunID, Root, FirstFailure, Cause, Code string

	Attempts, Count, DaysLeft int
}

func read(t *testing.T, e awssim.Event) (n noticeDetail) {
	t.Helper()
	if err := json.Unmarshal([]byte(e.Detail), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (r results) wantNotices(want ...notice.Kind) {
	r.TB.Helper()
	var got []notice.Kind
	for _, e := range r.notices() {
		got = append(got, notice.Kind(e.DetailType))
	}
	if !slices.Equal(got, want) {
		r.TB.Errorf("the notices are %q, want %q", got, want)
	}
}

// wantNothingUntold checks that no entry of the ledger is on a list of untold news.
func (r results) wantNothingUntold() {
	r.TB.Helper()
	for _, n := range r.News() {
		if n.Listed || n.Untold > 0 {
			r.TB.Errorf("%d pieces of news of dataflow %s are not told, listed: %t", n.Untold, n.FlowID, n.Listed)
		}
	}
}

// theirs lets a run of the dataflow succeed that nobody re-triggered, and tells that.
func (w *world) theirs(id, flowID string) {
	w.TB.Helper()
	w.Adobe.AddRun(flowsim.Run{ID: id, FlowID: flowID, Status: flowsim.Success, Records: 1, CreatedClient: "acp_ui_platform", CompletedAt: time.Now()})
	w.tellSuccess(id, w.Start(-1, false))
}

// TestAScheduledSweepEndsAnEpisode: Nobody subscribes to success events. The next run of the
// schedule succeeds, and the hourly sweep tells so. The failure of a week later is news again.
func TestAScheduledSweepEndsAnEpisode(t *testing.T) {
	t.Parallel()
	inNoticedWorld(t, func(_ *testing.T, w *world) {
		giveUp := func() {
			w.failing(100)
			w.Told(w.Fail("f"))
			w.Drain(2 * time.Hour)
		}
		giveUp()
		w.sweep(bareSchedule)
		w.wantNotices(notice.GivenUp)
		pass(time.Minute)
		w.Adobe.AddRun(flowsim.Run{ID: "good", FlowID: "f", Status: flowsim.Success, Records: 1, CreatedClient: "acp_ui_platform", CompletedAt: time.Now()})
		pass(time.Hour)
		w.sweep(bareSchedule2)
		w.wantNotices(notice.GivenUp, notice.Recovered)
		pass(7 * 24 * time.Hour)
		giveUp()
		w.wantNotices(notice.GivenUp, notice.Recovered, notice.GivenUp)
	})
}

func TestNoNoticeTellsOfARunThatRecovers(t *testing.T) {
	t.Parallel()
	inNoticedWorld(t, func(_ *testing.T, w *world) {
		_, child, _ := w.success()
		w.tellSuccess(child, w.Start(-1, false))
		w.sweep(bareSchedule)
		w.wantNotices()
	})
}

func TestABusThatIsGoneCostsNoRetryAndTheSweepSendsTheNotice(t *testing.T) {
	t.Parallel()
	inNoticedWorld(t, func(t *testing.T, w *world) {
		w.AWS.EventBuses.Remove(simulation.NoticeBus)
		w.failing(1)
		w.Told(w.Fail("f"))
		w.Drain(time.Hour)
		pass(time.Minute)
		w.theirs("good", "f")
		other := w.Fail("f")
		w.Told(other)
		w.Drain(time.Hour)
		w.wantOnce(t, []string{other})
		if n := w.Logs.Sum("notices_unavailable"); n != 2 {
			t.Errorf("%d notices are counted that could not be sent, want 2", n)
		}
		if r := w.sweep(bareSchedule); r.State != sweep.Finished || w.Logs.Sum("notices_unavailable") != 3 {
			t.Errorf("the sweep's report is %+v", r)
		}
		w.AWS.EventBuses.Add(simulation.NoticeBus)
		w.sweep(bareSchedule2)
		w.wantNotices(notice.GivenUp, notice.Recovered)
		w.wantNothingUntold()
	})
}

// bareSchedule2 is the event of the next hour.
const bareSchedule2 = `{"version":"0","id":"9d1de2a1","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-23T08:00:00Z","detail":{}}`

func TestASuccessEndsAnEpisodeOnlyIfItCameAfterwards(t *testing.T) {
	t.Parallel()
	inNoticedWorld(t, func(t *testing.T, w *world) {
		w.Flow("g", worldOrg)
		w.Flow("other", worldOther)
		w.Adobe.AddRun(flowsim.Run{ID: "before", FlowID: "f", Status: flowsim.Success, Records: 1, CreatedClient: "acp_ui_platform", CompletedAt: time.Now()})
		w.Send(string(w.Adobe.FailureEvent("before"))) // the queue is slow
		early := w.AWS.Messages(w.Requests)[0]
		if m, ok := w.AWS.Receive(w.Requests, early.ID); !ok || m.ID == "" { // it is invisible for six minutes
			t.Fatal("the message can't be received")
		}
		pass(time.Minute)
		w.failing(1)
		w.Told(w.Fail("f"))
		w.Drain(time.Hour)
		w.theirs("of another dataflow", "g")
		w.theirs("of another org", "other")
		w.wantNotices(notice.GivenUp)
		w.theirs("after", "f")
		w.wantNotices(notice.GivenUp, notice.Recovered)
	})
}

func TestWithoutABusNothingIsListedAndNothingSent(t *testing.T) {
	t.Parallel()
	inNoticedWorld(t, func(t *testing.T, w *world) {
		w.Config.NoticeBus = ""
		w.failing(100)
		for range 5 {
			w.Told(w.Fail("f"))
			w.Drain(time.Hour)
		}
		pass(time.Minute)
		w.sweep(bareSchedule)
		w.wantNotices()
		if n := w.News(); len(n) != 1 || n[0].Listed {
			t.Errorf("the ledger has %+v", n)
		}
		w.theirs("good", "f")
		if n := w.News(); len(n) > 0 {
			t.Errorf("the ledger has %+v", n)
		}
	})
}
