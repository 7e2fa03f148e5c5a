package flowclient

import "testing"

func TestOnlyTheRunWithinWhichAListIsCutIsNamed(t *testing.T) {
	t.Parallel()
	for beginning, want := range map[string]string{
		`{"count":1,"items":[{"flowId":"f","id":"run-1","padding":"xxx`:   "run-1",
		`{"items":[{"metrics":{"id":"m"},"id":"run-1","activities":[{"id`: "run-1",
		`{"items":[{"padding":"xxx`:                                       "", // the id comes later
		`{"padding":"xxx`:                                                 "",
		`{"items":[{"id":"run-1"},{"id":"run-2","padding":"x`:             "", // more than was asked for, and the first is whole
		`{"items":[{"predecessors":[{"id":"run-0"}],"p":"xx`:              "",
		`{"items":[{"id":5,"padding":"xxx`:                                "",
		`{"items":{"id":"run-1","padding":"xxx`:                           "",
		`[{"id":"run-1","padding":"xxx`:                                   "",
		`xxx`:                                                             "",
		``:                                                                "",
	} {
		if got := cutItem([]byte(beginning)); got != want {
			t.Errorf("%s: got %q, want %q", beginning, got, want)
		}
	}
}
