package cli

import (
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/doctor"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// doctorFlags say what doctor looks at.
type doctorFlags struct {
	file    string
	secrets []string
	adobe   doctor.Adobe
}

func newDoctor(c *command) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look a stack over, or a credential, and say what to mend",
		Long: "doctor looks a stack over: function, credential, queues, ledger, rule, last event, last sweep, alarms and\n" +
			"who hears them, other stacks for the same org. With --secret-file or --secret it looks at a credential\n" +
			"before or after the deployment: token, and each sandbox. It changes nothing and re-triggers nothing.\n\n" +
			"The exit code is 5 where there is something to mend, and 1 where something could not be checked.",
		Example: "  aep-retrigger doctor --secret-file secret.json\n  aep-retrigger doctor --secret aep/ims\n  aep-retrigger doctor --stack aep-retrigger",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.doctor(cmd, &f) },
	}
	flags := cmd.Flags()
	flags.StringVar(&f.file, "secret-file", "", "a file with the credential, as it is put into Secrets Manager")
	flags.StringSliceVar(&f.secrets, "secret", nil, "a secret, by name or ARN; needs secretsmanager:GetSecretValue")
	flags.StringSliceVar(&f.adobe.Sandboxes, "sandbox", nil, "sandboxes to look at, beside the credential's own")
	flags.StringVar(&f.adobe.FlowServiceURL, "flow-service-url", "", "base URL of Flow Service; by default Adobe's")
	flags.StringVar(&f.adobe.IMSURL, "ims-url", "", "base URL of IMS; by default Adobe's")
	return cmd
}

func (c *command) doctor(cmd *cobra.Command, f *doctorFlags) error {
	ctx := cmd.Context()
	f.adobe.UserAgent = operate.Product + "/" + c.system.Version
	var report doctor.Report
	switch {
	case f.file != "" && len(f.secrets) > 0:
		return operate.Errorf(operate.Wrong, "--secret-file and --secret are two different things to look at: name one")
	case f.file != "":
		report.Add(doctor.Credentials(ctx, doctor.File(f.file), []string{f.file}, f.adobe)...)
	case len(f.secrets) > 0:
		amazon, err := c.system.Config(ctx, c.targetOf(cmd))
		if err != nil {
			return err
		}
		report.Add(doctor.Credentials(ctx, secretsmanager.NewFromConfig(amazon), f.secrets, f.adobe)...)
	default:
		checks, err := c.stackChecks(cmd)
		if err != nil {
			return err
		}
		report.Add(checks...)
	}
	return c.printReport(&report)
}

func (c *command) stackChecks(cmd *cobra.Command) ([]doctor.Check, error) {
	operator, err := c.open(cmd)
	if err != nil {
		return nil, err
	}
	amazon, err := c.system.Config(cmd.Context(), c.targetOf(cmd))
	if err != nil {
		return nil, err
	}
	return doctor.Open(operator, amazon, c.system.Version).Check(cmd.Context()), nil
}

func (c *command) printReport(report *doctor.Report) error {
	err := c.print(report, func(p *printer) {
		for _, check := range report.Checks {
			mark := map[doctor.Verdict]string{doctor.Good: "✓", doctor.Finding: "✗", doctor.Unknown: "?"}[check.Verdict]
			p.line("%s %s: %s", mark, check.Subject, check.Detail)
			if check.Fix != "" {
				p.line("    %s", check.Fix)
			}
		}
		p.line("%d looked at, %d to mend, %d could not be checked", len(report.Checks), report.Findings(), report.Unknown())
	})
	switch {
	case err != nil:
		return err
	case report.Findings() > 0:
		return exitCode(ExitFindings)
	case report.Unknown() > 0:
		return exitCode(ExitFailed)
	}
	return nil
}
