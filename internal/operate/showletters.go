package operate

import "context"

// ShownLetter is a dead letter with its message.
type ShownLetter struct {
	// Letter is what the ledger says; it is left out for a message that the ledger does not
	// list.
	Letter *DeadLetter `json:"letter,omitempty"`
	// Message is the message; it is left out where it was not found.
	Message *Message `json:"message,omitempty"`
	// From says who has put the message on the queue.
	From string `json:"from,omitempty"`
	// Looked counts the messages that were received to find it.
	Looked int `json:"looked"`
}

// maxLooked is how many messages are received to find one, or to show others.
const maxLooked = 1000

// ShowLetter finds a dead letter by the id of its run, its own or that of its message. It receives
// messages until it has found it, [maxLooked] at most, and gives all back. The error is an
// [*Error] of kind NotThere where neither the ledger nor the queue has it.
func ShowLetter(ctx context.Context, o *Operator, id string) (ShownLetter, error) {
	var shown ShownLetter
	all, err := ListLetters(ctx, o, LetterFilter{IDs: []string{id}})
	if err != nil {
		return shown, err
	}
	if len(all.Letters) > 1 {
		return shown, Errorf(Wrong, "several orgs have a dead letter of run %s", id)
	}
	if len(all.Letters) == 1 {
		shown.Letter = &all.Letters[0]
	}
	if shown.Letter != nil && shown.Letter.Expired {
		return shown, nil
	}
	if err := shown.find(ctx, o, id); err != nil {
		return shown, err
	}
	if shown.Letter == nil && shown.Message == nil {
		return shown, Errorf(NotThere, "there is no dead letter of %s: the ledger lists none, and it is not among the %d messages that could be received", id, shown.Looked)
	}
	return shown, nil
}

// find receives messages until one is of the run, or has the id.
func (s *ShownLetter) find(ctx context.Context, o *Operator, id string) error {
	p := newPass(o, 0)
	p.waits = 0
	defer p.giveBack(ctx)
	for s.Message == nil && s.Looked < maxLooked {
		messages, err := p.next(ctx)
		if err != nil || len(messages) == 0 {
			return err
		}
		s.Looked += len(messages)
		for i := range messages {
			m := &messages[i]
			p.hold(m)
			if s.Message == nil && (m.id() == id || m.MessageID == id) {
				s.Message, s.From = m, m.From()
			}
		}
	}
	return nil
}

// Other is a message on the dead-letter queue that the ledger does not list.
type Other struct {
	Message

	From string `json:"from"`
	// RunID is left out where the message names none.
	RunID string `json:"runId,omitempty"`
}

// Others receives the messages of the dead-letter queue that the ledger does not list, at most
// [maxLooked] of all, and gives them back. more means that there may be others.
func Others(ctx context.Context, o *Operator) (others []Other, more bool, err error) {
	all, _, err := readLetters(ctx, o)
	if err != nil {
		return nil, false, err
	}
	listed := idsOf(all.known)
	p := newPass(o, 0)
	p.waits = 0
	defer p.giveBack(ctx)
	others = []Other{}
	for looked := 0; looked < maxLooked; {
		messages, err := p.next(ctx)
		if err != nil || len(messages) == 0 {
			return others, false, err
		}
		looked += len(messages)
		for i := range messages {
			m := messages[i]
			p.hold(&m)
			if !listed[m.id()] {
				others = append(others, Other{Message: m, From: m.From(), RunID: m.Attributes["runId"]})
			}
		}
	}
	return others, true, nil
}
