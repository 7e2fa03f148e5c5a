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

// Put writes the counts, zeros included, so that a metric that never happened
// has a graph and an alarm on it has data. Values are written where there are some: a zero
// would be taken for a measured one. Their unit is None, since CloudWatch has no minutes.
// Values beyond the hundredth of a metric make another line.
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
	line["_aws"] = map[string]any{"Timestamp": m.now().UnixMilli(), "CloudWatchMetrics": []directive{d}}
	if err := json.NewEncoder(m.w).Encode(line); err != nil || len(rest) == 0 {
		return err
	}
	return m.Put(nil, rest...)
}
