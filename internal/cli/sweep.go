package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
)

func newSweep(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use: "sweep", Short: "Look for failed runs that no event told of", Args: cobra.NoArgs,
		Long: "A sweep lists failed runs of Adobe and requests those that nobody has dealt with. The schedule starts one every hour.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSweepStart(c), newSweepList(c))
	return cmd
}

// sweepFlags are the flags of sweep start.
type sweepFlags struct {
	sweep  event.Sweep
	flows  []string
	reason string
}

func newSweepStart(c *command) *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use: "start", Short: "Start a sweep", Args: cobra.NoArgs,
		Long: "start asks the function to sweep. --dry-run lists what would be requested, and why the other failed runs would not.\n" +
			"A sweep that does not end in one invocation goes on by itself: see aep-retrigger sweep list.",
		Example: "  aep-retrigger sweep start --since 24h --sandbox prod --dry-run\n  aep-retrigger sweep start --since 24h --sandbox prod --flow \"Orders daily\"",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.startSweep(cmd, f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.sweep.Since, "since", "", "failed after: a duration before now such as 24h, or a time such as 2026-11-23T06:00:00Z; by default the function's SWEEP_SINCE")
	flags.StringVar(&f.sweep.Until, "until", "", "failed before, likewise; by default now")
	flags.StringSliceVar(&f.sweep.Sandboxes, "sandbox", nil, "only these sandboxes")
	flags.StringSliceVar(&f.sweep.OrgIDs, "org", nil, "only these orgs")
	flags.StringArrayVar(&f.flows, "flow", nil, "only this dataflow, by its name or id; may be repeated")
	flags.StringSliceVar(&f.sweep.Codes, "code", nil, "only runs that failed with a code like this; * stands for any text")
	flags.IntVar(&f.sweep.Limit, "limit", 0, "the most runs to request; by default the function's SWEEP_LIMIT")
	flags.BoolVar(&f.sweep.DryRun, "dry-run", false, "list, and change nothing")
	flags.StringVar(&f.reason, "reason", "", "why, which the function records with your ARN")
	return cmd
}

func (c *command) startSweep(cmd *cobra.Command, f sweepFlags) error {
	if cmd.Flags().Changed("limit") && f.sweep.Limit < 1 {
		return operate.Errorf(operate.Wrong, "--limit is 1 at least")
	}
	o, err := c.open(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	org := ""
	if len(f.sweep.OrgIDs) == 1 {
		org = f.sweep.OrgIDs[0]
	}
	var names []string
	for _, name := range f.flows {
		flow, err := operate.ResolveFlow(ctx, o, org, name)
		if err != nil {
			return err
		}
		f.sweep.FlowIDs, names = append(f.sweep.FlowIDs, flow.FlowID), append(names, flow.String())
	}
	if !f.sweep.DryRun {
		if err := c.confirm(ctx, sweepQuestion(&f.sweep, names)); err != nil {
			return err
		}
	}
	var report sweep.Report
	err = c.inOneStep(ctx, func(ctx context.Context) (err error) {
		report, err = operate.StartSweep(ctx, o, f.sweep, operate.Because{Reason: f.reason})
		return err
	})
	if err != nil {
		return err
	}
	if err := c.print(report, func(p *printer) { printSweep(p, &report) }); err != nil {
		return err
	}
	if report.State == sweep.Refused {
		return operate.Errorf(operate.Failed, "the sweep was refused: %s", report.Error)
	}
	return ctx.Err()
}

// sweepQuestion says what the sweep will look at.
func sweepQuestion(s *event.Sweep, flows []string) string {
	parts := []string{"Look for failed runs since " + cmp.Or(s.Since, "the function's SWEEP_SINCE")}
	for _, part := range []struct {
		what  string
		names []string
	}{{"in sandbox", s.Sandboxes}, {"of org", s.OrgIDs}, {"of", flows}, {"with code", s.Codes}} {
		if len(part.names) > 0 {
			parts = append(parts, part.what+" "+strings.Join(part.names, ", "))
		}
	}
	most := "as many as the function's SWEEP_LIMIT"
	if s.Limit > 0 {
		most = strconv.Itoa(s.Limit)
	}
	return strings.Join(parts, " ") + ", and request " + most + " at most?"
}

// printSweep prints what a sweep has done.
func printSweep(p *printer, r *sweep.Report) {
	what := "sweep"
	if r.DryRun {
		what = "dry run of a sweep"
	}
	p.heading("%s %s: %s", what, r.ID, r.State)
	p.line("%s seen, %d failed, %d requested%s", english.Count(r.Seen, "run"), r.Failed, r.Requested, skippedWords(r.Skipped))
	if r.Error != "" {
		p.line("%s", r.Error)
	}
	for _, f := range r.Failures {
		p.line("sandbox %s of org %s could not be swept: %s", f.Sandbox, f.OrgID, f.Message)
	}
	if len(r.Runs) == 0 {
		return
	}
	p.line("")
	rows := make([][]string, len(r.Runs))
	for i := range r.Runs {
		run := &r.Runs[i]
		rows[i] = []string{run.RunID, flowLabel(run.FlowName, run.FlowID), run.Decision, string(run.Reason), failure(run.ErrorCode, run.ErrorText)}
	}
	p.table([]string{"RUN", "DATAFLOW", "WOULD BE", "REASON", "ERROR"}, rows)
	if r.Left > 0 {
		p.line("%d more are not listed.", r.Left)
	}
}

func skippedWords(skipped map[sweep.Reason]int) string {
	var parts []string
	for reason, n := range skipped {
		parts = append(parts, fmt.Sprintf("%d %s", n, reason))
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "; skipped: " + strings.Join(parts, ", ")
}

func newSweepList(c *command) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "The last sweeps", Args: cobra.NoArgs,
		Example: "  aep-retrigger sweep list --limit 5",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return operate.Errorf(operate.Wrong, "--limit is 1 at least")
			}
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			list, err := operate.ListSweeps(cmd.Context(), o, limit)
			if err != nil {
				return err
			}
			return c.print(list, func(p *printer) { printSweeps(p, &list, o.Now()) })
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "the most sweeps to list")
	return cmd
}

// printSweeps prints the last sweeps.
func printSweeps(p *printer, list *operate.Sweeps, now time.Time) {
	if len(list.Sweeps) == 0 {
		p.line("The ledger's table has no sweep of the last 15 days.")
		return
	}
	rows := make([][]string, len(list.Sweeps))
	for i := range list.Sweeps {
		s := &list.Sweeps[i]
		rows[i] = []string{
			s.Report.ID, string(s.Report.State), when(s.Asked, now), s.Report.Since.UTC().Format("2006-01-02 15:04 UTC"),
			strconv.Itoa(s.Report.Seen), strconv.Itoa(s.Report.Failed), strconv.Itoa(s.Report.Requested), askedBy(s), s.Given,
		}
	}
	p.table([]string{"SWEEP", "STATE", "ASKED", "SINCE", "SEEN", "FAILED", "REQUESTED", "BY", "REASON"}, rows)
}

// askedBy says who asked for a sweep.
func askedBy(s *operate.Sweep) string {
	if s.By == "" && strings.HasPrefix(s.Report.ID, "schedule") {
		return "the schedule"
	}
	return s.By
}
