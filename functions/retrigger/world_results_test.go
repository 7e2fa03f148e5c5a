package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/simulation"
	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// results are what a world has come to: in the log, at Adobe, in the ledger and on the queues.
type results struct{ *simulation.World }

// outcomesOf returns the final outcomes of a run with their reasons.
func (r results) outcomesOf(runID string) []string {
	list := []string{}
	for _, one := range r.Logs.Ends(runID) {
		list = append(list, strings.TrimSpace(one.Outcome+" "+one.Reason))
	}
	return list
}

// reasons counts the dead letters by reason.
func (r results) reasons() map[string]int {
	counts := map[string]int{}
	for _, m := range r.AWS.Messages(r.DeadLetterQueue) {
		counts[m.Attributes["reason"].StringValue]++
	}
	return counts
}

// sent returns the re-triggers that Adobe has received, with their times.
func (r results) sent() (calls []flowsim.Call) {
	for _, c := range r.Adobe.Calls() {
		if c.Op == flowsim.OpRetrigger {
			calls = append(calls, c)
		}
	}
	return calls
}

// within counts the calls in the duration d from a time on.
func within(calls []flowsim.Call, from time.Time, d time.Duration) int {
	n := 0
	for _, c := range calls {
		if !c.At.Before(from) && c.At.Before(from.Add(d)) {
			n++
		}
	}
	return n
}

// requeues returns the highest number of requeues of the payload's requests.
func requeues(payload string) (most int) {
	for _, found := range regexp.MustCompile(`requeues\\*":(\d+)`).FindAllStringSubmatch(payload, -1) {
		n, _ := strconv.Atoi(found[1])
		most = max(most, n)
	}
	return most
}

// wantOnce checks that each of the runs was re-triggered exactly once.
func (r results) wantOnce(t *testing.T, ids []string) {
	t.Helper()
	made := map[string]int{}
	for _, run := range r.Adobe.Runs() {
		made[run.Of]++
	}
	wrong := 0
	for _, id := range ids {
		if made[id] != 1 {
			wrong++
			if wrong < 5 {
				t.Errorf("run %s was re-triggered %d times; its entry is %v", id, made[id], r.Entry(id))
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d runs were not re-triggered once", wrong, len(ids))
	}
}

// lastSweep returns the log's last record of a sweep.
func (r results) lastSweep() sweepRecord {
	if len(r.Logs.Sweeps()) == 0 {
		r.TB.Fatal("the log has nothing of a sweep")
	}
	return r.Logs.Sweeps()[len(r.Logs.Sweeps())-1]
}
