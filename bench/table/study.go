package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/aep-retrigger/aep-retrigger/bench/world"
)

// study measures rows that belong together.
type study struct {
	name string
	rows []spec
	// run returns the figure of each row, by id.
	run func(ctx context.Context, l *lab) (map[string]figure, error)
}

// studies are all that there are, in the order in which they are measured.
func studies() []study {
	return []study{startUp(), firstRetrigger(), warm(), batches(), backlog(), coldUnderQuota(), peakMemory(), zipped(), calls(), swept()}
}

// choose returns the studies that have the rows; all without any. A study keeps only the rows
// that are asked for.
func choose(all []study, ids []string) (chosen []study, err error) {
	if len(ids) == 0 {
		return all, nil
	}
	found := map[string]bool{}
	for _, s := range all {
		s.rows = slices.DeleteFunc(slices.Clone(s.rows), func(r spec) bool { return !slices.Contains(ids, r.id) })
		for _, r := range s.rows {
			found[r.id] = true
		}
		if len(s.rows) > 0 {
			chosen = append(chosen, s)
		}
	}
	for _, id := range ids {
		if !found[id] {
			return nil, fmt.Errorf("there is no row %q", id) //nolint:err113 // it is printed
		}
	}
	return chosen, nil
}

// measure runs the study, and anew while a row is over its limit, so many times at most. Of each
// row the smallest ratio counts: what else the machine does only adds.
func (s study) measure(ctx context.Context, l *lab, tries int) []line {
	lines := make([]line, len(s.rows))
	for try := range tries {
		figures, err := s.run(ctx, l)
		for i, r := range s.rows {
			now := line{spec: r, figure: figures[r.id], err: err}
			if _, measured := figures[r.id]; err == nil && !measured {
				now.err = errNoFigure
			}
			if try == 0 || lines[i].err != nil || now.err == nil && now.ratio < lines[i].ratio {
				lines[i] = now
			}
		}
		if errors.Is(err, errNotHere) || !slices.ContainsFunc(lines, func(l line) bool { return l.err != nil || l.above(l.limit) }) {
			break
		}
	}
	for i := range lines {
		if !l.quick {
			lines[i].busy = 0
		}
	}
	return lines
}

var errNoFigure = errors.New("the study has no figure for the row") //nolint:gochecknoglobals // a sentinel

// lab has what studies share.
type lab struct {
	dir    string
	rounds int
	quick  bool
	// binary is the function, built for this machine as it is deployed. bare is the least
	// function there is.
	binary, bare string
	// extra are variables of the function besides the defaults, "NAME=value", to try others.
	extra []string
	noted []string
}

func newLab(ctx context.Context, o options) (l *lab, err error) {
	l = &lab{rounds: o.rounds, quick: o.quick, extra: o.extra}
	if l.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	if l.binary, err = world.Build(ctx, ".", "functions/retrigger", l.dir); err == nil {
		l.bare, err = world.Build(ctx, ".", "bench/bare", l.dir)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) }

// leastRounds is how often a thing is measured at least, unless the command says otherwise.
const leastRounds = 3

// times is how often a thing is measured: usual, or a third of that, unless the command says
// otherwise.
func (l *lab) times(usual int) int {
	switch {
	case l.rounds > 0:
		return l.rounds
	case l.quick:
		return max(usual/3, leastRounds)
	}
	return usual
}

// note adds a text below the table, under a title. A later one of the same title replaces it.
func (l *lab) note(title, text string) {
	l.noted = slices.DeleteFunc(l.noted, func(n string) bool { return strings.HasPrefix(n, "\n"+title+"\n") })
	l.noted = append(l.noted, "\n"+title+"\n\n"+strings.TrimRight(text, "\n")+"\n")
}

func (l *lab) notes() string { return strings.Join(l.noted, "") }
