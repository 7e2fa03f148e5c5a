// Package doctor looks a deployment over, or a credential before there is one, and says for
// each thing whether it is well, and what to mend if it is not.
//
//	credential.go  a credential: token, and each sandbox
//	stack.go       a stack: function, queues, table, rule, alarms, other stacks
//
// Nothing is changed, and no run is re-triggered: whether Adobe permits that shows with the
// first one.
package doctor

import "slices"

// Verdict is what came of one check.
type Verdict string

// The verdicts.
const (
	// Good means that nothing is to be done.
	Good Verdict = "good"
	// Finding means that there is something to mend.
	Finding Verdict = "finding"
	// Unknown means that it could not be checked. Fix says what is missing for that.
	Unknown Verdict = "unknown"
)

// Check is what came of looking at one thing.
type Check struct {
	// Subject is what was looked at, such as "alarms" or "sandbox prod".
	Subject string  `json:"subject"`
	Verdict Verdict `json:"verdict"`
	// Detail is what was found.
	Detail string `json:"detail"`
	// Fix says what to do about it; empty if the check is good.
	Fix string `json:"fix,omitempty"`
}

// Report is every check, in the order in which a person would look.
type Report struct {
	Checks []Check `json:"checks"`
}

// Findings counts the checks that found something.
func (r *Report) Findings() int { return r.count(Finding) }

// Unknown counts the checks that could not be made.
func (r *Report) Unknown() int { return r.count(Unknown) }

func (r *Report) count(v Verdict) int {
	n := 0
	for _, c := range r.Checks {
		if c.Verdict == v {
			n++
		}
	}
	return n
}

// Add adds checks.
func (r *Report) Add(checks ...Check) { r.Checks = slices.Concat(r.Checks, checks) }

func good(subject, detail string) Check {
	return Check{Subject: subject, Verdict: Good, Detail: detail}
}

func finding(subject, detail, fix string) Check {
	return Check{Subject: subject, Verdict: Finding, Detail: detail, Fix: fix}
}

func unknown(subject, detail, fix string) Check {
	return Check{Subject: subject, Verdict: Unknown, Detail: detail, Fix: fix}
}
