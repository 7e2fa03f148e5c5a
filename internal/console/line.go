package console

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
)

// Measures of the line, in pixels.
const (
	lineMargin = 52 // left and right of the outer points
	leastGap   = 92 // room for a word below each point
	mostGap    = 200
	lineY      = 44
	lineHeight = 116
)

// line is the drawing of a lineage on a time axis. Short and long gaps are drawn by the
// logarithm of their length, so that a second and a day fit beside each other; the times and
// lengths are written.
type line struct {
	Width, Height, Y int
	Marks            []mark
	Gaps             []gap
}

// mark is a point of the line.
type mark struct {
	point

	X int
	// Clock is the time, Date the day where it is another than that of the mark before.
	Clock, Date string
}

// gap is the time between two marks.
type gap struct {
	X1, X2, Middle int
	// Kind colors it, Label says what was done and for how long.
	Kind, Label string
}

// drawn puts the points on a line.
func drawn(points []point) line {
	l := line{Height: lineHeight, Y: lineY}
	x, day := lineMargin, ""
	for i, p := range points {
		if i > 0 {
			before := points[i-1]
			length := max(0, p.At.Sub(before.At))
			next := x + gapWidth(length)
			l.Gaps = append(l.Gaps, gap{X1: x, X2: next, Middle: (x + next) / 2, Kind: gapKind(before, p, length), Label: labelOf(before, p, length)})
			x = next
		}
		m := mark{point: p, X: x, Clock: p.At.UTC().Format("15:04:05")}
		if d := p.At.UTC().Format("2 Jan"); d != day {
			m.Date, day = d, d
		}
		l.Marks = append(l.Marks, m)
	}
	l.Width = x + lineMargin
	return l
}

// labelOf says what was done between two points and for how long: "waited 3 min".
func labelOf(before, after point, length time.Duration) string {
	word := before.Until
	if length < time.Second && !after.Ahead {
		return "at once"
	}
	if after.Ahead {
		word = map[string]string{waited: "waits", ran: "runs"}[word]
	}
	return strings.TrimSpace(word + " " + english.Precise(length))
}

func gapWidth(length time.Duration) int {
	return min(mostGap, leastGap+int(14*math.Log2(1+length.Minutes())))
}

func gapKind(before, after point, length time.Duration) string {
	switch {
	case after.Ahead:
		return kindAhead
	case length < time.Second:
		return kindCalm
	case before.Until == waited:
		return kindWait
	case before.Until == ran:
		return kindGo
	}
	return kindCalm
}

// Text says the line in words, for who does not see it.
func (l line) Text() string {
	var words []string
	for _, m := range l.Marks {
		words = append(words, fmt.Sprintf("%d: %s at %s", m.Number, m.Word, strings.TrimSpace(m.Date+" "+m.Clock)))
	}
	return "Time axis of the lineage. " + strings.Join(words, "; ") + "."
}
