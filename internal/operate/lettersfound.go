package operate

import (
	"context"
	"slices"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// wanted are messages that a change looks for.
type wanted struct {
	ids  map[string]bool     // that are looked for: true until one is found
	orgs map[string][]string // of the runs among them, by run id
	left int                 // to be found; negative where their number is not known

	others   bool            // those that the ledger does not list
	listed   map[string]bool // what it lists
	messages []string        // ids of messages; empty for all others
	// leftover deals with a message that is not wanted, if an earlier redrive has left it; nil
	// for none.
	leftover func(ctx context.Context, p *pass, m *Message) (done bool, err error)
}

// wanted are the messages of the plan.
func (p *Plan) wanted() *wanted {
	w := &wanted{ids: map[string]bool{}, orgs: map[string][]string{}, others: p.others, listed: p.listed, messages: p.ids, left: -1}
	named := slices.Clone(p.ids)
	for i := range p.Letters {
		named = append(named, p.Letters[i].ID())
		if l := &p.Letters[i]; l.RunID != "" {
			w.orgs[l.RunID] = append(w.orgs[l.RunID], l.OrgID)
		}
	}
	for _, id := range named {
		w.ids[id] = true
	}
	switch {
	case !p.others || len(named) > 0:
		w.left = len(w.ids)
	case p.limit > 0:
		w.left = p.limit
	}
	return w
}

// match returns what the message is called in what was done. It reports false for a message
// that is not wanted.
func (w *wanted) match(m *Message) (id string, matches bool) {
	id = m.id()
	if w.others {
		return m.MessageID, !w.listed[id] && (len(w.messages) == 0 || slices.Contains(w.messages, m.MessageID))
	}
	_, matches = w.ids[id]
	if org := m.orgID(); org != "" && m.Attributes[deadletter.AttributeLetterID] == "" { // a run of another org may have the same id
		matches = matches && slices.Contains(w.orgs[id], org)
	}
	return id, matches && id != ""
}

// listTime is how long the function may take to list a dead letter that it has written.
const listTime = time.Minute

// isListed reports whether the ledger's entry says now that the message is a dead letter of its
// list, or may do so soon: a reserved run's letter is being written. The list was read before, and
// may have lagged behind: a letter that the function has written since is none of the others.
func isListed(ctx context.Context, o *Operator, m *Message) (bool, error) {
	letter, is := letterOfMessage(m)
	if !is {
		return false, nil
	}
	key := ledger.LetterKey(letter.LetterID)
	if letter.LetterID == "" {
		key = ledger.RunKey(letter.OrgID, letter.RunID)
	}
	found, err := o.Ledger().Read(ctx, key)
	if err != nil {
		return false, o.fault(err)
	}
	if letter.LetterID != "" { // it is listed after it is written
		return found[key] != nil || o.Now().Sub(letter.At) < listTime, nil
	}
	entries := found.Entries(ledger.Ref{OrgID: letter.OrgID, RunID: letter.RunID})
	state := entries.Run.StateAt(o.Now())
	return state == ledger.DeadLettered || state == ledger.Reserved, nil
}

// found notes that something was done with a message. It reports false for a second message of
// one dead letter: a crash may have left two of one run.
func (w *wanted) found(id string) bool {
	if first, known := w.ids[id]; known && !first {
		return false
	}
	w.ids[id] = false
	w.left--
	return true
}

// missing are the ids that were not found.
func (w *wanted) missing() []string {
	missing := []string{}
	for id, still := range w.ids {
		if still {
			missing = append(missing, id)
		}
	}
	slices.Sort(missing)
	return missing
}

// work receives the wanted messages, and does something with each, until all are found or the
// queue has no others. Those of no use are given back.
func work(ctx context.Context, o *Operator, w *wanted, long time.Duration, do func(ctx context.Context, p *pass, m *Message, done int) error) (done Done, err error) {
	done.Letters = []string{}
	p := newPass(o, long)
	defer func() {
		p.giveBack(ctx)
		done.NotFound, done.sawAll = w.missing(), p.sawAll
	}()
	for w.left != 0 || w.leftover != nil {
		messages, err := p.next(ctx)
		if err != nil || len(messages) == 0 {
			return done, err
		}
		done.Looked += len(messages)
		for i := range messages {
			p.hold(&messages[i])
		}
		for i := range messages {
			if err := w.one(ctx, p, &messages[i], &done, do); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// one does what is to be done with a message.
func (w *wanted) one(ctx context.Context, p *pass, m *Message, done *Done, do func(ctx context.Context, p *pass, m *Message, done int) error) error {
	id, matches := w.match(m)
	if matches && w.others {
		listed, err := isListed(ctx, p.o, m)
		if err != nil {
			return err
		}
		matches = !listed
	}
	switch {
	case matches && (w.left != 0 || !w.others):
		if err := do(ctx, p, m, len(done.Letters)+1); err != nil {
			return err
		}
		delete(p.held, m.MessageID)
		if w.found(id) {
			done.Letters = append(done.Letters, id)
		}
	case !matches && w.leftover != nil:
		gone, err := w.leftover(ctx, p, m)
		if err != nil {
			return err
		}
		if gone {
			delete(p.held, m.MessageID)
			done.Leftover++
		}
	}
	return nil
}
