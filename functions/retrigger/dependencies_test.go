package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// TestTheFunctionIsMadeOfWhatIsListed compares the modules and packages of the function with
// dependencies.txt, in which each module has its cost at start and a reason. So nothing of the
// command reaches Lambda.
func TestTheFunctionIsMadeOfWhatIsListed(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", lambdaenv.Tags, "-f", "{{with .Module}}{{.Path}}\t{{end}}{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	var made []string
	for line := range strings.Lines(string(out)) {
		if module, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok {
			made = append(made, module+" "+name)
		}
	}
	slices.Sort(made)

	text, err := os.ReadFile("dependencies.txt")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	module, told := "", regexp.MustCompile(`^(\S+) \| \d+\.\d\d ms \| \S.+$`)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch name, isPackage := strings.CutPrefix(line, "\t"); {
		case isPackage:
			listed = append(listed, module+" "+name)
		case line == "" || strings.HasPrefix(line, "#"):
		case !told.MatchString(line):
			t.Errorf("%q is not: module | cost at start, such as 0.12 ms | reason", line)
		default:
			module = told.FindStringSubmatch(line)[1]
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(listed, made); diff != "" || len(made) < 50 {
		t.Errorf("%d packages; dependencies.txt is not what the function is made of (-listed +made):\n%s", len(made), diff)
	}
	for _, name := range []string{"aep-retrigger/internal/cli", "aep-retrigger/internal/operate", "aep-retrigger/internal/console", "github.com/spf13/cobra", "charm.land/lipgloss"} {
		if slices.ContainsFunc(made, func(one string) bool { return strings.Contains(one, name) }) {
			t.Errorf("%s is in the function", name)
		}
	}
	for _, one := range made {
		if strings.HasSuffix(one, "/schemas") {
			t.Errorf("%s describes a whole service at each start: see docs/decisions/0023-sdk-clients-without-schemas.md", one)
		}
	}
}
