package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReadable(t *testing.T) {
	t.Parallel()
	log := `{"level":"INFO","message":"run skipped"}
{"FunctionName":"retrigger","_aws":{"CloudWatchMetrics":[]},"deferred":0,"skipped":1,"duplicate":1}
no JSON
{"FunctionName":"retrigger","_aws":{"CloudWatchMetrics":[]},"deferred":0,"skipped":1}
`
	want := `{"level":"INFO","message":"run skipped"}
no JSON

Metrics that are not 0: duplicate 1, skipped 2
`
	if got := readable(log); got != want {
		t.Errorf("readable() = %s, want %s", got, want)
	}
	if got := readable(""); !strings.HasSuffix(got, ": none\n") {
		t.Errorf("readable of nothing = %s", got)
	}
}

func TestSweepFault(t *testing.T) {
	t.Parallel()
	for payload, fails := range map[string]bool{
		`{"sweep":{"state":"finished","failures":[]}}`:                false,
		`{"sweep":{"state":"continues"}}`:                             false,
		`{"sweep":{"state":"refused","error":"no such org"}}`:         true,
		`{"sweep":{"state":"refused"}}`:                               true,
		`{"sweep":{"state":"cut_off","error":"no more time"}}`:        true,
		`{"sweep":{"state":"finished","failures":[{"message":"x"}]}}`: true,
		`{"results":[{"outcome":"dead_lettered"}]}`:                   false,
		`{"pauses":[]}`: false,
		`null`:          false,
	} {
		if err := sweepFault([]byte(payload)); (err != nil) != fails {
			t.Errorf("%s: %v", payload, err)
		}
	}
}

func TestFileWithoutJSONIsRefusedBeforeTheBuild(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", `{"runId":`, "runId: a"} {
		path := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), []string{path}); err == nil || !strings.Contains(err.Error(), "event.json is not JSON") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
