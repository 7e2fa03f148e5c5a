//go:build slow

package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/config"
	"github.com/aep-retrigger/aep-retrigger/local/awssim"
	"github.com/aep-retrigger/aep-retrigger/local/smallworld"
)

// TestSmallWorldHasEachKindOfEnd plays the world of `make up` for twenty minutes of virtual
// time: people practice on it, so it must have what they are to find.
func TestSmallWorldHasEachKindOfEnd(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		inWorld(t, func(t *testing.T, w *world) {
			playSmallWorld(t, w, seed, 20*time.Minute)
			seen := map[string]int{}
			for _, r := range w.Logs.Outcomes() {
				seen[strings.TrimSuffix(r.Outcome+" "+r.Reason, " ")]++
			}
			for _, want := range []string{
				"retriggered", "retriggered reconciled", "retriggered duplicate", "skipped run_succeeded", "skipped superseded_by_hand",
				"deferred retry_delay", "deferred paused", "returned throttled", "returned outcome_unknown",
				"dead_lettered attempts_exhausted", "dead_lettered breaker_open", "dead_lettered data_error", "dead_lettered not_retryable", "dead_lettered unknown_field",
			} {
				if seen[want] == 0 {
					t.Errorf("seed %d: nothing was %s: %v", seed, want, seen)
				}
			}
			found := 0
			for _, s := range w.Logs.Sweeps() {
				found += s.Requested
			}
			if found == 0 || w.Logs.Sum("recovered") < 20 {
				t.Errorf("seed %d: sweeps have found %d runs, and %d lineages have recovered", seed, found, w.Logs.Sum("recovered"))
			}
			if !slices.ContainsFunc(w.AWS.Messages(w.DeadLetterQueue), func(m awssim.Message) bool { return len(m.Attributes) == 0 }) {
				t.Errorf("seed %d: there is no dead letter that the function has not written", seed)
			}
			if n := len(w.Adobe.Runs()); n > 1000 {
				t.Errorf("seed %d: Adobe keeps %d runs: it must forget", seed, n)
			}
		})
	}
}

// playSmallWorld plays for some virtual time.
func playSmallWorld(t *testing.T, w *world, seed uint64, life time.Duration) {
	t.Helper()
	cfg, strays, err := config.Load(append(smallworld.Settings(), "SECRET_ID=a", "DEAD_LETTER_QUEUE_URL=http://127.0.0.1/dead-letters", "LEDGER_TABLE=t"))
	if err != nil || len(strays) > 0 {
		t.Fatal(strays, err)
	}
	cfg.SecretIDs, cfg.QueueURL, cfg.DeadLetterQueueURL, cfg.FlowServiceURL, cfg.IMSURL, cfg.RetriggerOp = w.Config.SecretIDs, w.Config.QueueURL, w.Config.DeadLetterQueueURL, w.Config.FlowServiceURL, w.Config.IMSURL, w.Config.RetriggerOp
	w.Config = cfg
	p := w.Start(-1, false)
	small := smallworld.New(smallworld.Parts{
		Adobe: w.Adobe, OrgID: worldOrg, Sandbox: worldSandbox, Seed: seed,
		Send:        func(_ context.Context, body string) error { w.Send(body); return nil },                   //nolint:contextcheck // the world has its own
		Undelivered: func(_ context.Context, body string) error { w.Put(w.DeadLetterQueue, body); return nil }, //nolint:contextcheck // the world has its own
		Invoke: func(ctx context.Context, payload string) error {
			answer, err := p.Invoke(ctx, []byte(payload))
			if err == nil && answer.FunctionError != "" {
				err = errors.New(answer.FunctionError)
			}
			return err
		},
	}, time.Now())
	for end := time.Now().Add(life); time.Now().Before(end); pass(500 * time.Millisecond) {
		if err := small.Step(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		for next := w.Next(); !next.IsZero() && !next.After(time.Now()); next = w.Next() {
			w.Poll(p)
		}
		small.Forget(time.Now().Add(-20 * time.Minute))
	}
}
