package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/ledger"
)

// moment is a time in UTC, as the pages write it.
type moment struct {
	// Known is false for a zero time.
	Known bool
	// Machine is for programs, Human for people, Ago how long ago it was or will be.
	Machine, Human, Ago string
}

func momentOf(t, now time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	layout := "2 Jan 15:04:05"
	if t.UTC().Year() != now.UTC().Year() {
		layout = "2 Jan 2006 15:04"
	}
	m := moment{Known: true, Machine: t.UTC().Format(time.RFC3339), Human: t.UTC().Format(layout)}
	switch length := now.Sub(t); {
	case length >= 0:
		m.Ago = english.Precise(length) + " ago"
	default:
		m.Ago = "in " + english.Precise(-length)
	}
	return m
}

// state is a run's state as the pages write it.
type state struct {
	State ledger.State
	// Word is for what is, Did for what happened, Kind colors both.
	Word, Did, Kind string
}

func stateOf(s ledger.State) state {
	word := func(word, did, kind string) state { return state{s, word, did, kind} }
	switch s {
	case ledger.Made:
		return word("no end yet", "made", kindGo)
	case ledger.InFlight:
		return word("being sent", "sent", kindGo)
	case ledger.Unconfirmed:
		return word("no answer", "got no answer", kindWait)
	case ledger.Searched:
		return word("no run found", "no run found", kindWait)
	case ledger.CannotTell:
		return word("can't be told", "can't be told", kindBad)
	case ledger.Reserved:
		return word("being written", "being written", kindWait)
	case ledger.Returned:
		return word("comes again", "comes again", kindWait)
	case ledger.Deferred:
		return word("waits", "waits", kindWait)
	case ledger.Skipped:
		return word("skipped", "skipped", kindCalm)
	case ledger.DeadLettered:
		return word("dead letter", "given up", kindBad)
	case ledger.Retriggered:
		return word("re-triggered", "re-triggered", kindGo)
	case ledger.Succeeded:
		return word("succeeded", "succeeded", kindGood)
	}
	return word("not known", string(s), kindCalm)
}

// size are the measures of a week's picture, in pixels.
type size struct{ column, gap, margin, height, labels int }

// bar is a day of a week's picture.
type bar struct {
	X, Width, Middle     int
	GoodY, Good          int
	BadY, Bad            int
	OtherY, Other, Floor int
	// Label is the day, Number how many failures it had; both are empty in a small picture.
	Label, Number string
	NumberY       int
}

// bars draws a week: each day's failures from the floor up as recovered, given up, and others.
// The busiest day is as high as the picture.
type bars struct {
	Width, Height, LabelY int
	Bars                  []bar
	// Text says the same in words.
	Text string
}

// Small draws the week for a row of a table.
func (w *week) Small() bars { return w.drawn(size{column: 13, gap: 3, height: 30}) }

// Large draws the week with its days and numbers.
func (w *week) Large() bars {
	return w.drawn(size{column: 32, gap: 16, margin: 6, height: 84, labels: 20})
}

func (w *week) drawn(s size) bars {
	most := 1
	for _, d := range w.Days {
		most = max(most, d.Recovered+d.GivenUp+d.Others())
	}
	height := func(n int) int {
		if n == 0 {
			return 0
		}
		return max(2, n*s.height/most) // a small number can be seen, too
	}
	floor := s.height + 4 + s.labels
	b := bars{Width: weekDays*(s.column+s.gap) - s.gap + 2*s.margin, Height: floor + 1 + s.labels, LabelY: floor + 15}
	words := make([]string, 0, weekDays)
	for i, d := range w.Days {
		good, bad, other := height(d.Recovered), height(d.GivenUp), height(d.Others())
		x := s.margin + i*(s.column+s.gap)
		one := bar{
			X: x, Width: s.column, Middle: x + s.column/2, Floor: floor,
			Good: good, GoodY: floor - good, Bad: bad, BadY: floor - good - bad, Other: other, OtherY: floor - good - bad - other,
			NumberY: floor - good - bad - other - 5,
		}
		if s.labels > 0 {
			one.Label = d.Date.Format("Mon 2")
			if d.Failed > 0 {
				one.Number = english.Number(d.Failed)
			}
		}
		b.Bars = append(b.Bars, one)
		words = append(words, fmt.Sprintf("%s: %d failed, %d recovered, %d given up", d.Date.Format("Mon 2 Jan"), d.Failed, d.Recovered, d.GivenUp))
	}
	b.Text = "The last seven days. " + strings.Join(words, "; ") + "."
	return b
}
