package retry_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/notice"
	. "github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// bus takes notices.
type bus struct {
	mu    sync.Mutex
	sent  []notice.Notice
	err   error
	hangs bool
}

func (b *bus) Send(ctx context.Context, notices ...notice.Notice) error {
	if b.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.sent = append(b.sent, notices...)
	}
	return b.err
}

// hopeless gives each run up at once.
func hopeless(w *world) { w.options.Policy.Delays = nil }

// succeeded delivers the event of a success that Adobe sent just now.
func (w *world) succeeded(runID, flowID string) Result {
	return w.engine().Succeed(w.Context(), event.Skip{Reason: event.RunSucceeded, RunID: runID, FlowID: flowID, OrgID: org, Sandbox: sandbox}, time.Now(), nil)
}

func TestNewsIsWhatAWriteHasChanged(t *testing.T) {
	t.Parallel()
	begun := ledger.Episode{Began: noon()}
	opened, ended, told := begun, begun, begun
	opened.Opened = noon()
	ended.Ended = noon()
	told.Told = []ledger.News{ledger.RunGivenUp}
	toldEnded := told
	toldEnded.Ended = noon()
	next := ledger.Episode{Began: noon().Add(time.Hour)}
	for name, tt := range map[string]struct {
		before, after []ledger.Episode
		want          []ledger.News
	}{
		"nothing":                   {nil, nil, nil},
		"an episode begins":         {nil, []ledger.Episode{begun}, []ledger.News{ledger.RunGivenUp}},
		"another run is given up":   {[]ledger.Episode{told}, []ledger.Episode{told}, nil},
		"so it is if none was told": {[]ledger.Episode{begun}, []ledger.Episode{begun}, nil},
		"the breaker opens":         {[]ledger.Episode{begun}, []ledger.Episode{opened}, []ledger.News{ledger.FlowFailing}},
		"both at once":              {nil, []ledger.Episode{opened}, []ledger.News{ledger.RunGivenUp, ledger.FlowFailing}},
		"it ends":                   {[]ledger.Episode{told}, []ledger.Episode{toldEnded}, []ledger.News{ledger.FlowRecovered}},
		"it ends, and was not told": {[]ledger.Episode{begun}, []ledger.Episode{ended}, []ledger.News{ledger.FlowRecovered}},
		"another one begins":        {[]ledger.Episode{ended}, []ledger.Episode{ended, next}, []ledger.News{ledger.RunGivenUp}},
		"the end is told":           {[]ledger.Episode{toldEnded}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []ledger.News
			for _, u := range NewsOf(&ledger.Flow{Episodes: tt.before}, &ledger.Flow{Episodes: tt.after}) {
				got = append(got, u.News)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("the news is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestANoticeSaysWhatHappenedAndWhatComesNext(t *testing.T) {
	t.Parallel()
	since := noon().Add(-5*24*time.Hour - time.Minute)
	window := flowclient.Window{Start: since.Add(-time.Hour), End: since}
	e := ledger.Episode{
		Began: noon(), Since: since, Opened: noon().Add(time.Minute), Ended: noon().Add(time.Hour), RunID: "run", Root: "root", Attempts: 3, Reason: string(AttemptsExhausted),
		Code: "CODE", Text: "the source is away", Sandbox: sandbox, FlowName: "Orders", Window: window, Count: 4,
	}
	got := NoticeOf(org, flow, ledger.Untold{Episode: e, News: ledger.RunGivenUp}, noon())
	want := notice.Notice{
		Kind: notice.GivenUp, ID: got.ID, At: noon(), OrgID: org, Sandbox: sandbox, FlowID: flow, FlowName: "Orders", Root: "root", RunID: "run", Attempts: 3, FirstFailure: since, Window: window,
		Code: "CODE", Text: "the source is away", Cause: "The run and its retries have failed (attempts_exhausted).", NextStep: "Mend the cause of the failure, then send the run with force.",
		Count: 4, DaysLeft: new(24),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the notice (-want +got):\n%s", diff)
	}
	failing := NoticeOf(org, flow, ledger.Untold{Episode: e, News: ledger.FlowFailing}, noon().Add(40*24*time.Hour))
	if failing.Kind != notice.Failing || !failing.At.Equal(e.Opened) || *failing.DaysLeft != 0 {
		t.Errorf("the notice is %+v", failing)
	}
	recovered := NoticeOf(org, flow, ledger.Untold{Episode: e, News: ledger.FlowRecovered}, noon())
	if recovered.Kind != notice.Recovered || !recovered.At.Equal(e.Ended) || recovered.DaysLeft != nil {
		t.Errorf("the notice is %+v", recovered)
	}
	e.Count++
	if again := NoticeOf(org, flow, ledger.Untold{Episode: e, News: ledger.RunGivenUp}, noon().Add(time.Hour)); again.ID != got.ID {
		t.Error("the same news has another id")
	}
	e.Began = noon().Add(time.Millisecond)
	ids := map[string]bool{got.ID: true, failing.ID: true, recovered.ID: true, NoticeOf(org, flow, ledger.Untold{Episode: e}, noon()).ID: true, NoticeOf(org, "other", ledger.Untold{Episode: e}, noon()).ID: true}
	if len(ids) != 5 {
		t.Errorf("different news has the same id: %v", ids)
	}
}

func TestFortyGivenUpRunsGiveTwoNoticesAndTheirEndGivesOne(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		hopeless(w)
		for i := range 40 {
			w.want(w.deliver(w.fail("run-"+string(rune('A'+i)))), DeadLettered, AttemptsExhausted)
			pass(time.Hour)
		}
		w.wantNotices(notice.GivenUp, notice.Failing)
		w.want(w.succeeded("theirs", flow), Skipped, RunSucceeded)
		w.succeeded("another", flow)
		w.succeeded("theirs", flow)
		w.wantNotices(notice.GivenUp, notice.Failing, notice.Recovered)
		w.wantUntold(0)
		if n := w.bus.sent[2]; n.Count != 40 || n.RunID != "run-A" || n.FlowName != "Orders" {
			t.Errorf("the notice is %+v", n)
		}
		if f := w.entries("x").Flow; f.Exhausted != 0 || !f.BlockedUntil.IsZero() || len(f.Episodes) > 0 {
			t.Errorf("the dataflow is %+v", f)
		}
		w.wantState("theirs", ledger.NoEntry)
	})
}

func TestABusThatIsAwayCostsNoRetryAndLosesNoNews(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(*bus){
		"gone": func(b *bus) { b.err = errDown },
		"slow": func(b *bus) { b.hangs = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				hopeless(w)
				away(w.bus)
				began := time.Now()
				r := w.deliver(w.fail("a"))
				w.want(r, DeadLettered, AttemptsExhausted)
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("it took %s", took)
				}
				if !slices.Equal(r.Also, []Reason{NoticesUnavailable}) || strings.Count(w.log.String(), "the next sweep sends it") != 1 {
					t.Errorf("also %q; the log is %s", r.Also, w.log.String())
				}
				w.wantUntold(1)
				w.want(w.deliver(w.fail("b")), DeadLettered, AttemptsExhausted)
				if n := strings.Count(w.log.String(), "the next sweep sends it"); n != 1 {
					t.Errorf("%d attempts to send what is a sweep's to send", n)
				}
			})
		})
	}
}

func TestASlowBusDoesNotDelayAnAnswerPastItsDeadline(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		hopeless(w)
		w.bus.hangs = true
		ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
		defer cancel()
		w.letters.onSend = func() { pass(18500 * time.Millisecond) }
		w.want(w.engine().Retry(ctx, w.fail("a"), Delivery{}), DeadLettered, AttemptsExhausted)
		if ctx.Err() != nil {
			t.Error("the deadline has passed")
		}
		w.wantUntold(1)
	})
}

func TestNewsThatCannotBeMarkedIsToldAgain(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		hopeless(w)
		w.options.Teller.Episodes = unmarked{w.options.Episodes}
		r := w.deliver(w.fail("a"))
		w.want(r, DeadLettered, AttemptsExhausted)
		w.wantNotices(notice.GivenUp)
		w.wantUntold(1)
		if len(r.Also) > 0 {
			t.Errorf("also %q", r.Also)
		}
	})
}

// unmarked can't mark anything as told.
type unmarked struct{ Episodes }

func (unmarked) MarkTold(_ context.Context, f ledger.Flow, _ ...ledger.Untold) (ledger.Flow, error) {
	return f, errDown
}

func TestARunThatRecoversIsNoNews(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		r := w.deliver(w.fail("a"))
		w.want(r, Retriggered, "")
		w.want(w.deliver(w.event("a")), Retriggered, ReasonDuplicate)
		if got := w.succeeded(r.NewRunID, flow); !got.Recovered {
			t.Errorf("the result is %+v", got)
		}
		w.wantNotices()
		w.wantUntold(0)
	})
}

func TestTheSuccessOfARunOfOursEndsTheEpisode(t *testing.T) {
	t.Parallel()
	for name, flowID := range map[string]string{"its event names the dataflow": flow, "its event does not": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				hopeless(w)
				w.deliver(w.fail("a"))
				w.options.Policy.Delays = []time.Duration{0}
				pass(time.Minute)
				made := w.deliver(w.fail("b"))
				w.want(made, Retriggered, "")
				pass(time.Minute)
				if r := w.succeeded(made.NewRunID, flowID); !r.Recovered {
					t.Errorf("the result is %+v", r)
				}
				w.wantNotices(notice.GivenUp, notice.Recovered)
				w.wantState(made.NewRunID, ledger.Succeeded)
			})
		})
	}
}

func TestASuccessFromBeforeTheFailureEndsNothing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		hopeless(w)
		seen := time.Now()
		pass(time.Minute)
		w.deliver(w.fail("a"))
		late := event.Skip{Reason: event.RunSucceeded, RunID: "theirs", FlowID: flow, OrgID: org, Sandbox: sandbox}
		w.engine().Succeed(w.Context(), late, seen, nil)
		other := late
		other.OrgID = "other@AdobeOrg"
		w.engine().Succeed(w.Context(), other, time.Now().Add(time.Minute), nil)
		w.wantNotices(notice.GivenUp)
	})
}

func TestTheSuccessThatTheBreakerAsksForEndsTheEpisode(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		hopeless(w)
		for _, id := range []string{"a", "b", "c"} {
			w.deliver(w.fail(id))
			pass(time.Minute)
		}
		w.adobe.AddRun(flowsim.Run{ID: "good", FlowID: flow, Status: flowsim.Success, Records: 1, CreatedAt: time.Now(), CompletedAt: time.Now()})
		pass(time.Minute)
		w.options.Policy.Delays = []time.Duration{0}
		w.want(w.deliver(w.fail("d")), Retriggered, "")
		w.wantNotices(notice.GivenUp, notice.Failing, notice.Recovered)
	})
}

func TestASuccessWhileRunsAreGivenUpBeginsANewEpisode(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		hopeless(w)
		w.deliver(w.fail("a"))
		w.deliver(w.fail("b"))
		pass(time.Minute)
		w.adobe.AddRun(flowsim.Run{ID: "good", FlowID: flow, Status: flowsim.Success, Records: 1, CreatedAt: time.Now(), CompletedAt: time.Now()})
		pass(time.Minute)
		w.want(w.deliver(w.fail("c")), DeadLettered, AttemptsExhausted)
		w.wantNotices(notice.GivenUp, notice.Recovered, notice.GivenUp)
		if f := w.entries("c").Flow; f.Exhausted != 1 || !f.BlockedUntil.IsZero() || f.Failing() == nil || f.Failing().RunID != "c" {
			t.Errorf("the dataflow is %+v", f)
		}
	})
}

func TestADisabledDataflowSaysHowLongItHadFailed(t *testing.T) {
	t.Parallel()
	disabled := flowsim.Fault{Op: flowsim.OpRetrigger, Status: 400, Body: `{"message":"The flow is not enabled.","error_code":"FLOW-1388-400"}`, Times: 9}
	for name, tt := range map[string]struct {
		before func(w *world)
		want   string
	}{
		"from its episode":       {func(w *world) { hopeless(w); w.deliver(w.fail("a")); pass(29 * 24 * time.Hour) }, "had failed for 29 days or more, since 2000-01-01T00:00:00Z. "},
		"from the run's failure": {func(*world) {}, "had failed for 2 h or more, since 2000-01-01T00:00:00Z. "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(w *world) {
				tt.before(w)
				w.options.Policy.Delays = []time.Duration{0}
				w.adobe.Inject(disabled)
				req := w.fail("b")
				pass(2 * time.Hour)
				r := w.deliver(req)
				w.want(r, DeadLettered, FlowDisabled)
				if !strings.HasSuffix(r.Message, "days. The dataflow "+tt.want+"Only a person can enable it.") {
					t.Errorf("it says: %s", r.Message)
				}
				if last := w.letters.sent[len(w.letters.sent)-1]; last.Detail != r.Message {
					t.Errorf("the dead letter says: %s", last.Detail)
				}
			})
		})
	}
}

func TestWithoutNoticesNothingIsMarked(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		hopeless(w)
		w.options.Teller = nil
		w.ledger = ledger.New(w.table, ledger.DefaultTTL, time.Now)
		w.options.Episodes = ledger.NewEpisodes(w.ledger)
		w.want(w.deliver(w.fail("a")), DeadLettered, AttemptsExhausted)
		pass(time.Minute)
		w.succeeded("theirs", flow)
		w.wantUntold(0)
		if f := w.entries("a").Flow; len(f.Episodes) > 0 {
			t.Errorf("the dataflow is %+v", f)
		}
	})
}
