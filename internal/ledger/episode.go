package ledger

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
)

// Episode is a failing episode of a dataflow. It begins when a run of the dataflow is given
// up, and ends with a success. For example, run A is given up at 10:00, the breaker opens at
// 12:00, and a run succeeds at 15:00: that is one episode with three pieces of news.
type Episode struct {
	// Began is when its first run was given up. No two episodes of a dataflow have the same.
	Began time.Time `json:"began"`
	// Since is when the first failure was seen: at Began or before.
	Since time.Time `json:"since"`
	// Last is when a run was given up last. A success from before that ends nothing.
	Last time.Time `json:"last"`
	// Opened is when the breaker opened, Ended when the episode ended; zero if it did not.
	Opened time.Time `json:"opened,omitzero"`
	Ended  time.Time `json:"ended,omitzero"`

	// RunID is the run that was given up first, Root the root of its lineage and Attempts how
	// many re-triggers that has had. Reason is why it was given up; Code and Text are the
	// run's own error.
	RunID    string `json:"run"`
	Root     string `json:"root"`
	Attempts int    `json:"attempts,omitempty"`
	Reason   string `json:"reason"`
	Code     string `json:"code,omitempty"`
	Text     string `json:"text,omitempty"`
	// Sandbox and FlowName are the dataflow's. The name is empty where it is not known.
	Sandbox  string `json:"sandbox,omitempty"`
	FlowName string `json:"name,omitempty"`
	// Window is the data window of the first run; zero where it is not known.
	Window aeptime.Window `json:"window,omitzero"`
	// Count is how many runs were given up.
	Count int `json:"count"`
	// Told is the news that was told.
	Told []News `json:"told,omitempty"`
}

// News is something of an episode that people are told once.
type News string

// The news, in the order in which it comes.
const (
	// RunGivenUp comes with the beginning of the episode.
	RunGivenUp News = "given_up"
	// FlowFailing comes when the breaker opens.
	FlowFailing News = "failing"
	// FlowRecovered comes with the end.
	FlowRecovered News = "recovered"
)

// Untold is news that is yet to be told.
type Untold struct {
	Episode Episode
	News    News
}

// maxEpisodes is how many episodes an entry keeps. Those that have ended are kept until
// their news is told; where the bus is away for so many, the last of them goes on instead.
const maxEpisodes = 10

// lasts reports whether no success has ended the episode.
func (e *Episode) lasts() bool { return e.Ended.IsZero() }

// untold is the episode's news that is yet to be told.
func (e *Episode) untold() []News {
	all := []News{RunGivenUp}
	if !e.Opened.IsZero() {
		all = append(all, FlowFailing)
	}
	if !e.lasts() {
		all = append(all, FlowRecovered)
	}
	return slices.DeleteFunc(all, func(n News) bool { return slices.Contains(e.Told, n) })
}

// Failing is the episode that lasts; nil for none.
func (f *Flow) Failing() *Episode {
	if n := len(f.Episodes); n > 0 && f.Episodes[n-1].lasts() {
		return new(f.Episodes[n-1])
	}
	return nil
}

// Untold is all news of the dataflow that is yet to be told, the oldest first.
func (f *Flow) Untold() (all []Untold) {
	for _, e := range f.Episodes {
		for _, n := range e.untold() {
			all = append(all, Untold{Episode: e, News: n})
		}
	}
	return all
}

// EndedBy reports whether a success at the given time ends an episode. One that came before
// the last run was given up does not: its event is late.
func (f *Flow) EndedBy(success time.Time) bool {
	e := f.Failing()
	return e != nil && success.After(e.Last)
}

// giveUp counts a run that was given up: it begins an episode, or belongs to the one that
// lasts.
func (f *Flow) giveUp(run *Run, by Asker, now time.Time, tells bool) {
	f.Episodes = slices.Clone(f.Episodes)
	n := len(f.Episodes)
	switch {
	case f.Failing() != nil:
	case n == maxEpisodes:
		f.Episodes[n-1].Ended = time.Time{}
	default:
		since := run.FirstSeen
		if by == AtHand || by == AForce { // an old run, which says nothing of the runs since
			since = now
		}
		f.Episodes = append(f.Episodes, Episode{
			Began: now, Since: since, RunID: run.RunID, Root: run.Root, Attempts: run.Used(),
			Reason: run.Reason, Code: run.ErrorCode, Text: run.ErrorText, Sandbox: run.Sandbox, FlowName: run.FlowName, Window: run.Window,
		})
	}
	e := &f.Episodes[len(f.Episodes)-1]
	e.Count, e.Last = e.Count+1, now
	if e.FlowName == "" {
		e.FlowName = run.FlowName
	}
	if e.Opened.IsZero() && f.BlockedUntil.After(now) {
		e.Opened = now
	}
	f.list(tells)
}

// succeeded forgets the lineages that the breaker has counted, and ends the episode.
func (f *Flow) succeeded(now time.Time, tells bool) {
	f.Exhausted, f.Since, f.BlockedUntil = 0, time.Time{}, time.Time{}
	if f.Failing() == nil {
		return
	}
	f.Episodes = slices.Clone(f.Episodes)
	f.Episodes[len(f.Episodes)-1].Ended = now
	f.list(tells)
}

// tell marks news as told.
func (f *Flow) tell(told []Untold, tells bool) {
	f.Episodes = slices.Clone(f.Episodes)
	for i := range f.Episodes {
		e := &f.Episodes[i]
		for _, t := range told {
			if t.Episode.Began.Equal(e.Began) && !slices.Contains(e.Told, t.News) {
				e.Told = append(slices.Clip(e.Told), t.News)
			}
		}
	}
	f.list(tells)
}

// list puts the entry on the list of those with untold news, or takes it off. It drops
// episodes that have ended and of which everything is told. Where no news is told at all
// (tells is false), none is kept for later.
func (f *Flow) list(tells bool) {
	f.Episodes = slices.DeleteFunc(f.Episodes, func(e Episode) bool { return !e.lasts() && (!tells || len(e.untold()) == 0) })
	f.Listed = tells && len(f.Untold()) > 0
}

// onList is the list that the entry is on, and its place there: of those with untold news, by
// when the youngest episode has changed last, or else of those that are failing, by when a
// run was given up last.
func (f *Flow) onList() (list string, at time.Time) {
	n := len(f.Episodes)
	if n == 0 {
		return "", time.Time{}
	}
	e := &f.Episodes[n-1]
	switch {
	case f.Listed:
		return untoldList(f.OrgID), slices.MaxFunc([]time.Time{e.Began, e.Opened, e.Ended}, time.Time.Compare)
	case e.lasts():
		return failingList(f.OrgID), e.Last
	}
	return "", time.Time{}
}

// untoldList is the list of an org's dataflows with untold news, failingList that of the
// others whose episode lasts.
func untoldList(orgID string) string { return "untold#" + orgID }

func failingList(orgID string) string { return "failing#" + orgID }

// KeepNews lets a ledger keep the news of episodes until it is told; see [New].
func KeepNews(l *Ledger) { l.tells = true }

// Episodes changes the failing episodes in the entries of dataflows, and nothing else. It is
// safe for concurrent use.
type Episodes struct{ l *Ledger }

// NewEpisodes returns the Episodes of a ledger.
func NewEpisodes(l *Ledger) *Episodes { return &Episodes{l} }

// Untold returns at most limit entries of an org's dataflows that have untold news. A
// dataflow whose news was written in the last seconds may be missing.
func (s *Episodes) Untold(ctx context.Context, orgID string, limit int) ([]Flow, error) {
	listed, err := s.l.table.List(ctx, store.IndexList, untoldList(orgID), limit)
	if err != nil || len(listed) == 0 {
		return nil, err
	}
	keys := make([]string, len(listed))
	for i, r := range listed {
		keys[i] = r[store.AttributeKey]
	}
	records, err := s.l.read(ctx, keys) // the list may lag behind
	var flows []Flow
	for _, r := range records {
		if f := flowOf(r); f.Listed {
			flows = append(flows, f)
		}
	}
	return flows, err
}

// Failing returns at most limit entries of an org's dataflows whose episode lasts and of which
// everything is told, those first of which a run was given up last. It may lag behind.
func (s *Episodes) Failing(ctx context.Context, orgID string, limit int) ([]Flow, error) {
	listed, err := s.l.table.List(ctx, store.IndexList, failingList(orgID), limit)
	var flows []Flow
	for _, r := range listed {
		if f := flowOf(r); f.Failing() != nil {
			flows = append(flows, f)
		}
	}
	return flows, err
}

// MarkTold writes that news of a dataflow was told. Whatever else has changed in the entry
// meanwhile stays.
func (s *Episodes) MarkTold(ctx context.Context, f Flow, told ...Untold) (Flow, error) {
	_, after, err := s.change(ctx, f, func(next *Flow, _ time.Time) { next.tell(told, s.l.tells) })
	return after, err
}

// End ends the episode of a dataflow with the success of a run that is not ours, which was
// seen at the given time, and returns the dataflow's entry before and after that. Where there
// is no such episode, or where a run was given up later, nothing is written.
func (s *Episodes) End(ctx context.Context, f Flow, seen time.Time) (before, after Flow, err error) {
	return s.change(ctx, f, func(next *Flow, now time.Time) {
		if next.EndedBy(seen) {
			next.succeeded(now, s.l.tells)
		}
	})
}

// change changes the entry of a dataflow, on condition that it is as it was read. If it is
// not, the change is applied to the entry as it is, which is the one before then.
func (s *Episodes) change(ctx context.Context, f Flow, apply func(next *Flow, now time.Time)) (before, after Flow, err error) {
	key := FlowKey(f.OrgID, f.FlowID)
	for try := 0; ; try++ {
		if err := writable(key, f.schema, f.unreadable); err != nil {
			return f, f, err
		}
		now, next := s.l.time(), f
		apply(&next, now)
		w := s.l.write(now, key, f.version, f.record(), next.record())
		if w.Check {
			return f, f, nil
		}
		err := s.l.writes.Commit(ctx, w)
		if err == nil {
			next.version, next.schema = w.New[store.AttributeRev], Schema
			return f, next, nil
		}
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok || try == maxTries || conflict.Current[key] == nil {
			return f, f, err
		}
		f = flowOf(conflict.Current[key])
	}
}
