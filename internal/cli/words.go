package cli

import (
	"cmp"
	"fmt"
	"strings"
	"time"

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
		return length(-d) + " ago"
	}
	return "in " + length(d)
}

// length is a duration in its largest unit. A time that is a little ahead, as by another
// machine's clock, has the length 0.
func length(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// plural counts things: "1 run", "2 runs".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// counted is a count of a list, which may be longer: "more than 10000 runs".
func counted(c operate.Count, what string) string {
	if c.More {
		return "more than " + plural(c.N, what)
	}
	return plural(c.N, what)
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
