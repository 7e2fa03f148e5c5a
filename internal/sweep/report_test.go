package sweep

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

func TestAReportIsBounded(t *testing.T) {
	t.Parallel()
	var r Report
	var tl tally
	for i := range maxReported + 5 {
		r.fail(prod, fmt.Sprint(i, strings.Repeat("ż", maxMessage)))
	}
	if last := r.Failures[len(r.Failures)-1].Message; len(r.Failures) != maxReported || r.MoreFailures != 5 || len(last) > maxMessage+len(" …") || !strings.HasSuffix(last, "ż …") {
		t.Errorf("%d failures and %d more; the last one is %q", len(r.Failures), r.MoreFailures, last)
	}
	for i := range maxFlows + 5 {
		flow := fmt.Sprint("f", i)
		run := listed("r")
		run.FlowID = flow
		tl.see(&r, flow)
		tl.listRun(tl.count(&r, prod, &verdict{run: run, entry: ledger.Run{FlowName: "name of " + flow}, reason: OverLimit}))
	}
	if others := r.Flows[OtherFlows]; len(r.Flows) != maxFlows+1 || others.Failed != 5 || others.Name != "" || r.AllSkipped() != maxFlows+5 || r.Flows["f0"].Name != "name of f0" {
		t.Errorf("%d dataflows; the others are %+v", len(r.Flows), others)
	}
	for range maxListed {
		tl.listRun(RunReport{})
	}
	if len(tl.runs) != maxListed || tl.left != maxFlows+5 {
		t.Errorf("%d runs are listed, and %d left", len(tl.runs), tl.left)
	}
}

func TestACopyOfAReportIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	var r Report
	r.flow("f").skip(Waiting)
	r.skip(Waiting)
	r.fail(prod, "a")
	before := r.clone()
	r.flow("f").skip(Waiting)
	r.skip(Waiting)
	r.Failures[0].Message = "b"
	if before.Flows["f"].Skipped[Waiting] != 1 || before.Skipped[Waiting] != 1 || before.Failures[0].Message != "a" {
		t.Errorf("the copy is %+v", before)
	}
}

func TestSweepsTakeHalfOfAnOrgsBudget(t *testing.T) {
	t.Parallel()
	if got := Pace(120, time.Hour); got != time.Minute {
		t.Errorf("with 120 re-triggers an hour the pace is %s, want a minute", got)
	}
	if got := Pace(0, time.Hour); got != DefaultPace {
		t.Errorf("without a budget the pace is %s", got)
	}
}
