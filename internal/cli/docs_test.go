package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// TestDocumentsNameOnlyCommandsThatAreThere checks each command line of aep-retrigger that a
// document, an alarm's text or a finding of doctor tells people to type: command, flags and
// the number of arguments.
func TestDocumentsNameOnlyCommandsThatAreThere(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, path := range textsForPeople(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range commandLines(path, string(text)) {
			seen++
			if err := accepts(line); err != nil {
				t.Errorf("%s names %q: %v", path, line, err)
			}
		}
	}
	if seen < 100 {
		t.Errorf("%d command lines, fewer than there were: does this test still find them?", seen)
	}
}

func TestACommandThatIsNotThereIsFound(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		`aep-retrigger dead-letter list`, `aep-retrigger waiting later RUN`, `aep-retrigger explain`, `aep-retrigger explain RUN RUN`,
		`aep-retrigger retry RUN --forced`, `aep-retrigger flows "Orders daily" more`, `aep-retrigger status --rps 3`, `aep-retrigger resume`,
	} {
		if accepts(line) == nil {
			t.Errorf("%q is accepted", line)
		}
	}
}

// textsForPeople are the paths of what may name a command.
func textsForPeople(t *testing.T) []string {
	t.Helper()
	const root = "../../"
	paths := []string{root + "template.yaml"}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "events/*.md", "internal/doctor/*.go", "internal/notice/*.go"} {
		found, err := filepath.Glob(root + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// commandLines returns the command lines of a text: in a document those of blocks and spans
// of code, elsewhere what stands in quotation marks or before the end of a sentence.
func commandLines(path, text string) (lines []string) {
	patterns := []string{"`(aep-retrigger [^`\n]+)`", `(?m)^\s*(?:\$ )?(?:dist/|go run ./cmd/)?(aep-retrigger [^\n]+)$`}
	if filepath.Ext(path) != ".md" {
		patterns = []string{`(?:: |with |say )"?(aep-retrigger(?: (?:--)?[A-Za-z]+[a-z-]*)+)`}
	}
	for _, pattern := range patterns {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			if name := strings.Fields(match[1])[1]; !strings.HasPrefix(name, "(") && name != "retries" { // prose
				lines = append(lines, match[1])
			}
		}
	}
	return lines
}

// accepts parses a command line as the command does, without doing it.
func accepts(line string) error {
	root := newRoot(&command{})
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd("completion")
	cmd, args, err := root.Find(shellWords(line)[1:])
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(args); err != nil {
		return err
	}
	args = cmd.Flags().Args()
	if err := cmd.ValidateArgs(args); err != nil {
		return err
	}
	return scoped(cmd, args)
}

// scoped is an error where pause or resume names no scope, which they check by themselves.
func scoped(cmd *cobra.Command, args []string) error {
	if name := cmd.Name(); name != "pause" && name != "resume" || len(args) > 0 || cmd.Flags().Changed("org") || cmd.Flags().Changed("all") {
		return nil
	}
	return operate.Errorf(operate.Wrong, "it names no scope")
}

// shellWords splits a line as a shell does, up to a comment or the next command.
func shellWords(line string) (words []string) {
	for _, match := range regexp.MustCompile(`"([^"]*)"|'([^']*)'|([^\s"']+)`).FindAllStringSubmatch(line, -1) {
		word := match[1] + match[2] + match[3]
		if match[3] != "" && strings.ContainsAny(word[:1], "#|;&>") {
			break
		}
		switch bare := strings.TrimSuffix(word, "…"); {
		case match[3] == "":
			words = append(words, word)
		case bare == "": // and so on
		case strings.HasPrefix(bare, "[") && strings.HasSuffix(bare, "]"): // may be left out
		default:
			words = append(words, bare)
		}
	}
	return words
}
