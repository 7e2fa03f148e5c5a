package ledger_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// newsWorld is a world whose ledger keeps news.
func newsWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.Ledger = ledger.New(w.table, ledger.DefaultTTL, func() time.Time { return w.now }, ledger.KeepNews)
	return w
}

func (v *view) episodes() *ledger.Episodes { return ledger.NewEpisodes(v.Ledger) }

// giveUp gives a run up, and lets a minute pass.
func (w *world) giveUp(runID string) ledger.Flow {
	w.Helper()
	defer w.after(time.Minute)
	e := w.reserve(runID)
	e.Describe("orders", "CODE", "the source is away", "")
	return w.note(e, ledger.Outcome{
		State: ledger.DeadLettered, Reason: "attempts_exhausted", Exhausted: true, GivenUp: true, Breaker: ledger.Breaker{Threshold: 3, Cooldown: time.Hour},
	}).Flow
}

// succeeds lets a run succeed that we made.
func (w *world) succeeds(runID string) ledger.Flow {
	w.Helper()
	defer w.after(time.Minute)
	c, e := w.claim("parent of " + runID)
	w.must(w.Confirm(w.Context(), c, e, runID))
	after, done, err := w.Succeed(w.Context(), w.load(runID), ledger.Recovery{At: w.now})
	if !done || err != nil {
		w.Fatal(done, err)
	}
	return after.Flow
}

// tell marks all news as told.
func (w *world) tell() {
	w.Helper()
	if _, err := w.episodes().MarkTold(w.Context(), w.load("any").Flow, w.untold()...); err != nil {
		w.Fatal(err)
	}
}

func (v *view) untold() []ledger.Untold {
	f := v.load("any").Flow
	return f.Untold()
}

// wantNews compares the news that is yet to be told, and whether the entry is on the list.
func (v *view) wantNews(want ...ledger.News) {
	v.Helper()
	var got []ledger.News
	for _, u := range v.untold() {
		got = append(got, u.News)
	}
	listed, err := v.episodes().Untold(v.Context(), org, 10)
	if err != nil || !slices.Equal(got, want) || len(listed) > 0 != (len(want) > 0) {
		v.Errorf("the news is %q, want %q; %d entries are on the list, %v", got, want, len(listed), err)
	}
}

func TestAnEpisode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		steps func(w *world)
		count int // of the episode that lasts
		news  []ledger.News
	}{
		{"begins when a run is given up", func(w *world) { w.giveUp("a") }, 1, []ledger.News{ledger.RunGivenUp}},
		{"counts each further run", func(w *world) { w.giveUp("a"); w.giveUp("b") }, 2, []ledger.News{ledger.RunGivenUp}},
		{"tells that the breaker opens", func(w *world) { w.giveUp("a"); w.giveUp("b"); w.giveUp("c"); w.giveUp("d") }, 4, []ledger.News{ledger.RunGivenUp, ledger.FlowFailing}},
		{"tells each thing once", func(w *world) {
			w.giveUp("a")
			w.tell()
			for _, id := range []string{"b", "c", "d"} {
				w.giveUp(id)
			}
			w.tell()
			w.giveUp("e")
		}, 5, nil},
		{"ends with the success of a run of ours", func(w *world) { w.giveUp("a"); w.tell(); w.succeeds("b") }, 0, []ledger.News{ledger.FlowRecovered}},
		{"ends with the success that the breaker asks for", func(w *world) { w.giveUp("a"); w.tell(); w.must(w.CloseBreaker(w.Context(), w.load("b"))) }, 0, []ledger.News{ledger.FlowRecovered}},
		{"ends with the success of another run", func(w *world) {
			w.giveUp("a")
			w.tell()
			_, _, err := w.episodes().End(w.Context(), w.load("b").Flow, w.now)
			w.must(ledger.Entries{}, err)
		}, 0, []ledger.News{ledger.FlowRecovered}},
		{"is forgotten when its end is told", func(w *world) { w.giveUp("a"); w.tell(); w.succeeds("b"); w.tell() }, 0, nil},
		{"is told even if it ended before", func(w *world) { w.giveUp("a"); w.succeeds("b") }, 0, []ledger.News{ledger.RunGivenUp, ledger.FlowRecovered}},
		{"is told before the one that follows it", func(w *world) { w.giveUp("a"); w.tell(); w.succeeds("b"); w.giveUp("c") }, 1, []ledger.News{ledger.FlowRecovered, ledger.RunGivenUp}},
		{"does not count a dead letter that was sent again", func(w *world) { w.giveUp("a"); w.giveUp("a") }, 1, []ledger.News{ledger.RunGivenUp}},
		{"does not begin with a dead letter that was sent again", func(w *world) { w.giveUp("a"); w.tell(); w.succeeds("b"); w.tell(); w.giveUp("a") }, 0, nil},
		{"does not begin with a dead letter of another kind", func(w *world) {
			w.note(w.reserve("a"), ledger.Outcome{State: ledger.DeadLettered, Reason: "org_unknown"})
		}, 0, nil},
		{"does not end with a success from before", func(w *world) {
			seen := w.now
			w.after(time.Second)
			w.giveUp("a")
			_, _, err := w.episodes().End(w.Context(), w.load("b").Flow, seen)
			w.must(ledger.Entries{}, err)
		}, 1, []ledger.News{ledger.RunGivenUp}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newsWorld(t)
			tt.steps(w)
			w.wantNews(tt.news...)
			count := 0
			f := w.load("any").Flow
			if e := f.Failing(); e != nil {
				count = e.Count
			}
			if count != tt.count {
				t.Errorf("%d runs were given up in the episode, want %d: %+v", count, tt.count, f.Episodes)
			}
		})
	}
}

func TestAnEpisodeNamesTheRunWithWhichItBegan(t *testing.T) {
	t.Parallel()
	w := newsWorld(t)
	c, e := w.claim("root")
	w.must(w.Confirm(t.Context(), c, e, "a"))
	seen := w.now
	w.after(time.Hour)
	began := w.now
	w.giveUp("a")
	w.giveUp("b")
	f := w.load("any").Flow
	want := &ledger.Episode{
		Began: began, Since: seen.Add(time.Millisecond), Last: began.Add(time.Minute), RunID: "a", Root: "root", Attempts: 1, Reason: "attempts_exhausted",
		Code: "CODE", Text: "the source is away", Sandbox: sandbox, FlowName: "orders", Count: 2,
	}
	if diff := cmp.Diff(want, f.Failing()); diff != "" {
		t.Errorf("the episode (-want +got):\n%s", diff)
	}
}

func TestWithoutNoticesAnEpisodeIsKeptAndNothingIsListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.giveUp("a")
	if f := w.load("any").Flow; f.Failing() == nil || f.Listed {
		t.Errorf("the dataflow is %+v", f)
	}
	if f := w.succeeds("b"); len(f.Episodes) > 0 || f.Listed {
		t.Errorf("the dataflow is %+v", f)
	}
	if r := w.stored()[ledger.FlowKey(org, flow)]; r[store.IndexList] != "" {
		t.Errorf("the entry is on a list: %v", r)
	}
}

// While the bus is away, ended episodes are kept: at most so many that an entry stays small.
func TestADataflowKeepsTenEpisodes(t *testing.T) {
	t.Parallel()
	w := newsWorld(t)
	for i := range 15 {
		w.giveUp("a" + strconv.Itoa(i))
		w.succeeds("b" + strconv.Itoa(i))
	}
	f := w.load("any").Flow
	if len(f.Episodes) != 10 || f.Failing() != nil || f.Episodes[0].RunID != "a0" || f.Episodes[9].Count != 6 {
		t.Errorf("the episodes are %+v", f.Episodes)
	}
}

func TestNewsIsMarkedWhateverElseHasChanged(t *testing.T) {
	t.Parallel()
	w := newsWorld(t)
	stale := w.giveUp("a")
	w.giveUp("b")
	w.claim("c")
	f, err := w.episodes().MarkTold(t.Context(), stale, stale.Untold()...)
	if err != nil || f.Slot == nil || f.Failing().Count != 2 {
		t.Errorf("the dataflow is %+v, %v", f, err)
	}
	w.wantNews()
}

func TestAnEpisodeThatCannotBeReadIsNotWrittenOver(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"episodes": "{", ledger.SchemaAttribute: ledger.NewerSchema()} {
		w := newsWorld(t)
		w.giveUp("a")
		for _, r := range w.table.Records() {
			if r["slot"]+r["episodes"] != "" {
				old := r[store.AttributeRev]
				r[name], r[store.AttributeRev] = value, "changed"
				if err := w.table.Commit(t.Context(), store.Write{Key: r[store.AttributeKey], Old: old, New: r}); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := w.stored()
		f := w.load("any").Flow
		if _, err := w.episodes().MarkTold(t.Context(), f, f.Untold()...); err == nil {
			t.Errorf("%s: it was marked as told", name)
		}
		if _, _, err := w.episodes().End(t.Context(), f, w.now); err == nil {
			t.Errorf("%s: it was ended", name)
		}
		w.unchanged(before)
	}
}

// Another delivery gives a run up between the read and the write.
func TestASuccessThatIsWrittenLateSaysWhatItHasChanged(t *testing.T) {
	t.Parallel()
	w := newsWorld(t)
	stale := w.giveUp("a")
	w.tell()
	w.giveUp("b")
	w.giveUp("c") // the breaker opens
	before, after, err := w.episodes().End(t.Context(), stale, w.now)
	if err != nil || before.Failing().Count != 3 || after.Failing() != nil || len(after.Untold()) != len(before.Untold())+1 {
		t.Errorf("before %+v, after %+v, %v", before, after, err)
	}
	before, after, err = w.episodes().End(t.Context(), stale, w.now)
	if err != nil || len(after.Untold()) != len(before.Untold()) {
		t.Errorf("a second time: before %+v, after %+v, %v", before, after, err)
	}
}
