//go:build slow

package main

import (
	"slices"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// dropping makes dead letters of two dataflows, kills a drop of one of them, and runs it again to
// its end.
func dropping(t *testing.T, w *letters, p *proxy, k kill) {
	t.Helper()
	ctx := t.Context()
	before := w.onQueue()
	if _, err := w.deadLetter(ctx, "crm", 3); err != nil {
		t.Fatal(err)
	}
	orders, err := w.deadLetter(ctx, "orders", matching)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"dead-letters", "drop", "--flow", "orders", "--reason", "a test", "--yes"}
	if output, exit := w.command(t, p, k, args...); exit != exitOf(k) {
		t.Fatalf("%v: exit code %d: %s", k, exit, output)
	}
	w.AWS.Advance(15 * time.Minute) // what the dead process has hidden comes back
	again(t, w, p, args...)
	onQueue, made := w.onQueue(), w.retriggered()
	dead, err := w.Lists.DeadLetters(ctx, stack.OrgID, time.Time{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(onQueue) != len(before)+3 || len(dead) != len(onQueue) {
		t.Errorf("%v: %d letters are on the queue and %d on the list, want %d", k, len(onQueue), len(dead), len(before)+3)
	}
	for _, run := range dead {
		if slices.Contains(orders, run.RunID) {
			t.Errorf("%v: run %s is still on the list", k, run.RunID)
		}
	}
	for _, id := range orders {
		if onQueue[id] != 0 || made[id] != 0 {
			t.Errorf("%v: run %s has %d dead letters and was re-triggered %d times", k, id, onQueue[id], made[id])
		}
	}
}

func TestADropThatIsKilledAtAnyKindOfCallIsRunAgainAndTheListIsRight(t *testing.T) {
	t.Parallel()
	w := newLetters(t)
	p := newProxy(t, w)
	dropping(t, w, p, kill{})
	for op, points := range map[string][]int{"ReceiveMessage": {1, 2, 3}, "DeleteMessage": {1, 13, 25}, "Invoke": {1, 2, 3}} {
		for _, nth := range points {
			for _, after := range []bool{false, true} {
				dropping(t, w, p, kill{op: op, nth: nth, after: after})
			}
		}
	}
}
