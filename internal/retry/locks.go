package retry

import (
	"context"
	"sync"
)

// flowLocks let requests for runs of one dataflow go one after the other within a process.
type flowLocks struct {
	mu    sync.Mutex
	flows map[string]*flowLock
}

type flowLock struct {
	taken   chan struct{} // holds one element while somebody has the lock
	waiting int           // who has it included
}

// take waits for the dataflow's lock, or for the context's end. waited means that somebody
// else had it.
func (t *flowLocks) take(ctx context.Context, flow string) (leave func(), waited bool, err error) {
	t.mu.Lock()
	if t.flows == nil {
		t.flows = map[string]*flowLock{}
	}
	one := t.flows[flow]
	if one == nil {
		one = &flowLock{taken: make(chan struct{}, 1)}
		t.flows[flow] = one
	}
	waited = one.waiting > 0
	one.waiting++
	t.mu.Unlock()
	forget := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if one.waiting--; one.waiting == 0 {
			delete(t.flows, flow)
		}
	}
	select {
	case one.taken <- struct{}{}:
		return func() { <-one.taken; forget() }, waited, nil
	case <-ctx.Done():
		forget()
		return nil, waited, context.Cause(ctx)
	}
}
