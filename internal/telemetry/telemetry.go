// Package telemetry is what the function says of its work: structured logs and
// CloudWatch metrics.
//
// Metrics are written to the log in CloudWatch's embedded metric format, which
// costs no call:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html.
package telemetry

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Namespace is the CloudWatch namespace of all metrics.
const Namespace = "aep-retrigger"

// NewLogger returns a logger that writes JSON lines as Lambda's own: time stamp,
// level, message, and the request id where the context has one.
func NewLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(requestID{slog.NewJSONHandler(w, &slog.HandlerOptions{
		Level: level, ReplaceAttr: lambdacontext.ReplaceAttr,
	})})
}

// requestID adds the invocation's request id to each record.
type requestID struct{ slog.Handler }

func (h requestID) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.AddAttrs(slog.String("requestId", lc.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestID) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestID{h.Handler.WithAttrs(attrs)}
}

func (h requestID) WithGroup(name string) slog.Handler {
	return requestID{h.Handler.WithGroup(name)}
}

// Metrics writes the metrics of one invocation as one line.
type Metrics struct {
	w            io.Writer
	functionName string
	now          func() time.Time
}

// NewMetrics returns Metrics with the function's name as their dimension.
func NewMetrics(w io.Writer, functionName string, now func() time.Time) *Metrics {
	return &Metrics{w: w, functionName: functionName, now: now}
}

// Samples collects measured values until an invocation ends. It is safe for concurrent use.
// The zero value is ready; a nil one has no values.
type Samples struct {
	mu     sync.Mutex
	values []float64
}

// maxSamples is how many values are kept: more than the calls of one invocation.
const maxSamples = 10_000

// Add adds a value; one beyond the ten thousandth is left out.
func (s *Samples) Add(value float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.values) < maxSamples {
		s.values = append(s.values, value)
	}
}

// Take returns the values since the last Take.
func (s *Samples) Take() []float64 {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	values := s.values
	s.values = nil
	return values
}

// Count is one metric: how often something happened in an invocation.
type Count struct {
	Name  string
	Value int
}

// Values is one metric: the measured values of an invocation, each of which CloudWatch
// takes for a data point. For example, recovery_minutes with 4.5 and 12.
type Values struct {
	Name   string
	Values []float64
}

// maxValues is how many values a metric may have in one line.
const maxValues = 100

// Put writes the counts that are not 0, and the values where there are some. A zero is no
// metric: CloudWatch asks for each metric and hour in which there is a value, so that what
// never happens costs nothing, and a graph or an alarm takes a missing value for 0. The
// unit of values is None, since CloudWatch has no minutes. Values beyond the hundredth of a
// metric make another line. An invocation without metrics has a line without any, which
// ends its log like any other.
func (m *Metrics) Put(counts []Count, values ...Values) error {
	type metric struct{ Name, Unit string }
	type directive struct {
		Namespace  string
		Dimensions [][]string
		Metrics    []metric
	}
	line := map[string]any{"FunctionName": m.functionName}
	d := directive{Namespace: Namespace, Dimensions: [][]string{{"FunctionName"}}}
	for _, c := range counts {
		if c.Value == 0 {
			continue
		}
		d.Metrics = append(d.Metrics, metric{c.Name, "Count"})
		line[c.Name] = c.Value
	}
	var rest []Values
	for _, v := range values {
		if len(v.Values) == 0 {
			continue
		}
		now := v.Values[:min(len(v.Values), maxValues)]
		d.Metrics = append(d.Metrics, metric{v.Name, "None"})
		line[v.Name] = now
		if later := v.Values[len(now):]; len(later) > 0 {
			rest = append(rest, Values{v.Name, later})
		}
	}
	directives := []directive{}
	if len(d.Metrics) > 0 {
		directives = append(directives, d)
	}
	line["_aws"] = map[string]any{"Timestamp": m.now().UnixMilli(), "CloudWatchMetrics": directives}
	if err := json.NewEncoder(m.w).Encode(line); err != nil || len(rest) == 0 {
		return err
	}
	return m.Put(nil, rest...)
}
