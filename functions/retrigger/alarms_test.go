package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
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

// TestEachAlarmLooksAtAMetricThatTheFunctionWrites, zeros included, and README explains it.
func TestEachAlarmLooksAtAMetricThatTheFunctionWrites(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	inWorld(t, func(t *testing.T, w *world) {
		w.send(`{"unknown":1}`)
		w.drain(time.Minute)
		written := w.logs.metrics[0]
		all := alarms(t)
		for alarm, metrics := range all {
			for _, metric := range metrics {
				if _, there := written[metric]; !there {
					t.Errorf("%s looks at the metric %s, which the function does not write", alarm, metric)
				}
			}
			if !strings.Contains(string(readme), "\n| `"+alarm+"` | ") {
				t.Errorf("README does not explain %s", alarm)
			}
		}
		for alarm, want := range map[string][]string{
			"QueuesUnavailableAlarm": {"dead_letter_queue_unavailable", "request_queue_unavailable"}, "UnrecognizedEventsAlarm": {"unrecognized"}, "InternalErrorsAlarm": {"internal_error"},
		} {
			if !slices.Equal(all[alarm], want) {
				t.Errorf("%s looks at %q, want %q", alarm, all[alarm], want)
			}
		}
	})
}
