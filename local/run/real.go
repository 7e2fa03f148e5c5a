package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/local/program"
	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// retryReal retries runs of a real org through the request queue, one after the other, and
// says of each what the function and Adobe said. The error counts the runs that were not
// re-triggered.
func retryReal(ctx context.Context, s *stack.Stack, out *printer, orgID string, runs []string) error {
	out.line("Runs of %s, re-triggered by Adobe's Flow Service.", orgID)
	out.line("AWS is simulated on this machine.")
	counts := map[string]int{}
	for i, id := range runs {
		before := len(s.Log.Records())
		err := s.Send(ctx, fmt.Sprintf(`{"runId":%q}`, id))
		if err == nil {
			_, err = s.Drain(ctx)
		}
		switch {
		case program.Stopped(ctx):
			out.line("Stopped: %d of %d runs were dealt with. The others were not touched, but for", i, len(runs))
			out.line("%s, for which a call may have been under way.", short(id, nameColumns))
			return err
		case err != nil:
			return fmt.Errorf("run %s: %w", id, err)
		}
		end := stack.Record{Outcome: "nothing"}
		if records := s.Log.Records()[before:]; len(records) > 0 {
			end = records[len(records)-1]
		}
		counts[end.Outcome]++
		said := strings.TrimSpace(end.Outcome + " " + end.Reason)
		if end.NewRunID != "" {
			said = "new run " + end.NewRunID
		}
		out.step(i+1, len(runs), end.Outcome == retriggered, id, said)
		for _, text := range []string{source(end), end.Detail} {
			if text != "" {
				out.wrapped(text)
			}
		}
	}
	letters, err := s.DeadLetters(ctx)
	if err != nil {
		return err
	}
	out.line("\nRe-triggered %d of %d runs of %s.", counts[retriggered], len(runs), orgID)
	if len(letters) > 0 {
		out.line("Dead letters, which a deployment would keep on their queue: %d.", len(letters))
	}
	if waiting := counts["deferred"] + counts["returned"]; waiting > 0 {
		out.line("Waiting, which a deployment would do on the request queue: %d. Try them again.", waiting)
	}
	if n := len(runs) - counts[retriggered]; n > 0 {
		return fmt.Errorf("%d of %d runs were not re-triggered", n, len(runs))
	}
	return nil
}

const retriggered = "retriggered"

// source is the dataflow of a run, and why it failed, as Adobe has it.
func source(r stack.Record) string {
	var parts []string
	if r.FlowName != "" {
		parts = append(parts, "dataflow “"+r.FlowName+"”")
	}
	if failed := strings.TrimSpace(r.ErrorCode + " " + r.ErrorText); failed != "" {
		parts = append(parts, "failed with "+failed)
	}
	return strings.Join(parts, ", ")
}
