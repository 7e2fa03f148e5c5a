//go:build slow

package program_test

import (
	"cmp"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEachStepIsALineOfEightyColumns: README shows these lines.
func TestEachStepIsALineOfEightyColumns(t *testing.T) {
	t.Parallel()
	s := start(t, build(t, "run"))
	lines := s.until(t, "left on their queue")
	if _, code := s.rest(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	const leastSteps = 68
	steps, total := 0, "" // total is what the first step's line says
	step := regexp.MustCompile(`^ *\d+/(\d+) ✓`)
	for _, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
		if strings.Contains(line, "✗") {
			t.Error(line)
		}
		if m := step.FindStringSubmatch(line); m != nil {
			steps++
			total = cmp.Or(total, m[1])
		}
	}
	if steps < leastSteps || strconv.Itoa(steps) != total {
		t.Errorf("%d steps of %q are right, want all, and at least %d", steps, total, leastSteps)
	}
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, excerpt, _ := strings.Cut(string(readme), "Some of its lines:\n\n```\n")
	excerpt, _, _ = strings.Cut(excerpt, "\n```")
	varying := regexp.MustCompile(`(?m)^ *\d+(/\d+| steps)|[0-9a-f]{8}-7e…[0-9a-f]{10}|[0-9.]+s,`) // a new step moves the numbers
	said := varying.ReplaceAllString(strings.Join(lines, "\n"), "*")
	for line := range strings.SplitSeq(excerpt, "\n") {
		if !strings.Contains(said, varying.ReplaceAllString(line, "*")) {
			t.Errorf("README's line is not one of make run: %q", line)
		}
	}
	if strings.Count(excerpt, "\n") < 8 {
		t.Errorf("README shows too little: %q", excerpt)
	}
	s.leftNothing(t)
}
