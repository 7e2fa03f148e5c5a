package ledger

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Decision is one thing that was decided on a run, and why. [Run.Decisions] has the newest
// of them, for people: nothing is decided by them.
type Decision struct {
	// At is when it was written.
	At time.Time `json:"at"`
	// Outcome is the state that the run came to with it, such as deferred or in_flight; the
	// words of outcomes are among them. Reason says why in one word, Detail in a sentence.
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	// Rule is the number of the rule in docs/how-it-works.md that made the decision, 1 to
	// 26; 0 where it was none of them.
	Rule int `json:"rule,omitempty"`
	// Attempt counts the re-triggers of the run's lineage until then, this one included.
	Attempt int    `json:"attempt,omitempty"`
	Detail  string `json:"detail,omitempty"`
	// By is who asked for it and Why the reason that was given, as the caller says it; empty
	// where no person asked.
	By  string `json:"by,omitempty"`
	Why string `json:"why,omitempty"`
	// HTTPStatus, Code and AdobeRequestID are of Adobe's answer, if there was one.
	HTTPStatus     int    `json:"status,omitempty"`
	Code           string `json:"code,omitempty"`
	AdobeRequestID string `json:"request,omitempty"`
	// NewRunID is the run that the re-trigger made.
	NewRunID string `json:"newRun,omitempty"`
}

const (
	// maxDecisions is how many decisions an entry keeps.
	maxDecisions = 12
	// maxDecisionText is how many bytes each text of a decision keeps. So twelve decisions
	// fit into an item of DynamoDB, whatever is in them.
	maxDecisionText = 300
)

// Because says why the next operation is done, for [Run.Decisions]. The operation itself adds
// the time, the outcome, the reason in one word and the count of attempts. It holds until
// the entries are read anew.
func (e *Entries) Because(d Decision) { e.because = d }

// decided adds a decision to the run's. One that repeats the last one takes its place: a run
// that waits for hours would otherwise remember nothing else.
func (r *Run) decided(d Decision, now time.Time) {
	d.At, d.Outcome, d.Attempt = now, string(r.StateAt(now)), r.Used()
	d.Reason = r.Reason
	for _, text := range []*string{&d.Reason, &d.Detail, &d.By, &d.Why, &d.Code, &d.AdobeRequestID, &d.NewRunID} {
		*text = shortened(*text)
	}
	r.readDecisions()
	r.Decisions = slices.Clone(r.Decisions)
	if n := len(r.Decisions); n > 0 && r.Decisions[n-1].repeats(d) {
		r.Decisions = r.Decisions[:n-1]
	}
	r.Decisions = append(r.Decisions, d)
	r.Decisions = r.Decisions[max(0, len(r.Decisions)-maxDecisions):]
}

// repeats reports whether the other decision says the same, apart from its time and detail.
func (d Decision) repeats(other Decision) bool {
	d.At, d.Detail = other.At, other.Detail
	return d == other
}

// remembered reports whether an operation is one that people want to know of: a reservation
// is followed by its note, and a renewed client id decides nothing.
func (o Operation) remembered() bool {
	return o != OpReserve && o != OpChangeClient && o != OpCloseBreaker
}

// because returns what is remembered of a change: what its caller says, and what the operation
// itself knows.
func (c *change) because() Decision {
	d := c.old.because
	if c.op == OpConfirm || c.op == OpLink {
		d.NewRunID = c.next.Run.Successor
	}
	return d
}

// becauseOf is what is remembered of a run that a re-trigger of the parent has made.
func becauseOf(parent *Run, child *Run) Decision {
	d := Decision{Rule: 2, Detail: "a re-trigger of run " + parent.RunID + " made this run"}
	if child.Superseded {
		d.Rule, d.Detail = 12, d.Detail+", which has another successor already: run "+parent.Successor
	}
	return d
}

// shortened cuts a text to what a decision keeps, with a sign that it is cut.
func shortened(text string) string {
	if text = strings.ToValidUTF8(text, "\uFFFD"); len(text) <= maxDecisionText {
		return text
	}
	return cut(text, maxDecisionText-len("…")) + "…"
}

// readDecisions decodes the decisions of an entry, unless they are. What can't be read is left
// out: no decision depends on it, and it must not keep the entry from being written.
func (r *Run) readDecisions() {
	if r.undecoded == "" {
		return
	}
	var all []Decision
	if json.Unmarshal([]byte(r.undecoded), &all) == nil {
		r.Decisions = all
	}
	r.undecoded = ""
}

// decisionsText is the attribute.
func (r *Run) decisionsText() string {
	if r.undecoded != "" {
		return r.undecoded
	}
	return text(r.Decisions)
}
