package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
)

// alarms returns the metrics of the function that each alarm of template.yaml looks at,
// by the alarm's name; none for an alarm on a metric of AWS.
func alarms(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	name, namespace := "", ""
	for line := range strings.Lines(string(text)) {
		if head := regexp.MustCompile(`^  ([A-Za-z]+):\n$`).FindStringSubmatch(line); head != nil {
			name = head[1]
		}
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch {
		case strings.HasSuffix(line, "Type: AWS::CloudWatch::Alarm\n"):
			all[name] = nil
		case key == "Namespace":
			namespace = value
		case key == "MetricName" && namespace == "aep-retrigger":
			all[name] = append(all[name], value)
		}
	}
	return all
}

func TestEachAlarmWatchesAMetricThatTheFunctionWrites(t *testing.T) {
	t.Parallel()
	written, all := handler.MetricNames(), alarms(t)
	for alarm, metrics := range all {
		for _, metric := range metrics {
			if !slices.Contains(written, metric) {
				t.Errorf("%s looks at the metric %s, which the function does not write", alarm, metric)
			}
		}
	}
	for alarm, want := range map[string][]string{
		"DeadLetterQueueUnavailableAlarm": {"dead_letter_queue_unavailable"}, "RequestQueueUnavailableAlarm": {"request_queue_unavailable"}, "UnrecognizedEventsAlarm": {"unrecognized"}, "InternalErrorsAlarm": {"internal_error"},
		"NewDeadLettersAlarm": {"dead_lettered"}, "NoSweepAlarm": {handler.ScheduledSweeps}, "NoEventAlarm": {handler.AdobeEvents}, "DeadLettersAlarm": nil,
	} {
		if !slices.Equal(all[alarm], want) {
			t.Errorf("%s looks at %q, want %q", alarm, all[alarm], want)
		}
	}
}

// TestEachAlarmTellsAPersonWhatToDo: The alarm's text has something to do. It points to
// the log where Adobe's, IMS's or AWS's own words on the matter stand there.
func TestEachAlarmTellsAPersonWhatToDo(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	described := regexp.MustCompile(`(?ms)^  ([A-Za-z]+Alarm):\n.*?AlarmDescription: (?:>-\n)?(.*?)\n      [A-Z][A-Za-z]+:`).FindAllStringSubmatch(string(text), -1)
	if want := len(alarms(t)); len(described) != want {
		t.Fatalf("%d alarms have a text, want %d", len(described), want)
	}
	for _, match := range described {
		name, description := match[1], strings.Join(strings.Fields(match[2]), " ")
		if !regexp.MustCompile(`\b([Ll]ook|[Cc]heck|[Mm]end|[Pp]ut|[Ff]ind out|[Rr]eport|[Rr]esume)\b`).MatchString(description) {
			t.Errorf("%s tells nobody what to do: %s", name, description)
		}
		if len(description) > 1024 { // CloudWatch's limit
			t.Errorf("the text of %s has %d characters", name, len(description))
		}
		inLog := []string{"FunctionErrorsAlarm", "RequestQueueUnavailableAlarm", "DeadLetterQueueUnavailableAlarm", "InternalErrorsAlarm", "CredentialsRefusedAlarm", "CredentialsUnavailableAlarm", "LedgerUnavailableAlarm"}
		if slices.Contains(inLog, name) && !strings.Contains(description, "The function's log ") {
			t.Errorf("%s does not say what is in the log: %s", name, description)
		}
	}
}
