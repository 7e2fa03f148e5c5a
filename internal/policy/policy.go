// Package policy decides what is to become of a failed run: retry it now, wait,
// skip it or give it up. It is pure: the same run, history and time always give
// the same decision.
//
// The defaults need no configuration. A run is retried three times, at once,
// within five minutes and within half an hour: most failures that pass by
// themselves (a network, a login, a busy service) are over by then, and what
// still fails is for a person. Where no rule of a user's matches, the catalog of Adobe's
// codes ([aepcodes]) tells the errors that no retry mends: bad data becomes a dead
// letter at once, and a duplicate of a batch that is in is skipped. Errors that the
// catalog does not know are retried. The waits have full jitter, so that runs which
// failed together are not retried together.
package policy

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/pkg/aepcodes"
)

// Defaults of a [Policy].
const (
	// DefaultMaxAge is how long ago a run may have failed. Older data is usually
	// superseded, and a person should say so where it is not.
	DefaultMaxAge = 7 * 24 * time.Hour
	// DefaultBreakerThreshold is how many lineages of a dataflow in a row must be
	// exhausted before the breaker opens: one may be bad luck, three in a row with
	// three attempts each are a fault that retries don't mend.
	DefaultBreakerThreshold = 3
	// DefaultBreakerCooldown is how long the breaker stays open. It is long, since
	// a success closes it at once.
	DefaultBreakerCooldown = 24 * time.Hour
)

// MaxDelay is the longest delay before an attempt.
const MaxDelay = 12 * time.Hour

// DefaultDelays are the delays before each attempt.
func DefaultDelays() []time.Duration { return []time.Duration{0, 5 * time.Minute, 30 * time.Minute} }

// Action is what a decision or a rule says.
type Action string

// The actions. A rule has all but Wait.
const (
	Retry      Action = "retry"
	Wait       Action = "wait"
	Skip       Action = "skip"
	DeadLetter Action = "dead_letter"
)

// Reason is the one word why a run is not retried now.
type Reason string

// The reasons.
const (
	// ByPolicy means that a rule says so.
	ByPolicy Reason = "policy"
	// TooOld means that the run failed longer ago than is worth a retry.
	TooOld Reason = "too_old"
	// DataError means that the run failed of its data, which fails again.
	DataError = Reason(aepcodes.DataError)
	// DuplicateBatch means that the run's data is in already.
	DuplicateBatch = Reason(aepcodes.DuplicateBatch)
	// AttemptsExhausted means that the lineage has had its attempts.
	AttemptsExhausted Reason = "attempts_exhausted"
	// BreakerOpen means that too many lineages of the dataflow in a row were
	// exhausted.
	BreakerOpen Reason = "breaker_open"
	// RetryDelay means that the next attempt's delay is not over.
	RetryDelay Reason = "retry_delay"
)

// Policy is a set of rules. Its zero value is not useful; fill it from the
// configuration or with the defaults.
type Policy struct {
	// Delays are those before attempt 1, 2, … where no rule matches or the rule
	// has none; their count is the limit.
	Delays []time.Duration
	// Rules are tried in their order; the first that matches counts.
	Rules []Rule
	// MaxAge is how long ago a run may have failed.
	MaxAge time.Duration
}

// Error is why a run failed.
type Error struct{ Code, Message string }

// Run is what is known of the failed run. Without errors it matches no rule on
// code or message.
type Run struct {
	ID, FlowID, Sandbox string
	Errors              []Error
	// FailedAt is zero where it is not known; such a run is never too old.
	FailedAt time.Time
}

// History is what is known of the run's lineage and dataflow.
type History struct {
	// Attempts were sent for the lineage, Forgiven of them no longer count.
	Attempts, Forgiven int
	// FirstSeen is when the failure was first seen; delays count from then.
	FirstSeen time.Time
	// BlockedUntil is when the dataflow's breaker lets a lineage through again.
	BlockedUntil time.Time
	// Force passes over everything here.
	Force bool
	// Now passes over the delay before the next attempt, and over nothing else.
	Now bool
}

// Decision is what is to be done.
type Decision struct {
	Action Action
	// At is when the attempt is due, for [Retry] and [Wait].
	At time.Time
	// Reason says why it is not a retry; Detail says it in a sentence.
	Reason Reason
	Detail string
}

// Decide decides.
func (p *Policy) Decide(run Run, h History, now time.Time) Decision {
	if h.Force {
		return Decision{Action: Retry, At: now}
	}
	if !run.FailedAt.IsZero() && now.Sub(run.FailedAt) > p.MaxAge {
		return Decision{Action: Skip, Reason: TooOld, Detail: fmt.Sprintf("the run failed at %s, longer ago than %s", run.FailedAt.UTC().Format(time.RFC3339), p.MaxAge)}
	}
	number, rule := p.Match(run)
	delays := p.Delays
	switch {
	case rule == nil:
		if d, known := byCatalog(run.Errors); known {
			return d
		}
	case rule.Action != Retry:
		return Decision{Action: rule.Action, Reason: ByPolicy, Detail: fmt.Sprintf("rule %d of RETRY_POLICY says so", number)}
	case rule.Delays != nil:
		delays = rule.Delays
	}
	attempts := max(h.Attempts-h.Forgiven, 0)
	if attempts >= len(delays) {
		return Decision{Action: DeadLetter, Reason: AttemptsExhausted, Detail: fmt.Sprintf("it failed again after %d of %d attempts", attempts, len(delays))}
	}
	if now.Before(h.BlockedUntil) {
		return Decision{Action: DeadLetter, Reason: BreakerOpen, Detail: fmt.Sprintf(
			"the runs of this dataflow keep failing; until one succeeds, or until %s, failed ones are not retried", h.BlockedUntil.UTC().Format(time.RFC3339),
		)}
	}
	at := h.FirstSeen.Add(jitter(run.ID, h.Attempts, delays[attempts]).Truncate(time.Millisecond))
	if now.Before(at) && !h.Now {
		return Decision{Action: Wait, At: at, Reason: RetryDelay, Detail: fmt.Sprintf("attempt %d is due at %s", h.Attempts+1, at.UTC().Format(time.RFC3339))}
	}
	return Decision{Action: Retry, At: at}
}

// byCatalog decides on a run that failed of something that no retry mends, as the catalog
// of Adobe's codes has it. It reports false where a retry may help.
func byCatalog(errs []Error) (Decision, bool) {
	duplicate, other := "", false
	for _, e := range errs {
		entry, _ := aepcodes.Find(aepcodes.RunError, e.Code, 0, e.Message)
		switch {
		case entry.Kind == aepcodes.Data:
			return Decision{Action: DeadLetter, Reason: DataError, Detail: strings.Join(strings.Fields(fmt.Sprintf(
				"the run failed of its data (%s: %s). %s %s", e.Code, e.Message, entry.Meaning, entry.NextStep,
			)), " ")}, true
		case entry.Kind == aepcodes.Done:
			duplicate = e.Code + ": " + e.Message
		case e.Code != "" && !strings.HasPrefix(e.Code, processing):
			other = true
		}
	}
	if duplicate == "" || other { // of two causes the other one may need the retry
		return Decision{}, false
	}
	return Decision{Action: Skip, Reason: DuplicateBatch, Detail: "the run's data is in already, as a duplicate of another batch (" + duplicate + "); there is nothing to retry"}, true
}

// processing is the code that Adobe puts around the cause when it could not process
// what it had copied.
const processing = "CONNECTOR-2001"

// jitter is full jitter, from nothing to the whole delay, that depends on the run
// and the attempt alone: a decision that is made again, after a crash or for a
// duplicate, gives the same time.
func jitter(runID string, attempts int, delay time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(runID + "/" + strconv.Itoa(attempts)))
	x := h.Sum64() // FNV's high bits hardly differ between similar texts: mix them
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return time.Duration(float64(delay) * float64(x>>11) / (1 << 53))
}

// NeedsErrors reports whether some rule looks at why the run failed.
func (p *Policy) NeedsErrors() bool {
	for _, r := range p.Rules {
		if len(r.Code) > 0 || len(r.Message) > 0 {
			return true
		}
	}
	return false
}

// Match returns the first rule that matches the run, and its number, from 1; 0 and nil where
// none does.
func (p *Policy) Match(run Run) (int, *Rule) {
	for i := range p.Rules {
		if p.Rules[i].matches(run) {
			return i + 1, &p.Rules[i]
		}
	}
	return 0, nil
}

func (r *Rule) matches(run Run) bool {
	if !r.FlowID.Match(run.FlowID) || !r.Sandbox.Match(run.Sandbox) {
		return false
	}
	if len(r.Code) == 0 && len(r.Message) == 0 {
		return true
	}
	for _, e := range run.Errors { // one error must match both
		if r.Code.Match(e.Code) && r.Message.Match(e.Message) {
			return true
		}
	}
	return false
}

// Match reports whether one of the patterns matches the text as a whole, without
// regard to case; none match everything.
func (p Patterns) Match(text string) bool {
	for _, pattern := range p {
		if glob(strings.ToLower(pattern), strings.ToLower(text)) {
			return true
		}
	}
	return len(p) == 0
}

// glob matches a pattern in which * stands for any text.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(text) < len(first)+len(last) || !strings.HasPrefix(text, first) || !strings.HasSuffix(text, last) {
		return false
	}
	text = text[len(first) : len(text)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
