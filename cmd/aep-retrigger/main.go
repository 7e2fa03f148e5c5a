// Command aep-retrigger shows what the function did with failed dataflow runs, and asks it
// to retry, to wait, to pause or to give up. docs/command.md describes it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/charmbracelet/x/term"

	"github.com/aep-retrigger/aep-retrigger/internal/cli"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// version is the version and commit of this binary. Only the linker sets it
// (-X main.version), which needs a variable.
var version = "dev"

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends at once
	return cli.Run(ctx, cli.System{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Terminal: term.IsTerminal(os.Stdin.Fd()) && term.IsTerminal(os.Stdout.Fd()),
		Env: os.Environ(), Version: version, Open: operate.Open,
	}, os.Args[1:])
}
