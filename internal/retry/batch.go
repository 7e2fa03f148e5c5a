package retry

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/event"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Batch is what the requests of one invocation share: the entries that were read for all
// of them in one call, and their part of the orgs' budgets.
type Batch struct {
	snapshot ledger.Snapshot
	keys     map[string]bool // that were read

	mu sync.Mutex
	// runs and flows are the entries that requests of the batch have written since, by key.
	runs    map[string]ledger.Run
	flows   map[string]ledger.Flow
	budgets map[string]*share
}

// share is the part of an org's budget that a batch has reserved.
type share struct {
	mu    sync.Mutex
	asked bool
	wants int       // requests of the org in the batch
	left  int       // reserved, and not used
	begin time.Time // of the window
	spent time.Time // until when the org has none left; zero while it has some, as far as is known
}

// Extra is a record that is read together with a batch's entries.
type Extra struct {
	Key string
	// Needed means that it is read even if no request needs an entry.
	Needed bool
	// Learn takes the record; nil for none.
	Learn func(store.Record) error
}

// Read reads the entries of all requests in one call, and the extra records with them. An
// error means that nothing was read: each request then reads for itself, and says what it
// meets.
//
// Rule 1: one read has the entries of every run and dataflow of the batch, and the pauses.
func (e *Engine) Read(ctx context.Context, requests []event.Request, extra ...Extra) (b *Batch) {
	defer func() {
		if p := recover(); p != nil {
			e.Log.ErrorContext(ctx, "panic while reading the entries of a batch", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	b = &Batch{keys: map[string]bool{}, runs: map[string]ledger.Run{}, flows: map[string]ledger.Flow{}, budgets: map[string]*share{}}
	keys := needed(extra)
	window := e.budgets.begin()
	for _, r := range requests {
		part := e.budgetOf(b, r.OrgID)
		if part != nil {
			part.wants++
		}
		if r.OrgID == "" || r.Due.After(e.Now()) {
			continue
		}
		keys = append(keys, ledger.Ref{OrgID: r.OrgID, FlowID: r.FlowID, RunID: r.RunID}.Keys()...)
		if part != nil {
			keys = append(keys, e.budgets.key(r.OrgID, window))
		}
	}
	if len(keys) == 0 {
		return b
	}
	for _, x := range extra {
		keys = append(keys, x.Key)
	}
	ctx, cancel := context.WithTimeout(ctx, ledgerTime)
	defer cancel()
	snapshot, err := e.ledger.Read(ctx, keys...)
	if err != nil {
		e.Log.WarnContext(ctx, "the entries of a batch could not be read at once", "error", err.Error())
		return b
	}
	for _, x := range extra {
		if err := x.Learn(snapshot[x.Key]); err != nil {
			e.Log.WarnContext(ctx, "a record could not be read", "error", err.Error())
		}
	}
	b.snapshot = snapshot
	for _, key := range keys {
		b.keys[key] = true
	}
	for orgID, part := range b.budgets {
		part.spent = e.budgets.spent(snapshot[e.budgets.key(orgID, window)], window)
	}
	return b
}

// Close gives back what the batch has reserved of budgets and not used.
func (e *Engine) Close(ctx context.Context, b *Batch) {
	if b == nil {
		return
	}
	for orgID, s := range b.budgets {
		s.mu.Lock()
		left, begin := s.left, s.begin
		s.left = 0
		s.mu.Unlock()
		if left > 0 {
			e.budgets.giveBack(ctx, e.Log, orgID, begin, left)
		}
	}
}

func (e *Engine) budgetOf(b *Batch, orgID string) *share {
	if !e.budgets.bound() || orgID == "" {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.budgets[orgID] == nil {
		b.budgets[orgID] = &share{}
	}
	return b.budgets[orgID]
}

// budgetSpent is until when the org has no re-trigger left, as far as the batch knows.
func (b *Batch) budgetSpent(orgID string) time.Time {
	if b == nil {
		return time.Time{}
	}
	b.mu.Lock()
	part := b.budgets[orgID]
	b.mu.Unlock()
	if part == nil {
		return time.Time{}
	}
	part.mu.Lock()
	defer part.mu.Unlock()
	return part.spent
}

// entries returns those of a run, if they were read for the batch: as a request of the
// batch has left them, or as they were read. What others have written meanwhile shows as a
// conflict.
func (b *Batch) entries(ref ledger.Ref) (ledger.Entries, bool) {
	if b == nil || b.snapshot == nil || ref.FlowID == "" {
		return ledger.Entries{}, false
	}
	for _, key := range ref.Keys() {
		if !b.keys[key] {
			return ledger.Entries{}, false
		}
	}
	e := b.snapshot.Entries(ref)
	b.mu.Lock()
	defer b.mu.Unlock()
	if run, ok := b.runs[ledger.RunKey(ref.OrgID, ref.RunID)]; ok {
		e.Run = run
	}
	if flow, ok := b.flows[ledger.FlowKey(ref.OrgID, ref.FlowID)]; ok {
		e.Flow = flow
	}
	// A run's claim and its dataflow's slot are written together. Where they differ, another
	// request has found out what became of the run's call.
	claimed := e.Run.State == ledger.InFlight
	return e, !claimed || e.Flow.Slot != nil && e.Flow.Slot.ID == e.Run.Call.ID
}

// learn takes the entries as a request has written or read them.
func (b *Batch) learn(e ledger.Entries) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.runs[ledger.RunKey(e.Run.OrgID, e.Run.RunID)] = e.Run
	if e.Flow.FlowID != "" {
		b.flows[ledger.FlowKey(e.Flow.OrgID, e.Flow.FlowID)] = e.Flow
	}
}

// budgets bound how many re-triggers of an org are sent in a window of time. Each window
// has a counter of its own in the store: a plain addition, outside of the claim's
// transaction, since DynamoDB cancels transactions that meet in one item.
//
// Rule 23: one addition reserves the re-triggers of a whole batch, and what the batch does
// not send is given back. It is made beside the claims. The counter is read with the batch's
// entries, so that nothing is claimed where it is spent.
//
// Windows begin at whole multiples of their length, so that at the border of two of them
// twice the budget may follow in short order. What a process has reserved when it crashes
// is lost until the window ends: fewer are sent, never more.
type budgets struct {
	table  store.Table
	limit  int
	window time.Duration
	now    func() time.Time
}

// bound reports whether there is a budget at all.
func (b *budgets) bound() bool { return b.limit > 0 && b.window > 0 }

func (b *budgets) key(orgID string, begin time.Time) string {
	return "org-budget#" + orgID + "#" + begin.Format(time.RFC3339)
}

// begin is when the window of now began.
func (b *budgets) begin() time.Time { return b.now().Truncate(b.window).UTC() }

// spent is until when the counter of a window leaves no re-trigger; zero where it leaves some.
func (b *budgets) spent(counter store.Record, begin time.Time) time.Time {
	if n, err := strconv.Atoi(counter[store.AttributeCount]); err == nil && n >= b.limit {
		return begin.Add(b.window)
	}
	return time.Time{}
}

// taken is what came of taking one re-trigger of a budget. begin is when the window began of which
// it was taken; spent is until when there is none left, and then none was taken.
type taken struct{ begin, spent time.Time }

// take takes one re-trigger of the org's budget. The first request of a batch reserves for all
// of them, in one call.
func (b *budgets) take(ctx context.Context, s *share, orgID string) (taken, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	begin := b.begin()
	if s.left > 0 && s.begin.Equal(begin) {
		s.left--
		return taken{begin: begin}, nil
	}
	ask := 1
	if !s.asked {
		ask = max(s.wants, 1)
	}
	s.asked, s.begin, s.left = true, begin, 0
	until := begin.Add(b.window)
	for n := ask; n >= 1; n /= 2 { // near the limit a part of it is left
		added, err := b.table.Add(ctx, b.key(orgID, begin), n, b.limit, until.Add(b.window))
		if err != nil {
			return taken{}, err
		}
		if added {
			s.left = n - 1
			return taken{begin: begin}, nil
		}
	}
	s.spent = until
	return taken{spent: until}, nil
}

// putBack returns one re-trigger to the batch's part: it took no effect, and another run of the
// batch may have it.
func (s *share) putBack(begin time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begin.Equal(begin) {
		s.left++
		s.spent = time.Time{}
	}
}

// giveBack returns what a batch has not used. Where that fails, fewer are sent in the window.
func (b *budgets) giveBack(ctx context.Context, log *slog.Logger, orgID string, begin time.Time, n int) {
	if !begin.Equal(b.begin()) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := b.table.Add(ctx, b.key(orgID, begin), -n, 0, begin.Add(2*b.window)); err != nil {
		log.WarnContext(ctx, "a part of an org's budget could not be given back", "orgId", orgID, "count", n, "error", err.Error())
	}
}

// ChangedAt is when the entry of the request's run was last written, as it was read for
// the batch; zero where there is none or it was not read.
func (b *Batch) ChangedAt(r event.Request) time.Time {
	if b == nil || b.snapshot == nil {
		return time.Time{}
	}
	return b.snapshot.Entries(ledger.Ref{OrgID: r.OrgID, RunID: r.RunID}).Run.ChangedAt
}
