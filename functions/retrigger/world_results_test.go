package main

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// outcomesOf returns the final outcomes of a run with their reasons.
func (w *world) outcomesOf(runID string) []string {
	list := []string{}
	for _, one := range w.Logs.Ends(runID) {
		list = append(list, strings.TrimSpace(one.Outcome+" "+one.Reason))
	}
	return list
}

// reasons counts the dead letters by reason.
func (w *world) reasons() map[string]int {
	counts := map[string]int{}
	for _, m := range w.AWS.Messages(w.DeadLetterQueue) {
		counts[m.Attributes["reason"].StringValue]++
	}
	return counts
}

// sent returns the re-triggers that Adobe has received, with their times.
func (w *world) sent() (calls []flowsim.Call) {
	for _, c := range w.Adobe.Calls() {
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
func (w *world) wantOnce(t *testing.T, ids []string) {
	t.Helper()
	made := map[string]int{}
	for _, r := range w.Adobe.Runs() {
		made[r.Of]++
	}
	wrong := 0
	for _, id := range ids {
		if made[id] != 1 {
			wrong++
			if wrong < 5 {
				t.Errorf("run %s was re-triggered %d times; its entry is %v", id, made[id], w.Entry(id))
			}
		}
	}
	if wrong > 0 {
		t.Errorf("%d of %d runs were not re-triggered once", wrong, len(ids))
	}
}

// lastSweep returns the log's last record of a sweep.
func (w *world) lastSweep() sweepRecord {
	if len(w.Logs.Sweeps()) == 0 {
		w.TB.Fatal("the log has nothing of a sweep")
	}
	return w.Logs.Sweeps()[len(w.Logs.Sweeps())-1]
}
