package operate

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/local/golden"
)

// TestReasonsAreSaidInTheWordsOfTheDocument makes the table of what the command says of a reason
// from docs/outcomes.md, and compares it with the code's.
func TestReasonsAreSaidInTheWordsOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	link, word := regexp.MustCompile(` \(\[[a-z]+\.md\]\([^)]*\)\)|\[([^\]]*)\]\([^)]*\)`), regexp.MustCompile("`([a-z0-9_ <>]+)`")
	shown := func(cell string) string {
		return strings.TrimSpace(strings.NewReplacer("`", "", "*", "").Replace(link.ReplaceAllString(cell, "$1")))
	}
	var want []reasonRow
	section := ""
	for line := range strings.Lines(string(text)) {
		if name, is := strings.CutPrefix(line, "## "); is {
			section = strings.ToLower(strings.TrimSpace(name))
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		reasons := word.FindAllStringSubmatch(cells[0], -1)
		if !strings.HasPrefix(line, "|") || len(reasons) != 1 || section == "notices" { // a row of several sends the reader elsewhere
			continue
		}
		row := reasonRow{section: section, reason: reasons[0][1], why: shown(cells[1])}
		if len(cells) > 2 {
			row.next = shown(cells[2])
		}
		want = append(want, row)
	}
	// The row with two reasons stands for both.
	want = slices.Insert(want, slices.IndexFunc(want, func(r reasonRow) bool { return r.reason == "streaming_run" })+1, bothOf(t, string(text))...)
	var source strings.Builder
	source.WriteString("package operate\n\n// reasonRows are the rows of the tables in docs/outcomes.md: what each reason means, and what a\n" +
		"// person does about it. A test makes them: go test ./internal/operate -update.\nfunc reasonRows() []reasonRow {\n\treturn []reasonRow{\n")
	for _, r := range want {
		fmt.Fprintf(&source, "\t\t{%q, %q, %q, %q},\n", r.section, r.reason, r.why, r.next)
	}
	source.WriteString("\t}\n}\n")
	golden.Check(t, "reasons_table.go", source.String())
	if len(want) < 80 {
		t.Errorf("%d reasons: does this test still find them?", len(want))
	}
}

// bothOf is the row of sweeps that is of two reasons.
func bothOf(t *testing.T, text string) []reasonRow {
	t.Helper()
	if !strings.Contains(text, "\n| `policy`, `too_old` | as for requests |\n") {
		t.Error("docs/outcomes.md has no row of policy and too_old any more")
	}
	return []reasonRow{{"sweeps", "policy", "as for requests", ""}, {"sweeps", "too_old", "as for requests", ""}}
}

func TestRulesAreThoseOfTheDocument(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/how-it-works.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, match := range regexp.MustCompile(`(?m)^### Rule \d+: (.*)$`).FindAllStringSubmatch(string(text), -1) {
		want = append(want, match[1])
	}
	if diff := cmp.Diff(want, ruleTexts()); diff != "" || len(want) != 26 {
		t.Errorf("%d rules (-document +command):\n%s", len(want), diff)
	}
	if RuleText(16) != "one more, after half an hour" || RuleText(0) != "" || RuleText(27) != "" {
		t.Errorf("rule 16 says %q", RuleText(16))
	}
}

func TestAReasonIsExplainedForItsOutcome(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ state, reason, why, next string }{
		{"dead_lettered", "attempts_exhausted", "the lineage has had its attempts", "mend the cause, then send the run with force"},
		{"dead_lettered", "adobe_unavailable", "Flow Service or IMS could not be reached; nothing was sent", ""},
		{"deferred", "sweep schedule-1", "in the ledger only: a sweep has found the run, and its request is on the queue", ""},
		{"deferred", "flow_busy", "a re-trigger of the same dataflow is under way, or got no answer and is yet to be searched for; or those before it took all the time of the invocation", ""},
		{"skipped", "policy", "a rule of RETRY_POLICY says so", ""},
		{"in_flight", "retry_delay", "its re-trigger is under way", ""},
		{"cannot_tell", "outcome_unknown", "its re-trigger got no answer, and nobody can tell what it made; only a person can send the run again, with force", "look for a newer run of the dataflow; if there is none, send the run with force"},
		{"made", "", "a re-trigger made it, and its end is not known yet", ""},
		{"returned", "of_a_newer_version", "of_a_newer_version", ""},
	} {
		if why, next := Words(tt.state, tt.reason); why != tt.why || next != tt.next {
			t.Errorf("%s (%s): %q, %q", tt.state, tt.reason, why, next)
		}
	}
	for _, state := range ledger.States() {
		if why, _ := Words(string(state), ""); why == string(state) || why == "unknown" {
			t.Errorf("the state %q has no words", state)
		}
	}
}
