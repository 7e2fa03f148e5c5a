package operate

import (
	"cmp"
	"context"
	"slices"

	"github.com/aep-retrigger/aep-retrigger/internal/retry"
)

// dropOrder is the payload of a drop: dead letters that a person has deleted. The runs are of
// one org.
type dropOrder struct {
	RunIDs    []string `json:"runIds,omitempty"`
	LetterIDs []string `json:"letterIds,omitempty"`
	OrgID     string   `json:"orgId,omitempty"`
	order
}

// Drop deletes the dead letters of a plan from their queue, ten at a time, and then tells the
// function, so that the ledger lists them no more. If the process dies in between, they are
// listed still, and dropping them again finds no message and tells the function. A letter whose
// message is not found is only told of if no message is hidden: somebody else may have
// received it. Letters that have expired are told of at once: their messages are gone.
func Drop(ctx context.Context, o *Operator, p Plan, because Because, progress func(done int)) (Done, error) {
	who, err := orderOf(ctx, o, because)
	if err != nil {
		return Done{}, err
	}
	d := &dropping{o: o, who: who, letters: map[string]*DeadLetter{}}
	all := slices.Concat(p.Letters, p.expired)
	for i := range all {
		d.letters[all[i].ID()] = &all[i]
	}
	done, err := work(ctx, o, p.wanted(), leastHidden, func(ctx context.Context, pass *pass, m *Message, n int) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
		defer cancel()
		if err := pass.remove(ctx, m); err != nil {
			return err
		}
		if progress != nil {
			progress(n)
		}
		if p.others { // no list has it
			return nil
		}
		if d.deleted = append(d.deleted, m.id()); len(d.deleted) < batchSize {
			return nil
		}
		return d.tell(ctx)
	})
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stepTime)
	defer cancel()
	if told := d.tell(last); err == nil {
		err = told
	}
	if err != nil || p.others {
		return done, err
	}
	return d.gone(ctx, done, p.expired)
}

// gone tells the function of letters whose messages are gone: those that have expired, and those
// that were not found though all messages of the queue were seen.
func (d *dropping) gone(ctx context.Context, done Done, expired []DeadLetter) (Done, error) {
	var gone []string
	for i := range expired {
		gone = append(gone, expired[i].ID())
	}
	if done.sawAll {
		gone = append(gone, done.NotFound...)
		done.NotFound = []string{}
	}
	for ids := range slices.Chunk(gone, maxTold) {
		d.deleted = ids
		if err := d.tell(ctx); err != nil {
			return done, err
		}
		done.Letters = append(done.Letters, ids...)
	}
	return done, nil
}

// maxTold is how many letters without a message one invocation is told of.
const maxTold = 100

// dropping is a drop under way.
type dropping struct {
	o       *Operator
	who     order
	letters map[string]*DeadLetter
	deleted []string // of which the function is yet to be told
}

// tell tells the function of the letters that were deleted: an invocation for each org. The
// error says where the function could not record it.
func (d *dropping) tell(ctx context.Context) error {
	orders := map[string]*dropOrder{}
	for _, id := range d.deleted {
		l := d.letters[id]
		if orders[l.OrgID] == nil {
			orders[l.OrgID] = &dropOrder{OrgID: l.OrgID, order: d.who}
		}
		if l.RunID != "" {
			orders[l.OrgID].RunIDs = append(orders[l.OrgID].RunIDs, l.RunID)
		} else {
			orders[l.OrgID].LetterIDs = append(orders[l.OrgID].LetterIDs, l.LetterID)
		}
	}
	for _, payload := range orders {
		answer, err := d.o.Ask(ctx, map[string]any{"drop": payload})
		if err != nil {
			return err
		}
		for _, r := range answer.Results {
			if r.Outcome == retry.Returned {
				return Errorf(Failed, "the message of %s is deleted, and the ledger still lists it: %s. Drop it again", cmp.Or(r.RunID, r.LetterID), r.Message)
			}
		}
	}
	d.deleted = nil
	return nil
}
