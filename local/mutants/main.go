// Command mutants is the test of the tests: it breaks the function's code in one place at a
// time, and a test must fail: go run ./local/mutants.
//
// A mutant that no test finds has survived. Then a test is missing, or the reason why none
// can find it stands beside it in the table. The command fails for a survivor without a
// reason, and for a mutant with a reason that is found after all. The work tree is never
// changed: Go's -overlay lets the compiler read the changed copy instead of the file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], log.New(os.Stdout, "", 0)); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context, args []string, out *log.Logger) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	only := flags.String("only", "", "run the mutants alone whose id matches this regular expression")
	quick := flags.Bool("ci", false, "run the ten mutants alone that break the first four invariants")
	list := flags.Bool("list", false, "print the table and run nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	chosen, err := choose(root, func(m *mutant) bool { return pattern.MatchString(m.id) && (m.invariant != "" || !*quick) })
	switch {
	case err != nil:
		return err
	case len(chosen) == 0:
		return errors.New("no mutant has such an id")
	case *list:
		for _, m := range chosen {
			out.Printf("%-4s %s: %s", m.id, m.edits[0].pkg, m.what)
		}
		return nil
	}
	return runAll(ctx, root, chosen, out)
}

func runAll(ctx context.Context, root string, chosen []*mutant, out *log.Logger) error {
	folder, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if err := unbroken(ctx, root, folder, chosen, out); err != nil {
		return err
	}
	began := time.Now()
	found, bad := 0, []string{}
	for _, m := range chosen {
		mutantBegan := time.Now()
		v, err := m.try(ctx, root, folder)
		if err != nil {
			return fmt.Errorf("%s: %w", m.id, err)
		}
		verdict := "SURVIVED"
		switch {
		case v.killer != "" && m.survives != "":
			bad, verdict = append(bad, m.id), "killed by "+v.killer+", although the table says that nothing can find it"
		case v.killer != "":
			found, verdict = found+1, "killed by "+v.killer
		case m.survives != "":
			verdict = "survived, as it may: " + m.survives
		default:
			bad = append(bad, m.id)
		}
		out.Printf("%-4s %s: %s, in %.1f s", m.id, m.what, verdict, time.Since(mutantBegan).Seconds())
	}
	out.Printf("mutants: %d of %d were found, in %.0f s", found, len(chosen), time.Since(began).Seconds())
	if len(bad) > 0 {
		return fmt.Errorf("not as the table says: %s", strings.Join(bad, ", "))
	}
	return nil
}

// moduleRoot is the folder of go.mod.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out))), nil
}
