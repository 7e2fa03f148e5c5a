package retry

import (
	"context"
	"fmt"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/deadletter"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// writeLetter writes a dead letter. One that the entry of no run will tell of (entry is false)
// is listed in the ledger under an id of its own, since a queue can't be browsed: that comes
// after the dead letter, so that nothing is listed that is not there. Where it can't be
// listed, the log says so, and the dead letter counts.
func (e *Engine) writeLetter(ctx context.Context, entry bool, m deadletter.Message) error {
	if entry {
		return e.deadLetters.Send(ctx, m)
	}
	m.LetterID = ledger.NewLetterID()
	if err := e.deadLetters.Send(ctx, m); err != nil {
		return err
	}
	e.listLetter(ctx, m)
	return nil
}

// listTime bounds the listing of a dead letter, which is worth less than the time of others.
const listTime = time.Second

func (e *Engine) listLetter(ctx context.Context, m deadletter.Message) {
	unlisted := func(why string) {
		e.Log.WarnContext(ctx, "a dead letter is not on the ledger's list", "letterId", m.LetterID, "reason", m.Reason, "error", why)
	}
	defer func() {
		if p := recover(); p != nil {
			unlisted(fmt.Sprint("panic: ", p))
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	body := m.Text()
	err := ledger.PutLetter(ctx, e.budgets.table, ledger.Letter{ID: m.LetterID, Reason: m.Reason, Error: m.Detail, Body: body, At: m.LastTime, Bytes: len(body)})
	if err != nil {
		unlisted(err.Error())
	}
}

// LetterOf lets [Engine.Read] read the record of a listed dead letter, for [Engine.Received].
func LetterOf(id string, into *store.Record) Extra {
	return Extra{Key: ledger.LetterKey(id), Needed: true, Learn: func(r store.Record) error { *into = r; return nil }}
}

// Received takes dead letters off the ledger's list, as their records were read: their
// messages were delivered again, and are done.
func (e *Engine) Received(ctx context.Context, letters []store.Record) {
	for _, r := range letters {
		if err := ledger.DropLetter(ctx, e.budgets.table, r); err != nil {
			e.Log.WarnContext(ctx, "a dead letter that was sent again is still on the ledger's list", "letterId", r["id"], "error", err.Error())
		}
	}
}
