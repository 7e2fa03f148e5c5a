package cli

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

func newPolicy(c *command) *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Try rules for RETRY_POLICY", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPolicyTest(c))
	return cmd
}

func newPolicyTest(c *command) *cobra.Command {
	var delays, org string
	cmd := &cobra.Command{
		Use: "test FILE EVENT|RUN", Short: "Which rule of a file matches an event or a run, and what it does", Args: cobra.ExactArgs(2),
		Long: "test reads rules as RETRY_POLICY has them (docs/configuration.md) from FILE, and says for each failed run of EVENT, a file,\n" +
			"which rule matches and what it does. That needs no AWS. What is no file is a RUN, which the ledger is asked for.",
		Example: "  aep-retrigger policy test rules.json events/adobe-run-failed.json\n  aep-retrigger policy test rules.json 5a6b2c9e-…",
		RunE: func(cmd *cobra.Command, args []string) error {
			rules, err := rulesOf(args[0])
			if err != nil {
				return err
			}
			list, err := policy.ParseDelays(delays)
			if err != nil {
				return operate.Errorf(operate.Wrong, "--delays: %s", oneLine(err))
			}
			test, err := c.testPolicy(cmd, rules, list, org, args[1])
			if err != nil {
				return err
			}
			return c.print(test, func(p *printer) { printPolicyTest(p, &test) })
		},
	}
	texts := make([]string, 0, len(policy.DefaultDelays()))
	for _, d := range policy.DefaultDelays() {
		texts = append(texts, d.String())
	}
	cmd.Flags().StringVar(&delays, "delays", strings.Join(texts, ","), "RETRY_DELAYS, for rules without delays of their own")
	cmd.Flags().StringVar(&org, "org", "", "the run's org, where several orgs have one of this id")
	return cmd
}

// rulesOf reads a file of rules.
func rulesOf(path string) ([]policy.Rule, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the person names the file
	if err != nil {
		return nil, operate.Errorf(operate.Wrong, "the rules can't be read: %v", err)
	}
	rules, err := policy.ParseRules(string(text))
	if err != nil {
		return nil, operate.Errorf(operate.Wrong, "%s: %s", path, oneLine(err))
	}
	return rules, nil
}

// oneLine is an error that joins several, in one line.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func (c *command) testPolicy(cmd *cobra.Command, rules []policy.Rule, delays []time.Duration, org, what string) (operate.PolicyTest, error) {
	payload, err := os.ReadFile(what) //nolint:gosec // the person names the file
	switch {
	case err == nil:
		return operate.PolicyOnEvent(rules, delays, payload)
	case !errors.Is(err, fs.ErrNotExist) || strings.ContainsAny(what, `/\`) || strings.HasSuffix(what, ".json"):
		return operate.PolicyTest{}, operate.Errorf(operate.Wrong, "the event can't be read: %v", err)
	}
	o, err := c.open(cmd)
	if err != nil {
		return operate.PolicyTest{}, err
	}
	return operate.PolicyOnRun(cmd.Context(), o, rules, delays, org, what)
}

// printPolicyTest prints what rules do.
func printPolicyTest(p *printer, t *operate.PolicyTest) {
	rows := make([][]string, len(t.Runs))
	for i := range t.Runs {
		r := &t.Runs[i]
		rule := "none of " + strconv.Itoa(t.Rules)
		if r.Rule > 0 {
			rule = "rule " + strconv.Itoa(r.Rule)
		}
		detail := r.Detail
		if len(r.Delays) > 0 {
			detail += ", after " + strings.Join(r.Delays, ", ")
		}
		rows[i] = []string{r.RunID, rule, r.Action, r.Reason, failure(r.ErrorCode, r.ErrorText), detail}
	}
	p.table([]string{"RUN", "MATCHES", "ACTION", "REASON", "ERROR", "DETAIL"}, rows)
}
