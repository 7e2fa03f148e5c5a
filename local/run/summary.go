package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/scenario"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// row is what came by one trigger.
type row struct {
	trigger                                           string
	steps, wrong, retriggered, skipped, dead, waiting int
}

// summary has a row for each trigger, in the order in which they came.
type summary struct{ rows []row }

// add adds a step.
func (s *summary) add(trigger string, records []stack.Record, err error) {
	i := slices.IndexFunc(s.rows, func(r row) bool { return r.trigger == trigger })
	if i < 0 {
		i = len(s.rows)
		s.rows = append(s.rows, row{trigger: trigger})
	}
	r := &s.rows[i]
	r.steps++
	if err != nil {
		r.wrong++
	}
	for _, record := range records {
		switch record.Outcome {
		case retriggered:
			r.retriggered++
		case "skipped":
			r.skipped++
		case "dead_lettered":
			r.dead++
		default:
			r.waiting++
		}
	}
}

// conclude says what came of all steps together.
func conclude(ctx context.Context, s *stack.Stack, out *printer, sum *summary) error {
	out.line("\n%-22s %5s %12s %8s %13s %7s", "TRIGGER", "STEPS", "RE-TRIGGERED", "SKIPPED", "DEAD-LETTERED", "WAITING")
	for _, r := range sum.rows {
		out.line("%-22s %5d %12d %8d %13d %7d", short(r.trigger, 22), r.steps, r.retriggered, r.skipped, r.dead, r.waiting)
	}
	if err := notices(out, s.Notices()); err != nil {
		return err
	}
	if err := lineages(ctx, s, out); err != nil {
		return err
	}
	return sums(ctx, s, out)
}

// notices says what the function told people.
func notices(out *printer, sent []awssim.Event) error {
	out.line("\nNotices, from the event bus:")
	for _, e := range sent {
		var said struct{ Title string }
		if err := json.Unmarshal([]byte(e.Detail), &said); err != nil {
			return fmt.Errorf("a notice (%s): %w", e.DetailType, err)
		}
		out.line("  %s", short(said.Title, columns-2))
	}
	return nil
}

// lineages says what the ledger has of the lineages.
func lineages(ctx context.Context, s *stack.Stack, out *printer) error {
	for _, root := range scenario.Roots() {
		runs, err := s.Ledger.OfLineage(ctx, stack.OrgID, root, 10)
		if err != nil {
			return err
		}
		out.line("\nLineage of %s, from the ledger:", root)
		for _, r := range slices.Backward(runs) { // the oldest first
			out.line("  attempt %d  %-22s  %s", r.Attempt, short(r.RunID, 22), strings.TrimSpace(string(r.State)+" "+r.Reason))
		}
	}
	return nil
}

// sums says what the ledger has added up: did it help, and for which codes.
func sums(ctx context.Context, s *stack.Stack, out *printer) error {
	days, err := s.Lists.Days(ctx, stack.OrgID, time.Now().Add(-24*time.Hour), 1000)
	if err != nil {
		return err
	}
	codes := map[string]ledger.Sum{}
	for _, d := range days {
		sum := codes[d.ErrorCode]
		sum.Retriggered, sum.Recovered, sum.GivenUp = sum.Retriggered+d.Retriggered, sum.Recovered+d.Recovered, sum.GivenUp+d.GivenUp
		codes[d.ErrorCode] = sum
	}
	out.line("\nDid it help? By the source's code, from the ledger's sums:")
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		c := codes[code]
		out.line("  %-20s re-triggered %d, recovered %d, given up %d", code, c.Retriggered, c.Recovered, c.GivenUp)
	}
	return nil
}
