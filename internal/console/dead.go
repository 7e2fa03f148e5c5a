package console

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
	"github.com/aep-retrigger/aep-retrigger/internal/policy"
)

// letter is a dead letter: of a run, or one without.
type letter struct{ operate.DeadLetter }

// Flow is the dataflow's name, or else its id.
func (l *letter) Flow() string { return cmp.Or(l.FlowName, l.FlowID) }

// Code and Text are the source's error, or what is wrong with the input.
func (l *letter) Code() string { return l.ErrorCode }

// Text is what was said; see [letter.Code].
func (l *letter) Text() string { return l.ErrorText }

// Expires is when the queue deletes the message.
func (l *letter) Expires() time.Time { return l.At.Add(operate.Retention) }

// Success says whether a later run of the dataflow has succeeded; nil where the ledger can't
// tell.
func (l *letter) Success() *state {
	switch {
	case l.LaterSuccess == nil:
		return nil
	case *l.LaterSuccess:
		return &state{Word: "yes", Kind: kindGood}
	}
	return &state{Word: "no", Kind: kindBad}
}

// filter narrows the dead letters; empty fields are of any.
type filter struct {
	// Reason and Code are exact.
	Reason, Code string
	// Flow is a part of a dataflow's name, or its id. Text is a part of what was said, of an
	// id or of the message.
	Flow, Text string
}

// empty reports whether nothing is left out.
func (f filter) empty() bool { return f == filter{} }

// letters is the filter as package operate takes it.
func (f filter) letters() operate.LetterFilter {
	of := operate.LetterFilter{FlowPart: f.Flow, Text: f.Text}
	if f.Reason != "" {
		of.Reasons = policy.Patterns{f.Reason}
	}
	if f.Code != "" {
		of.Codes = policy.Patterns{f.Code}
	}
	return of
}

// contains reports whether one of the texts has the part, whatever its case.
func contains(part string, texts ...string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), part) })
}

// reasonRow is how many dead letters have a reason, what it means and what a person does
// about it.
type reasonRow struct {
	operate.LetterCount

	Why, Next string
}

// deadLetters are those that a filter takes, the newest first.
type deadLetters struct {
	Letters []letter
	// All is how many there are without the filter; More means that the ledger has more than
	// were read. Reasons and Codes are theirs, the most frequent first.
	All     int
	More    bool
	Reasons []reasonRow
	Codes   []operate.LetterCount
}

// dead reads the dead letters that a filter takes, and whether later runs have succeeded.
func (p *pages) dead(ctx context.Context, f filter) (deadLetters, error) {
	all, err := operate.ListLetters(ctx, p.operator, f.letters())
	return deadOf(&all), err
}

func deadOf(all *operate.Letters) deadLetters {
	d := deadLetters{All: all.Known(), More: all.More, Codes: all.Codes()}
	for _, l := range slices.Backward(all.Letters) {
		d.Letters = append(d.Letters, letter{l})
	}
	for _, c := range all.Reasons() {
		row := reasonRow{LetterCount: c}
		row.Why, row.Next = operate.Words(string(ledger.DeadLettered), c.Word)
		d.Reasons = append(d.Reasons, row)
	}
	return d
}
