package retrigger

import (
	"context"
	"sync"
)

// maxRemembered bounds the memory: some 2 MiB.
const maxRemembered = 10_000

// runKey names a run once org and sandbox are known.
type runKey struct{ orgID, sandbox, runID string }

// memory is what this process knows of the runs that it retried, so that a
// duplicate that reaches the same process is not sent again. It dies with the
// process and is no ledger.
type memory struct {
	mu      sync.Mutex
	done    map[runKey]Result
	order   []runKey // of done, oldest first
	working map[runKey]chan struct{}
}

func newMemory() *memory {
	return &memory{done: map[runKey]Result{}, working: map[runKey]chan struct{}{}}
}

// once runs retry unless the run was re-triggered before, and remembers a
// re-trigger. Callers with the same run go one after the other.
func (m *memory) once(ctx context.Context, key runKey, retry func() Result) (Result, error) {
	for {
		m.mu.Lock()
		if first, ok := m.done[key]; ok {
			m.mu.Unlock()
			return Duplicate(first), nil
		}
		other, busy := m.working[key]
		if !busy {
			m.working[key] = make(chan struct{})
			m.mu.Unlock()
			break
		}
		m.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return Result{}, context.Cause(ctx)
		}
	}
	var result Result
	defer func() { // also when retry panics
		m.mu.Lock()
		defer m.mu.Unlock()
		close(m.working[key])
		delete(m.working, key)
		if result.Outcome != Retriggered {
			return
		}
		if len(m.order) == maxRemembered {
			delete(m.done, m.order[0])
			m.order = m.order[1:]
		}
		m.done[key] = result
		m.order = append(m.order, key)
	}()
	result = retry()
	return result, nil
}
