package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// lettersChanged is what dead-letters redrive and drop print with --output json.
type lettersChanged struct {
	// Matched counts the dead letters that match. Expired of them are older than the queue keeps
	// messages, and Left are more than the limit allows.
	Matched int `json:"matched"`
	Expired int `json:"expired"`
	Left    int `json:"left"`
	// More means that the ledger has more dead letters than were read, 10,000 of an org: they are
	// left for the next time.
	More bool `json:"more"`
	// NeedForce counts those that become dead letters again unless they are sent with force.
	NeedForce int `json:"needForce"`
	// Groups count them by reason and dataflow, the largest first.
	Groups []operate.Group `json:"groups"`
	// Letters are the ids of those that were sent again, or deleted.
	Letters []string `json:"letters"`
	// NotFound are the ids of those whose messages were not received: they are being worked on,
	// somebody else has received them, or they were deleted.
	NotFound []string `json:"notFound"`
	// Leftover counts messages that a redrive has left when it was stopped, and that were deleted
	// now: their runs were re-triggered.
	Leftover int `json:"leftover"`
	// Looked counts the messages that were received.
	Looked int `json:"looked"`
	// Interrupted means that a person or an error has stopped it: the rest is as it was.
	Interrupted bool `json:"interrupted"`
}

// lettersChange is what redrive and drop share.
type lettersChange struct {
	filter operate.LetterFilter
	limit  int
	others bool
}

func (l *lettersChange) flags(cmd *cobra.Command, reasonFlag string) {
	addLetterFilter(cmd, &l.filter, reasonFlag)
	cmd.Flags().IntVar(&l.limit, "limit", 0, "the most dead letters, the oldest first; 0 for no limit")
	cmd.Flags().BoolVar(&l.others, "others", false, "those that SQS, Lambda or EventBridge put there, by the ids of their messages or all, in place of those that the ledger lists")
}

// plan counts what is to be changed.
func (l *lettersChange) plan(ctx context.Context, o *operate.Operator, ids []string) (operate.Plan, error) {
	if l.others {
		if !l.filter.Empty() {
			return operate.Plan{}, operate.Errorf(operate.Wrong, "--others can't be filtered: the ledger knows nothing of them")
		}
		return operate.PlanOthers(ctx, o, ids, l.limit)
	}
	f := l.filter
	f.IDs = ids
	return operate.PlanLetters(ctx, o, f, l.limit)
}

// maxPerSecond is the greatest --rps: one process sends fewer than that.
const maxPerSecond = 1000

func newLettersRedrive(c *command) *cobra.Command {
	var change lettersChange
	var r operate.Redrive
	cmd := &cobra.Command{
		Use: "redrive [RUN|LETTER]...", Short: "Send dead letters again, once their cause is mended",
		Long: "Redrive counts the dead letters that match and asks. Then it sends each to the request queue and deletes it\n" +
			"from the dead-letter queue. It can be stopped at any point and run again: a run is re-triggered once.",
		Example: "  aep-retrigger dead-letters redrive 57ee05cd-e009-42c7-8d10-9f1e2a6b3d84\n  aep-retrigger dlq redrive --reason forbidden --why \"the role has the permission now\"\n  aep-retrigger dlq redrive --mended --force --rps 1",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !(r.PerSecond > 0 && r.PerSecond <= maxPerSecond) { // not a number is neither
				return operate.Errorf(operate.Wrong, "--rps is how many are sent in a second: more than 0 and at most %d, not %g", maxPerSecond, r.PerSecond)
			}
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			plan, err := change.plan(cmd.Context(), o, args)
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Send %s again, %g a second?", planWords(&plan, change.others), r.PerSecond)
			if plan.Matched == 0 {
				question = fmt.Sprintf("No dead letter matches. Look through the %s that the ledger does not list, for what a redrive has left that was stopped?", english.Count(plan.Others, "message"))
			}
			if plan.NeedForce > 0 && !r.Force {
				question = fmt.Sprintf("Without --force %d of them will become dead letters again. ", plan.NeedForce) + question
			}
			return c.changeLetters(cmd.Context(), &plan, len(args) > 0, "sent", question, func(ctx context.Context, progress func(int)) (operate.Done, error) {
				r.Progress = progress
				return operate.SendAgain(ctx, o, plan, r)
			})
		},
	}
	change.flags(cmd, "reason")
	cmd.Flags().Float64Var(&r.PerSecond, "rps", 5, "how many are sent in a second")
	cmd.Flags().BoolVar(&r.Force, "force", false, "pass over policy, limits and breaker, and begin a fresh series of attempts")
	cmd.Flags().StringVar(&r.Reason, "why", "", "why you send them again; it is recorded with your ARN")
	return cmd
}

func newLettersDrop(c *command) *cobra.Command {
	var change lettersChange
	var because operate.Because
	var everything bool
	cmd := &cobra.Command{
		Use: "drop [RUN|LETTER]...", Short: "Delete dead letters that need no retry",
		Long:    "Drop deletes the messages of the dead letters, and the function takes them off the ledger's lists.",
		Example: "  aep-retrigger dead-letters drop 57ee05cd-e009-42c7-8d10-9f1e2a6b3d84 --reason \"the data came by hand\"\n  aep-retrigger dlq drop --flow \"Old dataflow\" --older 10d --reason \"it is gone\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case because.Reason == "":
				return operate.Errorf(operate.Wrong, "say with --reason why they are deleted: it is recorded with your ARN")
			case len(args) == 0 && change.filter.Empty() && !everything && !change.others:
				return operate.Errorf(operate.Wrong, "say which dead letters: by their ids, by a filter (--reason is why; the filter is --with-reason), or --all")
			}
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			plan, err := change.plan(cmd.Context(), o, args)
			if err != nil {
				return err
			}
			question := fmt.Sprintf("Delete %s? Their runs will not be retried.", planWords(&plan, change.others))
			return c.changeLetters(cmd.Context(), &plan, len(args) > 0, "deleted", question, func(ctx context.Context, progress func(int)) (operate.Done, error) {
				return operate.Drop(ctx, o, plan, because, progress)
			})
		},
	}
	change.flags(cmd, "with-reason")
	cmd.Flags().StringVar(&because.Reason, "reason", "", "why they are deleted; it is recorded with your ARN")
	cmd.Flags().BoolVar(&everything, "all", false, "all dead letters that the ledger lists")
	return cmd
}

// planWords says what a change will touch.
func planWords(p *operate.Plan, others bool) string {
	if others {
		return "about " + english.Count(p.Matched, "message") + " that the ledger does not list"
	}
	const most = 6
	var groups []string
	for i, g := range p.Groups {
		if i == most {
			groups = append(groups, fmt.Sprintf("%d other kinds", len(p.Groups)-most))
			break
		}
		of := flowLabel(g.FlowName, g.FlowID)
		if of != "" {
			of = " of " + of
		}
		groups = append(groups, fmt.Sprintf("%d %s%s", g.Count, g.Reason, of))
	}
	words := english.Count(len(p.Letters), "dead letter")
	if len(groups) > 0 {
		words += " (" + strings.Join(groups, ", ") + ")"
	}
	if p.Left > 0 {
		words += fmt.Sprintf(" of %d", len(p.Letters)+p.Left)
	}
	return words
}

// changeLetters asks, changes, and prints what was done, also where it was stopped. Named means
// that the person has named the letters: one that was not found is an error then.
func (c *command) changeLetters(ctx context.Context, plan *operate.Plan, named bool, verb, question string, do func(context.Context, func(int)) (operate.Done, error)) error {
	result := lettersChanged{
		Matched: plan.Matched, Expired: plan.Expired, Left: plan.Left, More: plan.More, NeedForce: plan.NeedForce, Groups: plan.Groups, Letters: []string{}, NotFound: []string{},
	}
	looks := verb == "sent" && !named && plan.Others > 0 // for what a redrive has left
	if plan.Matched == 0 && !looks || verb == "sent" && len(plan.Letters) == 0 && plan.Matched == plan.Expired && !looks {
		return c.print(result, func(p *printer) { result.people(p, verb) })
	}
	if c.yes { // nobody is asked, but the count is shown
		c.tell(func(p *printer) { p.line("%s Yes.", plain(question)) })
	}
	if err := c.confirm(ctx, question); err != nil {
		return err
	}
	progress, end := c.progress(max(len(plan.Letters), 1), verb)
	told := c.announceStop(ctx)
	done, err := do(ctx, progress)
	told()
	end()
	result.Letters, result.NotFound, result.Leftover, result.Looked, result.Interrupted = done.Letters, done.NotFound, done.Leftover, done.Looked, err != nil
	if printed := c.print(result, func(p *printer) { result.people(p, verb) }); err == nil {
		err = printed
	}
	if err == nil && named && len(done.NotFound) > 0 {
		return operate.Errorf(operate.NotThere, "the message of %s was not found", strings.Join(done.NotFound, ", "))
	}
	return err
}

func (r *lettersChanged) people(p *printer, verb string) {
	if r.Matched == 0 {
		p.line("No dead letter matches; nothing was %s.", verb)
	} else {
		p.line("%s %s.", upper(verb), english.Count(len(r.Letters), "dead letter"))
	}
	if n := len(r.NotFound); n > 0 && r.Interrupted {
		p.line("Stopped: %s left. Run it again to go on.", english.Count(n, "dead letter"))
	} else if n > 0 {
		p.line("Not found: the messages of %s. They are being worked on, or hidden since somebody has received them (run it again in a minute), or deleted.", english.Count(n, "dead letter"))
	}
	if r.Leftover > 0 {
		p.line("Deleted %s that an earlier redrive had sent and left.", english.Count(r.Leftover, "message"))
	}
	if r.More {
		p.line("The ledger has more of them than were read. Run it again to go on.")
	}
	if r.Expired > 0 && verb == "sent" {
		p.line("Expired: %s. Their messages are gone; retry the runs by their ids.", english.Count(r.Expired, "dead letter"))
	}
}

// progress returns a function that shows how many of all are done, and one that clears that. It
// shows nothing where there is no terminal.
func (c *command) progress(all int, verb string) (show func(done int), end func()) {
	if !c.system.Terminal {
		return nil, func() {}
	}
	write := func(text string) {
		c.telling.Lock()
		defer c.telling.Unlock()
		_, _ = io.WriteString(c.system.Err, text)
	}
	show = func(done int) { write(fmt.Sprintf("\r%d of %d %s", done, max(all, done), verb)) }
	return show, func() { write("\r\x1b[K") }
}
