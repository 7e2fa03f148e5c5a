package event_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
)

// TestExampleEventsHaveTheirOutcomes: Decode gives each file of events/ the outcome that
// events/outcomes.json lists.
func TestExampleEventsHaveTheirOutcomes(t *testing.T) {
	t.Parallel()
	type outcome struct {
		RunID   string `json:"runId,omitempty"`
		Outcome string `json:"outcome"`
		Reason  string `json:"reason,omitempty"`
	}
	raw, err := os.ReadFile("../../events/outcomes.json")
	if err != nil {
		t.Fatal(err)
	}
	var outcomes map[string][]outcome
	if err := json.Unmarshal(raw, &outcomes); err != nil {
		t.Fatal(err)
	}
	of := func(payload []byte) []outcome {
		d, err := event.Decode(payload)
		if err != nil {
			if fault := fault(t, err); fault.ByHand {
				return []outcome{{Outcome: "refused", Reason: string(fault.Reason)}}
			}
			return []outcome{{Outcome: "dead_lettered", Reason: string(fault(t, err).Reason)}}
		}
		if d.Sweep != nil || d.PauseCommand != nil || d.Command != nil {
			return []outcome{} // what comes of it is no part of the file
		}
		var list []outcome
		for _, item := range d.Items {
			switch {
			case item.Skip != nil:
				list = append(list, outcome{item.Skip.RunID, "skipped", string(item.Skip.Reason)})
			case item.Err != nil:
				list = append(list, outcome{item.Err.RunID, "dead_lettered", string(item.Err.Reason)})
			case item.Request.DryRun:
				list = append(list, outcome{item.Request.RunID, "skipped", "dry_run"})
			default:
				list = append(list, outcome{item.Request.RunID, "retriggered", ""})
			}
		}
		return list
	}
	files := exampleFiles(t)
	for name := range outcomes {
		if files[name] == nil {
			t.Errorf("outcomes.json names %s, which is not there", name)
		}
	}
	seen := map[string]string{}
	for name, payload := range files {
		want, ok := outcomes[name]
		if !ok {
			t.Errorf("outcomes.json does not name %s", name)
			continue
		}
		records, batch, err := event.SQSRecords(payload)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := []outcome{}
		if batch {
			for _, record := range records {
				for _, o := range of([]byte(record.Body)) {
					if o.Outcome == "refused" { // on the queue nobody is there to be told
						o.Outcome = "dead_lettered"
					}
					got = append(got, o)
				}
			}
		} else {
			got = of(payload)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -outcomes.json +Decode\n%s", name, diff)
		}
		for _, o := range want {
			if o.Outcome == "retriggered" && seen[o.RunID] != "" {
				t.Errorf("%s and %s name the same run", name, seen[o.RunID])
			}
			seen[o.RunID] = name
		}
	}
}
