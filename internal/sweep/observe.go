package sweep

import (
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// observeWait is how long a sweep that was begun before waits while the function only
// observes, before it is delivered again. In 13 days it has about 600 receives.
const observeWait = 30 * time.Minute

// observe is the sweep of a function that only observes: a dry run, whatever is asked for.
// A sweep that was begun before and is not done stays as it is: its message waits on the
// queue, and the sweep goes on from its saved progress when the function retries again.
func (w *work) observe() Result {
	found, err := w.saved.load(w.out.ctx, &w.p)
	switch {
	case err != nil:
		return w.result(0, err)
	case found && w.p.done():
		w.repeated = true
		return w.result(0, nil)
	case found:
		w.tally.fault = "the function only observes (MODE=observe); the sweep was begun before and goes on when MODE is retry"
		w.tally.addReason(retry.Observing)
		return w.result(observeWait, nil)
	}
	w.req.DryRun, w.observed = true, true
	return w.result(w.sweep())
}
