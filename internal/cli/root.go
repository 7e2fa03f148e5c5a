package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// command is what the subcommands share: the flags of all, and the printer.
type command struct {
	system System
	target operate.Target
	output string
	yes    bool

	telling sync.Mutex // of standard error
}

// LocalVariable is the variable of the environment that means the stack on this machine,
// as --local does. Its value is the file that describes it.
const LocalVariable = "AEP_RETRIGGER_LOCAL"

func newRoot(c *command) *cobra.Command {
	root := &cobra.Command{
		Use:   "aep-retrigger",
		Short: "See, decide and repair: what aep-retrigger did with failed dataflow runs",
		Long: "aep-retrigger shows what the function did with failed dataflow runs of Adobe Experience Platform,\n" +
			"why, and what it waits for; and it asks the function to retry, to wait, to pause or to give up.\n\n" +
			"It uses your AWS credentials and region and finds everything by the outputs of the stack.",
		Version:       c.system.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if name := emptyFlag(cmd); name != "" {
				return operate.Errorf(operate.Wrong, "--%s is empty: leave it out, or say what is meant", name)
			}
			if !slices.Contains([]string{"table", "json"}, c.output) {
				return operate.Errorf(operate.Wrong, "--output is table or json, not %q", c.output)
			}
			return nil
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&c.target.Stack, "stack", operate.DefaultStack, "name of the CloudFormation stack")
	flags.StringVar(&c.target.Region, "region", "", "AWS region; by default your own setting")
	flags.StringVar(&c.target.Profile, "profile", "", "AWS profile; by default your own setting")
	flags.StringVar(&c.target.LocalFile, "local", "", "the stack of make up on this machine, by the file that describes it (default "+operate.LocalFile+", here or above)")
	flags.Lookup("local").NoOptDefVal = operate.LocalFile
	flags.StringVarP(&c.output, "output", "o", "table", "table or json")
	flags.BoolVar(&c.yes, "yes", false, "change without asking")
	root.AddCommand(
		newStatus(c),
		newFlows(c),
		newRuns(c),
		newExplain(c),
		newWaiting(c),
		newRetry(c),
		newSweep(c),
		newPause(c),
		newResume(c),
		newPauses(c),
		newDeadLetters(c),
		newPolicy(c),
		newDoctor(c),
		newConsole(c),
		newVersion(c),
	)
	return root
}

// emptyFlag is the name of a flag that was given an empty text; "" for none. The shell makes one of
// a variable that is not set: --flow "$FLOW" would then mean every dataflow. A reason, a
// region and a profile may be empty.
func emptyFlag(cmd *cobra.Command) (name string) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		empty := f.Value.String() == "" && !slices.Contains([]string{"reason", "why", "region", "profile"}, f.Name)
		if list, ok := f.Value.(pflag.SliceValue); ok {
			all := list.GetSlice()
			empty = len(all) == 0 || slices.Contains(all, "")
		}
		if empty {
			name = f.Name
		}
	})
	return name
}

// open finds the stack that the flags mean.
func (c *command) open(cmd *cobra.Command) (*operate.Operator, error) {
	return c.system.Open(cmd.Context(), c.targetOf(cmd))
}

// targetOf is the stack that the flags and the environment mean.
func (c *command) targetOf(cmd *cobra.Command) operate.Target {
	t := c.target
	t.Version = c.system.Version
	flags := cmd.Flags()
	if !flags.Changed("local") && !flags.Changed("stack") && !flags.Changed("region") && !flags.Changed("profile") { // a flag is stronger than the environment
		t.LocalFile = c.getenv(LocalVariable)
	}
	if t.LocalFile == operate.LocalFile && flags.Changed("local") {
		t.Local, t.LocalFile = true, "" // it is looked for upwards
	}
	return t
}

func (c *command) getenv(name string) string {
	for _, pair := range slices.Backward(c.system.Env) {
		if value, ok := strings.CutPrefix(pair, name+"="); ok {
			return value
		}
	}
	return ""
}

// confirm asks whether to go on with a change, unless --yes was given. The question names
// what it will touch. Without a terminal nobody can answer, and the error says so.
func (c *command) confirm(ctx context.Context, question string) error {
	switch {
	case c.yes:
		return nil
	case !c.system.Terminal:
		return operate.Errorf(operate.Wrong, "%s Nothing was done: there is no terminal to ask on, so say --yes", plain(question))
	}
	_, _ = fmt.Fprintf(c.system.Err, "%s [y/N] ", plain(question))
	answer := make(chan string, 1)
	go func() {
		var line string
		_, _ = fmt.Fscanln(c.system.In, &line) // what can't be read is a no
		answer <- line
	}()
	select {
	case line := <-answer:
		if strings.EqualFold(line, "y") || strings.EqualFold(line, "yes") {
			return nil
		}
		return operate.Errorf(operate.Wrong, "nothing was done")
	case <-ctx.Done():
		return ctx.Err()
	}
}
