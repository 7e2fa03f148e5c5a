package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// spec is a row before it is measured.
type spec struct {
	// id is the row's number in the issue that asked for it, such as 5.4.
	id string
	// what is measured, and against what.
	what, against string
	// limit is the greatest ratio, in the unit; 0 for a row that is only told.
	limit float64
	// unit follows the ratio: "×", or "MB" where it is no ratio.
	unit string
	// busy is the greatest ratio that a quick measurement may give: other work on the machine
	// slows both sides down, and the one with more calls most. 0 means the limit itself.
	busy float64
}

// most is the greatest ratio with which the row does not fail.
func (s spec) most() float64 { return max(s.limit, s.busy) }

// figure is what was measured for a row.
type figure struct {
	// ratio is held against the limit. value and base are the two figures that it is of, as
	// people read them.
	ratio       float64
	value, base string
}

// errNotHere means that a row can't be measured on this machine, and why.
var errNotHere = errors.New("not measured here") //nolint:gochecknoglobals // a sentinel

// line is a row of the table.
type line struct {
	spec
	figure
	err error
}

// over reports whether the line's figure is above its limit, and above what other work on the
// machine may add.
func (l line) over() bool { return l.above(l.most()) }

func (l line) above(most float64) bool {
	return l.err == nil && l.limit > 0 && rounded(l.ratio) > most
}

// rounded is a ratio as it is printed: what reads as the limit is within it.
func rounded(ratio float64) float64 {
	var r float64
	_, _ = fmt.Sscanf(fmt.Sprintf("%.2f", ratio), "%g", &r) // a number that was just printed
	return r
}

// verdict is the last cell of a line.
func (l line) verdict() string {
	switch {
	case errors.Is(l.err, errNotHere):
		return l.err.Error()
	case l.err != nil:
		return "**failed**"
	case l.limit == 0:
		return "told only"
	case rounded(l.ratio) <= l.limit:
		return "ok"
	case l.over():
		return "**over**"
	}
	return "over; on a busy machine that tells nothing"
}

// cells are those of a line in the table.
func (l line) cells() []string {
	limit, ratio, value, base := "", "", l.value, l.base
	if l.limit > 0 {
		limit = trim(l.limit) + " " + l.unit
	}
	if l.err == nil {
		ratio = fmt.Sprintf("%.2f %s", l.ratio, l.unit)
	}
	what := l.what
	if value != "" {
		what += ": " + value
	}
	against := l.against
	if base != "" {
		against += ": " + base
	}
	return []string{l.id, what, against, ratio, limit, l.verdict()}
}

// trim prints a limit: 2, 1.15, 0.9.
func trim(f float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", f), "0"), ".")
}

// write prints the table in Markdown.
func write(w io.Writer, lines []line) {
	row := func(cells ...string) { _, _ = fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }
	row("row", "what", "against", "ratio", "at most", "")
	row("---", "---", "---", "---", "---", "---")
	for _, l := range lines {
		row(l.cells()...)
	}
}

// failed reports why the lines don't hold; nothing where they do. strict means that each row
// must have been measured.
func failed(lines []line, strict bool) error {
	var faults []error
	for _, l := range lines {
		switch {
		case errors.Is(l.err, errNotHere) && !strict:
		case l.err != nil:
			faults = append(faults, fmt.Errorf("row %s: %w", l.id, l.err))
		case l.over():
			faults = append(faults, fmt.Errorf("row %s is %.2f %s, at most %s is allowed: %s", l.id, l.ratio, l.unit, trim(l.most()), l.what)) //nolint:err113 // it is printed
		}
	}
	return errors.Join(faults...)
}

// The marks in a document between which the table is written.
const (
	begin = "<!-- make bench: from here -->\n"
	end   = "<!-- make bench: to here -->\n"
)

// insert replaces what stands between the marks of a document.
func insert(document, text string) (string, error) {
	before, rest, found := strings.Cut(document, begin)
	_, after, ends := strings.Cut(rest, end)
	if !found || !ends || strings.Contains(after, begin) || strings.Contains(after, end) {
		return "", fmt.Errorf("the document must have the marks %q and %q once, in this order", strings.TrimSpace(begin), strings.TrimSpace(end)) //nolint:err113 // it is printed
	}
	return before + begin + text + end + after, nil
}
