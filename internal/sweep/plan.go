package sweep

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/throttle"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// question is what a sweep asks for, and the rules that it decides by.
type question struct {
	id       string
	requeues int // of the sweep's message
	// since, until, flows and codes select failed runs; limit is how many are requested.
	since, until time.Time
	flows, codes []string
	limit        int
	rules        retry.Rules
}

// newQuestion is the question of a sweep that has come so far.
func newQuestion(req event.Sweep, p *progress, rules retry.Rules) question {
	return question{
		id: req.ID, requeues: req.Requeues, since: p.Since, until: p.Until, flows: p.Flows, codes: p.Codes, limit: p.Limit, rules: rules,
	}
}

// facts are what the plan of a page rests on.
type facts struct {
	target Target
	// runs are those of the page that are asked for; see [question.wanted].
	runs []*flowclient.Run
	// entries are the ledger's, by run.
	entries map[string]*ledger.Run
	// pauses are those that keep a dataflow's runs, by dataflow.
	pauses map[string]throttle.PauseStatus
	flows  dataflows
	// newer tells of runs whether somebody has retried them by hand, by run. What is not
	// there was not asked: the request asks for itself.
	newer map[string]retry.Newer
	// requested is how many runs the sweep has requested so far.
	requested int
	now       time.Time
}

// considered is a failed run of the page, and what is decided on it as on any other.
type considered struct {
	run     *flowclient.Run
	entry   ledger.Run // the ledger's, or a new one
	request event.Request
	// own means that this sweep has requested the run already; then nothing is decided.
	own  bool
	step retry.Step
}

// asks reports whether the run is requested unless somebody has retried it by hand.
func (c *considered) asks() bool { return !c.own && c.step.Do == retry.AskNewer }

// consider decides on each of the page's failed runs. The result lies in the buffer, if that is
// large enough.
func (q question) consider(f facts, buffer []considered) []considered {
	all := blank(buffer, len(f.runs))
	var on retry.Facts
	for i, run := range f.runs {
		c := &all[i]
		c.run, c.entry = run, f.entry(run)
		c.request, c.own = q.request(f, run, c.entry), q.isOwn(c.entry)
		if !c.own {
			c.step = q.decide(&f, c, &on)
		}
	}
	return all
}

// blank returns so many zero values, which lie in the buffer if that is large enough: a run and
// what is decided on it take a kilobyte, and one buffer serves all pages.
func blank[T any](buffer []T, n int) []T {
	all := slices.Grow(buffer[:0], n)[:n]
	clear(all)
	return all
}

// decide decides on a run as on any other. It writes the facts into on, which is large: one
// serves all runs of a page.
func (q *question) decide(f *facts, c *considered, on *retry.Facts) retry.Step {
	*on = c.facts()
	pause := f.pauses[c.run.FlowID]
	on.Pause, on.Newer = retry.Pause{Wait: pause.Wait, Detail: pause.Detail}, f.newer[c.run.ID]
	return retry.Decide(on, &q.rules, f.now)
}

func (c *considered) facts() retry.Facts {
	return retry.Facts{By: ledger.ASweep, Request: c.request, Entries: ledger.Entries{Run: c.entry}}
}

// unknownFlows returns the dataflows to ask Flow Service about: of runs that may be
// requested and of downstream runs. The ledger has the names of the others.
func (f facts) unknownFlows(all []considered) (ids []string) {
	for i := range all {
		c, id := &all[i], all[i].run.FlowID
		if c.own || c.step.Do == retry.End || id == "" || strings.Contains(id, ",") || slices.Contains(ids, id) {
			continue
		}
		if _, known := f.flows[flowKey(f.target, id)]; !known {
			ids = append(ids, id)
		}
	}
	return ids
}

// verdict is what is to be done with a failed run.
type verdict struct {
	run *flowclient.Run
	// entry is the ledger's, with what people want to know of the run.
	entry ledger.Run
	// reason is why the run is not requested; empty for one that is requested. The detail
	// says more in a sentence.
	reason Reason
	detail string
	// by is the run with which somebody has retried this one by hand: the ledger gets to know.
	by string
	// request is to be sent; nil for a run that this sweep has sent already, and for one
	// that is not requested.
	request *event.Request
}

// plan says for each of the failed runs whether it is requested: what is not skipped is,
// since a delivery of the request decides again, with the entry of the dataflow at hand.
// limited means that the sweep ends here: it may request no more runs. It is pure: the same
// facts lead to the same plan. The verdicts lie in the buffer, if that is large enough.
func (q question) plan(f facts, all []considered, buffer []verdict) (verdicts []verdict, limited bool) {
	verdicts = blank(buffer, len(all))
	var on retry.Facts
	for i := range all {
		c, v := &all[i], &verdicts[i]
		if c.asks() {
			c.step = q.decide(&f, c, &on)
		}
		v.run, v.entry, v.by = c.run, c.entry, c.step.By
		v.reason, v.detail = q.judge(f, c)
		v.entry.FlowName = cmp.Or(f.flows[flowKey(f.target, c.run.FlowID)].name, v.entry.FlowName)
		c.request.FlowName = v.entry.FlowName
		if len(c.request.Errors) > 0 {
			v.entry.ErrorCode, v.entry.ErrorText = c.request.Errors[0].Code, c.request.Errors[0].Message
		}
		if window := c.request.Window; !window.IsZero() {
			v.entry.Window = window
		}
		switch v.reason {
		case OverLimit:
			limited = true
		case "":
			f.requested++
			if !c.own {
				v.entry.FlowID, v.entry.Sandbox, v.request = c.run.FlowID, f.target.Sandbox, &c.request
			}
		}
	}
	return verdicts, limited
}

// entry is the ledger's entry of the run, or a new one.
func (f *facts) entry(run *flowclient.Run) ledger.Run {
	if entry, ok := f.entries[run.ID]; ok {
		return *entry
	}
	return ledger.NewRun(f.target.OrgID, run.FlowID, f.target.Sandbox, run.ID)
}

// judge returns why a failed run is not requested, or nothing; then the detail is
// what a dry run says of it.
func (q question) judge(f facts, c *considered) (reason Reason, detail string) {
	pause := f.pauses[c.run.FlowID]
	switch {
	case c.own:
		return "", ""
	case c.run.Downstream():
		return DownstreamRun, "it follows a run of another dataflow, which is the one to retry"
	case c.step.Do == retry.End, c.step.Do == retry.SkipRun:
		return Reason(c.step.Reason), c.step.Detail
	case f.requested >= q.limit:
		return OverLimit, fmt.Sprintf("the sweep has requested %d runs, its limit", q.limit)
	case f.flows[flowKey(f.target, c.run.FlowID)].streaming:
		return StreamingRun, "its dataflow has no schedule, as those of streaming sources"
	case pause.Wait > 0:
		return "", "it waits on the request queue: " + pause.Detail
	}
	return "", ""
}

// request is the request for a run.
func (q question) request(f facts, run *flowclient.Run, entry ledger.Run) event.Request {
	req := event.Request{RunID: run.ID, FlowID: run.FlowID, OrgID: f.target.OrgID, Sandbox: f.target.Sandbox, Reason: "found by " + q.mark()}
	req.Origin = event.Origin{
		FlowName: entry.FlowName, FailedAt: run.Ended(), Errors: retry.ErrorsOf(run), CreatedClient: run.CreatedClient, CreatedAt: run.CreatedAt.Time(), Window: run.Window(),
		FirstSeen: f.now.UTC().Truncate(time.Millisecond), Requeues: q.requeues + 1,
	}
	return req
}

// mark is the reason in the ledger of a run that this sweep has requested.
func (q question) mark() string { return "sweep " + q.id }

// isOwn reports whether this sweep has requested the run already.
func (q question) isOwn(entry ledger.Run) bool {
	return entry.State == ledger.Deferred && entry.Reason == q.mark()
}

// wanted selects the failed runs that are asked for, each once.
func (q question) wanted(target Target, runs []*flowclient.Run, now time.Time) (wanted []*flowclient.Run) {
	for _, run := range runs {
		twice := slices.ContainsFunc(wanted, func(other *flowclient.Run) bool { return other.ID == run.ID })
		if !twice && q.inTime(run, now) && q.inScope(target, run) && q.hasCode(run) {
			wanted = append(wanted, run)
		}
	}
	return wanted
}

// inTime reports whether the run has failed in the time of the sweep. The filters of Flow
// Service are not relied on: Adobe writes statuses in several ways, and what it does with a
// filter that it does not know is nowhere said.
func (q question) inTime(run *flowclient.Run, now time.Time) bool {
	at := run.Ended()
	// A time that is not known, or is still to come, says nothing: the filter of Flow
	// Service has selected the run.
	known := !at.IsZero() && at.Before(now.Add(ledger.MaxClockSkew))
	return run.Status().Failed() && (!known || !at.Before(q.since) && at.Before(q.until))
}

// inScope reports whether the run is of the sandbox and of one of the dataflows. A run that
// names none was selected by Flow Service's filter.
func (q question) inScope(target Target, run *flowclient.Run) bool {
	if run.OrgID != "" && run.OrgID != target.OrgID || run.SandboxName != "" && run.SandboxName != target.Sandbox {
		return false
	}
	return len(q.flows) == 0 || run.FlowID == "" || slices.Contains(q.flows, run.FlowID)
}

func (q question) hasCode(run *flowclient.Run) bool {
	if len(q.codes) == 0 {
		return true
	}
	codes := policy.Patterns(q.codes)
	return slices.ContainsFunc(run.Errors(), func(e flowclient.RunError) bool { return codes.Match(e.Code) })
}
