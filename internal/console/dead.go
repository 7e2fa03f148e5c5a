package console

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// letter is a dead letter: of a run, or one without.
type letter struct {
	OrgID, RunID, FlowID, FlowName string
	// Reason is a word of docs/outcomes.md.
	Reason string
	// Code and Text are the source's error, or what is wrong with the input.
	Code, Text string
	Attempts   int
	// At is when it was written.
	At time.Time
	// Body is the beginning of the message where there is no run, Bytes how long all of it is.
	Body  string
	Bytes int
}

// Expires is when the queue deletes the message.
func (l *letter) Expires() time.Time { return l.At.Add(ledger.LetterTTL) }

// Flow is the dataflow's name, or else its id.
func (l *letter) Flow() string { return cmp.Or(l.FlowName, l.FlowID) }

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

func (f filter) takes(l *letter) bool {
	return (f.Reason == "" || l.Reason == f.Reason) && (f.Code == "" || cmp.Or(l.Code, ledger.NoCode) == f.Code) &&
		(f.Flow == "" || contains(f.Flow, l.FlowName, l.FlowID)) && (f.Text == "" || contains(f.Text, l.Text, l.RunID, l.FlowName, l.FlowID, l.Body))
}

// contains reports whether one of the texts has the part, whatever its case.
func contains(part string, texts ...string) bool {
	part = strings.ToLower(part)
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(strings.ToLower(text), part) })
}

// count is how many dead letters have a word.
type count struct {
	Word  string
	Count int
	// Why and Next are what a reason means and what a person does about it.
	Why, Next string
}

// deadLetters are those that a filter takes.
type deadLetters struct {
	Letters []letter
	// All is how many there are without the filter; More means that the ledger has more than
	// were read. Reasons and Codes are theirs, the most frequent first.
	All            int
	More           bool
	Reasons, Codes []count
}

// dead reads the dead letters, the newest first.
func (p *pages) dead(ctx context.Context, orgs []ledger.Pulse, f filter) (deadLetters, error) {
	var d deadLetters
	var all []letter
	for _, org := range orgs {
		runs, err := p.operator.Lists().DeadLetters(ctx, org.OrgID, time.Time{}, operate.MaxRows+1)
		if err != nil {
			return d, err
		}
		d.More = d.More || len(runs) > operate.MaxRows
		for i := range runs[:min(len(runs), operate.MaxRows)] {
			all = append(all, letterOf(&runs[i]))
		}
	}
	others, err := p.operator.Lists().Letters(ctx, time.Time{}, operate.MaxRows+1)
	if err != nil {
		return d, err
	}
	d.More = d.More || len(others) > operate.MaxRows
	for _, o := range others[:min(len(others), operate.MaxRows)] {
		all = append(all, letter{Reason: o.Reason, Text: o.Error, At: o.At, Body: o.Body, Bytes: o.Bytes})
	}
	slices.SortStableFunc(all, func(a, b letter) int { return b.At.Compare(a.At) })
	d.All = len(all)
	d.Reasons = counts(all, func(l *letter) string { return l.Reason })
	for i := range d.Reasons {
		d.Reasons[i].Why, d.Reasons[i].Next = operate.Words(string(ledger.DeadLettered), d.Reasons[i].Word)
	}
	d.Codes = counts(all, func(l *letter) string { return cmp.Or(l.Code, ledger.NoCode) })
	for i := range all {
		if f.takes(&all[i]) {
			d.Letters = append(d.Letters, all[i])
		}
	}
	return d, nil
}

func letterOf(run *ledger.Run) letter {
	return letter{
		OrgID: run.OrgID, RunID: run.RunID, FlowID: run.FlowID, FlowName: run.FlowName, Reason: run.Reason,
		Code: run.ErrorCode, Text: run.ErrorText, Attempts: run.Used(), At: run.ChangedAt,
	}
}

// counts counts the dead letters by a word, the most frequent first.
func counts(all []letter, word func(*letter) string) []count {
	byWord := map[string]int{}
	for i := range all {
		byWord[word(&all[i])]++
	}
	var found []count
	for _, w := range slices.Sorted(maps.Keys(byWord)) {
		found = append(found, count{Word: w, Count: byWord[w]})
	}
	slices.SortStableFunc(found, func(a, b count) int { return cmp.Compare(b.Count, a.Count) })
	return found
}
