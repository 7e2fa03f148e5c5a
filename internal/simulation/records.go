package simulation

import (
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Records keeps the function's log. What a process that has died meanwhile says is not
// heard.
type Records struct {
	mu      sync.Mutex
	all     []Record
	swept   []SweepRecord
	metrics []map[string]any
}

// Record is a log record, with the fields that records of outcomes have.
type Record struct {
	Timestamp                        time.Time
	Message                          string
	RunID, Outcome, Reason, NewRunID string
	SupersededBy                     string
	Detail                           string
	FlowName, ErrorCode, ErrorText   string
	WindowStart, WindowEnd           time.Time
	Attempt                          int
	Extra                            int `json:"extra_retriggers"`
}

// SweepRecord is a log record of a sweep.
type SweepRecord struct {
	SweepID, State                                     string
	Seen, Failed, Requested, Pages, Restarts, Failures int
	Skipped                                            map[string]int
	// Born is the ledger's birth where the sweep was cut to it.
	Born time.Time
}

// recorder is where a process writes its log.
type recorder struct {
	records *Records
	gate    *gate
}

// Write implements [io.Writer] for one line.
func (r recorder) Write(line []byte) (int, error) {
	if r.gate.isDead() {
		return len(line), nil
	}
	return r.records.Write(line)
}

// Write implements [io.Writer] for one line of the log.
func (r *Records) Write(line []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var one Record
	if json.Unmarshal(line, &one) == nil {
		r.all = append(r.all, one)
	}
	var metrics map[string]any
	if json.Unmarshal(line, &metrics) == nil && metrics["_aws"] != nil {
		r.metrics = append(r.metrics, metrics)
	}
	var swept SweepRecord
	if json.Unmarshal(line, &swept) == nil && swept.State != "" && swept.SweepID != "" {
		r.swept = append(r.swept, swept)
	}
	return len(line), nil
}

// All returns every record.
func (r *Records) All() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// Sweeps returns the records of sweeps, one for each invocation's part.
func (r *Records) Sweeps() []SweepRecord {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.swept)
}

// Metrics returns the records of metrics, one for each invocation.
func (r *Records) Metrics() []map[string]any {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.metrics)
}

// Sum adds up a metric over all invocations.
func (r *Records) Sum(metric string) int {
	sum := 0.0
	for _, values := range r.Metrics() {
		n, _ := values[metric].(float64)
		sum += n
	}
	return int(sum)
}

// Outcomes returns the records of outcomes.
func (r *Records) Outcomes() (all []Record) {
	for _, one := range r.All() {
		if one.Outcome != "" {
			all = append(all, one)
		}
	}
	return all
}

// Ends returns the outcomes of a run that are ends, in their order.
func (r *Records) Ends(runID string) (ends []Record) {
	for _, one := range r.Outcomes() {
		if one.RunID == runID && one.Outcome != "returned" && one.Outcome != "deferred" {
			ends = append(ends, one)
		}
	}
	return ends
}
