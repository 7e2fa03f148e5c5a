package operate

import (
	"context"
	"encoding/json"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// leftover returns what a redrive does with a message that the ledger does not list, and nil where
// there is none. A redrive that died between sending a letter and deleting it leaves the letter on
// the queue. When the function has dealt with the copy, the ledger lists it no more. Such a
// letter matches by its attributes, and
//
//   - if it is of a run, it is deleted if the run was re-triggered since the letter was written.
//     Any other run may need the letter still;
//   - if it is of no run, it is sent a second time, and deleted: nothing tells whether it was sent.
func (p *Plan) leftover(o *Operator, force bool, who order) func(context.Context, *pass, *Message) (bool, error) {
	if p.Others == 0 || p.others || len(p.filter.IDs) > 0 || p.filter.Mended {
		return nil
	}
	return func(ctx context.Context, pass *pass, m *Message) (bool, error) {
		letter, is := letterOfMessage(m)
		if !is || p.listed[letter.ID()] || !p.filter.matches(&letter, o.Now()) {
			return false, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		left, err := isLeftover(ctx, o, m, &letter)
		if err != nil || !left {
			return false, err
		}
		if letter.RunID == "" {
			if err := send(ctx, o, m, force, who); err != nil {
				return false, err
			}
		}
		return true, pass.remove(ctx, m)
	}
}

// isLeftover reports whether an earlier redrive has left the letter: one of a run that was
// re-triggered since, or one without a run that the ledger does not list even now.
func isLeftover(ctx context.Context, o *Operator, m *Message, letter *DeadLetter) (bool, error) {
	if letter.RunID == "" {
		listed, err := isListed(ctx, o, m)
		return err == nil && !listed, err
	}
	runs, err := o.Ledger().Runs(ctx, letter.OrgID, letter.RunID)
	run, known := runs[letter.RunID]
	return known && (run.State == ledger.Retriggered || run.State == ledger.Succeeded) && !run.ChangedAt.Before(letter.At), o.fault(err)
}

// letterOfMessage is what a message of the function tells of itself. It reports false for any
// other message.
func letterOfMessage(m *Message) (l DeadLetter, is bool) {
	id := m.id()
	if id == "" {
		return l, false
	}
	l = DeadLetter{
		LetterID: m.Attributes[deadletter.AttributeLetterID], FlowID: m.Attributes[deadletter.AttributeFlowID], Sandbox: m.Attributes[deadletter.AttributeSandbox],
		Reason: m.Attributes[deadletter.AttributeReason], At: m.SentAt, ErrorText: m.Attributes[deadletter.AttributeError], Body: m.Body,
	}
	if at, err := time.Parse(time.RFC3339, m.Attributes[deadletter.AttributeLastTime]); err == nil {
		l.At = at
	}
	if l.LetterID != "" {
		return l, true
	}
	var body struct {
		OrgID  string `json:"orgId"`
		Origin struct {
			FlowName string `json:"flowName"`
			Errors   []struct {
				Code    string `json:"code"`
				Message string `json:"message"`
			} `json:"errors"`
		} `json:"origin"`
	}
	if json.Unmarshal([]byte(m.Body), &body) != nil {
		return l, false
	}
	l.RunID, l.OrgID, l.FlowName = id, body.OrgID, body.Origin.FlowName
	if len(body.Origin.Errors) > 0 {
		l.ErrorCode, l.ErrorText = body.Origin.Errors[0].Code, body.Origin.Errors[0].Message
	}
	return l, true
}
