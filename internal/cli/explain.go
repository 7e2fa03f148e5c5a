package cli

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

func newExplain(c *command) *cobra.Command {
	var org, sandbox string
	var ask bool
	cmd := &cobra.Command{
		Use: "explain RUN", Short: "Why a run was retried, or was not", Args: cobra.ExactArgs(1),
		Long: "explain shows the run's lineage as a tree: each run, what was decided on it, when and by which rule\n" +
			"(docs/how-it-works.md), what Adobe said, what waits, and what a person can do next.\n" +
			"With --ask it invokes the function with a dry run, too, which says what would become of the run now.",
		Example: "  aep-retrigger explain 5a6b2c9e-…\n  aep-retrigger explain 5a6b2c9e-… --ask --sandbox prod",
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			e, err := operate.Explain(cmd.Context(), o, org, args[0])
			if unknown, ok := errors.AsType[*operate.Error](err); ok && unknown.Kind == operate.NotThere && ask {
				e, err = operate.Explanation{Asked: args[0], OrgID: org, Sandbox: sandbox, Runs: []operate.ExplainedRun{}, Now: "The ledger knows nothing of this run."}, nil
			}
			if err != nil {
				return err
			}
			if ask {
				result, err := operate.Would(cmd.Context(), o, operate.Chosen{Run: operate.Run{RunID: args[0], OrgID: e.OrgID, Sandbox: cmp.Or(sandbox, e.Sandbox)}})
				if err != nil {
					return err
				}
				e.Would = cmp.Or(result.Message, result.Why)
			}
			return c.print(e, func(p *printer) { printExplanation(p, &e, o.Now()) })
		},
	}
	cmd.Flags().StringVar(&org, "org", "", "the run's org, where several orgs have one of this id")
	cmd.Flags().StringVar(&sandbox, "sandbox", "", "with --ask: the run's sandbox, where the ledger does not know it")
	cmd.Flags().BoolVar(&ask, "ask", false, "ask the function, too, what would become of the run now; it changes nothing")
	return cmd
}

// printExplanation prints the lineage and the next step.
func printExplanation(p *printer, e *operate.Explanation, now time.Time) {
	title := "run " + e.Asked
	if e.FlowID != "" {
		title += fmt.Sprintf(" of dataflow %s, sandbox %s, org %s", quoted(e.FlowName, e.FlowID), cmp.Or(e.Sandbox, "unknown"), e.OrgID)
	}
	p.heading("%s", title)
	p.line("%s", e.Now)
	if e.Next != "" {
		p.line("Next: %s.", strings.TrimSuffix(e.Next, "."))
	}
	if e.Command != "" {
		p.line("  %s", e.Command)
	}
	if e.Would != "" {
		p.line("If it were asked for now: %s.", strings.TrimSuffix(e.Would, "."))
	}
	if len(e.Runs) == 0 {
		return
	}
	p.line("")
	for _, root := range lineageTree(e.Runs, now) {
		p.tree(root)
	}
	p.more(e.More)
}

// lineageTree makes trees of the runs, whose parents come before them.
func lineageTree(runs []operate.ExplainedRun, now time.Time) (roots []*node) {
	var path []*node // the last run of each depth
	for i := range runs {
		r := &runs[i]
		n := &node{text: runLine(r)}
		for _, d := range r.Decisions {
			decisionNode(n, &d, now)
		}
		if r.Depth > len(path) { // its parent is missing
			r.Depth = len(path)
		}
		if path = path[:r.Depth]; r.Depth == 0 {
			roots = append(roots, n)
		} else {
			above := path[r.Depth-1]
			above.below = append(above.below, n)
		}
		path = append(path, n)
	}
	return roots
}

func runLine(r *operate.ExplainedRun) string {
	text := "run " + r.RunID
	if r.ErrorCode+r.ErrorText != "" {
		text += " failed: " + failure(r.ErrorCode, r.ErrorText)
	}
	return text
}

// decisionNode puts a decision below its run: when, what and why, and below that by which rule,
// who asked, and what Adobe said.
func decisionNode(run *node, d *operate.Decision, now time.Time) {
	text := d.Outcome
	if d.NewRunID != "" {
		text += " as run " + d.NewRunID
	}
	if d.Reason != "" {
		text += " (" + d.Reason + ")"
	}
	n := run.add("%s  %s: %s", when(d.At, now), text, d.Why)
	if d.Detail != "" {
		n.add("%s", d.Detail)
	}
	if d.RuleText != "" {
		n.add("rule %d: %s", d.Rule, d.RuleText)
	}
	if d.Setting != "" {
		n.add("decided by %s", d.Setting)
	}
	if said := adobeSaid(d); said != "" {
		n.add("Adobe said: %s", said)
	}
	if d.By != "" || d.Given != "" {
		n.add("asked for by %s: %s", cmp.Or(d.By, "somebody"), cmp.Or(d.Given, "no reason was given"))
	}
}

func adobeSaid(d *operate.Decision) string {
	var said []string
	if d.HTTPStatus != 0 {
		said = append(said, fmt.Sprintf("HTTP %d", d.HTTPStatus))
	}
	if d.Code != "" {
		said = append(said, "code "+d.Code)
	}
	if d.AdobeRequestID != "" {
		said = append(said, "request id "+d.AdobeRequestID)
	}
	return strings.Join(said, ", ")
}
