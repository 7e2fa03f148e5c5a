package cli

import (
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

func newRuns(c *command) *cobra.Command {
	var org, flow string
	var limit int
	cmd := &cobra.Command{
		Use: "runs", Short: "The runs of a dataflow, or those whose end is not known yet", Args: cobra.NoArgs,
		Long: "runs --flow NAME lists the runs of a dataflow that the ledger knows, the newest first.\n" +
			"Without --flow it lists what is open: runs that re-triggers made and whose end is not known yet, the oldest first.",
		Example: "  aep-retrigger runs\n  aep-retrigger runs --flow \"Orders daily\" --limit 50",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > operate.MaxRows {
				return operate.Errorf(operate.Wrong, "--limit is 1 to %d", operate.MaxRows)
			}
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			var list operate.Runs
			if flow != "" {
				_, list, err = operate.RunsOfFlow(cmd.Context(), o, operate.Filter{OrgID: org, Flow: flow}, limit)
			} else if list, err = operate.OpenRuns(cmd.Context(), o, operate.Filter{OrgID: org}); len(list.Runs) > limit {
				list.Runs, list.More = list.Runs[:limit], true
			}
			if err != nil {
				return err
			}
			return c.print(list, func(p *printer) {
				printRuns(p, list.Runs, o.Now())
				if list.More {
					p.line("There are more; --limit shows more of them, %d at most.", operate.MaxRows)
				}
			})
		},
	}
	cmd.Flags().StringVar(&org, "org", "", "only this org")
	cmd.Flags().StringVar(&flow, "flow", "", "the dataflow, by its name or id")
	cmd.Flags().IntVar(&limit, "limit", 100, "the most runs to list")
	return cmd
}

// printRuns prints a table of runs.
func printRuns(p *printer, runs []operate.Run, now time.Time) {
	if len(runs) == 0 {
		p.line("There are no such runs.")
		return
	}
	rows := make([][]string, len(runs))
	for i := range runs {
		r := &runs[i]
		rows[i] = []string{r.RunID, flowLabel(r.FlowName, r.FlowID), r.State, r.Reason, strconv.Itoa(r.Attempts), when(r.FirstSeen, now), r.NewRunID, failure(r.ErrorCode, r.ErrorText)}
	}
	p.table([]string{"RUN", "DATAFLOW", "STATE", "REASON", "ATTEMPTS", "FIRST SEEN", "NEW RUN", "ERROR"}, rows)
}
