// Package docs_test holds the documents against the code.
package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestOutcomesNamesEveryReason checks that each reason in the code is explained in
// outcomes.md: in the first column of a table, or by a section of its own.
func TestOutcomesNamesEveryReason(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	explained := map[string]bool{}
	word := regexp.MustCompile("`([a-z0-9_]+)`")
	for line := range strings.Lines(string(text)) {
		if section, is := strings.CutPrefix(line, "## "); is {
			explained[strings.TrimSpace(section)] = true
		}
		if row, is := strings.CutPrefix(line, "|"); is {
			cell, _, _ := strings.Cut(row, "|")
			for _, match := range word.FindAllStringSubmatch(cell, -1) {
				explained[match[1]] = true
			}
		}
	}
	for folder, least := range map[string]int{"event": 20, "policy": 4, "retry": 20, "sweep": 8} {
		reasons := constants(t, filepath.Join("..", "internal", folder), "Reason", "SkipReason")
		if len(reasons) < least {
			t.Errorf("internal/%s has %d reasons, fewer than there were: does this test still find them?", folder, len(reasons))
		}
		for _, reason := range reasons {
			if !explained[reason] {
				t.Errorf("docs/outcomes.md does not explain %s of internal/%s", reason, folder)
			}
		}
	}
}

// constants returns the texts of a package's constants of some types.
func constants(t *testing.T, folder string, types ...string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no Go files in %s: %v", folder, err)
	}
	var texts []string
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, is := n.(*ast.ValueSpec)
			if !is {
				return true
			}
			if name, is := spec.Type.(*ast.Ident); !is || !slices.Contains(types, name.Name) {
				return true
			}
			for _, value := range spec.Values {
				literal, is := value.(*ast.BasicLit)
				if !is {
					continue
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, text)
			}
			return true
		})
	}
	return texts
}
