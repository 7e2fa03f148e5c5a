package retrigger

import (
	"context"
	"sync"
)

// turns let requests for runs of the same dataflow go one after the other within
// a process. Across processes the ledger sees to that, by sending requests back;
// here they need not come again.
type turns struct {
	mu    sync.Mutex
	flows map[string]*turn
}

type turn struct {
	taken   chan struct{} // holds one element while somebody has the turn
	waiting int           // who has it included
}

// take waits for the turn, or for the context's end.
func (t *turns) take(ctx context.Context, flow string) (leave func(), err error) {
	t.mu.Lock()
	if t.flows == nil {
		t.flows = map[string]*turn{}
	}
	one := t.flows[flow]
	if one == nil {
		one = &turn{taken: make(chan struct{}, 1)}
		t.flows[flow] = one
	}
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
		return func() { <-one.taken; forget() }, nil
	case <-ctx.Done():
		forget()
		return nil, context.Cause(ctx)
	}
}
