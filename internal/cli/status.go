package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

func newStatus(c *command) *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Is it alive, and what lies there to do?", Args: cobra.NoArgs,
		Example: "  aep-retrigger status\n  aep-retrigger status --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			s, err := operate.ReadStatus(cmd.Context(), o)
			if err != nil {
				return err
			}
			return c.print(s, func(p *printer) { printStatus(p, &s, o.Now()) })
		},
	}
}

// printStatus prints the status.
func printStatus(p *printer, s *operate.Status, now time.Time) {
	p.heading("%s", alive(s, now))
	rows := [][]string{
		{"last event", cmp.Or(when(s.LastEvent, now), "none is known")},
		{"last sweep", cmp.Or(when(s.LastSweep, now), "none is known")},
		{"version", fmt.Sprintf("function %s, template %s", cmp.Or(s.FunctionVersion, "unknown"), cmp.Or(s.TemplateVersion, "unknown"))},
		{"mode", modeWords(s.Mode)},
		{"pauses in force", pausesInWords(s)},
		{"waiting", counted(s.Waiting, "run")},
		{"open", counted(s.Open, "re-triggered run") + " of unknown end"},
		{"dead letters", fmt.Sprintf("%s, %s without a run, %s", counted(s.DeadLetters, "run"), counted(s.Letters, "letter"), english.Count(s.Others, "other"))},
		{"failing", counted(s.Failing, "dataflow")},
		{"request queue", queueWords(s.Requests)},
		{"dead-letter queue", queueWords(s.DeadLetterQueue)},
	}
	p.pairs(rows)
	if len(s.Orgs) > 1 {
		p.line("")
		var orgs [][]string
		for i := range s.Orgs {
			org := &s.Orgs[i]
			orgs = append(orgs, []string{org.OrgID, when(org.LastEvent, now), when(org.LastSweep, now), org.Version, org.Mode})
		}
		p.table([]string{"ORG", "LAST EVENT", "LAST SWEEP", "VERSION", "MODE"}, orgs)
	}
}

func alive(s *operate.Status, now time.Time) string {
	what := fmt.Sprintf("stack %s in %s", s.Stack, s.Region)
	switch newest := latest(s.LastEvent, s.LastSweep); {
	case s.Alive:
		return what + " is alive: it last worked " + away(newest, now)
	case newest.IsZero():
		return what + " has not worked yet: no event and no sweep is known"
	default:
		return what + " is quiet: it last worked " + away(newest, now) + ", and the schedule sweeps every hour unless it is switched off"
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func modeWords(mode string) string {
	switch mode {
	case "observe":
		return "observe: it only says what it would retry"
	case "":
		return "unknown"
	}
	return mode
}

func pausesInWords(s *operate.Status) string {
	what := make([]string, 0, 1+len(s.Pauses))
	if s.Paused {
		what = append(what, "everything, by the deployment (Paused=true)")
	}
	for i := range s.Pauses {
		what = append(what, s.Pauses[i].What())
	}
	if len(what) == 0 {
		return "none"
	}
	if len(what) > 5 {
		return english.Count(len(what), "pause") + ": see aep-retrigger pauses"
	}
	return strings.Join(what, ", ")
}

func queueWords(q operate.Queue) string {
	return fmt.Sprintf("%d visible, %d invisible, %d delayed", q.Visible, q.Invisible, q.Delayed)
}
