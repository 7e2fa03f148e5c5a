package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// root is the repository's.
const root = ".."

// documents returns the paths of the repository's documents, from its root.
func documents(t *testing.T) []string {
	t.Helper()
	found := []string{"README.md", "CONTRIBUTING.md", "CHANGELOG.md", "events/README.md"}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			found = append(found, filepath.Join("docs", path))
		}
		return err
	})
	if err != nil || len(found) < 10 {
		t.Fatalf("%d documents, %v", len(found), err)
	}
	return found
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// prose is a document without its blocks of code.
func prose(text string) string {
	var kept strings.Builder
	inBlock := false
	for line := range strings.Lines(text) {
		switch {
		case !inBlock && strings.HasPrefix(line, "```"):
			inBlock = true
		case inBlock && strings.TrimSuffix(line, "\n") == "```":
			inBlock = false
		case !inBlock:
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// anchors are those that GitHub makes of a document's headings.
func anchors(text string) []string {
	var found []string
	for line := range strings.Lines(prose(text)) {
		heading := strings.TrimLeft(line, "#")
		if heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		var anchor strings.Builder
		for _, r := range strings.ToLower(strings.Trim(heading, " \n")) {
			switch {
			case r == ' ':
				anchor.WriteByte('-')
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				anchor.WriteRune(r)
			}
		}
		found = append(found, anchor.String())
	}
	return found
}

var link = regexp.MustCompile(`\]\(([^()\s]+)\)`)

// TestLinksLeadSomewhere checks that each link from a document to a file of the repository
// names one that is there, and a heading that it has.
func TestLinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	seen, headings := 0, map[string][]string{}
	for _, from := range documents(t) {
		for _, match := range link.FindAllStringSubmatch(prose(read(t, from)), -1) {
			to, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			seen++
			path := from
			if to != "" {
				path = filepath.Join(filepath.Dir(from), to)
			}
			if _, err := os.Stat(filepath.Join(root, path)); err != nil {
				t.Errorf("%s has a link to %s, which is not there", from, match[1])
				continue
			}
			if anchor == "" {
				continue
			}
			if _, known := headings[path]; !known {
				headings[path] = anchors(read(t, path))
			}
			if !slices.Contains(headings[path], anchor) {
				t.Errorf("%s has a link to %s, and there is no such heading", from, match[1])
			}
		}
	}
	if seen < 30 {
		t.Errorf("%d links, fewer than there were: does this test still find them?", seen)
	}
}

// TestTheIndexLeadsToEveryDocument checks that docs/README.md, or a document that it leads
// to, has a link to each document.
func TestTheIndexLeadsToEveryDocument(t *testing.T) {
	t.Parallel()
	reached, next := map[string]bool{}, []string{"docs/README.md"}
	for len(next) > 0 {
		from := next[0]
		next = next[1:]
		if reached[from] || filepath.Ext(from) != ".md" {
			continue
		}
		if reached[from] = true; from == "README.md" { // the index must do without it
			continue
		}
		if _, err := os.Stat(filepath.Join(root, from)); err != nil {
			continue // another test says so
		}
		for _, match := range link.FindAllStringSubmatch(prose(read(t, from)), -1) {
			if to, _, _ := strings.Cut(match[1], "#"); to != "" && !strings.Contains(to, "://") {
				next = append(next, filepath.Join(filepath.Dir(from), to))
			}
		}
	}
	for _, path := range documents(t) {
		if !reached[path] {
			t.Errorf("docs/README.md does not lead to %s", path)
		}
	}
}

// TestTheIndexHasFourTasksWithThreeLinksAtMost: whoever comes with a task sees at once where
// to begin.
func TestTheIndexHasFourTasksWithThreeLinksAtMost(t *testing.T) {
	t.Parallel()
	tasks := []string{"Try it", "Deploy it", "Operate it", "Change it"}
	sections := strings.Split(read(t, "docs/README.md"), "\n## ")[1:]
	if len(sections) != len(tasks) {
		t.Fatalf("docs/README.md has %d tasks, want %q", len(sections), tasks)
	}
	for i, section := range sections {
		name, text, _ := strings.Cut(section, "\n")
		if n := len(link.FindAllString(text, -1)); name != tasks[i] || n == 0 || n > 3 {
			t.Errorf("docs/README.md: %q has %d links, want %q with three at most", name, n, tasks[i])
		}
	}
}

// TestREADMEIsShort: it has what a user needs, and the rest is in docs.
func TestREADMEIsShort(t *testing.T) {
	t.Parallel()
	text := read(t, "README.md")
	if n := len(strings.Fields(text)); n > 1800 {
		t.Errorf("README.md has %d words, more than 1800: move what few users need to docs", n)
	}
	var commands []string
	for _, match := range regexp.MustCompile(`(?m)^(make \S+|dist/aep-retrigger --local \S+)`).FindAllStringSubmatch(text, -1) {
		commands = append(commands, match[1])
	}
	want := []string{"make run", "make test", "make up", "make command", "dist/aep-retrigger --local status"}
	if len(commands) < len(want) || !slices.Equal(commands[:len(want)], want) {
		t.Errorf("README.md begins with the commands %q, want %q", commands, want)
	}
}
