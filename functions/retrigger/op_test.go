package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestTheFunctionFindsOutTheSpellingThatAdobeAccepts: with RETRIGGER_OP=auto the first
// re-trigger is sent in both spellings, as one attempt, and the later ones of the same
// process, of any org, in the one that worked.
func TestTheFunctionFindsOutTheSpellingThatAdobeAccepts(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Config.RetriggerOp = flowclient.OpAuto
		w.Adobe.Accept(flowclient.SpellingOpenAPI)
		w.Flow("g", worldOther)
		runs := []string{w.Fail("f"), w.Fail("g")}
		p := w.Start(-1, false)
		var spellings []string
		for _, run := range runs {
			w.Told(run)
			w.Poll(p)
			if n := w.Adobe.Retriggers(run); n != 1 {
				t.Errorf("re-triggers of %s made %d runs, want 1", run, n)
			}
			attempts := 0
			for _, r := range w.Logs.All() {
				if r.RunID == run {
					attempts = r.Attempt
				}
			}
			if attempts != 1 {
				t.Errorf("%s has had %d attempts, want 1", run, attempts)
			}
		}
		for _, call := range w.Adobe.Calls() {
			if call.Op == flowsim.OpRetrigger {
				spellings = append(spellings, call.Spelling)
			}
		}
		if want := []string{"re-trigger", "RE_TRIGGER", "RE_TRIGGER"}; !slices.Equal(spellings, want) {
			t.Errorf("sent %v, want %v", spellings, want)
		}
	})
}

// TestASweepListsRunsThatTogetherAreTooLarge: a page of runs above the answer's limit is
// listed in parts, and the parts that follow begin with the size that worked.
func TestASweepListsRunsThatTogetherAreTooLarge(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		at := time.Now().Add(-time.Hour)
		padding := strings.Repeat("x", 230_000)
		const runs = 40 // 9.2 MB
		for i := range runs {
			w.Adobe.AddRun(flowsim.Run{
				ID: "huge-" + string(rune('a'+i%26)) + string(rune('a'+i/26)), FlowID: "f", Status: flowsim.Failed, CreatedAt: at.Add(time.Duration(i) * time.Second), CompletedAt: at.Add(time.Hour / 2),
				Document: func(d map[string]any) { d["padding"] = padding },
			})
		}
		report := w.sweep(`{"sweep":{"orgId":"` + worldOrg + `","dryRun":true}}`)
		if report.Seen != runs || len(report.Failures) != 0 {
			t.Errorf("the report is %+v", report)
		}
		// 100 and 50 are too many; 25, and the rest.
		if n := w.Adobe.Count(flowsim.OpRuns); n != 4 {
			t.Errorf("%d calls, want 4", n)
		}
	})
}

// TestARunThatIsTooLargeIsNamed: a request by hand for a run above the answer's limit is
// a dead letter that says so, and is not tried again.
func TestARunThatIsTooLargeIsNamed(t *testing.T) {
	t.Parallel()
	inWorld(t, func(t *testing.T, w *world) {
		w.Adobe.AddRun(flowsim.Run{ID: "huge", FlowID: "f", Status: flowsim.Failed, Document: func(d map[string]any) { d["padding"] = strings.Repeat("x", 9<<20) }})
		w.Send(`{"runId":"huge","orgId":"` + worldOrg + `"}`)
		w.Poll(w.Start(-1, false))
		letters := w.AWS.Messages(w.Letters)
		if text := fmt.Sprintf("%+v", letters); len(letters) != 1 || !strings.Contains(text, "answer too large: the answer is longer than 8 MiB") {
			t.Errorf("%d dead letters: %s", len(letters), text)
		}
		if n := w.Adobe.Count(flowsim.OpRun); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}
