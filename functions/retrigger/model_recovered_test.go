package main

import (
	"strconv"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// summed adds up a number over the sums of all days, dataflows and codes.
func (r results) summed(number string) (sum int) {
	for _, sums := range r.Memory.Records() {
		if sums["day"] != "" {
			n, _ := strconv.Atoi(sums[number])
			sum += n
		}
	}
	return sum
}

// checkRecovered holds that a lineage is counted as recovered at most once, and only if a
// run of it has succeeded in truth.
func (inv *invariants) checkRecovered(roots map[string]string) {
	entries, counted := 0, map[string]int{}
	for _, r := range inv.Adobe.Runs() {
		if inv.Entry(r.ID)["state"] != string(ledger.Succeeded) {
			continue
		}
		entries++
		if r.Status != flowsim.Success || r.Of == "" {
			inv.violated("recovered in truth", "run %s of %q is counted, and is %s", r.ID, r.Of, r.Status)
		}
		root := roots[r.ID]
		if counted[root]++; counted[root] > 1 {
			inv.violated("recovered once", "lineage %s is counted %d times", root, counted[root])
		}
	}
	if n := inv.summed("recovered"); n != entries {
		inv.violated("recovered once", "the sums have %d recoveries, and %d runs have succeeded", n, entries)
	}
	if n := inv.Logs.Sum(handler.Recovered); n > entries {
		inv.violated("recovered once", "the metric has %d recoveries, and %d runs have succeeded", n, entries)
	}
}
