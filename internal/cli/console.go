package cli

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/console"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// consoleJSON is what console --output json prints before the first page is answered.
type consoleJSON struct {
	// Address works once; see docs/console.md.
	Address string `json:"address"`
}

func newConsole(c *command) *cobra.Command {
	var options console.Options
	var open bool
	cmd := &cobra.Command{
		Use: "console", Short: "Look at dataflows, lineages and dead letters in a browser", Args: cobra.NoArgs,
		Long: "console serves read-only pages on this machine: dataflows with their week, a lineage on a time axis, what waits,\n" +
			"dead letters, sweeps and pauses. It prints an address that works once, in one browser, and ends with Ctrl-C or\n" +
			"after an hour without a page.",
		Example: "  aep-retrigger console\n  aep-retrigger console --open\n  aep-retrigger console --port 8080",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if options.Port < 0 || options.Port > 65535 {
				return operate.Errorf(operate.Wrong, "--port is a number from 0 to 65535, not %d", options.Port)
			}
			o, err := c.open(cmd)
			if err != nil {
				return err
			}
			pages, err := console.Listen(cmd.Context(), o, options)
			if err != nil {
				return err
			}
			if err := c.print(consoleJSON{pages.Address()}, func(p *printer) { p.line("%s", pages.Address()) }); err != nil {
				_ = pages.Close() // nobody knows the address
				return err
			}
			_, _ = fmt.Fprintln(c.system.Err, "The address works once, in one browser. Ctrl-C ends the console.")
			if open {
				go func() { // some systems wait for the browser's end, and the browser waits for the page
					if err := browse(context.WithoutCancel(cmd.Context()), pages.Address()); err != nil {
						c.tell(func(p *printer) {
							p.line("No browser could be started, so open the address yourself: %v", err)
						})
					}
				}()
			}
			if err := pages.Serve(cmd.Context()); err != nil {
				return err
			}
			c.tell(func(p *printer) { p.line("Nobody has asked for a page for an hour: the console has ended.") })
			return nil
		},
	}
	cmd.Flags().IntVar(&options.Port, "port", 0, "port on 127.0.0.1; 0 for one that is free")
	cmd.Flags().BoolVar(&open, "open", false, "open the address in your browser")
	return cmd
}

// browse opens an address in the person's browser. It may return only when the person closes that.
func browse(ctx context.Context, address string) error {
	name, args := "xdg-open", []string{address}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", address}
	}
	return exec.CommandContext(ctx, name, args...).Run() //nolint:gosec // the address is our own
}
