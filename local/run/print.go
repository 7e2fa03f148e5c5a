package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aep-retrigger/aep-retrigger/local/stack"
)

// Columns of a line: of the name of a step, and of what became of it, besides its number and
// its mark.
const (
	columns        = 80
	nameColumns    = 38
	outcomeColumns = columns - 8 - nameColumns - 1
)

// printer writes lines of at most 80 columns. That a write fails ends the program's context.
type printer struct{ to io.Writer }

func (p *printer) line(format string, args ...any) {
	_, _ = fmt.Fprintf(p.to, format+"\n", args...)
}

// step says what became of a step.
func (p *printer) step(n, of int, good bool, name, outcome string) {
	mark := "✓"
	if !good {
		mark = "✗"
	}
	name = short(name, nameColumns)
	line := fmt.Sprintf("%*d/%d %s %s%s ", len(strconv.Itoa(of)), n, of, mark, name, strings.Repeat(" ", nameColumns-utf8.RuneCountInString(name)))
	p.line("%s%s", line, short(outcome, columns-utf8.RuneCountInString(line)))
}

// wrapped writes a text below a step.
func (p *printer) wrapped(text string) {
	const indent = "      "
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(indent+line+" "+word) > columns {
			p.line("%s%s", indent, line)
			line = ""
		}
		line = strings.TrimSpace(line + " " + short(word, columns-len(indent)))
	}
	p.line("%s%s", indent, line)
}

// short cuts a text that is too long in its middle: ids differ at both ends.
func short(text string, most int) string {
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	head := most / 2
	return string(letters[:head]) + "…" + string(letters[len(letters)-(most-head-1):])
}

// became says what became of a step, in as many words as there is place for.
func became(records []stack.Record, sweeps []stack.Sweep, changes []string) string {
	var texts []string
	for _, detail := range []func(stack.Record) string{
		func(r stack.Record) string { return strings.TrimSpace(r.Outcome + " " + r.Reason) },
		func(r stack.Record) string { return r.Outcome },
	} {
		texts = append(texts, grouped(records, detail, false), grouped(records, detail, true))
	}
	for _, text := range texts {
		if text != "" && utf8.RuneCountInString(text) <= outcomeColumns {
			return text
		}
	}
	switch {
	case len(records) > 0:
		return texts[len(texts)-1]
	case len(sweeps) > 0:
		last := sweeps[len(sweeps)-1]
		if last.DryRun {
			return fmt.Sprintf("swept: would request %d of %d", last.Requested, last.Seen)
		}
		return fmt.Sprintf("swept: requested %d of %d", last.Requested, last.Seen)
	case len(changes) > 0:
		words := strings.Fields(strings.TrimSuffix(changes[len(changes)-1], ")"))
		if slices.Contains(words, "paused") {
			return "paused"
		}
		return "resumed"
	default:
		return "nothing to do"
	}
}

// grouped says how many records are alike; of one run it says one after the other. Without
// waits it leaves out what was only on the way.
func grouped(records []stack.Record, detail func(stack.Record) string, withoutWaits bool) string {
	counts, order, oneRun := map[string]int{}, []string{}, true
	for _, r := range records {
		if withoutWaits && (r.Outcome == "deferred" || r.Outcome == "returned") {
			continue
		}
		text := detail(r)
		if counts[text]++; counts[text] == 1 {
			order = append(order, text)
		}
		oneRun = oneRun && r.RunID != "" && r.RunID == records[0].RunID
	}
	if oneRun {
		return strings.Join(order, " → ")
	}
	for i, text := range order {
		if counts[text] > 1 || len(order) > 1 {
			order[i] = fmt.Sprintf("%d %s", counts[text], text)
		}
	}
	return strings.Join(order, ", ")
}
