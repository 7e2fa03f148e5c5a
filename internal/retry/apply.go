package retry

import (
	"context"
	"errors"
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// apply does a step: it is the only place with effects. It returns a result where the
// request has come to its end; otherwise the facts have one more answer, or what the ledger
// has after the step or after a conflict.
func (w *attempt) apply(s Step) *Result {
	if !w.named && s.Do != ReadRun && w.facts.Pause.Wait == 0 {
		w.named = true
		learner{w}.askName()
	}
	w.why.is(&w.facts, s)
	switch s.Do {
	case ReadRun, SearchCall, ReadParent, AskSuccess, AskNewer:
		return learner{w}.learn(s)
	case CloseBreaker:
		return closer{w}.closeBreaker()
	case LinkRun:
		return closer{w}.link(s)
	case SettleCall:
		return closer{w}.settle(s)
	case Send:
		w.extra = s.Extra
		return caller{w}.send()
	case Defer:
		return closer{w}.wait(s)
	case SkipRun:
		return closer{w}.skip(s)
	case DeadLetter:
		return closer{w}.giveUp(s)
	}
	return new(w.end(s))
}

// change does an operation of the ledger before anything is sent, and reports whether it is
// done. After a conflict it is not, and the facts are what the ledger has.
func (w *attempt) change(op func(context.Context) (ledger.Entries, error)) (done bool, end *Result) {
	ctx, cancel := w.asking()
	defer cancel()
	after, err := op(ctx)
	switch {
	case err == nil:
		w.facts.Entries = after
		return true, nil
	case conflicts(err):
		return false, w.look(nil)
	}
	return false, new(w.unavailable(err))
}

// conflicts reports whether the ledger has something else than the facts.
func conflicts(err error) bool { return errors.As(err, new(*store.ConflictError)) }

// end answers with a step's outcome, or, in a dry run, with what the step would do. A fault
// is counted: the tenth is a dead letter.
func (w *attempt) end(s Step) Result {
	f := &w.facts
	if f.dry() && (f.Observed || s.Reason != LedgerUnavailable) {
		return describeStep(f, w.result(), s)
	}
	w.why.is(&w.facts, s)
	result := w.result().became(s.Outcome, s.Reason, s.Detail)
	result.Due, result.RetryAfter, result.Released, result.answer = s.Due, s.After, s.Released, s.answer
	switch {
	case s.Outcome == Retriggered:
		result.NewRunID, result.Attempt = f.Entries.Run.Successor, f.Entries.Run.Used()
	case s.Fault && closer{w}.countFault(s) >= maxFaults:
		s.Detail, s.Rule = fmt.Sprintf("it failed %d times: %s", maxFaults, s.Detail), 20
		if end := (closer{w}).giveUp(s); end != nil {
			return *end
		}
	}
	return result
}
