package cli

import (
	"runtime"

	"github.com/spf13/cobra"
)

// versionJSON is what version --output json prints.
type versionJSON struct {
	Version string `json:"version"`
	Go      string `json:"go"`
}

func newVersion(c *command) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this command", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := versionJSON{Version: c.system.Version, Go: runtime.Version()}
			return c.print(v, func(p *printer) { p.line("aep-retrigger %s (%s)", v.Version, v.Go) })
		},
	}
}
