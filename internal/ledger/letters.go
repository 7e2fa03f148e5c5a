package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/internal/store"
)

// Letter is a dead letter that the entry of no run tells of: input that can't be read, what is
// left of a sweep, or a request whose org is not known.
type Letter struct {
	// ID stands in the message, too, as its attribute letterId.
	ID string
	// Reason is the one word why the letter was written, Error the same in a sentence.
	Reason, Error string
	// Body is the beginning of the message's body, at most [MaxLetterBody] bytes of it. Bytes
	// is how long the whole body is.
	Body  string
	At    time.Time
	Bytes int
}

const (
	// LetterTTL is how long a letter is listed: for as long as its message can be on the
	// dead-letter queue.
	LetterTTL = 14 * 24 * time.Hour
	// MaxLetterBody is how many bytes of a message's body are listed.
	MaxLetterBody = 2048
	// maxLetterError is how many bytes its error has.
	maxLetterError = 1024

	lettersList = "letters"
)

// NewLetterID returns the id of a dead letter that is about to be written.
func NewLetterID() string { return rand.Text() }

// LetterKey is the key of a letter's entry in the store.
func LetterKey(id string) string { return "letter#" + id }

// PutLetter lists a dead letter that was written.
func PutLetter(ctx context.Context, table Committer, l Letter) error {
	return table.Commit(ctx, store.Write{Key: LetterKey(l.ID), New: compact(store.Record{
		store.AttributeKey: LetterKey(l.ID), store.AttributeRev: rand.Text(), store.AttributeTTL: store.TTL(l.At.Add(LetterTTL)),
		"id": l.ID, "reason": l.Reason, "error": cut(l.Error, maxLetterError), "body": cut(l.Body, MaxLetterBody), "bytes": strconv.Itoa(l.Bytes),
		store.IndexList: lettersList, store.AttributeAt: stamp(l.At),
	})})
}

// DropLetter takes a letter off the list, as its record was read: its message was received
// again, or a person has deleted it. One that is on the list no more stays off.
func DropLetter(ctx context.Context, table Committer, record store.Record) error {
	if record == nil {
		return nil
	}
	err := table.Commit(ctx, store.Write{Key: record[store.AttributeKey], Old: record[store.AttributeRev]})
	if errors.As(err, new(*store.ConflictError)) { // somebody else has
		return nil
	}
	return err
}

// Letters returns dead letters without a run, of all orgs: at most limit of those written
// after the given time, the oldest first.
func (l Lists) Letters(ctx context.Context, after time.Time, limit int) ([]Letter, error) {
	records, err := l.Table.ListFrom(ctx, store.IndexList, lettersList, stamp(after), limit)
	letters := make([]Letter, len(records))
	for i, r := range records {
		f := fields{Record: r}
		letters[i] = Letter{ID: r["id"], Reason: r["reason"], Error: r["error"], Body: r["body"], At: f.instant(store.AttributeAt), Bytes: f.count("bytes")}
	}
	return letters, err
}

// cut returns at most so many bytes of a text, in whole characters.
func cut(text string, most int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= most {
		return text
	}
	for !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}
