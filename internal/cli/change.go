package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// atOnce is how many runs one invocation is asked for: it ends well before the function's
// timeout, and Ctrl-C between two of them comes soon.
const atOnce = 10

// runsFlags are the flags of commands that change runs.
type runsFlags struct {
	org, sandbox, reason string
	force                bool
}

// change is a command that changes runs.
type change struct {
	// verb is what it does, as in "retry 2 runs?", and past what it has done.
	verb, past string
	// done reports whether the function has done it.
	done func(*operate.Result) bool
	// do asks the function for some runs, all of one org.
	do func(ctx context.Context, o *operate.Operator, runs []operate.Chosen, because operate.Because) ([]operate.Result, error)
}

// changed is what a change prints with --output json.
type changed struct {
	// Results are the function's answers, one for each run that was asked for.
	Results []operate.Result `json:"results"`
	// Left are runs that were not asked for, since the command was stopped or has failed.
	Left []string `json:"left,omitempty"`
}

// changeRuns shows what will be touched, asks, and does it in steps. What was done is printed
// also where it stops early.
func (c *command) changeRuns(cmd *cobra.Command, f runsFlags, runIDs []string, ch change) error {
	o, err := c.open(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	runs, err := operate.Choose(ctx, o, f.org, f.sandbox, runIDs)
	if err != nil {
		return err
	}
	c.tell(func(p *printer) { printChosen(p, runs, o) })
	if err := c.confirm(ctx, upper(ch.verb)+" "+english.Count(len(runs), "run")+"?"); err != nil {
		return err
	}
	done := changed{Results: []operate.Result{}}
	stopped := c.inSteps(ctx, runs, func(ctx context.Context, some []operate.Chosen) error {
		results, err := ch.do(ctx, o, some, operate.Because{Reason: f.reason})
		done.Results = append(done.Results, results...)
		return err
	})
	for _, r := range runs[min(len(done.Results), len(runs)):] {
		if stopped != nil {
			done.Left = append(done.Left, r.RunID)
		}
	}
	if err := c.print(done, func(p *printer) { printResults(p, done) }); err != nil {
		return err
	}
	if stopped != nil {
		return stopped
	}
	return refusals(done.Results, ch)
}

// inSteps does something with some runs at a time, each step of one org. Ctrl-C ends it after
// the step: the function goes on with what it was asked for, and its answer is to be seen.
func (c *command) inSteps(ctx context.Context, runs []operate.Chosen, do func(context.Context, []operate.Chosen) error) error {
	defer c.announceStop(ctx)()
	slices.SortStableFunc(runs, func(a, b operate.Chosen) int { return strings.Compare(a.OrgID, b.OrgID) })
	for at := 0; at < len(runs); {
		if err := ctx.Err(); err != nil {
			return err
		}
		end := at + 1
		for end < len(runs) && end-at < atOnce && runs[end].OrgID == runs[at].OrgID {
			end++
		}
		if err := do(context.WithoutCancel(ctx), runs[at:end]); err != nil {
			return err
		}
		if at = end; at < len(runs) && c.system.Terminal {
			c.tell(func(p *printer) { p.line("%d of %d runs", at, len(runs)) })
		}
	}
	return ctx.Err()
}

// inOneStep asks the function for one thing. Ctrl-C does not end it: the function goes on with
// what it was asked for, and its answer is to be seen.
func (c *command) inOneStep(ctx context.Context, do func(context.Context) error) error {
	defer c.announceStop(ctx)()
	return do(context.WithoutCancel(ctx))
}

// announceStop says at Ctrl-C that the step under way is waited for. The function that it
// returns ends that.
func (c *command) announceStop(ctx context.Context) (end func()) {
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		c.tell(func(p *printer) { p.line("Stopping after this step. Ctrl-C again ends at once.") })
	})
	return func() {
		if !stop() {
			<-told
		}
	}
}

// refusals is the error of a change of which some runs failed.
func refusals(results []operate.Result, ch change) error {
	n := 0
	for i := range results {
		if !ch.done(&results[i]) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return operate.Errorf(operate.Failed, "%s of %d could not be %s: the table says why", english.Count(n, "run"), len(results), ch.past)
}

// printChosen prints the runs that will be touched.
func printChosen(p *printer, runs []operate.Chosen, o *operate.Operator) {
	rows := make([][]string, len(runs))
	for i := range runs {
		r := &runs[i]
		rows[i] = []string{r.RunID, flowLabel(r.FlowName, r.FlowID), r.State, brief(r.Why), when(r.FirstSeen, o.Now())}
		if !r.Known {
			rows[i] = []string{r.RunID, "", "unknown", "the ledger knows nothing of it", ""}
		}
	}
	p.table([]string{"RUN", "DATAFLOW", "STATE", "WHY", "FIRST SEEN"}, rows)
}

// printResults prints the function's answers.
func printResults(p *printer, done changed) {
	if len(done.Results) > 0 {
		rows := make([][]string, len(done.Results))
		for i := range done.Results {
			r := &done.Results[i]
			why := r.Why
			if r.Message != "" {
				why = r.Message
			}
			rows[i] = []string{r.RunID, r.Outcome, r.Reason, r.NewRunID, why}
		}
		p.table([]string{"RUN", "OUTCOME", "REASON", "NEW RUN", "WHY"}, rows)
	}
	if slices.ContainsFunc(done.Results, func(r operate.Result) bool { return r.Outcome == "deferred" }) {
		p.line("What waits is listed by aep-retrigger waiting; aep-retrigger waiting now RUN… retries it now.")
	}
	if len(done.Left) > 0 {
		p.line("%s not asked for: %s", english.Count(len(done.Left), "run"), strings.Join(done.Left, " "))
	}
}

// needsReason refuses a change without a reason: others will ask later why.
func needsReason(reason, what string) error {
	if strings.TrimSpace(reason) == "" {
		return operate.Errorf(operate.Wrong, "say why with --reason: %s", what)
	}
	return nil
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

func (f *runsFlags) register(cmd *cobra.Command, reason string) {
	cmd.Flags().StringVar(&f.org, "org", "", "the runs' org, where several orgs have runs of these ids")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, which the function records with your ARN"+reason)
}

func newRetry(c *command) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use: "retry RUN…", Short: "Retry runs now", Args: cobra.MinimumNArgs(1),
		Long: "retry asks the function to retry runs now, also those that were given up. Policy, limits and breaker hold,\n" +
			"unless --force passes over them once. A run that was re-triggered is never sent again.",
		Example: "  aep-retrigger retry 5a6b2c9e-… --reason \"the source is back\"\n  aep-retrigger retry 5a6b2c9e-… --force --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeRuns(cmd, f, args, change{verb: verbOf(f.force), past: "retried", done: func(r *operate.Result) bool { return !r.Failed() }, do: func(ctx context.Context, o *operate.Operator, runs []operate.Chosen, b operate.Because) ([]operate.Result, error) {
				return operate.Retry(ctx, o, runs, f.force, b)
			}})
		},
	}
	f.register(cmd, "")
	cmd.Flags().StringVar(&f.sandbox, "sandbox", "", "the sandbox of runs that the ledger does not know")
	cmd.Flags().BoolVar(&f.force, "force", false, "pass over policy, limits and breaker for one re-trigger, and let the lineage begin a fresh series of attempts")
	return cmd
}

func verbOf(force bool) string {
	if force {
		return "retry by force"
	}
	return "retry"
}

func newWaiting(c *command) *cobra.Command {
	var org, flow string
	var limit int
	cmd := &cobra.Command{
		Use: "waiting", Short: "What waits, until when, and why", Args: cobra.NoArgs,
		Example: "  aep-retrigger waiting\n  aep-retrigger waiting --flow \"Orders daily\"\n  aep-retrigger waiting now 5a6b2c9e-…",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			list, err := operate.WaitingRuns(cmd.Context(), o, operate.Filter{OrgID: org, Flow: flow})
			if err != nil {
				return err
			}
			if limit > 0 && len(list.Runs) > limit {
				list.Runs, list.More = list.Runs[:limit], true
			}
			return c.print(list, func(p *printer) { printWaiting(p, &list, o) })
		},
	}
	cmd.Flags().StringVar(&org, "org", "", "only this org")
	cmd.Flags().StringVar(&flow, "flow", "", "only this dataflow, by its name or id")
	cmd.Flags().IntVar(&limit, "limit", 0, "the most runs to list; 0 for all, 10000 of an org at most")
	cmd.AddCommand(newWaitingNow(c), newWaitingCancel(c))
	return cmd
}

// printWaiting prints what waits.
func printWaiting(p *printer, list *operate.Runs, o *operate.Operator) {
	if len(list.Runs) == 0 {
		p.line("Nothing waits.")
		return
	}
	rows := make([][]string, len(list.Runs))
	for i := range list.Runs {
		r := &list.Runs[i]
		why := brief(r.Why)
		if r.Reason != "" {
			why = fmt.Sprintf("%s: %s", r.Reason, why)
		}
		rows[i] = []string{r.RunID, flowLabel(r.FlowName, r.FlowID), when(r.FirstSeen, o.Now()), when(r.Until, o.Now()), r.State, why}
	}
	p.table([]string{"RUN", "DATAFLOW", "SINCE", "UNTIL", "STATE", "WHY"}, rows)
	if list.More {
		p.line("There are more: %d were listed.", len(list.Runs))
	}
}

func newWaitingNow(c *command) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use: "now RUN…", Short: "Do not wait any longer: retry these runs now", Args: cobra.MinimumNArgs(1),
		Long:    "now treats waiting runs as if their time had come. Limits, budgets and pauses hold.",
		Example: "  aep-retrigger waiting now 5a6b2c9e-…",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.changeRuns(cmd, f, args, change{verb: "retry now", past: "retried now", done: (*operate.Result).Retried, do: operate.Now})
		},
	}
	f.register(cmd, "")
	return cmd
}

func newWaitingCancel(c *command) *cobra.Command {
	var f runsFlags
	cmd := &cobra.Command{
		Use: "cancel RUN…", Short: "Let these runs wait no more, and do not retry them", Args: cobra.MinimumNArgs(1),
		Long:    "cancel makes waiting runs skipped. A person can still retry them. It needs a --reason: others will ask why.",
		Example: "  aep-retrigger waiting cancel 5a6b2c9e-… --reason \"loaded by hand\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needsReason(f.reason, "others will ask why the run was not retried"); err != nil {
				return err
			}
			return c.changeRuns(cmd, f, args, change{verb: "cancel", past: "canceled", done: (*operate.Result).Canceled, do: operate.Cancel})
		},
	}
	f.register(cmd, " (required)")
	return cmd
}
