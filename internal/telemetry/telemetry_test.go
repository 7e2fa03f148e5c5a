package telemetry_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"github.com/aep-retrigger/aep-retrigger/internal/telemetry"
)

func decode(t *testing.T, line []byte) map[string]any {
	t.Helper()
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return got
}

func TestLogLinesAreLambdas(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelInfo).With("a", 1)
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "id"})
	log.DebugContext(ctx, "not this")
	log.WarnContext(ctx, "this")
	got := decode(t, out.Bytes())
	if _, err := time.Parse(time.RFC3339Nano, got["timestamp"].(string)); err != nil { //nolint:errcheck // a panic fails the test
		t.Error(err)
	}
	delete(got, "timestamp")
	if diff := cmp.Diff(map[string]any{"level": "WARN", "message": "this", "a": 1.0, "requestId": "id"}, got); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestAMetricOfManyValuesTakesSeveralLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	metrics := telemetry.NewMetrics(&out, "f", func() time.Time { return time.UnixMilli(1795000000123) })
	minutes := make([]float64, 250)
	if err := metrics.Put([]telemetry.Count{{Name: "recovered", Value: 250}}, telemetry.Values{Name: "recovery_minutes", Values: minutes}, telemetry.Values{Name: "none"}); err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if len(lines) != 3 {
		t.Fatalf("%d lines, want 3", len(lines))
	}
	for i, want := range []int{100, 100, 50} {
		line := decode(t, lines[i])
		if values, _ := line["recovery_minutes"].([]any); len(values) != want {
			t.Errorf("line %d has %d values, want %d", i, len(values), want)
		}
		if _, counted := line["recovered"]; counted != (i == 0) {
			t.Errorf("line %d counts: %t", i, counted)
		}
		if bytes.Contains(lines[i], []byte("none")) || !bytes.Contains(lines[i], []byte(`{"Name":"recovery_minutes","Unit":"None"}`)) {
			t.Errorf("line %d is %s", i, lines[i][:200])
		}
	}
}

func TestMetricsAreEmbeddedWithoutZeros(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	metrics := telemetry.NewMetrics(&out, "f", func() time.Time { return time.UnixMilli(1795000000123) })
	if err := metrics.Put([]telemetry.Count{{Name: "retriggered", Value: 2}, {Name: "skipped"}}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"FunctionName": "f", "retriggered": 2.0,
		"_aws": map[string]any{
			"Timestamp": 1795000000123.0,
			"CloudWatchMetrics": []any{map[string]any{
				"Namespace": "aep-retrigger", "Dimensions": []any{[]any{"FunctionName"}},
				"Metrics": []any{map[string]any{"Name": "retriggered", "Unit": "Count"}},
			}},
		},
	}
	if diff := cmp.Diff(want, decode(t, out.Bytes())); diff != "" {
		t.Errorf("line (-want +got):\n%s", diff)
	}
}

func TestAnInvocationWithoutMetricsEndsItsLogAllTheSame(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := telemetry.NewMetrics(&out, "f", time.Now).Put([]telemetry.Count{{Name: "skipped"}}, telemetry.Values{Name: "adobe_ms"}); err != nil {
		t.Fatal(err)
	}
	if line := out.String(); !strings.Contains(line, `"CloudWatchMetrics":[]`) || strings.Contains(line, "skipped") || strings.Contains(line, "adobe_ms") {
		t.Errorf("the line is %s", line)
	}
}

func TestSamplesAreTakenOnceAndBounded(t *testing.T) {
	t.Parallel()
	var samples telemetry.Samples
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 3000 {
				samples.Add(1.5)
			}
		})
	}
	group.Wait()
	if n := len(samples.Take()); n != 10_000 {
		t.Errorf("%d values are kept, want 10,000", n)
	}
	if again := samples.Take(); again != nil {
		t.Errorf("%v are taken twice", again)
	}
}
