package main

import (
	"slices"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// TestFunctionFindsTheSpellingOfOpThatAdobeAccepts: With RETRIGGER_OP=auto the first
// re-trigger is sent in both spellings and counts as one attempt. Later re-triggers of
// the process, of any org, use the spelling that worked.
func TestFunctionFindsTheSpellingOfOpThatAdobeAccepts(t *testing.T) {
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
