package operate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// Explanation says what was decided on a run and on the others of its lineage, and what comes
// next.
type Explanation struct {
	// Asked is the run that was asked for. The lineage begins with Root.
	Asked    string `json:"runId"`
	OrgID    string `json:"orgId"`
	Sandbox  string `json:"sandbox,omitempty"`
	FlowID   string `json:"flowId,omitempty"`
	FlowName string `json:"flowName,omitempty"`
	Root     string `json:"root"`
	// Runs are the lineage's, each parent before its children. More means that there are more.
	Runs []ExplainedRun `json:"runs"`
	More bool           `json:"more"`
	// Now says in a sentence how the lineage stands, Next what a person does about it, and
	// Command the command that does it. Next and Command are left out where there is nothing
	// to do.
	Now     string `json:"now"`
	Next    string `json:"next,omitempty"`
	Command string `json:"command,omitempty"`
	// Would is the function's answer to a dry run, where that was asked for: what would become
	// of the run now.
	Would string `json:"would,omitempty"`
}

// ExplainedRun is a run with what was decided on it.
type ExplainedRun struct {
	Run

	// Depth is how many runs are above this one in the tree: 0 for the root.
	Depth int `json:"depth"`
	// Decisions are the last ones, at most 12, the oldest first.
	Decisions []Decision `json:"decisions"`
}

// Decision is one thing that was decided on a run.
type Decision struct {
	At time.Time `json:"at"`
	// Outcome is a word of docs/outcomes.md or docs/states.md, Reason one of docs/outcomes.md,
	// and Why says both in a sentence. Detail is what the function said then.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Why     string `json:"why"`
	Detail  string `json:"detail,omitempty"`
	// Rule is the number of the rule of docs/how-it-works.md that made the decision, RuleText
	// what it says; 0 for none.
	Rule     int    `json:"rule,omitempty"`
	RuleText string `json:"ruleText,omitempty"`
	// Setting is what of the configuration decided, such as RETRY_DELAYS; empty where none did.
	Setting string `json:"setting,omitempty"`
	// Attempt counts the lineage's re-triggers until then.
	Attempt int `json:"attempt,omitempty"`
	// By is who asked for it and Given the reason that was given; empty where no person did.
	By    string `json:"by,omitempty"`
	Given string `json:"given,omitempty"`
	// HTTPStatus, Code and AdobeRequestID are of Adobe's answer, if there was one.
	HTTPStatus     int    `json:"httpStatus,omitempty"`
	Code           string `json:"code,omitempty"`
	AdobeRequestID string `json:"adobeRequestId,omitempty"`
	// NewRunID is the run that the re-trigger made.
	NewRunID string `json:"newRunId,omitempty"`
}

// Explain explains a run. The error is an [*Error], of kind NotThere for a run of which the
// ledger knows nothing.
func Explain(ctx context.Context, o *Operator, orgID, runID string) (Explanation, error) {
	run, found, err := findRun(ctx, o, orgID, runID)
	switch {
	case err != nil:
		return Explanation{}, err
	case !found:
		return Explanation{}, Errorf(NotThere, "the ledger knows nothing of run %s: the function has not heard of its failure, or more than 35 days ago (LEDGER_TTL), or the run is of another stack. "+
			"Ask the function what would become of it: %s", runID, commandFor("explain", runID, " --ask"))
	}
	return explain(ctx, o, run)
}

func explain(ctx context.Context, o *Operator, run ledger.Run) (Explanation, error) {
	now := o.Now()
	lineage, err := o.Ledger().OfLineage(ctx, run.OrgID, run.Root, MaxRows+1)
	if err != nil {
		return Explanation{}, o.fault(err)
	}
	lineage, more := cutToMax(lineage)
	at := slices.IndexFunc(lineage, func(r ledger.Run) bool { return r.RunID == run.RunID })
	if at < 0 { // the index lags behind
		lineage = append(lineage, run)
	} else {
		lineage[at] = run
	}
	sortByFirstSeen(lineage)
	e := Explanation{
		Asked: run.RunID, OrgID: run.OrgID, Sandbox: run.Sandbox, FlowID: run.FlowID, FlowName: run.FlowName, Root: run.Root, More: more,
		Runs: tree(lineage, now),
	}
	for i := range lineage {
		if e.FlowName == "" {
			e.FlowName = lineage[i].FlowName
		}
	}
	e.conclude(now)
	return e, nil
}

// tree puts the runs in the order of a tree: each below its parent. One whose parent is not
// among them stands on top.
func tree(lineage []ledger.Run, now time.Time) []ExplainedRun {
	there := map[string]bool{}
	for i := range lineage {
		there[lineage[i].RunID] = true
	}
	children := map[string][]*ledger.Run{}
	for i := range lineage {
		r := &lineage[i]
		parent := r.Parent
		if !there[parent] || parent == r.RunID {
			parent = ""
		}
		children[parent] = append(children[parent], r)
	}
	runs := make([]ExplainedRun, 0, len(lineage))
	var below func(parent string, depth int)
	below = func(parent string, depth int) {
		for _, r := range children[parent] {
			runs = append(runs, ExplainedRun{Run: RunOf(r, now), Depth: depth, Decisions: decisionsOf(r, now)})
			below(r.RunID, depth+1)
		}
	}
	below("", 0)
	return runs
}

// decisionsOf are the run's decisions. An entry that was written before decisions were kept has
// its state as the only one.
func decisionsOf(r *ledger.Run, now time.Time) []Decision {
	all := make([]Decision, 0, len(r.Decisions))
	for _, d := range r.Decisions {
		one := Decision{
			At: d.At, Outcome: d.Outcome, Reason: d.Reason, Detail: d.Detail, Rule: d.Rule, RuleText: RuleText(d.Rule), Setting: settingOf(d.Reason), Attempt: d.Attempt,
			By: d.By, Given: d.Why, HTTPStatus: d.HTTPStatus, Code: d.Code, AdobeRequestID: d.AdobeRequestID, NewRunID: d.NewRunID,
		}
		one.Why, _ = Words(d.Outcome, d.Reason)
		all = append(all, one)
	}
	if len(all) == 0 {
		one := Decision{At: r.ChangedAt, Outcome: string(r.StateAt(now)), Reason: r.Reason, Attempt: r.Used(), NewRunID: r.Successor}
		one.Why, _ = Words(one.Outcome, one.Reason)
		all = append(all, one)
	}
	return all
}

// conclude says how the lineage stands, by its last run: that which goes on from the root.
func (e *Explanation) conclude(now time.Time) {
	if len(e.Runs) == 0 {
		return
	}
	last := e.last()
	_, e.Next = Words(last.State, last.Reason)
	id := "run " + last.RunID
	switch ledger.State(last.State) {
	case ledger.Succeeded:
		e.Now, e.Next = fmt.Sprintf("It has recovered: %s, which re-trigger %d made, succeeded.", id, last.Attempts), ""
	case ledger.Made:
		e.Now, e.Next = fmt.Sprintf("Re-trigger %d made %s. The ledger does not know yet how that ended; the next sweep asks Adobe.", last.Attempts, id), ""
	case ledger.Retriggered:
		e.Now, e.Next = fmt.Sprintf("It goes on with run %s, of which the ledger has no entry any more.", last.NewRunID), ""
	case ledger.Deferred:
		e.Now = fmt.Sprintf("%s waits until %s: %s.", upper(id), clock(last.Until), last.Why)
		e.Command = commandFor("waiting now", last.RunID, "")
	case ledger.Returned, ledger.Searched, ledger.Unconfirmed, ledger.InFlight, ledger.Reserved:
		e.Now = fmt.Sprintf("%s goes on by itself: %s.", upper(id), last.Why)
		if !last.Until.IsZero() && last.Until.After(now) {
			e.Now = fmt.Sprintf("%s goes on by itself, until %s: %s.", upper(id), clock(last.Until), last.Why)
		}
	case ledger.CannotTell:
		e.Now, e.Command = fmt.Sprintf("%s is not sent again by itself: %s.", upper(id), last.Why), commandFor("retry", last.RunID, " --force")
	case ledger.DeadLettered:
		e.Now = fmt.Sprintf("%s was given up: %s.", upper(id), last.Why)
		e.Command = commandFor("retry", last.RunID, forceOf(last))
	case ledger.Skipped:
		e.Now = fmt.Sprintf("%s was not retried: %s.", upper(id), last.Why)
		if flag, may := retryOfSkipped(last.Reason); may {
			e.Next, e.Command = "nothing, unless it is to be retried all the same", commandFor("retry", last.RunID, flag)
		}
	default:
		e.Now = fmt.Sprintf("%s: %s.", upper(id), last.Why)
	}
}

// last is the run with which the lineage goes on from the root.
func (e *Explanation) last() *ExplainedRun {
	last := &e.Runs[0]
	for i := range e.Runs {
		if r := &e.Runs[i]; r.RunID == last.NewRunID {
			last = r
		}
	}
	return last
}

// retryOfSkipped says whether a retry of a run that was skipped for the reason makes sense, and
// the flag that it needs.
func retryOfSkipped(reason string) (flag string, may bool) {
	switch retry.Reason(reason) {
	case retry.Cancelled, retry.Dropped:
		return "", true
	case retry.TooOld, retry.ByPolicy, retry.DuplicateBatch, retry.SupersededByHand:
		return " --force", true
	}
	return "", false
}

// forceOf is the flag that a retry of the run needs: where the next step of docs/outcomes.md
// says so.
func forceOf(r *ExplainedRun) string {
	_, next := Words(r.State, r.Reason)
	if strings.Contains(next, "with force") {
		return " --force"
	}
	return ""
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// clock is a time in a sentence.
func clock(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// commandFor is a command of aep-retrigger for a run, that a person copies into a shell. Flags begin
// with a space each; empty for none.
func commandFor(what, runID, flags string) string {
	if strings.HasPrefix(runID, "-") { // it must not pass for a flag
		return "aep-retrigger " + what + flags + " -- " + shellWord(runID)
	}
	return "aep-retrigger " + what + " " + shellWord(runID) + flags
}

// RetryCommand is the command that retries the run of a dead letter, fit to be copied into a shell:
// see [shellWord].
func (l *DeadLetter) RetryCommand() string { return commandFor("retry", l.RunID, "") }

// shellWord is an id for a command that a person copies. Whoever can send an event chooses the
// run's id, which must not become another command.
func shellWord(id string) string {
	if id != "" && !strings.ContainsFunc(id, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r)
	}) {
		return id
	}
	return "'" + strings.ReplaceAll(id, "'", `'\''`) + "'"
}
