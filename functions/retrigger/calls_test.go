package main

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// countedTable counts the calls of the ledger's table. A sweep makes several at once.
type countedTable struct {
	store.Table
	mu    *sync.Mutex
	calls *calls
}

func (c countedTable) Read(ctx context.Context, keys ...string) ([]store.Record, error) {
	c.mu.Lock()
	c.calls.Reads++
	c.mu.Unlock()
	return c.Table.Read(ctx, keys...)
}

func (c countedTable) Commit(ctx context.Context, writes ...store.Write) error {
	c.mu.Lock()
	if slices.ContainsFunc(writes, func(w store.Write) bool { return len(w.Sums) == 0 }) {
		c.calls.Commits++
	} else { // once in five minutes
		c.calls.Pulses++
	}
	c.mu.Unlock()
	return c.Table.Commit(ctx, writes...)
}

// calls are those that the function makes: to Flow Service (a token is at hand), and to the
// ledger's table.
type calls struct{ Retriggers, Runs, Listings, Dataflows, Reads, Commits, Pulses int }

// measured is of how many calls to Flow Service the metric has the time.
func measured(w *world) (n int) {
	for _, line := range w.Logs.Metrics() {
		values, _ := line[handler.AdobeMillis].([]any)
		n += len(values)
	}
	return n
}

// TestCallsPerRetry: A first retry at once costs one call to Adobe. An attempt that begins
// more than ten minutes after the failure lists the dataflow's newest runs once, and a sweep
// does so once for each dataflow.
func TestCallsPerRetry(t *testing.T) {
	t.Parallel()
	late := func(w *world) string {
		id := w.Fail("f")
		pass(11 * time.Minute)
		return id
	}
	deliver := func(w *world, p *process) { w.Poll(p) }
	for name, tt := range map[string]struct {
		begin func(w *world)
		do    func(w *world, p *process)
		want  calls
	}{
		"a first retry at once":                {func(w *world) { w.Told(w.Fail("f")) }, deliver, calls{Retriggers: 1, Reads: 1, Commits: 2, Pulses: 1}},
		"an attempt ten minutes later":         {func(w *world) { w.Told(late(w)) }, deliver, calls{Retriggers: 1, Listings: 1, Reads: 1, Commits: 2, Pulses: 1}},
		"a person's request ten minutes later": {func(w *world) { w.Send(`{"runId":"` + late(w) + `","flowId":"f","orgId":"` + worldOrg + `"}`) }, deliver, calls{Retriggers: 1, Runs: 1, Listings: 1, Dataflows: 1, Reads: 1, Commits: 2, Pulses: 1}},
		"a forced request ten minutes later": {func(w *world) {
			w.Send(`{"runId":"` + late(w) + `","force":true,"flowId":"f","orgId":"` + worldOrg + `"}`)
		}, deliver, calls{Retriggers: 1, Runs: 1, Dataflows: 1, Reads: 1, Commits: 2, Pulses: 1}},
		"a run that was retried by hand": {func(w *world) { id := late(w); flowsim.RetryByHand(w.Adobe, id); w.Told(id) }, deliver, calls{Listings: 1, Reads: 2, Commits: 1, Pulses: 1}},
		"an event that is delivered twice costs the second time no more than the read": {func(*world) {}, func(w *world, p *process) {
			id := w.Fail("f")
			for range 2 {
				w.Told(id)
				w.Poll(p)
			}
		}, calls{Retriggers: 1, Reads: 2, Commits: 2, Pulses: 1}},
		"three runs of one dataflow, one after the other": {func(w *world) { w.Fail("f"); w.Fail("f"); late(w) }, func(w *world, p *process) {
			for _, r := range w.Adobe.Runs() {
				if r.Of == "" {
					w.Told(r.ID)
					w.Poll(p)
				}
			}
		}, calls{Retriggers: 3, Listings: 1, Reads: 3, Commits: 6, Pulses: 1}},
		"a sweep of three runs of one dataflow": {func(w *world) { w.Fail("f"); w.Fail("f"); late(w); w.Send(onlySweep) }, deliver, calls{Listings: 2, Dataflows: 1, Reads: 4, Commits: 7}},
		"a sweep of a run retried by hand":      {func(w *world) { flowsim.RetryByHand(w.Adobe, late(w)); w.Send(onlySweep) }, deliver, calls{Listings: 2, Dataflows: 1, Reads: 5, Commits: 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, func(t *testing.T, w *world) {
				var got calls
				w.Mutate = func(t store.Table) store.Table { return countedTable{t, new(sync.Mutex), &got} }
				p := w.Start(-1, false)
				w.invoke(p, `{"runId":"no-such-run","orgId":"`+worldOrg+`","dryRun":true}`) // it has a token now
				tt.begin(w)
				got = calls{}
				before, quiet := len(w.Adobe.Calls()), measured(w)
				tt.do(w, p)
				for _, c := range w.Adobe.Calls()[before:] {
					switch c.Op {
					case flowsim.OpRetrigger:
						got.Retriggers++
					case flowsim.OpRun:
						got.Runs++
					case flowsim.OpRuns:
						got.Listings++
					case flowsim.OpFlow, flowsim.OpFlows:
						got.Dataflows++
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
				if n, want := measured(w)-quiet, got.Retriggers+got.Runs+got.Listings+got.Dataflows; n != want {
					t.Errorf("the metric has the times of %d calls to Flow Service, want %d", n, want)
				}
			})
		})
	}
}
