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

func TestEventWithoutJSONIsRefusedWithLineAndColumn(t *testing.T) {
	t.Parallel()
	for text, place := range map[string]string{
		"":                                       "line 1, column 1",
		"runId: a":                               "line 1, column 1",
		`{"runId":`:                              "line 1, column 10",
		"{\n  \"runId\": \"a\",\n  sandbox\n}":   "line 3, column 3",
		"{\n\t\"reason\": \"für Loyalty\",}\n":   "line 2, column 26",
		"{\r\n  \"reason\": \"it's mended\"\r\n": "line 2, column 26",
	} {
		path := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for name, args := range map[string][]string{"event.json": {path}, "standard input": {"-"}} {
			_, err := read(args, strings.NewReader(text))
			if err == nil || !strings.Contains(err.Error(), name+" is not JSON") || !strings.Contains(err.Error(), place+":") {
				t.Errorf("%q: %v, want %s", text, err, place)
			}
		}
	}
}

func TestEventIsReadFromStandardInput(t *testing.T) {
	t.Parallel()
	got, err := read([]string{"-"}, strings.NewReader(`{"pauses":{}}`))
	if err != nil || string(got) != `{"pauses":{}}` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := read(nil, nil); err == nil || !strings.Contains(err.Error(), "EVENT=-") {
		t.Error(err)
	}
}
