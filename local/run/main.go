// Command run is the embedded default: it drives the deployed function through
// every trigger on this machine and prints what became of each run. With the
// credential of a real org in the environment it retries the runs named in RUNS
// instead (see docs/deploy.md).
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
	"github.com/aep-retrigger/aep-retrigger/local/scenario"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "run:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop was called
	}
}

func run(ctx context.Context) error {
	credential, err := stack.CredentialFromEnv(os.Getenv)
	if err != nil {
		return err
	}
	steps, err := plan(credential)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "retrigger-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // the system cleans up what is left
	fmt.Println("Building the function …")
	binary, err := lambdaenv.Build(ctx, ".", dir)
	if err != nil {
		return err
	}
	options := stack.Options{Binary: binary, Credential: credential, Env: stack.SettingsFromEnv(os.Getenv)}
	if credential == nil { // the steps know what must come of them
		options.Env = slices.Concat(scenario.LineageDelays(), scenario.Env())
	}
	s, err := stack.Start(ctx, options)
	if err != nil {
		return err
	}
	defer s.Close()
	return play(ctx, s, steps)
}

// plan returns the scenario, or for a real org a step that retries its runs.
func plan(credential *stack.Credential) ([]scenario.Step, error) {
	if credential == nil {
		steps, err := scenario.Files("events")
		return slices.Concat(steps, scenario.Faults(), scenario.Sweeps(), scenario.Lineages(), scenario.Recoveries(), scenario.Births(), scenario.Episodes()), err
	}
	runs := strings.Fields(os.Getenv("RUNS"))
	if len(runs) == 0 {
		return nil, errors.New(`name the runs of your org that are to be re-triggered: RUNS="<run id> <run id>" make run`)
	}
	var steps []scenario.Step
	for _, id := range runs {
		steps = append(steps, scenario.Step{
			Trigger: "SQS", Name: "run of " + credential.OrgID, Want: []scenario.Outcome{{RunID: id, Outcome: "retriggered"}},
			Do: func(ctx context.Context, s *stack.Stack) error {
				if err := s.Send(ctx, fmt.Sprintf(`{"runId":%q}`, id)); err != nil {
					return err
				}
				_, err := s.Drain(ctx)
				return err
			},
		})
	}
	return steps, nil
}

func play(ctx context.Context, s *stack.Stack, steps []scenario.Step) error {
	began := time.Now()
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	row := func(cells ...string) { _, _ = fmt.Fprintln(w, strings.Join(cells, "\t")) } // Flush says what went wrong
	row("", "TRIGGER", "INPUT", "RUN", "OUTCOME", "REASON", "NEW RUN", "ATTEMPT")
	wrong := 0
	var others []other
	for i, step := range steps {
		fmt.Printf("%2d/%d  %-18s %s\n", i+1, len(steps), step.Trigger, step.Name)
		sweeps, changes := len(s.Log.Sweeps()), len(s.Log.PauseChanges())
		records, err := step.Play(ctx, s)
		others = append(others, other{step.Name, s.Log.Sweeps()[sweeps:], s.Log.PauseChanges()[changes:]})
		mark := "✓"
		if err != nil {
			wrong++
			mark = "✗"
			fmt.Println("      NOT AS EXPECTED:", err)
		}
		for i, r := range records {
			if i == mostRows && len(records) > 2*mostRows {
				row(mark, step.Trigger, step.Name, fmt.Sprintf("… and %d more", len(records)-i), dash(""), dash(""), dash(""), dash(""))
				break
			}
			row(mark, step.Trigger, step.Name, dash(r.RunID), r.Outcome, dash(r.Reason), dash(r.NewRunID), attempt(r))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Print("\n", table.String(), "\n")
	if s.Adobe != nil {
		printOthers(others)
		if err := printNotices(s.Notices()); err != nil {
			return err
		}
		if err := lineages(ctx, s); err != nil {
			return err
		}
		if err := sums(ctx, s); err != nil {
			return err
		}
	}
	letters, err := s.DeadLetters(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("%d steps in %s, %d not as expected; dead letters left on their queue: %d.\n", len(steps), time.Since(began).Round(time.Millisecond), wrong, len(letters))
	if s.Adobe != nil {
		fmt.Printf("Flow Service (simulated) made %d new runs.\n", made(s))
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d steps did not end as expected", wrong, len(steps))
	}
	return nil
}

// other is what the function said in a step besides outcomes.
type other struct {
	step     string
	sweeps   []stack.Sweep
	switches []string
}

// mostRows is how many rows of the table a step has that has many.
const mostRows = 5

// printOthers prints what the function says of sweeps, pauses and resumes.
func printOthers(all []other) {
	fmt.Println("Sweeps, from the log:")
	for _, o := range all {
		for _, r := range o.sweeps {
			kind, requested := "", "requested"
			if r.DryRun {
				kind, requested = ", dry run", "would be requested"
			}
			fmt.Printf("  %s (%s%s): %d runs seen, %d failed, %d %s, %s\n", o.step, r.State, kind, r.Seen, r.Failed, r.Requested, requested, skipped(r.Skipped))
		}
	}
	fmt.Println("Pauses and resumes, from the log:")
	for _, o := range all {
		for _, said := range o.switches {
			fmt.Printf("  %s: %s\n", o.step, said)
		}
	}
}

// printNotices prints what the function told people, as an e-mail would.
func printNotices(sent []awssim.Event) error {
	if len(sent) > 0 {
		fmt.Println("Notices, from the event bus:")
	}
	for _, e := range sent {
		var said struct{ Title, Message, NextStep string }
		if err := json.Unmarshal([]byte(e.Detail), &said); err != nil {
			return fmt.Errorf("a notice (%s): %w", e.DetailType, err)
		}
		fmt.Printf("  %s. %s Next step: %s\n", said.Title, said.Message, said.NextStep)
	}
	return nil
}

// skipped says how many runs were skipped, and why.
func skipped(n map[string]int) string {
	sum := 0
	var reasons []string
	for _, reason := range slices.Sorted(maps.Keys(n)) {
		sum += n[reason]
		reasons = append(reasons, fmt.Sprintf("%d %s", n[reason], reason))
	}
	switch len(reasons) {
	case 0:
		return "0 skipped"
	case 1:
		_, reason, _ := strings.Cut(reasons[0], " ")
		return fmt.Sprintf("%d skipped: %s", sum, reason)
	default:
		return fmt.Sprintf("%d skipped: %s", sum, strings.Join(reasons, ", "))
	}
}

// lineages prints what the ledger has of the lineages.
func lineages(ctx context.Context, s *stack.Stack) error {
	for _, root := range scenario.Roots() {
		runs, err := s.Ledger.OfLineage(ctx, stack.OrgID, root, 10)
		if err != nil {
			return err
		}
		fmt.Printf("Lineage of %s, from the ledger:\n", root)
		for _, r := range slices.Backward(runs) { // the oldest first
			fmt.Printf("  attempt %d  %-36s  %s\n", r.Attempt, r.RunID, strings.TrimSpace(string(r.State)+" "+r.Reason))
		}
	}
	return nil
}

// sums prints what the ledger has added up: did it help, and for which codes.
func sums(ctx context.Context, s *stack.Stack) error {
	days, err := s.Lists.Days(ctx, stack.OrgID, time.Now().Add(-24*time.Hour), 1000)
	if err != nil {
		return err
	}
	codes := map[string]ledger.Sum{}
	for _, d := range days {
		sum := codes[d.ErrorCode]
		sum.Retriggered, sum.Recovered, sum.Attempts, sum.GivenUp = sum.Retriggered+d.Retriggered, sum.Recovered+d.Recovered, sum.Attempts+d.Attempts, sum.GivenUp+d.GivenUp
		codes[d.ErrorCode] = sum
	}
	fmt.Println("Did it help, by the source's code, from the ledger's sums:")
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		c := codes[code]
		fmt.Printf("  %-20s %d re-triggers, %d recovered (with %d of them), %d given up\n", code, c.Retriggered, c.Recovered, c.Attempts, c.GivenUp)
	}
	return nil
}

func attempt(r stack.Record) string {
	if r.Attempt == 0 {
		return "–"
	}
	return strconv.Itoa(r.Attempt)
}

func made(s *stack.Stack) int {
	n := 0
	for _, r := range s.Adobe.Runs() {
		if r.Of != "" {
			n++
		}
	}
	return n
}

func dash(text string) string {
	if text == "" {
		return "–"
	}
	return text
}
