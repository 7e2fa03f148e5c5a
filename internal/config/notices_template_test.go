package config_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/notice"
)

// TestEachNoticeHasARuleForEMail: The rules of the template name each kind once, and their
// e-mails use fields that every notice of these kinds has.
func TestEachNoticeHasARuleForEMail(t *testing.T) {
	t.Parallel()
	all := resources(t)
	var kinds []string
	for rule, fields := range map[string][]string{
		"DataflowNoticeRule": {"title", "message", "nextStep", "orgId", "flowId"}, "CredentialNoticeRule": {"title", "message", "nextStep"},
	} {
		list := regexp.MustCompile(`detail-type: \[(.*)\]`).FindStringSubmatch(all[rule])
		if list == nil || !strings.Contains(all[rule], "source: [aep-retrigger]") {
			t.Fatalf("%s has no pattern", rule)
		}
		kinds = append(kinds, strings.Split(list[1], ", ")...)
		paths := regexp.MustCompile(`(\w+): \$\.detail\.(\w+)`).FindAllStringSubmatch(all[rule], -1)
		_, template, _ := strings.Cut(all[rule], "InputTemplate: !Sub")
		_, template, _ = strings.Cut(template, "|\n")
		template, _, _ = strings.Cut(template, "\n              - Table: ")
		if len(paths) != len(fields) {
			t.Errorf("%s has %d paths, want %q", rule, len(paths), fields)
		}
		for _, path := range paths {
			if !slices.Contains(fields, path[2]) || !strings.Contains(template, "<"+path[1]+">") {
				t.Errorf("%s: the path of %s is of another field, or not used", rule, path[1])
			}
		}
		for line := range strings.Lines(template) {
			if line = strings.TrimSpace(line); line != "" && !regexp.MustCompile(`^"[^"\\]+"$`).MatchString(line) {
				t.Errorf("%s: EventBridge takes no line without quotes around it, or with some in it: %s", rule, line)
			}
		}
	}
	slices.Sort(kinds)
	if want := []string{string(notice.CredentialRefused), string(notice.Failing), string(notice.Recovered), string(notice.GivenUp)}; !slices.Equal(kinds, want) {
		t.Errorf("the rules are for %q, want %q", kinds, want)
	}
}

// TestTheFunctionMayWriteToItsNoticeBusAlone: and only where there is one.
func TestTheFunctionMayWriteToItsNoticeBusAlone(t *testing.T) {
	t.Parallel()
	role := resources(t)["RetriggerRole"]
	if n := strings.Count(role, "events:"); n != 3 { // two actions, and the bus's ARN
		t.Errorf("the role has %d mentions of events:, want 3", n)
	}
	statement := regexp.MustCompile(`(?s)- !If\n +- HasNotices\n +- Sid: Notices.*?- !Ref AWS::NoValue`).FindString(role)
	for _, part := range []string{"events:PutEvents", "events:DescribeEventBus", "!GetAtt NoticeBus.Arn", "event-bus/${NoticeBusName}"} {
		if !strings.Contains(statement, part) {
			t.Errorf("the statement lacks %s: %s", part, statement)
		}
	}
}

// TestEachAlarmGoesToTheTopicAndTheEMail: to both, if both are set, and so does its end.
func TestEachAlarmGoesToTheTopicAndTheEMail(t *testing.T) {
	t.Parallel()
	alarms := 0
	for name, text := range resources(t) {
		if !strings.Contains(text, "Type: AWS::CloudWatch::Alarm") {
			continue
		}
		alarms++
		for _, action := range []string{"!If [HasAlarmTopic, !Ref AlarmTopicArn, !Ref AWS::NoValue]", "!If [HasNotifyEmail, !Ref NotifyTopic, !Ref AWS::NoValue]"} {
			if strings.Count(text, action) != 2 {
				t.Errorf("%s does not go to %s when it begins and when it ends", name, action)
			}
		}
	}
	if alarms < 10 {
		t.Errorf("only %d alarms were looked at", alarms)
	}
}

// TestTheChatRuleUsesFieldsThatEachNoticeHas: docs/notices.md uses fields that notices have.
func TestTheChatRuleUsesFieldsThatEachNoticeHas(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/notices.md")
	if err != nil {
		t.Fatal(err)
	}
	sample, err := os.ReadFile("../../events/out/credential-refused.json")
	if err != nil {
		t.Fatal(err)
	}
	paths := regexp.MustCompile(`\$\.detail\.(\w+)`).FindAllStringSubmatch(string(document), -1)
	if len(paths) < 5 {
		t.Errorf("only %d paths were looked at", len(paths))
	}
	for _, path := range paths {
		if !strings.Contains(string(sample), `"`+path[1]+`":`) {
			t.Errorf("docs/notices.md uses %s, which not every notice has", path[1])
		}
	}
}
