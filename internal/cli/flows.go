package cli

import (
	"cmp"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// flowsFlags are the flags of flows.
type flowsFlags struct {
	org   string
	days  int
	runs  int
	codes bool
}

func newFlows(c *command) *cobra.Command {
	var f flowsFlags
	cmd := &cobra.Command{
		Use: "flows [NAME]", Short: "How the dataflows do, and whether the retries help", Args: cobra.MaximumNArgs(1),
		Long: "flows lists the dataflows that the function has dealt with in the last days, the worst first: their state, the failures\n" +
			"that were dealt with, how many were re-triggered, recovered or given up, and when Adobe would disable a failing one.\n" +
			"With a NAME (or an id) it shows one dataflow: its sums by day and code, and its last runs.",
		Example: "  aep-retrigger flows\n  aep-retrigger flows --codes\n  aep-retrigger flows \"Orders daily\" --days 30",
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.days < 1 || f.runs < 1 {
				return operate.Errorf(operate.Wrong, "--days and --runs are 1 at least")
			}
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return c.showFlow(cmd, o, f, args[0])
			}
			report, err := operate.ListFlows(cmd.Context(), o, f.org, f.days)
			if err != nil {
				return err
			}
			if !f.codes {
				for i := range report.Flows {
					report.Flows[i].Codes = nil
				}
			}
			return c.print(report, func(p *printer) { printFlows(p, &report, f.codes, o.Now()) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.org, "org", "", "only this org")
	flags.IntVar(&f.days, "days", 7, "how many days (UTC) are added up, today included")
	flags.IntVar(&f.runs, "runs", 20, "with a NAME: how many of its last runs are shown")
	flags.BoolVar(&f.codes, "codes", false, "a line for each code of the source, too")
	cmd.AddCommand(newFlowTest(c))
	return cmd
}

// printFlows prints how the dataflows do.
func printFlows(p *printer, r *operate.Flows, codes bool, now time.Time) {
	if len(r.Flows) == 0 {
		p.line("The ledger knows of no failure since %s.", r.Since.Format(time.DateOnly))
		return
	}
	headers := []string{"DATAFLOW", "STATE", "FAILED", "RETRIGGERED", "RECOVERED", "GIVEN UP", "WAITING", "ADOBE DISABLES IT", "ID"}
	var rows [][]string
	for i := range r.Flows {
		f := &r.Flows[i]
		rows = append(rows, append(append([]string{flowLabel(f.Name, f.FlowID), flowState(f, now)}, tally(&f.Tally)...), strconv.Itoa(f.Waiting), daysLeft(f.DaysLeft), f.FlowID))
		for _, code := range f.Codes {
			if codes {
				rows = append(rows, append(append([]string{"  " + code.Code, ""}, tally(&code.Tally)...), "", "", ""))
			}
		}
	}
	p.table(headers, rows)
	p.line("")
	p.line("Dealt with since %s: %s, %d re-triggered, %d given up; %s recovered.", r.Since.Format(time.DateOnly), english.Count(r.Total.Failed, "failure"), r.Total.Retriggered, r.Total.GivenUp, lineages(r.Total.Recovered))
	p.more(r.More)
}

func tally(t *operate.Tally) []string {
	return []string{strconv.Itoa(t.Failed), strconv.Itoa(t.Retriggered), strconv.Itoa(t.Recovered), strconv.Itoa(t.GivenUp)}
}

func lineages(n int) string { return english.Count(n, "lineage") }

func daysLeft(n *int) string {
	if n == nil {
		return ""
	}
	return "in " + english.Count(*n, "day")
}

// flowState is a dataflow's state with its times.
func flowState(f *operate.FlowState, now time.Time) string {
	switch {
	case f.State == operate.FlowPaused && !f.FailingSince.IsZero():
		return "paused, failing for " + english.Length(now.Sub(f.FailingSince))
	case f.State == operate.FlowBreakerOpen:
		return "breaker open until " + f.BreakerUntil.UTC().Format("2006-01-02 15:04 UTC")
	case f.State == operate.FlowFailing:
		return "failing for " + english.Length(now.Sub(f.FailingSince))
	}
	return f.State
}

func (c *command) showFlow(cmd *cobra.Command, o *operate.Operator, f flowsFlags, name string) error {
	detail, err := operate.ShowFlow(cmd.Context(), o, operate.Filter{OrgID: f.org, Flow: name}, f.days, f.runs)
	if err != nil {
		return err
	}
	return c.print(detail, func(p *printer) { printFlow(p, &detail, o.Now()) })
}

// printFlow prints one dataflow.
func printFlow(p *printer, d *operate.FlowDetail, now time.Time) {
	p.heading("dataflow %s: %s", quoted(d.Name, d.FlowID), flowState(&d.FlowState, now))
	rows := [][]string{{"id", d.FlowID}, {"sandbox", cmp.Or(d.Sandbox, "unknown")}, {"org", d.OrgID}}
	if !d.FailingSince.IsZero() {
		rows = append(rows, []string{"failing since", when(d.FailingSince, now)}, []string{"given up first", d.Reason + ": " + d.Why})
	}
	if d.DaysLeft != nil {
		rows = append(rows, []string{"Adobe disables it", daysLeft(d.DaysLeft) + ", if it goes on failing"})
	}
	for i := range d.Pauses {
		rows = append(rows, []string{"paused", pauseWords(&d.Pauses[i], now)})
	}
	p.pairs(append(rows, []string{"did retries help", helped(d)}))
	if len(d.Days) > 0 {
		p.line("")
		var days [][]string
		for _, day := range d.Days {
			days = append(days, append([]string{day.Day, day.Code}, tally(&day.Tally)...))
		}
		p.table([]string{"DAY (UTC)", "CODE", "FAILED", "RETRIGGERED", "RECOVERED", "GIVEN UP"}, days)
	}
	p.line("")
	printRuns(p, d.Runs, now)
}

// helped says whether the retries of a dataflow helped.
func helped(d *operate.FlowDetail) string {
	t := &d.Tally
	text := fmt.Sprintf("since %s: %s, %d re-triggered, %s recovered", d.Since.Format(time.DateOnly), english.Count(t.Failed, "failure"), t.Retriggered, lineages(t.Recovered))
	if t.Recovered > 0 {
		text += fmt.Sprintf(" (%d min on average)", t.Minutes/t.Recovered)
	}
	return text + fmt.Sprintf(", %d given up", t.GivenUp)
}
