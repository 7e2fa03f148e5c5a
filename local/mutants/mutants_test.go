package main

import (
	"bytes"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestEveryMutantFitsTheCodeAsItIs(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := choose(root, func(*mutant) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	ids, invariants := map[string]bool{}, map[string]int{}
	for _, m := range all {
		if ids[m.id] || m.id == "" || m.what == "" || len(m.edits) == 0 || len(m.tests) == 0 {
			t.Errorf("the id %q stands twice, or the mutant lacks something: %+v", m.id, m)
		}
		ids[m.id] = true
		if m.invariant != "" {
			invariants[m.invariant]++
		}
		for _, e := range m.edits {
			if e.old == e.text {
				t.Errorf("%s changes nothing", m.id)
			}
		}
	}
	quick := 0
	for _, n := range invariants {
		quick += n
	}
	if len(invariants) != 4 || quick != 10 {
		t.Errorf("CI runs %v, want ten mutants of four invariants", invariants)
	}
}

func TestMakeRunsTheBrokenStoresToo(t *testing.T) {
	t.Parallel()
	const name = "TestInvariantsCatchABrokenLedger" // where no test has a name, go test says ok
	for pattern, words := range map[string]string{"../../Makefile": "'^" + name + "$$'", "../../functions/retrigger/*_test.go": "func " + name + "("} {
		files, _ := filepath.Glob(pattern)
		if !slices.ContainsFunc(files, func(file string) bool {
			content, _ := os.ReadFile(file)
			return strings.Contains(string(content), words)
		}) {
			t.Errorf("%s: none has %s", pattern, words)
		}
	}
}

// project is a small module with a test: a mutant of it has the text that the test looks for,
// or not.
func project(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":          "module example.com/small\n\ngo 1.26\n",
		"sum/sum.go":      "package sum\n\n// Of adds.\nfunc Of(a, b int) int { return a + b }\n\n// Name is not tested.\nconst Name = \"sum\"\n",
		"sum/sum_test.go": "package sum\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tt.Run(\"small\", func(t *testing.T) {\n\t\tif Of(1, 2) != 3 {\n\t\t\tt.Error(\"wrong\")\n\t\t}\n\t})\n}\n",
		"none/none.go":    "package none\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// small returns a mutant of the small module.
func small(old, text, pkg, run, survives string) *mutant {
	return &mutant{id: "X1", what: "sums are wrong", edits: []edit{{"sum", old, text}}, tests: []tests{{pkg: pkg, run: run}}, survives: survives}
}

// judgment is a mutant of the small module with parts of what is said of it.
type judgment struct {
	mutant      *mutant
	says, fails string // parts of the output and of the error
}

func TestAVerdictTellsKillsFromSurvivorsAndFromMistakes(t *testing.T) {
	t.Parallel()
	hold(t, map[string]judgment{
		"found":                 {mutant: small("a + b", "a - b", "sum", "", ""), says: "X1   sums are wrong: killed by TestSum/small, in "},
		"survivor":              {mutant: small(`= "sum"`, `= "mus"`, "sum", "", ""), says: "SURVIVED", fails: "not as the table says: X1"},
		"can't be built":        {mutant: small("a + b", "a + c", "sum", "", ""), fails: "which is no kill"},
		"text not there":        {mutant: small("a * b", "a - b", "sum", "", ""), fails: "its text stands 0 times in sum"},
		"text there twice":      {mutant: small("a", "b", "sum", "", ""), fails: "times in sum, and must stand there once"},
		"package without tests": {mutant: small("a + b", "a - b", "none", "", ""), fails: "none has no tests"},
	})
}

// hold holds judgments against what is said.
func hold(t *testing.T, judgments map[string]judgment) {
	t.Helper()
	root := project(t)
	for name, v := range judgments {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := runAll(t.Context(), root, []*mutant{v.mutant}, log.New(&out, "", 0))
			if !strings.Contains(out.String(), v.says) {
				t.Errorf("the output is %q, want %q in it", out.String(), v.says)
			}
			if (err == nil) != (v.fails == "") || err != nil && !strings.Contains(err.Error(), v.fails) {
				t.Errorf("the error is %v, want %q", err, v.fails)
			}
		})
	}
	t.Cleanup(func() { // when all of them are through
		content, err := os.ReadFile(filepath.Join(root, "sum/sum.go"))
		if err != nil || !strings.Contains(string(content), "return a + b") {
			t.Errorf("the file was changed: %s, %v", content, err)
		}
	})
}

func TestATestThatFailsAnywayFindsNothing(t *testing.T) {
	t.Parallel()
	root := project(t)
	if err := os.WriteFile(filepath.Join(root, "sum/sum.go"), []byte("package sum\n\nfunc Of(a, b int) int { return a * b }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := runAll(t.Context(), root, []*mutant{small("a * b", "a - b", "sum", "", "")}, log.New(io.Discard, "", 0))
	if err == nil || !strings.Contains(err.Error(), "TestSum/small of sum fails without a mutant") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheKillerIsTheInnermostTestThatFailedFirst(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]string{
		"--- FAIL: TestA (0.0s)\n    --- FAIL: TestA/b (0.0s)\n        --- FAIL: TestA/b/c (0.0s)\n--- FAIL: TestD (0.0s)\n": "TestA/b/c",
		"--- FAIL: TestA (0.0s)\n--- FAIL: TestAB/c (0.0s)\n":                                                                "TestA",
		"panic: test timed out after 5m0s\n\trunning tests:\n":                                                               "a time-out",
		"panic: deadlock\n": "a crash",
	} {
		if got := killer(out); got != want {
			t.Errorf("%q: %s, want %s", out, got, want)
		}
	}
}

func TestUnknownIDsAreAnError(t *testing.T) {
	t.Parallel()
	if err := run(t.Context(), []string{"-only", "nothing"}, log.New(io.Discard, "", 0)); err == nil || !strings.Contains(err.Error(), "no mutant has such an id") {
		t.Errorf("the error is %v", err)
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"-only", "^S1$", "-list"}, log.New(&out, "", 0)); err != nil || !strings.HasPrefix(out.String(), "S1   internal/ledger: the claim is dropped") {
		t.Errorf("the list is %q, %v", out.String(), err)
	}
}
