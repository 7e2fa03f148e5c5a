//go:build slow

package main

import (
	"flag"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/aep-retrigger/aep-retrigger/local/flowsim"
)

// update writes what the commands of the drills print into docs/operate.md.
var update = flag.Bool("update", false, "write the output of the drills into docs/operate.md") //nolint:gochecknoglobals // a flag of the tests

// operateDoc shows the drills.
const operateDoc = "../../docs/operate.md"

// drill is a thing that happens to an operator, as a script of testdata/drill.
type drill struct {
	// script is the file's name, section the heading in docs/operate.md.
	script, section string
	// most is how many commands it may take.
	most int
}

func drills() []drill {
	return []drill{
		{"dead-letter", "A dead letter appeared", 3},
		{"not-retried", "Why was this run not retried?", 1},
		{"waiting", "What waits, and until when?", 3},
		{"help", "Did the retries help?", 1},
		{"trouble", "Which dataflows are in trouble?", 1},
		{"pause", "Pause one dataflow", 3},
		{"credential", "Is the credential good?", 2},
		{"mended", "Send again what is mended", 1},
		{"alive", "Is it alive?", 1},
	}
}

// typed is what a person has typed in a drill.
type typed struct{ command, output string }

// record has what was typed in each script. It is safe for concurrent use.
type record struct {
	mu    sync.Mutex
	typed map[string][]typed
}

// types is a word of the scripts:
//
//	types COMMAND… [+ ARGUMENT…]  a person types the command, which is counted and shown in
//	                              docs/operate.md; without the arguments after +, which only
//	                              a stack on this machine needs
func (r *record) types(ts *testscript.TestScript, neg bool, args []string) {
	shown, hidden := args, []string(nil)
	if i := slices.Index(args, "+"); i >= 0 {
		shown, hidden = args[:i], args[i+1:]
	}
	hidden = append(hidden, "--local="+ts.MkAbs("stack.json"))
	err := ts.Exec(shown[0], slices.Concat(shown[1:], hidden)...)
	out, errors := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if (err != nil) != neg {
		ts.Fatalf("%v\n%s%s", err, out, errors)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.typed[ts.Name()] = append(r.typed[ts.Name()], typed{commandLine(shown), errors + out})
}

// commandLine is a command as a person types it.
func commandLine(args []string) string {
	words := slices.Clone(args)
	for i, word := range words {
		if strings.ContainsAny(word, " '*?") {
			words[i] = `"` + word + `"`
		}
	}
	return strings.Join(words, " ")
}

// serveAdobe serves the Adobe of the script's stack once more, and says where in $IMS and
// $FLOWSERVICE.
func serveAdobe(ts *testscript.TestScript, _ bool, _ []string) {
	server := httptest.NewServer(stackOf(ts).Adobe)
	ts.Defer(server.Close)
	ts.Setenv("IMS", server.URL)
	ts.Setenv("FLOWSERVICE", server.URL+flowsim.FlowServicePath)
}

// TestDrillTakesNoMoreCommandsThanDocumented plays each drill from what a person knows when
// it begins, and counts the commands. docs/operate.md has these counts, and shows what the
// commands print.
func TestDrillTakesNoMoreCommandsThanDocumented(t *testing.T) {
	t.Parallel()
	r := &record{typed: map[string][]typed{}}
	words := commands()
	maps.Copy(words, map[string]func(*testscript.TestScript, bool, []string){"types": r.types, "adobe": serveAdobe})
	t.Run("play", func(t *testing.T) {
		testscript.Run(t, testscript.Params{
			Dir: "testdata/drill", Cmds: words,
			Setup: func(e *testscript.Env) error {
				e.Setenv("HOME", e.WorkDir)
				e.Setenv(raceVariable, os.Getenv(raceVariable))
				e.Values[worldKey{}] = &world{}
				return nil
			},
		})
	})
	if t.Failed() {
		return
	}
	text, err := os.ReadFile(operateDoc)
	if err != nil {
		t.Fatal(err)
	}
	doc := string(text)
	scripts, err := filepath.Glob("testdata/drill/*.txtar")
	if err != nil || len(scripts) != len(drills()) {
		t.Errorf("%d scripts and %d drills, %v", len(scripts), len(drills()), err)
	}
	for _, d := range drills() {
		said := r.typed[d.script]
		if n := len(said); n == 0 || n > d.most {
			t.Errorf("%s takes %d commands, want %d at most", d.script, n, d.most)
		}
		row := fmt.Sprintf("| [%s](#%s) |", d.section, slug(d.section))
		if line := lineWith(doc, row); !strings.HasSuffix(line, fmt.Sprintf("| %d |", len(said))) {
			t.Errorf("%s takes %d commands, but docs/operate.md has %q", d.script, len(said), line)
		}
		doc = checkSection(t, doc, d, said)
	}
	if *update {
		if err := os.WriteFile(operateDoc, []byte(doc), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// checkSection compares a section of the document with what was typed in its drill, and
// returns the document with the output as it is now.
func checkSection(t *testing.T, doc string, d drill, said []typed) string {
	t.Helper()
	const fence = "```\n"
	begin := strings.Index(doc, "\n### "+d.section+"\n")
	if begin < 0 {
		t.Errorf("docs/operate.md has no section %q", d.section)
		return doc
	}
	head, section := doc[:begin+1], doc[begin+1:]
	rest := ""
	if end := regexp.MustCompile(`\n##+ `).FindStringIndex(section); end != nil {
		section, rest = section[:end[0]+1], section[end[0]+1:]
	}
	parts := strings.Split(section, fence) // every other one is a block
	for i := 1; i < len(parts); i += 2 {
		n := strings.Count("\n"+parts[i], "\n$ aep-retrigger")
		if n > len(said) {
			t.Errorf("docs/operate.md shows more commands of %q than its drill takes", d.section)
			return doc
		}
		var block strings.Builder
		for _, one := range said[:n] {
			block.WriteString("$ " + one.command + "\n" + strings.TrimRight(one.output, "\n") + "\n")
		}
		now := block.String()
		said = said[n:]
		if diff := cmp.Diff(steady(now), steady(parts[i])); diff != "" && !*update {
			t.Errorf("docs/operate.md, %q, is old (go test -tags slow ./cmd/aep-retrigger -run Drill -update mends it); + is the document's:\n%s", d.section, diff)
		}
		if n > 0 {
			parts[i] = now
		}
	}
	if len(said) > 0 {
		t.Errorf("docs/operate.md does not show %q of %q", said[0].command, d.section)
	}
	return head + strings.Join(parts, fence) + rest
}

// steady leaves out of an output what differs from one day, and from one machine, to the
// next: times, durations, and the spaces that make columns.
func steady(output string) string {
	for _, varying := range []string{
		`\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)? UTC)?`, `\b\d+ (s|min|h|days)( ago)?\b`, `\bnow\b`,
	} {
		output = regexp.MustCompile(varying).ReplaceAllString(output, "*")
	}
	return regexp.MustCompile(` +`).ReplaceAllString(output, " ")
}

func lineWith(doc, beginning string) string {
	_, line, _ := strings.Cut(doc, "\n"+beginning)
	line, _, _ = strings.Cut(line, "\n")
	return line
}

// slug is the anchor of a heading.
func slug(heading string) string {
	return strings.ReplaceAll(regexp.MustCompile(`[^a-z -]`).ReplaceAllString(strings.ToLower(heading), ""), " ", "-")
}
