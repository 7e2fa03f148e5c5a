package cli

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/doctor"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/local/golden"
)

// shape is what commands print with --output json.
type shape struct {
	commands string
	value    any
}

// shapes are those of all commands. One that prints another type gets a line here.
func shapes() []shape {
	return []shape{
		{"status", operate.Status{}},
		{"flows", operate.Flows{}},
		{"flows NAME", operate.FlowDetail{}},
		{"runs, waiting", operate.Runs{}},
		{"explain", operate.Explanation{}},
		{"retry, waiting now, waiting cancel", changed{}},
		{"sweep start", sweep.Report{}},
		{"sweep list", operate.Sweeps{}},
		{"pause, resume, pauses", pausesJSON{}},
		{"dead-letters list", lettersJSON{}},
		{"dead-letters list --others", othersJSON{}},
		{"dead-letters show", operate.ShownLetter{}},
		{"dead-letters redrive, dead-letters drop", lettersChanged{}},
		{"policy test", operate.PolicyTest{}},
		{"flows test", operate.Connection{}},
		{"doctor", doctor.Report{}},
		{"console", consoleJSON{}},
		{"version", versionJSON{}},
	}
}

// TestTheShapesOfJSONAreDocumented makes docs/command-json.md of the types and of their
// comments, and compares it with the file.
func TestTheShapesOfJSONAreDocumented(t *testing.T) {
	t.Parallel()
	d := &shapeDoc{comments: fieldComments(t, "../operate", ".", "../sweep", "../throttle", "../doctor", "../dataflow")}
	d.text.WriteString("# What the command prints as JSON\n\n<!-- Made from the types of internal/operate and internal/cli. Change them, then run: go test ./internal/cli -update -->\n\n" +
		"With `--output json` each command of [aep-retrigger](command.md) prints one JSON value. A *time* is a text of RFC 3339 in UTC. " +
		"A field that is *optional* is left out where it has no value. Fields may be added; one that is taken away, or gets another meaning, stands in the changelog.\n")
	for _, s := range shapes() {
		d.section("`"+s.commands+"`", reflect.TypeOf(s.value))
	}
	for len(d.pending) > 0 {
		next := d.pending[0]
		d.pending = d.pending[1:]
		d.section(next.Name(), next)
	}
	golden.Check(t, "../../docs/command-json.md", d.text.String())
}

// shapeDoc is the document in the making.
type shapeDoc struct {
	text     strings.Builder
	comments map[string]string
	nested   []reflect.Type // types with sections of their own
	pending  []reflect.Type // those of them whose sections are yet to be written
}

func (d *shapeDoc) section(title string, of reflect.Type) {
	fmt.Fprintf(&d.text, "\n## %s\n\n| field | type | meaning |\n| --- | --- | --- |\n", title)
	d.fields(of)
}

func (d *shapeDoc) fields(of reflect.Type) {
	names := map[string]string{} // those of the fields in JSON, by those in Go, which the comments have
	for f := range of.Fields() {
		names[f.Name], _, _ = strings.Cut(f.Tag.Get("json"), ",")
	}
	word := regexp.MustCompile(`\b[A-Z]\w*`)
	comment := func(field string) string {
		return word.ReplaceAllStringFunc(d.comments[path.Base(of.PkgPath())+"."+of.Name()+"."+field], func(w string) string {
			if names[w] == "" {
				return w
			}
			return "`" + names[w] + "`"
		})
	}
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			d.fields(f.Type)
			continue
		case !f.IsExported() || name == "-":
			continue
		}
		kind := d.kind(f.Type)
		if strings.Contains(options, "omit") {
			kind += ", optional"
		}
		fmt.Fprintf(&d.text, "| `%s` | %s | %s |\n", name, kind, comment(f.Name))
	}
}

// kind says what a value is, and keeps a type of ours for a section of its own.
func (d *shapeDoc) kind(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Time]():
		return "time"
	case of.Kind() == reflect.Pointer:
		return d.kind(of.Elem())
	case of.Kind() == reflect.Slice:
		return "list of " + d.kind(of.Elem())
	case of.Kind() == reflect.Map:
		return "object of " + d.kind(of.Elem()) + " by " + d.kind(of.Key())
	case of.Kind() == reflect.Struct:
		if !slices.Contains(d.nested, of) {
			d.nested, d.pending = append(d.nested, of), append(d.pending, of)
		}
		return "[" + of.Name() + "](#" + strings.ToLower(of.Name()) + ")"
	case of.Kind() == reflect.Bool:
		return "boolean"
	case of.Kind() == reflect.Int:
		return "number"
	}
	return "text"
}

// fieldComments are the comments of the fields of the types in some folders, by "package.Type.Field".
func fieldComments(t *testing.T, folders ...string) map[string]string {
	t.Helper()
	comments, link := map[string]string{}, regexp.MustCompile(`\[([A-Za-z.]+)\]`)
	for _, folder := range folders {
		paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(paths), err)
		}
		for _, name := range paths {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, is := n.(*ast.TypeSpec)
				if !is {
					return true
				}
				of, is := spec.Type.(*ast.StructType)
				if !is {
					return false
				}
				for _, field := range of.Fields.List {
					text := strings.Join(strings.Fields(field.Doc.Text()+" "+field.Comment.Text()), " ")
					for _, name := range field.Names {
						comments[file.Name.Name+"."+spec.Name.Name+"."+name.Name] = strings.ReplaceAll(link.ReplaceAllString(text, "$1"), "|", `\|`)
					}
				}
				return false
			})
		}
	}
	return comments
}

// TestEveryCommandStandsInTheDocument with an example in its help, and so does each exit code.
func TestEveryCommandStandsInTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/command.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var walk func(cmd *cobra.Command, above string)
	walk = func(cmd *cobra.Command, above string) {
		for _, sub := range cmd.Commands() {
			name := strings.TrimSpace(above + " " + sub.Name())
			walk(sub, name)
			if sub.HasSubCommands() && sub.Example == "" { // it only shows its help
				continue
			}
			n++
			if !strings.Contains(string(text), "`"+name) && !strings.Contains(string(text), "aep-retrigger "+name) {
				t.Errorf("docs/command.md does not have the command %q", name)
			}
			if sub.Example == "" && name != "version" {
				t.Errorf("the command %q has no example in its help", name)
			}
		}
	}
	walk(newRoot(&command{}), "")
	if n < 12 {
		t.Errorf("%d commands: does this test still find them?", n)
	}
	for _, code := range []int{Done, ExitFailed, ExitUsage, ExitNotThere, ExitNotAllowed, ExitFindings, ExitInterrupted} {
		if !strings.Contains(string(text), fmt.Sprintf("\n| %d | ", code)) {
			t.Errorf("docs/command.md does not have the exit code %d", code)
		}
	}
}
