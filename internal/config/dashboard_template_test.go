package config_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

// widget is one of the dashboard. The metrics are lists of texts with an object at the end.
type widget struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Region, Query string
		Metrics              [][]any
		Alarms               []string
	}
}

// dashboard returns the widgets, with each ${Name} replaced as Fn::Sub does, and the two
// alarms that may not be there either there or not.
func dashboard(t *testing.T, optional bool) []widget {
	t.Helper()
	all := resources(t)
	_, body, found := strings.Cut(all["Dashboard"], "DashboardBody: !Sub\n        - |\n")
	body, variables, ends := strings.Cut(body, "\n        - NoSweep: ")
	if !found || !ends {
		t.Fatal("the template has no dashboard: does this test still read it?")
	}
	for _, name := range []string{"NoSweep", "NoEvent"} {
		text := ""
		if optional {
			text = `, "arn of ` + name + `"`
			if !strings.Contains("NoSweep: "+variables, name+`: !If [Has`+name+`Alarm, !Sub ', "${`+name+`Alarm.Arn}"', ""]`) {
				t.Errorf("the dashboard does not have %sAlarm where there is one", name)
			}
		}
		body = strings.ReplaceAll(body, "${"+name+"}", text)
	}
	body = regexp.MustCompile(`\$\{([A-Za-z:.]+)\}`).ReplaceAllStringFunc(body, func(reference string) string {
		name, _, _ := strings.Cut(strings.Trim(reference, "${}"), ".")
		if _, is := all[name]; !is && !strings.HasPrefix(name, "AWS::") {
			t.Errorf("the dashboard refers to %s, which is no resource", reference)
		}
		return "some-" + name
	})
	var read struct{ Widgets []widget }
	if err := json.Unmarshal([]byte(body), &read); err != nil {
		t.Fatalf("the dashboard is no JSON: %v", err)
	}
	if strings.Contains(body, "${") || len(read.Widgets) < 10 {
		t.Fatalf("%d widgets: does this test still read them?", len(read.Widgets))
	}
	return read.Widgets
}

// TestTheDashboardHasOnlyMetricsThatAreWritten: by the function, or by AWS for its queues and
// for itself. No metric has a dimension that costs: a dataflow, a run or a code.
func TestTheDashboardHasOnlyMetricsThatAreWritten(t *testing.T) {
	t.Parallel()
	written := map[string][]string{
		telemetry.Namespace: handler.MetricNames(),
		"AWS/SQS":           {"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesDelayed", "ApproximateNumberOfMessagesNotVisible"},
		"AWS/Lambda":        {"Invocations", "Errors", "Throttles", "Duration"},
	}
	dimensions := map[string]string{telemetry.Namespace: "FunctionName", "AWS/SQS": "QueueName", "AWS/Lambda": "FunctionName"}
	shown := map[string]bool{}
	for _, w := range dashboard(t, false) {
		for _, metric := range w.Properties.Metrics {
			if len(metric) == 1 { // an expression
				continue
			}
			var texts []string
			for _, part := range metric {
				if text, is := part.(string); is {
					texts = append(texts, text)
				}
			}
			if len(texts) != 4 || !slices.Contains(written[texts[0]], texts[1]) || texts[2] != dimensions[texts[0]] {
				t.Errorf("%q has the metric %q, which nobody writes", w.Properties.Title, texts)
				continue
			}
			shown[texts[1]] = true
		}
	}
	for _, name := range []string{
		"retriggered", "deferred", "skipped", "dead_lettered", "returned", handler.Recovered, handler.RecoveryMinutes, handler.AdobeMillis, "throttled",
		"ApproximateNumberOfMessagesDelayed", "Throttles", handler.AdobeEvents, handler.ScheduledSweeps,
	} {
		if !shown[name] {
			t.Errorf("the dashboard does not show %s", name)
		}
	}
}

// TestTheDashboardShowsEachAlarm: those that may not be there only where they are.
func TestTheDashboardShowsEachAlarm(t *testing.T) {
	t.Parallel()
	want := 0
	for _, text := range resources(t) {
		if strings.Contains(text, "Type: AWS::CloudWatch::Alarm\n") {
			want++
		}
	}
	for optional, want := range map[bool]int{true: want, false: want - 2} {
		var alarms []string
		for _, w := range dashboard(t, optional) {
			alarms = append(alarms, w.Properties.Alarms...)
		}
		slices.Sort(alarms)
		if got := len(slices.Compact(alarms)); got != want {
			t.Errorf("the dashboard shows %d alarms, want %d", got, want)
		}
	}
}

// TestNoWidgetCoversAnother: the dashboard has 24 columns.
func TestNoWidgetCoversAnother(t *testing.T) {
	t.Parallel()
	taken := map[[2]int]string{}
	for _, w := range dashboard(t, true) {
		title := w.Properties.Title
		if w.X < 0 || w.Y < 0 || w.Width < 1 || w.Height < 1 || w.X+w.Width > 24 {
			t.Errorf("%q does not fit on the dashboard", title)
		}
		for x := w.X; x < w.X+w.Width; x++ {
			for y := w.Y; y < w.Y+w.Height; y++ {
				if other, is := taken[[2]int{x, y}]; is {
					t.Fatalf("%q covers %q", title, other)
				}
				taken[[2]int{x, y}] = title
			}
		}
		if title == "" || w.Type != "alarm" && w.Properties.Region == "" {
			t.Errorf("%q has no title or no region", title)
		}
	}
}

// queries are those of the dashboard and the saved ones, by their names.
func queries(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, w := range dashboard(t, false) {
		if w.Type == "log" {
			query, is := strings.CutPrefix(w.Properties.Query, "SOURCE 'some-LogGroup' | ")
			if !is {
				t.Errorf("%q is not about the function's log", w.Properties.Title)
			}
			all[w.Properties.Title] = query
		}
	}
	for name, text := range resources(t) {
		if !strings.Contains(text, "Type: AWS::Logs::QueryDefinition\n") {
			continue
		}
		_, query, found := strings.Cut(text, "QueryString: |\n")
		if !found || !strings.Contains(text, "LogGroupNames: [!Ref LogGroup]\n") || !strings.Contains(text, "Name: !Sub ${AWS::StackName}/") {
			t.Errorf("%s is no query of the function's log under the stack's name", name)
		}
		all[name] = query
	}
	if len(all) != 7 {
		t.Fatalf("%d queries: does this test still find them?", len(all))
	}
	return all
}

// TestEachQueryNamesFieldsThatTheLogHas: those that the handler's report writes.
func TestEachQueryNamesFieldsThatTheLogHas(t *testing.T) {
	t.Parallel()
	report, err := os.ReadFile("../handler/report.go")
	if err != nil {
		t.Fatal(err)
	}
	language := []string{ // of Logs Insights
		"fields", "filter", "stats", "sort", "limit", "by", "as", "in", "and", "or", "not", "asc", "desc",
		"ispresent", "coalesce", "strcontains", "count", "count_distinct", "sum", "latest",
	}
	aside := regexp.MustCompile(`'[^']*'|(?m)^ *#.*$`) // texts and remarks
	alias := regexp.MustCompile(`\bas (\w+)`)
	for name, query := range queries(t) {
		query = aside.ReplaceAllString(query, "")
		known := slices.Clone(language)
		for _, match := range alias.FindAllStringSubmatch(query, -1) {
			known = append(known, match[1])
		}
		fields := 0
		for _, word := range regexp.MustCompile(`@?[A-Za-z_]\w*`).FindAllString(query, -1) {
			if slices.Contains(known, word) || word == "@timestamp" {
				continue
			}
			fields++
			if !strings.Contains(string(report), `"`+word+`"`) {
				t.Errorf("%s names the field %s, which no record has", name, word)
			}
		}
		if fields < 2 {
			t.Errorf("%s names %d fields: does this test still read it?", name, fields)
		}
	}
}

// TestEachAliasOfAQueryIsAWordOfItsOwn: a field that is called like a field of the log would
// hide it.
func TestEachAliasOfAQueryIsAWordOfItsOwn(t *testing.T) {
	t.Parallel()
	report, err := os.ReadFile("../handler/report.go")
	if err != nil {
		t.Fatal(err)
	}
	for name, query := range queries(t) {
		for _, match := range regexp.MustCompile(`\bas (\w+)`).FindAllStringSubmatch(query, -1) {
			if strings.Contains(string(report), `"`+match[1]+`"`) {
				t.Errorf("%s calls a result %s, as a field of the log is called", name, match[1])
			}
		}
	}
}
