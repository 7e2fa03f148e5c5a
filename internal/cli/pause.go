package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// pausesJSON is what pause, resume and pauses print with --output json.
type pausesJSON struct {
	// Pauses are those in force; pauses lists also those that have ended and of which what
	// waited is still let go.
	Pauses []operate.Pause `json:"pauses"`
	// Message says what could not be checked before a pause, such as whether Adobe knows the
	// dataflow.
	Message string `json:"message,omitempty"`
}

// pauseFlags are the flags of pause and resume.
type pauseFlags struct {
	org, sandbox, reason string
	all                  bool
}

func (f *pauseFlags) register(cmd *cobra.Command, reason string) {
	cmd.Flags().StringVar(&f.org, "org", "", "the whole org; with a dataflow: the org that it is of")
	cmd.Flags().BoolVar(&f.all, "all", false, "everything")
	cmd.Flags().StringVar(&f.sandbox, "sandbox", "", "the sandbox of a dataflow that the ledger does not know")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, which the function records with your ARN"+reason)
}

// scope is what is to be paused or resumed: a dataflow, an org or everything. Exactly one must
// be named: a forgotten name must not stop everything.
func (f *pauseFlags) scope(ctx context.Context, o *operate.Operator, args []string) (operate.PauseScope, error) {
	switch {
	case len(args) == 1 && f.all:
		return operate.PauseScope{}, operate.Errorf(operate.Wrong, "a dataflow and --all exclude each other")
	case len(args) == 1:
		return operate.ScopeOfFlow(ctx, o, f.org, f.sandbox, args[0])
	case f.all && f.org != "":
		return operate.PauseScope{}, operate.Errorf(operate.Wrong, "--org and --all exclude each other")
	case f.all, f.org != "":
		return operate.PauseScope{OrgID: f.org}, nil
	}
	return operate.PauseScope{}, operate.Errorf(operate.Wrong, "name what is meant: a dataflow, --org ORG, or --all for everything")
}

func newPause(c *command) *cobra.Command {
	var f pauseFlags
	cmd := &cobra.Command{
		Use: "pause [FLOW]", Short: "Stop retrying a dataflow, an org or everything", Args: cobra.MaximumNArgs(1),
		Long: "pause stops the retries of a dataflow (by its name or id), of an org (--org) or of everything (--all), within half a minute.\n" +
			"Requests wait meanwhile, and nothing is lost. It needs a --reason: others will read it in aep-retrigger pauses.",
		Example: "  aep-retrigger pause \"Orders daily\" --reason \"the source is being moved\"\n  aep-retrigger pause --all --reason maintenance",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := needsReason(f.reason, "others will read it in aep-retrigger pauses"); err != nil {
				return err
			}
			return c.setPaused(cmd, true, f, args)
		},
	}
	f.register(cmd, " (required)")
	return cmd
}

func newResume(c *command) *cobra.Command {
	var f pauseFlags
	cmd := &cobra.Command{
		Use: "resume [FLOW]", Short: "End a pause", Args: cobra.MaximumNArgs(1),
		Long:    "resume ends the pause of a dataflow, of an org (--org) or of everything (--all). What waited is let go one after the other.",
		Example: "  aep-retrigger resume \"Orders daily\"\n  aep-retrigger resume --all",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.setPaused(cmd, false, f, args) },
	}
	f.register(cmd, "")
	return cmd
}

// setPaused pauses or resumes, and prints the pauses in force then.
func (c *command) setPaused(cmd *cobra.Command, pause bool, f pauseFlags, args []string) error {
	o, err := c.open(cmd)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	scope, err := f.scope(ctx, o, args)
	if err != nil {
		return err
	}
	verb, past := "Resume", "resumed"
	if pause {
		verb, past = "Pause", "paused"
	}
	if err := c.confirm(ctx, fmt.Sprintf("%s %s?", verb, scope.What())); err != nil {
		return err
	}
	var done pausesJSON
	err = c.inOneStep(ctx, func(ctx context.Context) (err error) {
		done.Pauses, done.Message, err = operate.SetPaused(ctx, o, pause, scope, operate.Because{Reason: f.reason})
		return err
	})
	if err != nil {
		return err
	}
	return cmp.Or(c.print(done, func(p *printer) {
		p.line("%s is %s.", upper(scope.What()), past)
		if done.Message != "" {
			p.line("%s.", upper(done.Message))
		}
		printPauses(p, done.Pauses, o.Now())
	}), ctx.Err())
}

func newPauses(c *command) *cobra.Command {
	return &cobra.Command{
		Use: "pauses", Short: "What is paused, since when, by whom and why", Args: cobra.NoArgs,
		Example: "  aep-retrigger pauses",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			pauses, err := operate.Pauses(cmd.Context(), o)
			if err != nil {
				return err
			}
			return c.print(pausesJSON{Pauses: pauses}, func(p *printer) { printPauses(p, pauses, o.Now()) })
		},
	}
}

// printPauses prints pauses.
func printPauses(p *printer, pauses []operate.Pause, now time.Time) {
	if len(pauses) == 0 {
		p.line("Nothing is paused.")
		return
	}
	rows := make([][]string, len(pauses))
	for i := range pauses {
		one := &pauses[i]
		rows[i] = []string{one.What(), when(one.Since, now), cmp.Or(when(one.ResumedAt, now), "in force"), one.By, one.Reason}
	}
	p.table([]string{"PAUSED", "SINCE", "RESUMED", "BY", "REASON"}, rows)
}

// pauseWords is a pause in a line.
func pauseWords(p *operate.Pause, now time.Time) string {
	text := p.What() + " since " + when(p.Since, now)
	if p.By != "" {
		text += " by " + p.By
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	return text
}
