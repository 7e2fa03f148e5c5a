package sweep

import (
	"context"
	"fmt"
	"time"
)

// birth is what a new sweep knows of the ledger's birth: when its table was made. The ledger
// knows nothing of what happened before. What failed then, people may have mended by now. So
// a sweep that does not name since looks back no further; one that names it was asked to by
// a person.
type birth struct {
	named   bool      // the sweep names since
	unknown bool      // the birth could not be asked for
	at      time.Time // the birth, where the sweep was cut to it
}

// birthWait is how long a sweep waits before it asks for the ledger's birth again. Nothing is
// in a hurry: a fault may pass, and a permission that is missing is given by a person.
const birthWait = 5 * time.Minute

// boundByBirth cuts the time of a new sweep to the ledger's birth. It costs a call, which a
// sweep that names since does not need; what comes of it is in the saved progress.
func (w *work) boundByBirth() error {
	if w.birth.named {
		return nil
	}
	ctx, cancel := context.WithTimeout(w.out.ctx, maxCall)
	defer cancel()
	born, err := w.store.Born(ctx)
	if err != nil {
		w.birth.unknown = true
		return fmt.Errorf("how far the sweep may look back is not known: %w", err)
	}
	if born.After(instant(w.req.Since)) {
		w.birth.at = born.UTC().Truncate(time.Millisecond)
		w.req.Since = w.birth.at.Format(time.RFC3339Nano)
	}
	return nil
}

// wait is how long a sweep waits that could not begin.
func (b birth) wait() time.Duration {
	if b.unknown {
		return birthWait
	}
	return 0
}

// explain says in a refusal that the sweep was cut, if it was.
func (b birth) explain(err error) error {
	if b.at.IsZero() {
		return err
	}
	return refuse("%v, which is when the ledger was made: name since to look at runs from before", err)
}
