package ledger_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
	"github.com/aep-retrigger/aep-retrigger/internal/store/memory"
)

func TestTheBudgetIsPartOfTheClaim(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000).Truncate(time.Hour).Add(59 * time.Minute)}
	table := memory.New()
	counted := &counting{Table: table}
	l := c.ledger(counted).WithBudget(ledger.Budget{Window: time.Hour, Flow: 2, Org: 3})
	try := func(flow, run string, force bool) (ledger.View, error) {
		return l.Claim(t.Context(), ledger.Guess(org, flow, "prod", run), c.now.Add(time.Minute), force)
	}
	first, err := try("f", "1", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = l.Retriggered(t.Context(), first, "made"); err != nil || counted.calls != 2 {
		t.Fatalf("%d calls, %v", counted.calls, err)
	}
	second, err := try("f", "2", false)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // what has no effect is given back
		if second, err = l.Release(t.Context(), second, ledger.Returned, "throttled"); err != nil {
			t.Fatal(err)
		}
		if second, err = l.Claim(t.Context(), second, c.now.Add(time.Minute), false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err = l.Retriggered(t.Context(), second, "made-2"); err != nil {
		t.Fatal(err)
	}
	_, err = try("f", "3", false)
	spent, ok := errors.AsType[*ledger.BudgetError](err)
	if !ok || spent.Of != "dataflow f" || spent.Limit != 2 || spent.Until.Sub(c.now) != time.Minute {
		t.Fatalf("error = %v", err)
	}
	if _, err := try("g", "4", false); err != nil {
		t.Fatal(err)
	}
	_, err = try("h", "5", false)
	if spent, ok := errors.AsType[*ledger.BudgetError](err); !ok || spent.Of != "org "+org || spent.Limit != 3 {
		t.Fatalf("error = %v", err)
	}
	if found, err := l.Runs(t.Context(), org, "3", "5"); err != nil || len(found) != 0 {
		t.Errorf("a claim without a budget was written: %v, %v", found, err)
	}
	if _, err := try("h", "6", true); err != nil { // forced
		t.Fatal(err)
	}
	c.now = c.now.Add(time.Minute)
	if _, err := try("i", "5", false); err != nil {
		t.Errorf("in the next window: %v", err)
	}
}

// TestARefundIsOfTheWindowThatPaid, though another has begun.
func TestARefundIsOfTheWindowThatPaid(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000).Truncate(time.Hour).Add(59 * time.Minute)}
	l := c.ledger(memory.New()).WithBudget(ledger.Budget{Window: time.Hour, Flow: 1})
	v := claim(t, l, ledger.Guess(org, "f", "prod", "1"), c.now.Add(time.Minute))
	c.now = c.now.Add(2 * time.Minute)
	v, err := l.Release(t.Context(), v, ledger.Returned, "throttled")
	if err != nil {
		t.Fatal(err)
	}
	claim(t, l, v, c.now.Add(time.Minute))
	if _, err := l.Claim(t.Context(), look(t, l, "2"), c.now.Add(time.Minute), false); !errors.As(err, new(*ledger.BudgetError)) {
		t.Errorf("error = %v, want the budget used up", err)
	}
}

func TestTheBudgetOfAnOrgIsDivided(t *testing.T) {
	t.Parallel()
	c := &clock{time.UnixMilli(1_800_000_000_000)}
	table := memory.New()
	const budget = 85
	l := c.ledger(table).WithBudget(ledger.Budget{Window: time.Hour, Org: budget})
	made := 0
	for i := range 1000 {
		_, err := l.Claim(t.Context(), ledger.Guess(org, fmt.Sprint("f", i), "prod", strconv.Itoa(i)), c.now.Add(time.Minute), false)
		switch {
		case err == nil:
			made++
		case !errors.As(err, new(*ledger.BudgetError)):
			t.Fatal(err)
		}
	}
	counters := 0
	for _, r := range table.Records() {
		if r[store.AttributeCount] != "" {
			counters++
		}
	}
	if made != budget || counters != 8 {
		t.Errorf("%d claims and %d counters, want %d and 8", made, counters, budget)
	}
}

// TestWhatWaitsForABudgetGoesInItsOrder: those that were seen first come first, all of
// them in the next window, and no two windows give a run the same place.
func TestWhatWaitsForABudgetGoesInItsOrder(t *testing.T) {
	t.Parallel()
	end := time.UnixMilli(1_800_000_000_000).Truncate(time.Hour)
	spent := ledger.BudgetError{Window: time.Hour, Until: end}
	place := func(run string, waited time.Duration) time.Duration {
		return spent.Next(run, end.Add(-waited)).Sub(spent.Until)
	}
	for i := range 200 {
		run := strconv.Itoa(i)
		last := time.Hour
		for _, waited := range []time.Duration{-time.Minute, 2 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 24 * time.Hour, 13 * 24 * time.Hour} {
			at := place(run, waited)
			if at < 0 || at >= time.Hour || at >= last {
				t.Errorf("run %s, which has waited for %s, has its place at %s, after %s", run, waited, at, last)
			}
			last = at
		}
		if a, b := place(run, 3*time.Hour), place(run, 3*time.Hour); a != b || a < 15*time.Minute || a > 15*time.Minute+36*time.Second {
			t.Errorf("its places are %s and %s, want the same from 15m to 15m36s", a, b)
		}
	}
	places := map[time.Duration]bool{}
	for range 24 {
		spent.Until = spent.Until.Add(time.Hour)
		places[spent.Next("run", spent.Until.Add(-time.Hour)).Sub(spent.Until)] = true
	}
	if len(places) < 20 {
		t.Errorf("a run that has waited as long has %d places in 24 windows", len(places))
	}
}

// TestARunOfAnUnknownDataflowIsCountedOnce for its org: the counters of a dataflow and of
// the org are items of their own, whatever the dataflow is called.
func TestARunOfAnUnknownDataflowIsCountedOnce(t *testing.T) {
	t.Parallel()
	for _, flow := range []string{"", "#", "f"} {
		table := memory.New()
		l := ledger.New(table, ledger.DefaultTTL, time.Now).WithBudget(ledger.Budget{Window: time.Hour, Flow: 60, Org: 50})
		for _, run := range []string{"one", "two"} {
			if v, err := l.Claim(t.Context(), ledger.Guess(org, flow, "prod", run), time.Now().Add(time.Minute), false); err != nil {
				t.Fatalf("dataflow %q, run %s: %v", flow, run, err)
			} else if _, err := l.Retriggered(t.Context(), v, run+"-again"); err != nil {
				t.Fatal(err)
			}
		}
		counts := 0
		for _, r := range table.Records() {
			if r[store.AttributeCount] == "2" {
				counts++
			}
		}
		if counts != 2 {
			t.Errorf("dataflow %q: %d counters have 2, want that of the dataflow and that of the org: %v", flow, counts, table.Records())
		}
	}
}
