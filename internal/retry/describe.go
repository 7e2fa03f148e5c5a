package retry

import (
	"fmt"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// result names the request.
func (w *attempt) result() Result {
	run := &w.facts.Entries.Run
	result := newResult(w.facts.Request)
	result.Root, result.SupersededBy, result.facts = rootOf(&w.facts), run.SupersededBy, w.facts
	result = w.withUntold(result)
	if result.FlowName == "" {
		result.FlowName = run.FlowName
	}
	if result.ErrorCode == "" && result.ErrorText == "" {
		result.ErrorCode, result.ErrorText = run.ErrorCode, run.ErrorText
	}
	if result.WindowStart.IsZero() {
		result.WindowStart, result.WindowEnd = run.Window.Start, run.Window.End
	}
	return result
}

// withUntold counts a notice that could not be sent.
func (w *attempt) withUntold(r Result) Result {
	if w.untold {
		r.Also = append(r.Also, NoticesUnavailable)
	}
	return r
}

// rootOf is the lineage's first run where the ledger knows the run.
func rootOf(f *Facts) string {
	if f.Entries.Run.State == ledger.NoEntry {
		return ""
	}
	return f.Entries.Run.Root
}

// describeStep is the answer of a dry run: what the step would do. Where the function only
// observes, it is the answer to any request.
func describeStep(f *Facts, result Result, s Step) Result {
	return f.observed(wouldBe(f, result, s), observedReason(f, s))
}

func wouldBe(f *Facts, result Result, s Step) Result {
	result.SupersededBy = s.By
	would := func(word string) Result {
		return result.skipped(DryRun, fmt.Sprintf("would be %s (%s): %s", word, s.Reason, s.Detail))
	}
	dry := func(format string, args ...any) Result {
		return result.skipped(DryRun, fmt.Sprintf(format, args...))
	}
	switch s.Do {
	case Send:
		switch {
		case f.Pause.Wait > 0:
			return dry("would wait: %s", f.Pause.Detail)
		case f.Run != nil && !f.Run.Status().Failed():
			return dry("would be sent to Flow Service, which decides: its status is %q", f.Run.Status())
		}
		if f.Newer.Unclear != "" {
			return dry("would be re-triggered, as attempt %d: it has failed, and whether somebody has retried it by hand can't be told (%s)", f.Entries.Run.Used()+1, f.Newer.Unclear)
		}
		return dry("would be re-triggered, as attempt %d: it has failed", f.Entries.Run.Used()+1)
	case Defer:
		return would(string(Deferred))
	case SkipRun:
		return would(string(Skipped))
	case DeadLetter:
		return would(string(DeadLettered))
	case LinkRun:
		return dry("would be linked to run %s, whose re-trigger got no answer and has made it", s.Call.RunID)
	case SettleCall:
		return dry("would be decided on when it is known that the re-trigger of run %s, which got no answer, has made no run", s.Call.RunID)
	case CloseBreaker:
		if s.Reason == AttemptsExhausted {
			return would(string(DeadLettered))
		}
		return dry("would be re-triggered, as attempt %d: a run of its dataflow has succeeded, which closes the breaker", f.Entries.Run.Used()+1)
	}
	if f.Pause.Wait > 0 && s.Outcome == Deferred {
		return dry("would wait: %s", f.Pause.Detail)
	}
	return would(string(s.Outcome))
}
