package operate

import (
	"context"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// Result is what the function answered for one run.
type Result struct {
	RunID    string `json:"runId"`
	OrgID    string `json:"orgId,omitempty"`
	Sandbox  string `json:"sandbox,omitempty"`
	FlowID   string `json:"flowId,omitempty"`
	FlowName string `json:"flowName,omitempty"`
	// Outcome and Reason are words of docs/outcomes.md, Why says them in a sentence, and Message
	// is the function's own.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Why     string `json:"why,omitempty"`
	Message string `json:"message,omitempty"`
	// NewRunID is the run that a re-trigger made, and Attempt its number in the lineage.
	NewRunID string `json:"newRunId,omitempty"`
	Attempt  int    `json:"attempt,omitempty"`
}

// Failed reports whether the function could not do what was asked: the run became a dead
// letter, or could not be handled now.
func (r *Result) Failed() bool {
	return r.Outcome == string(retry.DeadLettered) || r.Outcome == string(retry.Returned)
}

// Retried reports whether the function has retried a run that waited, or has found that there
// is nothing to retry. One that must go on waiting was not.
func (r *Result) Retried() bool {
	return r.Outcome == string(retry.Retriggered) || r.Outcome == string(retry.Skipped) && r.Reason != string(retry.NotWaiting)
}

// Canceled reports whether the run waits no more.
func (r *Result) Canceled() bool {
	return r.Outcome == string(retry.Skipped) && r.Reason != string(retry.NotWaiting)
}

func resultOf(r retry.Result) Result {
	result := Result{
		RunID: r.RunID, OrgID: r.OrgID, Sandbox: r.Sandbox, FlowID: r.FlowID, FlowName: r.FlowName,
		Outcome: string(r.Outcome), Reason: string(r.Reason), Message: r.Message, NewRunID: r.NewRunID, Attempt: r.Attempt,
	}
	if r.Reason != "" || r.Message == "" {
		result.Why, _ = Words(result.Outcome, result.Reason)
	}
	return result
}

func resultsOf(answer handler.Answer) []Result {
	results := make([]Result, len(answer.Results))
	for i, r := range answer.Results {
		results[i] = resultOf(r)
	}
	return results
}

// Because is what the function records with a change: why, as the person says it. Who asks is
// the caller's ARN.
type Because struct{ Reason string }

// order is what every change carries.
type order struct {
	Reason string `json:"reason,omitempty"`
	By     string `json:"by,omitempty"`
}

// orderOf asks AWS who the caller is. It refuses texts that the function refuses: a dead letter
// that is sent again with one would come back as input that can't be read. The error is an
// [*Error].
func orderOf(ctx context.Context, o *Operator, b Because) (order, error) {
	switch {
	case len(b.Reason) > event.MaxReason:
		return order{}, Errorf(Wrong, "the reason has %d bytes, more than %d: say it in fewer words", len(b.Reason), event.MaxReason)
	case !utf8.ValidString(b.Reason):
		return order{}, Errorf(Wrong, "the reason is not UTF-8")
	}
	by, err := o.Caller(ctx)
	if err == nil && len(by) > event.MaxBy {
		return order{}, Errorf(Failed, "your ARN has %d bytes, more than %d", len(by), event.MaxBy)
	}
	return order{Reason: b.Reason, By: by}, o.fault(err)
}

// CheckSchema refuses a change where the ledger was written by a newer function than this
// command knows: what the command shows of it may be wrong. The runs are those that are to be
// changed. The error is an [*Error] of kind Failed.
func CheckSchema(ctx context.Context, o *Operator, runs ...ledger.Run) error {
	pulses, err := o.Lists().Orgs(ctx)
	if err != nil {
		return o.fault(err)
	}
	newest := 0
	for _, p := range pulses {
		newest = max(newest, p.Schema)
	}
	for i := range runs {
		newest = max(newest, runs[i].Schema())
	}
	if newest > ledger.Schema {
		return Errorf(Failed, "nothing was changed: the ledger has schema %d, and this command knows schema %d only. Update the command", newest, ledger.Schema)
	}
	return nil
}

// Chosen is a run that is to be changed.
type Chosen struct {
	// Run is the run as the ledger has it; of an unknown one only RunID, OrgID and Sandbox are
	// known, as far as the person has named them.
	Run

	// Known means that the ledger has the run.
	Known bool `json:"known"`
}

// Choose finds the runs that are to be changed, each once, and checks the ledger's schema.
// Sandbox is that of runs that the ledger does not know.
func Choose(ctx context.Context, o *Operator, orgID, sandbox string, runIDs []string) ([]Chosen, error) {
	runs, err := findRuns(ctx, o, orgID, runIDs...)
	if err != nil {
		return nil, err
	}
	var chosen []Chosen
	seen := map[string]bool{}
	for _, id := range runIDs {
		if seen[id] {
			continue
		}
		seen[id] = true
		run, known := runs[id]
		one := Chosen{Run: Run{RunID: id, OrgID: orgID, Sandbox: sandbox}}
		if known {
			one = Chosen{Run: RunOf(&run, o.Now()), Known: true}
		}
		chosen = append(chosen, one)
	}
	return chosen, CheckSchema(ctx, o, slices.Collect(maps.Values(runs))...)
}

// request is one run in a payload.
type request struct {
	RunID   string `json:"runId"`
	OrgID   string `json:"orgId,omitempty"`
	Sandbox string `json:"sandbox,omitempty"`
	DryRun  bool   `json:"dryRun,omitempty"`
	Force   bool   `json:"force,omitempty"`
	order
}

// Retry asks the function to retry runs now. Force passes over policy, limits and breaker.
func Retry(ctx context.Context, o *Operator, targets []Chosen, force bool, b Because) ([]Result, error) {
	who, err := orderOf(ctx, o, b)
	if err != nil {
		return nil, err
	}
	requests := make([]request, len(targets))
	for i, t := range targets {
		requests[i] = request{RunID: t.RunID, OrgID: t.OrgID, Sandbox: t.Sandbox, Force: force, order: who}
	}
	answer, err := o.Ask(ctx, map[string]any{"requests": requests})
	return resultsOf(answer), err
}

// Would asks the function what would become of a run now. Nothing is changed.
func Would(ctx context.Context, o *Operator, t Chosen) (Result, error) {
	answer, err := o.Ask(ctx, request{RunID: t.RunID, OrgID: t.OrgID, Sandbox: t.Sandbox, DryRun: true})
	if err != nil {
		return Result{}, err
	}
	if len(answer.Results) != 1 {
		return Result{}, Errorf(Failed, "the function answered for %d runs, want 1", len(answer.Results))
	}
	return resultOf(answer.Results[0]), nil
}

// runsOrder is the payload of a cancel and of a now.
type runsOrder struct {
	RunIDs []string `json:"runIds"`
	OrgID  string   `json:"orgId,omitempty"`
	order
}

// Now asks the function to treat waiting runs as if their time had come. Limits and pauses
// hold. Cancel asks it to give up waiting: the runs become skipped, and a person can retry
// them. The targets are of one org.
func Now(ctx context.Context, o *Operator, targets []Chosen, b Because) ([]Result, error) {
	return askRuns(ctx, o, "now", targets, b)
}

// Cancel is described at [Now].
func Cancel(ctx context.Context, o *Operator, targets []Chosen, b Because) ([]Result, error) {
	return askRuns(ctx, o, "cancel", targets, b)
}

func askRuns(ctx context.Context, o *Operator, what string, targets []Chosen, b Because) ([]Result, error) {
	who, err := orderOf(ctx, o, b)
	if err != nil || len(targets) == 0 {
		return nil, err
	}
	payload := runsOrder{OrgID: targets[0].OrgID, order: who}
	for _, t := range targets {
		payload.RunIDs = append(payload.RunIDs, t.RunID)
	}
	answer, err := o.Ask(ctx, map[string]any{what: payload})
	return resultsOf(answer), err
}
