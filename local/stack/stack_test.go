package stack_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// TestSettingsFromEnv checks that each variable of the table in docs/configuration.md is
// taken from the environment, but for those of which the stack knows better.
func TestSettingsFromEnv(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(document), "\n## Variables\n")
	table, _, _ = strings.Cut(table, "\n## ")
	own := []string{"SECRET_ID", "QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "LEDGER_TABLE", "NOTICE_BUS", "FLOW_SERVICE_URL", "IMS_URL", "RETRIGGER_OP"}
	var want []string
	name := regexp.MustCompile("`([A-Z_]+)`")
	for row := range strings.Lines(table) {
		if !strings.HasPrefix(row, "| `") {
			continue
		}
		cell, _, _ := strings.Cut(row[2:], "|")
		for _, match := range name.FindAllStringSubmatch(cell, -1) {
			if !slices.Contains(own, match[1]) {
				want = append(want, match[1]+"=set")
			}
		}
	}
	got := stack.SettingsFromEnv(func(string) string { return "set" })
	slices.Sort(got)
	slices.Sort(want)
	if len(want) < 20 || !slices.Equal(got, want) {
		t.Errorf("settings %q, want %q", got, want)
	}
	if none := stack.SettingsFromEnv(func(string) string { return "" }); none != nil {
		t.Errorf("settings of an empty environment: %q", none)
	}
}
