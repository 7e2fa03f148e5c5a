package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fixed is a study whose runs give these figures, one after the other; the last one again and
// again.
func fixed(limit float64, ratios ...float64) study {
	return study{
		name: "fixed", rows: []spec{{id: "5.1", what: "a", against: "b", limit: limit, unit: "×"}},
		run: func(context.Context, *lab) (map[string]figure, error) {
			r := ratios[0]
			ratios = ratios[min(1, len(ratios)-1):]
			return map[string]figure{"5.1": {ratio: r, value: "1 ms", base: "2 ms"}}, nil
		},
	}
}

func TestARatioOverItsLimitFailsTheCommand(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ratio float64
		holds bool
		reads string
		busy  float64
		quick bool
	}{
		{ratio: 1.5, holds: true, reads: "ok"},
		{ratio: 1.504, holds: true, reads: "ok"}, // it reads as 1.50
		{ratio: 1.506, reads: "**over**"},
		{ratio: 1.9, reads: "**over**", busy: 2},
		{ratio: 1.9, holds: true, reads: "over; on a busy machine that tells nothing", busy: 2, quick: true},
		{ratio: 2.1, reads: "**over**", busy: 2, quick: true},
	} {
		s := fixed(1.5, tt.ratio)
		s.rows[0].busy = tt.busy
		lines := s.measure(t.Context(), &lab{quick: tt.quick}, 1)
		var text strings.Builder
		write(&text, lines)
		if err := failed(lines, true); (err == nil) != tt.holds || !strings.Contains(text.String(), "| "+tt.reads+" |") {
			t.Errorf("%g: %v\n%s", tt.ratio, err, text.String())
		}
	}
}

func TestARowOverItsLimitIsMeasuredAnewAndItsSmallestRatioCounts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		study study
		tries int
		want  float64
	}{
		"the first is good":          {fixed(2, 1.9, 1.1), 3, 1.9},
		"the second is good":         {fixed(2, 2.5, 1.8, 1.1), 3, 1.8},
		"none is good":               {fixed(2, 2.5, 2.9, 2.3), 3, 2.3},
		"the first is the best":      {fixed(2, 2.2, 2.9, 2.3), 3, 2.2},
		"once, on a machine at hand": {fixed(2, 2.5, 1.1), 1, 2.5},
	} {
		if lines := tt.study.measure(t.Context(), new(lab), tt.tries); lines[0].ratio != tt.want {
			t.Errorf("%s: %g, want %g", name, lines[0].ratio, tt.want)
		}
	}
}

func TestARowThatCantBeMeasuredFailsInCIAlone(t *testing.T) {
	t.Parallel()
	s := fixed(1, 1)
	s.run = func(context.Context, *lab) (map[string]figure, error) { return nil, errNotHere }
	lines := s.measure(t.Context(), new(lab), 3)
	if err := failed(lines, false); err != nil {
		t.Error(err)
	}
	if err := failed(lines, true); !errors.Is(err, errNotHere) {
		t.Error(err)
	}
	var text strings.Builder
	write(&text, lines)
	if !strings.Contains(text.String(), "| not measured here |") || strings.Contains(text.String(), "ok") {
		t.Error(text.String())
	}
}

func TestAFailedMeasurementFailsTheCommand(t *testing.T) {
	t.Parallel()
	s := fixed(1, 1)
	broken := errors.New("broken")
	s.run = func(context.Context, *lab) (map[string]figure, error) { return nil, broken }
	if err := failed(s.measure(t.Context(), new(lab), 3), false); !errors.Is(err, broken) {
		t.Error(err)
	}
	s.run = func(context.Context, *lab) (map[string]figure, error) { return map[string]figure{}, nil }
	if err := failed(s.measure(t.Context(), new(lab), 3), false); !errors.Is(err, errNoFigure) {
		t.Error(err)
	}
}

func TestTheTableIsMarkdown(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	write(&text, fixed(1.15, 1.1).measure(t.Context(), new(lab), 1))
	const want = "| row | what | against | ratio | at most |  |\n| --- | --- | --- | --- | --- | --- |\n| 5.1 | a: 1 ms | b: 2 ms | 1.10 × | 1.15 × | ok |\n"
	if diff := cmp.Diff(want, text.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTheTableStandsBetweenItsMarks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(path, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"new", "newer"} {
		if err := writeInto(path, text); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if want := "before\n" + begin + "\n" + text + "\n" + end + "after\n"; err != nil || string(got) != want {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
	}
	for _, document := range []string{"", "x" + begin, end + begin, begin + end + begin + end} {
		if _, err := insert(document, "new"); err == nil {
			t.Errorf("%q is taken", document)
		}
	}
}

func TestTheDocumentHasTheMarks(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", document))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := insert(string(text), ""); err != nil {
		t.Error(err)
	}
}

func TestRowsAreChosenByTheirNumbers(t *testing.T) {
	t.Parallel()
	chosen, err := choose(studies(), []string{"5.14", "5.6a"})
	if err != nil || len(chosen) != 2 || len(chosen[0].rows) != 1 || chosen[0].rows[0].id != "5.6a" {
		t.Errorf("%+v, %v", chosen, err)
	}
	if _, err := choose(studies(), []string{"5.99"}); err == nil {
		t.Error("a row that is not there is taken")
	}
	if byNumber("5.9", "5.10") >= 0 || byNumber("5.6a", "5.6") != 0 {
		t.Error("the rows are not in the order of their numbers")
	}
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"-rounds -1", "-again -1", "5.4", "-write -row 5.4", "-write -env A=b", "-rows 5.4"} {
		if _, err := parse(strings.Fields(args), new(bytes.Buffer)); err == nil {
			t.Errorf("%s is taken", args)
		}
	}
	o, err := parse(strings.Fields("-row 5.4,5.6 -rounds 3 -env A=b"), new(bytes.Buffer))
	if diff := cmp.Diff([]string{"5.4", "5.6", "A=b"}, append(o.rows, o.extra...)); err != nil || diff != "" || o.rounds != 3 {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestTheTemplatesDefaultsAreRead(t *testing.T) {
	t.Parallel()
	env, err := templateDefaults(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(env, "\n") + "\n"
	for _, name := range []string{"CALLS_PER_SECOND=20\n", "QUEUE_CONCURRENCY=2\n", "RETRY_DELAYS=0s,5m,30m\n", "MAX_CONCURRENT_RUNS=", "CONCURRENT_CALLS=", "CALL_TIMEOUT="} {
		if !strings.Contains(all, name) {
			t.Errorf("%q is missing in\n%s", name, all)
		}
	}
	if strings.Contains(all, "IMS_URL") || strings.Contains(all, "SECRET_ID") || strings.Contains(all, "LEDGER_TABLE") {
		t.Error(all)
	}
}

func TestTheCostOfImportsIsRead(t *testing.T) {
	t.Parallel()
	got := inits([]byte("init runtime @0.15 ms, 0.070 ms clock, 0 bytes, 0 allocs\n{\"msg\":\"init nothing\"}\ninit net/http @5.6 ms, 1.5 ms clock, 4872 bytes, 50 allocs\n"))
	if diff := cmp.Diff(map[string]time.Duration{"runtime": 70 * time.Microsecond, "net/http": 1500 * time.Microsecond}, got); diff != "" {
		t.Error(diff)
	}
}

func TestASmallerFolderIsASmallerZip(t *testing.T) {
	t.Parallel()
	small, err := zipSize(fstest.MapFS{"a": {Data: bytes.Repeat([]byte("abc"), 1000)}})
	if err != nil {
		t.Fatal(err)
	}
	large, err := zipSize(fstest.MapFS{"a": {Data: bytes.Repeat([]byte("abc"), 1000)}, "b": {Data: []byte("other")}})
	if err != nil || small >= large || small > 300 {
		t.Errorf("%d and %d bytes, %v", small, large, err)
	}
}

// TestASweepOfAFewRunsCanBeMeasured: what the row of sweeps measures is a whole sweep.
func TestASweepOfAFewRunsCanBeMeasured(t *testing.T) {
	t.Parallel()
	page := listing()
	if err := sweepAll(t.Context(), page, 10*sweptPage); err != nil {
		t.Error(err)
	}
	if err := decodeAll(page, 10*sweptPage); err != nil {
		t.Error(err)
	}
}

func TestTheMedianIsTheMiddleOne(t *testing.T) {
	t.Parallel()
	if got := median([]time.Duration{5, 1, 4, 2, 3}); got != 3 {
		t.Error(got)
	}
}
