package retry

import (
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// DecisionOf is what a run's entry remembers of a step of a request for it.
func DecisionOf(f *Facts, s Step) ledger.Decision {
	d := ledger.Decision{
		Rule: s.Rule, Detail: s.Detail,
		HTTPStatus: s.answer.status, Code: s.answer.code, AdobeRequestID: s.answer.requestID,
	}
	if f.By == ledger.AtHand || f.By == ledger.AForce || f.Request.By != "" || f.Request.Now {
		d.By, d.Why = f.Request.By, f.Request.Reason
	}
	return d
}

// because is why the ledger's next operations are done.
type because struct{ ledger.Decision }

// is takes the step that they are done for.
func (c *because) is(f *Facts, s Step) { c.Decision = DecisionOf(f, s) }

// of returns entries that are about to be written, with the cause.
func (c *because) of(e ledger.Entries) ledger.Entries {
	e.Because(c.Decision)
	return e
}
