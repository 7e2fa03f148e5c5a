package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
)

// tally counts what the function says in its log. It is an [io.Writer] for that log.
type tally struct {
	mu                           sync.Mutex
	line                         []byte
	retriggered, recovered, dead int
}

// Write implements [io.Writer].
func (t *tally) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := p; len(rest) > 0; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			t.line = append(t.line, rest...)
			break
		}
		t.count(append(t.line, rest[:end]...))
		t.line, rest = t.line[:0], rest[end+1:]
	}
	return len(p), nil
}

// count counts one record.
func (t *tally) count(line []byte) {
	var r struct {
		Outcome, Reason string
		Recovered       bool
	}
	if json.Unmarshal(line, &r) != nil {
		return
	}
	if r.Recovered {
		t.recovered++
	}
	switch {
	case r.Reason == "duplicate":
	case r.Outcome == "retriggered":
		t.retriggered++
	case r.Outcome == "dead_lettered":
		t.dead++
	}
}

// String says what was counted.
func (t *tally) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return fmt.Sprintf("re-triggered %d, recovered %d, given up %d", t.retriggered, t.recovered, t.dead)
}
