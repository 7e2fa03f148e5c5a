package console

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// Rows that the overview has of other pages.
const (
	shownFailing = 10
	shownLetters = 5
)

// overview is the first page.
type overview struct {
	Status operate.Status
	// Failing are those with the most runs given up, FailingMore counts the others.
	Failing     []flow
	FailingMore int
	Week        week
	More        bool
	Dead        deadLetters
	Newest      []letter
}

// FailingCount is how many dataflows are failing.
func (o *overview) FailingCount() int { return len(o.Failing) + o.FailingMore }

// Oldest is the oldest dead letter; nil for none.
func (o *overview) Oldest() *letter {
	if n := len(o.Dead.Letters); n > 0 {
		return &o.Dead.Letters[n-1]
	}
	return nil
}

func (p *pages) overview(ctx context.Context, _ *http.Request, one *page) (any, error) {
	status, err := operate.ReadStatus(ctx, p.operator)
	if err != nil {
		return nil, err
	}
	flows, more, err := p.flows(ctx)
	if err != nil {
		return nil, err
	}
	o := &overview{Status: status, More: more}
	states := make([]operate.FlowState, len(flows))
	for i, f := range flows {
		states[i] = f.FlowState
		if f.Failing() {
			o.Failing = append(o.Failing, f)
		}
	}
	o.Week = weekOf(one.Now, states...)
	slices.SortStableFunc(o.Failing, func(a, b flow) int { return cmp.Compare(b.GivenUp, a.GivenUp) })
	if n := len(o.Failing); n > shownFailing {
		o.Failing, o.FailingMore = o.Failing[:shownFailing], n-shownFailing
	}
	letters, err := operate.KnownLetters(ctx, p.operator)
	if err != nil {
		return nil, err
	}
	o.Dead = deadOf(&letters)
	o.Newest = o.Dead.Letters[:min(len(o.Dead.Letters), shownLetters)]
	return o, nil
}

// flowsView is the page of all dataflows.
type flowsView struct {
	Flows  []flow
	Paging paging
	Name   string
	All    int
	More   bool
}

func (p *pages) dataflows(ctx context.Context, r *http.Request, _ *page) (any, error) {
	flows, more, err := p.flows(ctx)
	if err != nil {
		return nil, err
	}
	v := &flowsView{Name: strings.TrimSpace(r.FormValue("name")), All: len(flows), More: more}
	flows = slices.DeleteFunc(flows, func(f flow) bool { return !contains(v.Name, f.Name, f.FlowID) })
	v.Flows, v.Paging = paged(r, flows)
	return v, nil
}

// flowView is the page of one dataflow.
type flowView struct {
	Flow   flow
	Detail operate.FlowDetail
	Codes  []codeRow
	Runs   []operate.Run
	Paging paging
}

// codeRow is what was done for an error code.
type codeRow struct {
	day

	Code string
}

// maxPages is how many pages of a dataflow's runs can be turned.
const maxPages = 10

func (p *pages) dataflow(ctx context.Context, r *http.Request, one *page) (any, error) {
	id := r.FormValue("id")
	if id == "" {
		return nil, operate.Errorf(operate.Wrong, "The address names no dataflow.")
	}
	number := min(max(numberOf(r, "page"), 1), maxPages)
	detail, err := operate.ShowFlow(ctx, p.operator, operate.Filter{OrgID: r.FormValue("org"), Flow: id}, weekDays, number*perPage+1)
	if err != nil {
		return nil, err
	}
	v := &flowView{Flow: flow{FlowState: detail.FlowState, Week: weekOf(one.Now, detail.FlowState)}, Detail: detail}
	one.Title = v.Flow.Title()
	for _, c := range detail.Codes {
		v.Codes = append(v.Codes, codeRow{dayOf(c.Tally), c.Code})
	}
	v.Runs, v.Paging = paged(r, detail.Runs)
	if len(detail.Runs) > number*perPage {
		v.Paging.All, v.Paging.Open = number*perPage, true
	}
	if number == maxPages {
		v.Paging.Next = ""
	}
	return v, nil
}

// runView is the page of a lineage.
type runView struct {
	operate.Explanation

	Story story
	Line  line
	State state
}

func (p *pages) run(ctx context.Context, r *http.Request, one *page) (any, error) {
	id := strings.TrimSpace(r.FormValue("id"))
	if id == "" {
		return nil, redirected("/")
	}
	one.Search = id
	explained, err := operate.Explain(ctx, p.operator, r.FormValue("org"), id)
	if err != nil {
		return nil, err
	}
	one.Title = "Run " + id
	if !ordinary(explained.Command) {
		explained.Command = ""
	}
	v := &runView{Explanation: explained, Story: newStory(explained.Runs, id, one.Now)}
	v.State = v.Story.Attempts[len(v.Story.Attempts)-1].State
	v.Line = drawn(v.Story.Points)
	return v, nil
}

// ordinary reports whether a command can be copied into a shell without harm. The id of a run
// may be anything that somebody sent, such as "a; rm -rf ~".
func ordinary(command string) bool {
	return !strings.ContainsFunc(command, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(" -_.", r)
	})
}

// runsView is the page of what waits.
type runsView struct {
	Runs   []operate.Run
	Paging paging
	More   bool
}

func (p *pages) waits(ctx context.Context, r *http.Request, _ *page) (any, error) {
	runs, err := p.waiting(ctx)
	if err != nil {
		return nil, err
	}
	v := &runsView{More: runs.More}
	v.Runs, v.Paging = paged(r, runs.Runs)
	return v, nil
}

// deadView is the page of the dead letters.
type deadView struct {
	deadLetters

	Filter filter
	Rows   []letter
	Paging paging
}

// Filtered reports whether some are left out.
func (v *deadView) Filtered() bool { return !v.Filter.empty() }

func (p *pages) deadLetters(ctx context.Context, r *http.Request, _ *page) (any, error) {
	text := func(name string) string { return strings.TrimSpace(r.FormValue(name)) }
	v := &deadView{Filter: filter{Reason: text("reason"), Code: text("code"), Flow: text("dataflow"), Text: text("text")}}
	var err error
	if v.deadLetters, err = p.dead(ctx, v.Filter); err != nil {
		return nil, err
	}
	v.Rows, v.Paging = paged(r, v.Letters)
	return v, nil
}

// sweepsView is the page of the sweeps.
type sweepsView struct {
	Sweeps []operate.Sweep
	Paging paging
}

func (p *pages) sweeps(ctx context.Context, r *http.Request, _ *page) (any, error) {
	list, err := operate.ListSweeps(ctx, p.operator, maxSweeps)
	if err != nil {
		return nil, err
	}
	v := &sweepsView{}
	v.Sweeps, v.Paging = paged(r, list.Sweeps)
	return v, nil
}

// pausesView is the page of the pauses.
type pausesView struct {
	Lasting, Ended []operate.Pause
}

func (p *pages) pauses(ctx context.Context, _ *http.Request, _ *page) (any, error) {
	all, err := operate.Pauses(ctx, p.operator)
	if err != nil {
		return nil, err
	}
	v := &pausesView{}
	for _, one := range all {
		if one.ResumedAt.IsZero() {
			v.Lasting = append(v.Lasting, one)
		} else {
			v.Ended = append(v.Ended, one)
		}
	}
	return v, nil
}

// orgs are the orgs that the function has worked for.
func (p *pages) orgs(ctx context.Context) ([]ledger.Pulse, error) {
	return operate.Orgs(ctx, p.operator, "")
}
