package cli

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

func newDeadLetters(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use: "dead-letters", Aliases: []string{"dlq"}, Short: "List, show, send again and delete dead letters", Args: cobra.NoArgs,
		Long: "A dead letter is a request that can't be retried, with the reason. Lists come from the ledger and\n" +
			"receive nothing; only show, redrive, drop and --others receive messages, and give back those that they leave.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newLettersList(c), newLettersShow(c), newLettersRedrive(c), newLettersDrop(c))
	return cmd
}

// addLetterFilter adds the flags that choose dead letters. The filter by reason has its own
// name where --reason is why a person changes something.
func addLetterFilter(cmd *cobra.Command, f *operate.LetterFilter, reasonFlag string) {
	flags := cmd.Flags()
	flags.StringSliceVar((*[]string)(&f.Reasons), reasonFlag, nil, "only those with this reason; * stands for any text; several with commas")
	flags.StringSliceVar((*[]string)(&f.Codes), "code", nil, "only those whose source has told this error code; likewise")
	flags.StringVar(&f.Flow, "flow", "", "only those of this dataflow: its id or its name")
	flags.StringVar(&f.Text, "text", "", "only those with this text in what the source said, an id, the dataflow's name or the message")
	flags.StringVar(&f.OrgID, "org", "", "only those of this org")
	flags.Var((*age)(&f.Older), "older", "only those written longer ago, such as 30m, 12h or 10d")
	flags.Var((*age)(&f.Newer), "newer", "only those written since, such as 30m, 12h or 10d")
	flags.BoolVar(&f.Mended, "mended", false, "only those whose cause is mended: a later success, a changed rule, an accepted credential")
}

// age is a flag for a duration in which days may stand.
type age time.Duration

// String is the duration; empty for none.
func (a *age) String() string {
	if *a == 0 {
		return ""
	}
	return time.Duration(*a).String()
}

// Type is what help calls the value.
func (a *age) Type() string { return "age" }

// Set reads the value.
func (a *age) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		d = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || d <= 0 {
		return errors.New("want a duration such as 30m, 12h or 10d")
	}
	*a = age(d)
	return nil
}

// lettersJSON is what dead-letters list --output json prints.
type lettersJSON struct {
	Letters []operate.DeadLetter `json:"letters"`
	// Left counts letters that match and are not listed, since there is a limit.
	Left   int           `json:"left"`
	More   bool          `json:"more"`
	Queue  operate.Queue `json:"queue"`
	Others int           `json:"others"`
}

func newLettersList(c *command) *cobra.Command {
	var f operate.LetterFilter
	var limit int
	var others bool
	cmd := &cobra.Command{
		Use: "list", Short: "List dead letters, the oldest first", Args: cobra.NoArgs,
		Example: "  aep-retrigger dead-letters list\n  aep-retrigger dlq list --flow \"Orders daily\" --reason 'attempts_*' --newer 7d\n  aep-retrigger dlq list --mended",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			if others {
				return c.listOthers(cmd.Context(), o, &f)
			}
			all, err := operate.ListLetters(cmd.Context(), o, f)
			if err != nil {
				return err
			}
			out := lettersJSON{Letters: all.Letters, More: all.More, Queue: all.Queue, Others: all.Others}
			if limit > 0 && len(out.Letters) > limit {
				out.Left, out.Letters = len(out.Letters)-limit, out.Letters[:limit]
			}
			return c.print(out, func(p *printer) { out.people(p, o.Now(), f.Mended) })
		},
	}
	addLetterFilter(cmd, &f, "reason")
	cmd.Flags().IntVar(&limit, "limit", 100, "the most rows; 0 for all")
	cmd.Flags().BoolVar(&others, "others", false, "list the messages that SQS, Lambda or EventBridge put there; this receives the queue's messages and gives them back")
	return cmd
}

func (l *lettersJSON) people(p *printer, now time.Time, mended bool) {
	if len(l.Letters) == 0 {
		p.line("No dead letter matches.")
	} else {
		headers := []string{"DEAD LETTER", "DATAFLOW", "FOR", "REASON", "CODE", "ATTEMPTS", "SUCCESS SINCE", "ERROR"}
		if mended {
			headers = slices.Insert(headers, 7, "MENDED")
		}
		rows := make([][]string, len(l.Letters))
		for i := range l.Letters {
			one := &l.Letters[i]
			rows[i] = []string{
				one.ID(), letterFlow(one), letterAge(one, now), one.Reason, one.ErrorCode, strconv.Itoa(one.Attempts), successWords(one), shorten(one.ErrorText, 60),
			}
			if mended {
				rows[i] = slices.Insert(rows[i], 7, one.Mended)
			}
		}
		p.table(headers, rows)
	}
	if l.Left > 0 {
		p.line("%s more, which --limit leaves out.", english.Count(l.Left, "dead letter"))
	}
	if l.More {
		p.line("The ledger has more of them than were read.")
	}
	if l.Others > 0 {
		p.line("%s on the queue: SQS, Lambda or EventBridge put %s there. See with --others.", english.Count(l.Others, "other"), oneOrMany(l.Others, "it", "them"))
	}
}

func letterFlow(l *operate.DeadLetter) string {
	if l.RunID == "" {
		return "(no run)"
	}
	return flowLabel(l.FlowName, l.FlowID)
}

func letterAge(l *operate.DeadLetter, now time.Time) string {
	if l.Expired {
		return "expired"
	}
	return english.Length(now.Sub(l.At))
}

func successWords(l *operate.DeadLetter) string {
	switch {
	case l.LaterSuccess == nil:
		return ""
	case *l.LaterSuccess:
		return "yes"
	}
	return "no"
}

// shorten cuts a text for a table.
func shorten(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func oneOrMany(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// othersJSON is what dead-letters list --others --output json prints.
type othersJSON struct {
	Others []operate.Other `json:"others"`
	More   bool            `json:"more"`
}

func (c *command) listOthers(ctx context.Context, o *operate.Operator, f *operate.LetterFilter) error {
	if !f.Empty() {
		return operate.Errorf(operate.Wrong, "--others can't be filtered: the ledger knows nothing of them")
	}
	others, more, err := operate.Others(ctx, o)
	if err != nil {
		return err
	}
	return c.print(othersJSON{others, more}, func(p *printer) {
		if len(others) == 0 {
			p.line("There are no others.")
			return
		}
		rows := make([][]string, len(others))
		for i := range others {
			one := &others[i]
			rows[i] = []string{one.MessageID, one.From, english.Length(o.Now().Sub(one.SentAt)), strconv.Itoa(one.Receives), shorten(one.Body, 60)}
		}
		p.table([]string{"MESSAGE", "FROM", "SENT", "RECEIVES", "BODY"}, rows)
		if more {
			p.line("There may be more: only so many messages were received.")
		}
	})
}

func newLettersShow(c *command) *cobra.Command {
	return &cobra.Command{
		Use: "show RUN|LETTER|MESSAGE", Short: "Show a dead letter: its message, and what the ledger says", Args: cobra.ExactArgs(1),
		Long:    "Show receives messages until it has found the one that is asked for, and gives all back.",
		Example: "  aep-retrigger dead-letters show 57ee05cd-e009-42c7-8d10-9f1e2a6b3d84",
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			shown, err := operate.ShowLetter(cmd.Context(), o, args[0])
			if err != nil {
				return err
			}
			return c.print(shown, func(p *printer) { showLetter(p, &shown, o.Now()) })
		},
	}
}

func showLetter(p *printer, s *operate.ShownLetter, now time.Time) {
	if l := s.Letter; l != nil {
		showEntry(p, l, now)
	} else {
		p.line("The ledger does not list it.")
	}
	m := s.Message
	switch {
	case m != nil:
		p.line("")
		p.heading("Message %s", m.MessageID)
		p.line("from      %s, sent %s, received %s", s.From, when(m.SentAt, now), english.Count(m.Receives, "time"))
		for _, name := range slices.Sorted(maps.Keys(m.Attributes)) {
			p.line("%-15s %s", name, m.Attributes[name])
		}
		p.line("body")
		p.line("%s", m.Body)
	case s.Letter.Expired:
		p.line("Its message is gone: the queue keeps messages for 14 days.")
		if s.Letter.RunID != "" {
			p.line("Retry the run by its id: %s", s.Letter.RetryCommand())
		}
	default:
		p.line("Its message is not among the %d that could be received: it is being worked on, somebody else has received it, or it was deleted.", s.Looked)
	}
}

func showEntry(p *printer, l *operate.DeadLetter, now time.Time) {
	p.heading("Dead letter of %s", l.ID())
	if l.RunID != "" {
		p.line("dataflow  %s (%s), sandbox %s, org %s", l.FlowName, l.FlowID, l.Sandbox, l.OrgID)
	}
	p.line("written   %s", when(l.At, now))
	p.line("reason    %s: %s", l.Reason, l.Why)
	if text := failure(l.ErrorCode, l.ErrorText); text != "" {
		p.line("error     %s", text)
	}
	if l.RunID != "" {
		p.line("attempts  %d", l.Attempts)
	}
	switch {
	case l.LaterSuccess == nil:
	case !*l.LaterSuccess:
		p.line("since     no run of the dataflow has succeeded")
	case l.SuccessAt.IsZero():
		p.line("since     a run of the dataflow has succeeded")
	default:
		p.line("since     a run of the dataflow has succeeded: %s", strings.TrimSpace(when(l.SuccessAt, now)+" "+l.SuccessRunID))
	}
	if l.Next != "" {
		p.line("to do     %s", l.Next)
	}
}
