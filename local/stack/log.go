package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/local/lambdaenv"
)

// Record is the function's log record of what became of a request.
type Record struct {
	RunID    string `json:"runId"`
	Outcome  string `json:"outcome"`
	Reason   string `json:"reason"`
	Detail   string `json:"detail"`
	NewRunID string `json:"newRunId"`
	Root     string `json:"root"`
	Attempt  int    `json:"attempt"`
	// FlowName, ErrorCode and ErrorText are Adobe's words on the run.
	FlowName  string `json:"flowName"`
	ErrorCode string `json:"errorCode"`
	ErrorText string `json:"errorText"`
}

// Sweep is the function's log record of a sweep.
type Sweep struct {
	SweepID   string         `json:"sweepId"`
	State     string         `json:"state"`
	DryRun    bool           `json:"dryRun"`
	Seen      int            `json:"seen"`
	Failed    int            `json:"failed"`
	Requested int            `json:"requested"`
	Skipped   map[string]int `json:"skipped"`
}

// logged waits after each invocation until the log of it has come through the
// pipe, which is not ordered with the answer. The function ends each log with its
// metrics.
type logged struct {
	lambdaenv.Invoker
	log *Log
}

// logWait bounds the wait for an invocation that failed before its metrics.
const logWait = time.Second

func (l logged) Invoke(ctx context.Context, payload []byte) (lambdaenv.Response, error) {
	before := l.log.metrics()
	answer, err := l.Invoker.Invoke(ctx, payload)
	if err != nil {
		return answer, err
	}
	ctx, cancel := context.WithTimeout(ctx, logWait)
	defer cancel()
	l.log.wait(ctx, before+1)
	return answer, nil
}

// Log keeps what the function wrote. It is safe for concurrent use.
type Log struct {
	also  io.Writer
	most  int // bytes; 0 for any number
	mu    sync.Mutex
	grown *sync.Cond
	text  bytes.Buffer
	line  []byte // the last one, which has not ended yet
	count int    // metrics so far
}

func newLog(also io.Writer, most int) *Log {
	l := &Log{also: also, most: most}
	l.grown = sync.NewCond(&l.mu)
	return l
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.grown.Broadcast()
	if l.also != nil {
		_, _ = l.also.Write(p)
	}
	l.text.Write(p)
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			l.line = append(l.line, rest...)
			break
		}
		l.line = append(l.line, rest[:end]...)
		rest = rest[end+1:]
		if bytes.Contains(l.line, []byte(`"CloudWatchMetrics"`)) {
			l.count++
		}
		l.line = l.line[:0]
	}
	l.forget()
	return len(p), nil
}

// forget drops the older half of the log where it is too long, by whole lines.
func (l *Log) forget() {
	if l.most == 0 || l.text.Len() <= l.most {
		return
	}
	old := l.text.Len() - l.most/2
	if end := bytes.IndexByte(l.text.Bytes()[old:], '\n'); end >= 0 {
		l.text.Next(old + end + 1)
	}
}

func (l *Log) metrics() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// wait returns when the log holds so many metrics, or when the context ends.
func (l *Log) wait(ctx context.Context, metrics int) {
	stop := context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.grown.Broadcast()
	})
	defer stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.count < metrics && ctx.Err() == nil {
		l.grown.Wait()
	}
}

// String returns everything written so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Sweeps returns the records of sweeps so far.
func (l *Log) Sweeps() []Sweep {
	var sweeps []Sweep
	for line := range strings.Lines(l.String()) {
		var r Sweep
		if json.Unmarshal([]byte(line), &r) == nil && r.SweepID != "" && r.State != "" {
			sweeps = append(sweeps, r)
		}
	}
	return sweeps
}

// PauseChanges returns what the function has logged about pauses and resumes so far.
func (l *Log) PauseChanges() []string {
	var changes []string
	for line := range strings.Lines(l.String()) {
		var r struct {
			Message, Reason string
			Pauses          *int
		}
		if json.Unmarshal([]byte(line), &r) != nil || r.Pauses == nil {
			continue
		}
		if r.Reason != "" {
			r.Message += " (" + r.Reason + ")"
		}
		changes = append(changes, r.Message)
	}
	return changes
}

// Records returns the records of outcomes so far.
func (l *Log) Records() []Record {
	var records []Record
	for line := range strings.Lines(l.String()) {
		var r Record
		if json.Unmarshal([]byte(line), &r) == nil && r.Outcome != "" {
			records = append(records, r)
		}
	}
	return records
}
