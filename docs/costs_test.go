package docs_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/handler"
)

// TestTheCostsAddUp checks the last row of the table of costs.
func TestTheCostsAddUp(t *testing.T) {
	t.Parallel()
	rows := regexp.MustCompile(`(?m)^\| (\S.*?) \| \**([\d.]+)\** \| \**([\d.]+)\** \| \**([\d.]+)\** \|$`).FindAllStringSubmatch(read(t, "docs/costs.md"), -1)
	if len(rows) != 10 {
		t.Fatalf("%d rows: does this test still find them?", len(rows))
	}
	for column := 2; column <= 4; column++ {
		sum := 0.0
		for _, row := range rows[:len(rows)-1] {
			cost, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				t.Fatal(err)
			}
			sum += cost
		}
		if got, want := rows[len(rows)-1][column], fmt.Sprintf("%.2f", sum); got != want {
			t.Errorf("column %d: together %s, want %s", column, got, want)
		}
	}
}

// TestTheCostsKnowTheAlarmsAndMetrics: an alarm costs as much as metrics that it looks at.
// The alarm on events is off by default.
func TestTheCostsKnowTheAlarmsAndMetrics(t *testing.T) {
	t.Parallel()
	alarms, metrics := 0, 0
	for name, text := range alarmsOfTheTemplate(t) {
		if name != "NoEventAlarm" {
			alarms++
			metrics += strings.Count(text, "MetricName: ")
		}
	}
	text, names := read(t, "docs/costs.md"), len(handler.MetricNames())
	for _, want := range []string{
		fmt.Sprintf("The template has %d alarms, on %d metrics: $%d.%d0.", alarms, metrics, metrics/10, metrics%10),
		fmt.Sprintf("There are %d names, so they never cost more than $%.2f.", names, 0.3*float64(names)),
	} {
		if !strings.Contains(text, want) {
			t.Errorf("docs/costs.md does not say %q", want)
		}
	}
}
