package handler

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
	"github.com/aep-retrigger/aep-retrigger/internal/sweep"
	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

// TestEveryMetricIsInTheDocuments: an outcome has a section of its own in docs/outcomes.md.
func TestEveryMetricIsInTheDocuments(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/outcomes.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range MetricNames() {
		section := strings.Contains(string(text), "\n## "+name+"\n")
		if !section && !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/outcomes.md does not tell of the metric %s", name)
		}
	}
}

// TestNoMetricButTheNamedOnesIsWritten: the metrics of an invocation in which everything
// happened have exactly these names.
func TestNoMetricButTheNamedOnesIsWritten(t *testing.T) {
	t.Parallel()
	f := newFunction()
	c := counts{"no metric": 1}
	for _, name := range countNames() {
		c[name] = 1
	}
	if err := f.report.metrics.Put(c.list(), telemetry.Values{Name: RecoveryMinutes, Values: []float64{1}}, telemetry.Values{Name: AdobeMillis, Values: []float64{1}}); err != nil {
		t.Fatal(err)
	}
	var written []string
	for name := range f.metrics(t) {
		if name != "_aws" && name != "FunctionName" {
			written = append(written, name)
		}
	}
	want := MetricNames()
	slices.Sort(written)
	slices.Sort(want)
	if !slices.Equal(written, want) || len(slices.Compact(want)) != len(written) {
		t.Errorf("the metrics are %q, want %q", written, want)
	}
}

// A waiting message tells nothing of whether events come.
func TestAnEventOfAdobesCountsAtItsFirstDeliveryAlone(t *testing.T) {
	t.Parallel()
	failed := `{"id":"good-1","flowId":"f","imsOrgId":"` + testOrg + `","metrics":{"statusSummary":{"status":"failed"}}}`
	foreign := `{"detail-type":"x","source":"com.example","detail":{}}`
	for name, tt := range map[string]struct {
		message sent
		want    any
	}{
		"a failure":                   {sent{body: failed}, 1.0},
		"a success":                   {sent{body: successOf("ours")}, 1.0},
		"an event of unknown shape":   {sent{body: adobesEvent}, 1.0},
		"a failure for the 2nd time":  {sent{body: failed, receives: 2}, nil},
		"another sender's event":      {sent{body: foreign}, nil},
		"a request by hand":           {sent{body: request("good-2")}, nil},
		"a request that waited":       {sent{body: `{"runId":"good-3","origin":{"requeues":1}}`}, nil},
		"what is no event of anybody": {sent{body: "noise"}, nil},
	} {
		f := newFunction()
		f.poll(t, tt.message)
		if got := f.metrics(t)[AdobeEvents]; got != tt.want {
			t.Errorf("%s: %v events are counted, want %v", name, got, tt.want)
		}
	}
}

func TestASweepOfTheScheduleCountsThoughItFindsNothing(t *testing.T) {
	t.Parallel()
	const scheduled = `{"detail-type":"Scheduled Event","source":"aws.events","id":"x","detail":{}}`
	for name, tt := range map[string]struct {
		payload string
		state   sweep.State
		want    any
	}{
		"of the schedule":          {scheduled, sweep.Finished, 1.0},
		"that goes on":             {scheduled, sweep.Continues, 1.0},
		"that can't be begun":      {scheduled, sweep.Refused, nil},
		"that a person asked for":  {`{"sweep":{}}`, sweep.Finished, nil},
		"that a person has called": {`{"sweep":{"id":"nightly"}}`, sweep.Finished, nil},
	} {
		f := newFunction()
		f.sweeper.result = sweep.Result{Report: sweep.Report{State: tt.state}}
		if _, err := f.direct(t, tt.payload); err != nil {
			t.Fatal(err)
		}
		if got := f.metrics(t)[ScheduledSweeps]; got != tt.want {
			t.Errorf("a sweep %s is counted as %v, want %v", name, got, tt.want)
		}
	}
}

func TestTheCallsToAdobeAreReportedOnce(t *testing.T) {
	t.Parallel()
	f := newFunction()
	f.report.adobe = new(telemetry.Samples)
	f.report.adobe.Add((1500 * time.Microsecond).Seconds() * 1000)
	f.poll(t, sent{body: request("good-1")})
	if values, _ := f.metrics(t)[AdobeMillis].([]any); len(values) != 1 || values[0] != 1.5 {
		t.Errorf("the calls took %v", values)
	}
	f.poll(t, sent{body: request("good-2")})
	if m := f.metrics(t); m[AdobeMillis] != nil || m[string(retry.Retriggered)] != 1.0 {
		t.Errorf("the metrics are %v", m)
	}
}
