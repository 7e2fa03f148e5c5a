package docs_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// declared are the names that Go code declares, by folder: types, functions, methods,
// constants, variables and fields.
func declared(t *testing.T, folder string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				names = append(names, n.Name.Name)
				return false
			case *ast.TypeSpec:
				names = append(names, n.Name.Name)
			case *ast.ValueSpec:
				for _, name := range n.Names {
					names = append(names, name.Name)
				}
			case *ast.Field:
				for _, name := range n.Names {
					names = append(names, name.Name)
				}
			}
			return true
		})
	}
	return names
}

// goFiles returns the texts of the repository's files whose names end so, by their paths.
func goFiles(t *testing.T, suffix string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return fs.SkipDir
		case !strings.HasSuffix(path, suffix):
			return nil
		}
		text, err := os.ReadFile(path) //nolint:gosec // a file of the repository
		texts[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// testNames returns the names of all tests of the repository.
func testNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, text := range goFiles(t, "_test.go") {
		for line := range strings.Lines(text) {
			if name, is := strings.CutPrefix(line, "func Test"); is {
				name, _, _ = strings.Cut(name, "(")
				names = append(names, "Test"+name)
			}
		}
	}
	if len(names) < 100 {
		t.Fatalf("%d tests", len(names))
	}
	return names
}

// TestNamesInDocumentsAreThere checks that each test, and each place in the code
// (package.identifier), which a document names, is there.
func TestNamesInDocumentsAreThere(t *testing.T) {
	t.Parallel()
	tests, packages := testNames(t), map[string][]string{}
	quoted := regexp.MustCompile("`([A-Za-z][A-Za-z0-9]*(?:\\.[A-Za-z][A-Za-z0-9]*)*)`")
	places, named := 0, 0
	for _, path := range documents(t) {
		for _, match := range quoted.FindAllStringSubmatch(prose(read(t, path)), -1) {
			if strings.HasSuffix(match[1], ".json") {
				continue
			}
			parts := strings.Split(match[1], ".")
			if len(parts) == 1 {
				if strings.HasPrefix(match[1], "Test") && len(match[1]) > 4 {
					named++
					if !slices.Contains(tests, match[1]) {
						t.Errorf("%s names the test %s, which is not there", path, match[1])
					}
				}
				continue
			}
			folder := filepath.Join(root, "internal", parts[0])
			for _, other := range []string{filepath.Join(root, "pkg", parts[0]), filepath.Join(root, "local", parts[0])} {
				if _, err := os.Stat(folder); err != nil {
					folder = other
				}
			}
			if _, err := os.Stat(folder); err != nil {
				continue // it is no package of ours
			}
			if packages[folder] == nil {
				packages[folder] = declared(t, folder)
			}
			places++
			for _, name := range parts[1:] {
				if !slices.Contains(packages[folder], name) {
					t.Errorf("%s names %s, and %s declares no %s", path, match[1], folder, name)
				}
			}
		}
	}
	if places < 50 || named < 50 {
		t.Errorf("%d places and %d tests, fewer than there were: does this test still find them?", places, named)
	}
}

// TestTheRulesAreComplete checks that how-it-works.md has each of the 26 rules, with an
// example, a place in the code and a test, and 25 to 30 words.
func TestTheRulesAreComplete(t *testing.T) {
	t.Parallel()
	text := read(t, "docs/how-it-works.md")
	rules := strings.Split(text, "\n### Rule ")[1:]
	if len(rules) != 26 {
		t.Fatalf("%d rules, want 26", len(rules))
	}
	for i, rule := range rules {
		if n, _, _ := strings.Cut(rule, ":"); n != strconv.Itoa(i+1) {
			t.Errorf("rule %d is called %q", i+1, n)
		}
		for _, part := range []string{"*Example:*", "\nCode: `", "Test: `Test"} {
			if !strings.Contains(rule, part) {
				t.Errorf("rule %d has no %q", i+1, strings.TrimSpace(part))
			}
		}
	}
	_, words, _ := strings.Cut(text, "\n## Words\n")
	words, _, _ = strings.Cut(words, "\n## ")
	if n := strings.Count(words, "\n| ") - 2; n < 25 || n > 30 { // less the heading and its line
		t.Errorf("%d words, want 25 to 30", n)
	}
}
