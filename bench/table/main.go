// Command table measures what the function costs and prints it as one table of ratios, all of
// one run on one machine: `make bench`. The machine decides the absolute figures; a ratio holds
// on any.
//
// It ends with 1 if a ratio is over its limit or a measurement failed, and with CI=true also
// if a row can't be measured on this machine. With -again 2 a row that is over its limit is
// measured anew up to twice, and the smallest ratio counts: what else the machine does only adds.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"time"
)

// document has the table, between its marks.
const document = "docs/performance.md"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		o.ci = os.Getenv("CI") == "true"
		err = run(ctx, o, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/table:", err)
		os.Exit(1) //nolint:gocritic // nothing is left to stop
	}
}

// options are those of the command.
type options struct {
	// rows are the ids of the rows to measure; none for all.
	rows []string
	// rounds is how often each thing is measured; 0 for as often as is good for it.
	rounds int
	// quick measures less and less often.
	quick bool
	// again is how often a row that is over its limit is measured anew.
	again int
	// write means that the table goes into the document.
	write bool
	// extra are variables of the function, to see what others than the defaults would do.
	extra []string
	ci    bool
}

func parse(args []string, out io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("table", flag.ContinueOnError)
	flags.SetOutput(out)
	rows := flags.String("row", "", "measure these `rows` alone, such as 5.4,5.14")
	flags.IntVar(&o.rounds, "rounds", 0, "measure each thing so often; 0 for as often as is good for it")
	flags.BoolVar(&o.quick, "quick", false, "measure less, and less often")
	flags.IntVar(&o.again, "again", 0, "measure a row that is over its limit anew, so often at most; the smallest ratio counts")
	flags.BoolVar(&o.write, "write", false, "write the table into "+document)
	flags.Func("env", "have the function a `NAME=value` that is not its default; may be repeated", func(text string) error {
		o.extra = append(o.extra, text)
		return nil
	})
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *rows != "" {
		o.rows = strings.Split(*rows, ",")
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q is no flag", flags.Arg(0)) //nolint:err113 // it is printed
	case o.rounds < 0 || o.again < 0:
		return o, errors.New("-rounds or -again is negative")
	case o.write && (len(o.rows) > 0 || len(o.extra) > 0):
		return o, errors.New("-write writes all rows, on the defaults: leave out -row and -env")
	}
	return o, nil
}

func run(ctx context.Context, o options, out io.Writer) error {
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer l.close()
	chosen, err := choose(studies(), o.rows)
	if err != nil {
		return err
	}
	var lines []line
	for _, s := range chosen {
		began := time.Now()
		lines = append(lines, s.measure(ctx, l, 1+o.again)...)
		_, _ = fmt.Fprintf(os.Stderr, "%s: %.0f s\n", s.name, time.Since(began).Seconds())
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return byNumber(a.id, b.id) })
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "%s\n\n", where(ctx, time.Now()))
	write(&text, lines)
	text.WriteString(l.notes())
	_, _ = io.WriteString(out, text.String())
	if o.write {
		if err := writeInto(document, text.String()); err != nil {
			return err
		}
	}
	return failed(lines, o.ci)
}

// byNumber orders 5.9 before 5.10.
func byNumber(a, b string) int {
	var n, m int
	_, _ = fmt.Sscanf(a, "5.%d", &n)
	_, _ = fmt.Sscanf(b, "5.%d", &m)
	return n - m
}

func writeInto(path, text string) error {
	before, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	after, err := insert(string(before), "\n"+text+"\n")
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(after), 0o644) //nolint:gosec // a document that all may read
}

// where says of which machine, day and state of the code the figures are.
func where(ctx context.Context, now time.Time) string {
	commit := "no commit"
	if out, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=12", "HEAD").Output(); err == nil {
		commit = "commit " + strings.TrimSpace(string(out))
		if changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(changed) > 0 {
			commit += " with changes"
		}
	}
	return fmt.Sprintf("Of %s, %d cores (%s), %s, %s.", now.Format(time.DateOnly), runtime.NumCPU(), runtime.GOARCH, strings.Replace(runtime.Version(), "go", "Go ", 1), commit)
}
