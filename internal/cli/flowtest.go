package cli

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

func newFlowTest(c *command) *cobra.Command {
	var org, sandbox string
	cmd := &cobra.Command{
		Use: "test NAME", Short: "Ask Adobe whether the source of a dataflow accepts its login", Args: cobra.ExactArgs(1),
		Long: "test lets Adobe log in at the source of a dataflow, by its name or id, and says what the source answers. This logs in at\n" +
			"the source, which may count or lock failed logins. No run is started. The exit code is 5 if the source does not accept it.",
		Example: "  aep-retrigger flows test \"Orders daily\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			found, err := operate.TestSource(cmd.Context(), o, org, sandbox, args[0])
			if err != nil {
				return err
			}
			err = c.print(found, func(p *printer) {
				name := operate.Flow{FlowID: found.FlowID, Name: found.FlowName}.String()
				if found.Accepted {
					p.line("The source of %s accepts the login of its connection %s. Adobe has logged in there for this.", name, found.ConnectionID)
					return
				}
				p.line("The source of %s does not accept the login of its connection %s: %s", name, cmp.Or(found.ConnectionID, "(unknown)"), cmp.Or(found.Message, "it does not say why"))
				p.line("Mend the connection in AEP (Sources, Accounts), then retry the dataflow's runs.")
			})
			if err == nil && !found.Accepted {
				return exitCode(ExitFindings)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&org, "org", "", "the dataflow's org, where the function has several")
	cmd.Flags().StringVar(&sandbox, "sandbox", "", "the dataflow's sandbox, where the ledger does not know it")
	return cmd
}
