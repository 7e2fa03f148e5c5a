package ledger

import (
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Budget bounds how many re-triggers are sent in a window of time. Windows begin at
// whole multiples of their length, so that at the border of two of them twice the
// budget may follow in short order.
type Budget struct {
	Window time.Duration
	// Flow is that of one dataflow, Org that of one org; 0 for any number.
	Flow, Org int
}

// orgShards is among how many counters a large budget of an org is divided, so that
// not all of its claims write the same item. Runs are assigned to them by a hash. A
// budget may therefore be found used up a little before it is, never after.
const (
	orgShards = 8
	perShard  = 10 // a smaller share than this is not worth dividing for
)

// BudgetError means that nothing was written, since a budget is used up.
type BudgetError struct {
	// Of is the dataflow or the org whose budget it is, with the word before it.
	Of string
	// Limit is the budget in a window of the length Window, which ends at Until.
	Limit  int
	Window time.Duration
	Until  time.Time
}

// Error says which budget, and until when.
func (e *BudgetError) Error() string {
	return fmt.Sprintf("%s has had its %d re-triggers in %s; the next can be sent from %s on", e.Of, e.Limit, e.Window, e.Until.UTC().Format(time.RFC3339))
}

// Next is when a run should try again whose failure was first seen at the given time:
// in the next window, the sooner the longer it has waited, so that what waits goes in
// its order and nothing waits for ever. A little jitter, another in each window, keeps
// those of one time apart.
func (e *BudgetError) Next(runID string, firstSeen time.Time) time.Time {
	waited := max(e.Until.Sub(firstSeen), 0)
	offset := float64(e.Window) / (1 + float64(waited)/float64(e.Window))
	jitter := float64(hash(runID+e.Until.UTC().Format(time.RFC3339))%1000) / 1000 * float64(e.Window) / 100
	return e.Until.Add(min(time.Duration(offset+jitter), e.Window-time.Millisecond))
}

// WithBudget returns the ledger with a budget: [Ledger.Claim] returns a
// [*BudgetError] where it is used up.
func (l *Ledger) WithBudget(b Budget) *Ledger {
	next := *l
	next.budget = b
	return &next
}

// counter is one of the counters of a claim.
type counter struct {
	key, of string
	limit   int // the counter's
	budget  int // all of it
	until   time.Time
}

// counters returns those of a re-trigger at a time.
func (l *Ledger) counters(v View, at time.Time) []counter {
	if l.budget.Window <= 0 {
		return nil
	}
	begin := at.Truncate(l.budget.Window).UTC()
	window := begin.Format(time.RFC3339)
	until := begin.Add(l.budget.Window)
	var all []counter
	if l.budget.Flow > 0 {
		all = append(all, counter{key("budget", v.Flow.OrgID, v.Flow.FlowID+"#"+window), "dataflow " + v.Flow.FlowID, l.budget.Flow, l.budget.Flow, until})
	}
	if l.budget.Org > 0 {
		id, limit := window, l.budget.Org
		if limit >= orgShards*perShard {
			shard := int(hash(v.Run.RunID) % orgShards)
			id += "#" + strconv.Itoa(shard)
			limit = limit/orgShards + (limit%orgShards+orgShards-1-shard)/orgShards // the rest goes to the first
		}
		all = append(all, counter{key("org-budget", v.Run.OrgID, id), "org " + v.Run.OrgID, limit, l.budget.Org, until})
	}
	return all
}

func hash(text string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(text))
	return h.Sum32()
}

// spend returns the writes that count a re-trigger at a time, or with -1 that take
// it off again. Limits are not looked at where they don't hold.
func (l *Ledger) spend(v View, at time.Time, n int, bounded bool) []store.Write {
	all := l.counters(v, at)
	writes := make([]store.Write, len(all))
	for i, c := range all {
		writes[i] = store.Write{Key: c.key, Add: n, New: l.lasting(store.Record{})}
		if bounded {
			writes[i].Most = c.limit
		}
	}
	return writes
}

// overspent turns a conflict over nothing but counters into the error for it.
func (l *Ledger) overspent(err error, v View, at time.Time) error {
	conflict, ok := errors.AsType[*store.ConflictError](err)
	if !ok {
		return err
	}
	var found *BudgetError
	others := len(conflict.Current)
	for _, c := range l.counters(v, at) {
		if _, full := conflict.Current[c.key]; full {
			others--
			found = &BudgetError{Of: c.of, Limit: c.budget, Window: l.budget.Window, Until: c.until}
		}
	}
	if found == nil || others > 0 {
		return err
	}
	return found
}
