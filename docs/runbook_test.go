package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// alarmsOfTheTemplate returns the text of each alarm of template.yaml, by its name.
func alarmsOfTheTemplate(t *testing.T) map[string]string {
	t.Helper()
	_, resources, _ := strings.Cut(read(t, "template.yaml"), "\nResources:\n")
	found := map[string]string{}
	for _, text := range regexp.MustCompile(`(?m)^  [A-Za-z]+:$`).Split(resources, -1) {
		if !strings.Contains(text, "Type: AWS::CloudWatch::Alarm\n") {
			continue
		}
		name := regexp.MustCompile(`AlarmName: !Sub \$\{AWS::StackName\}-([A-Za-z]+)\n`).FindStringSubmatch(text)
		if name == nil || !strings.Contains(resources, "\n  "+name[1]+":\n") {
			t.Errorf("an alarm is not called by the stack and its own name: %.200s", text)
			continue
		}
		found[name[1]] = text
	}
	if len(found) < 15 {
		t.Fatalf("%d alarms: does this test still find them?", len(found))
	}
	return found
}

// TestEachAlarmHasItsEntryInTheRunbookAndNoOtherHas: an alarm's text ends with the address
// of its entry, which says what the alarm means and what to do.
func TestEachAlarmHasItsEntryInTheRunbookAndNoOtherHas(t *testing.T) {
	t.Parallel()
	_, entries, _ := strings.Cut(read(t, "docs/runbook.md"), "\n## Alarms\n")
	entries, _, _ = strings.Cut(entries, "\n## ")
	var explained []string
	for _, entry := range strings.Split(entries, "\n### ")[1:] {
		name, text, _ := strings.Cut(entry, "\n")
		explained = append(explained, name)
		if !strings.Contains(text, "**Means:** ") || !strings.Contains(text, "**Do:**") {
			t.Errorf("the entry of %s does not say what it means and what to do", name)
		}
	}
	alarms := alarmsOfTheTemplate(t)
	for name, text := range alarms {
		if !slices.Contains(explained, name) {
			t.Errorf("docs/runbook.md has no entry for %s", name)
		}
		description := regexp.MustCompile(`(?s)AlarmDescription: >-\n(.*?)\n      [A-Z]`).FindStringSubmatch(text)
		if description == nil || !strings.HasSuffix(description[1], "/docs/runbook.md#"+strings.ToLower(name)) {
			t.Errorf("the text of %s does not end with the address of its entry", name)
		}
	}
	for _, name := range explained {
		if _, there := alarms[name]; !there {
			t.Errorf("docs/runbook.md has an entry for %s, which is no alarm", name)
		}
	}
}

// TestAMissingValueIsTakenForZero: the function writes no zeros. An alarm on one of its
// metrics puts them in; a sweep or an event that is missing is what the other two alarm by.
func TestAMissingValueIsTakenForZero(t *testing.T) {
	t.Parallel()
	for name, text := range alarmsOfTheTemplate(t) {
		own := strings.Contains(text, "Namespace: aep-retrigger\n")
		missed := name == "NoSweepAlarm" || name == "NoEventAlarm"
		if own != strings.Contains(text, "Expression: FILL(counted, 0)\n") {
			t.Errorf("%s does not fill in zeros, or does so in a metric of AWS", name)
		}
		if missed != strings.Contains(text, "TreatMissingData: breaching\n") || missed == strings.Contains(text, "TreatMissingData: notBreaching\n") {
			t.Errorf("%s treats missing values wrongly", name)
		}
	}
}
