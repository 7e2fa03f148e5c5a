package cli

import (
	"cmp"
	"strings"
	"time"

	"github.com/aep-retrigger/aep-retrigger/internal/english"
	"github.com/aep-retrigger/aep-retrigger/internal/operate"
)

// when is a time in UTC and how far it is away: "2026-11-26 12:00:05 UTC, 3 h ago". It is empty
// for no time.
func when(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC") + ", " + away(t, now)
}

// away is how far a time is away: "3 h ago", "in 4 min".
func away(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case d > -time.Second && d < time.Second:
		return "now"
	case d < 0:
		return english.Length(-d) + " ago"
	}
	return "in " + english.Length(d)
}

// counted is a count of a list, which may be longer: "more than 10,000 runs".
func counted(c operate.Count, what string) string {
	if c.More {
		return "more than " + english.Count(c.N, what)
	}
	return english.Count(c.N, what)
}

// brief is the first part of a sentence, for a cell of a table.
func brief(text string) string {
	for _, end := range []string{"; ", ". "} {
		text, _, _ = strings.Cut(text, end)
	}
	return text
}

// flowLabel is how a dataflow is called in a table: by its name, or by its id.
func flowLabel(name, id string) string { return cmp.Or(name, id) }

// quoted is a dataflow's name in a sentence, or its id.
func quoted(name, id string) string {
	if name == "" {
		return id
	}
	return `"` + name + `"`
}

// failure is why a run failed, as its source says.
func failure(code, text string) string {
	if code != "" && text != "" {
		return code + ": " + text
	}
	return code + text
}
