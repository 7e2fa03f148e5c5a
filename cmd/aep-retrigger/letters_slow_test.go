//go:build slow

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/stack"
	"github.com/aep-retrigger/aep-retrigger/local/stackfile"
)

// letters is a stack with dead letters: the real function, and simulated AWS and Adobe.
type letters struct {
	*stack.Stack

	failed int // runs so far
}

// newLetters starts a stack whose budgets are never spent.
func newLetters(t *testing.T) *letters {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Binary: os.Getenv(functionVariable), Env: []string{"FLOW_BUDGET=100000", "ORG_BUDGET=100000", "LOG_LEVEL=info"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return &letters{Stack: s}
}

// write writes the file by which the command finds the stack, with all of AWS at one endpoint.
func (w *letters) write(dir, endpoint string) (path string, err error) {
	file := stack.Describe(w.Stack)
	for service := range file.Endpoints {
		file.Endpoints[service] = endpoint
	}
	path = filepath.Join(dir, "stack.json")
	return path, stackfile.Write(path, file)
}

// deadLetter makes a run of the dataflow fail and become a dead letter, since the credential
// may not re-trigger it.
func (w *letters) deadLetter(ctx context.Context, flow string, n int) (runs []string, err error) {
	forbid(w.Stack, n)
	for range n {
		w.failed++
		id := fmt.Sprintf("%s-run-%d", flow, w.failed)
		runs = append(runs, id)
		w.AddFailedRun(id, flow, stack.OrgID, stack.Sandbox)
		if err := w.Send(ctx, string(w.Adobe.FailureEvent(id))); err != nil {
			return runs, err
		}
	}
	return runs, w.deliver(ctx)
}

// deliver delivers the messages of the request queue until none is left. SQS's clock is moved
// ahead for those that come again.
func (w *letters) deliver(ctx context.Context) error {
	for range 30 {
		if _, err := w.Drain(ctx); err != nil {
			return err
		}
		if len(w.AWS.Messages(w.RequestQueueURL)) == 0 {
			return nil
		}
		w.AWS.Advance(15 * time.Minute)
	}
	return fmt.Errorf("%d messages are left on the request queue", len(w.AWS.Messages(w.RequestQueueURL)))
}

// onQueue counts the messages on the dead-letter queue by the run that they name.
func (w *letters) onQueue() map[string]int {
	counts := map[string]int{}
	for _, m := range w.AWS.Messages(w.DeadLetterQueueURL) {
		counts[m.Attributes["runId"].StringValue]++
	}
	return counts
}

// retriggered counts the runs that were made of each run.
func (w *letters) retriggered() map[string]int {
	counts := map[string]int{}
	for _, r := range w.Adobe.Runs() {
		if r.Of != "" {
			counts[r.Of]++
		}
	}
	return counts
}
