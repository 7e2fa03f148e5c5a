package main

import (
	"bytes"
	"strings"
	"testing"
)

const changelog = `# Changelog

## [Unreleased]

Later.

## [0.2.0] - 2027-01-02

### Added
- A thing ([link](docs/a.md)).

## [0.1.0] - 2026-12-01

The first.

[0.2.0]: https://example.com
`

func TestNotesAreTheChangelogsSectionOfTheVersion(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{
		"0.2.0": "### Added\n- A thing ([link](docs/a.md)).\n", "0.2.0+0123456789ab": "### Added\n- A thing ([link](docs/a.md)).\n", "0.1.0": "The first.\n",
	} {
		if got, err := notesOf(changelog, version); err != nil || got != want {
			t.Errorf("the notes of %s are %q, %v", version, got, err)
		}
	}
	for _, version := range []string{"0.3.0", "Unreleased", "0.1", "0.2.0-rc1"} {
		if got, err := notesOf(changelog, version); err == nil || !strings.Contains(err.Error(), "no section") {
			t.Errorf("the notes of %s are %q, %v; want an error", version, got, err)
		}
	}
	if got, err := notesOf("## [0.1.0] - 2026-12-01\n\n## [0.0.1] - 2026-11-01\nx\n", "0.1.0"); err == nil {
		t.Errorf("the notes of an empty section are %q", got)
	}
}

func TestCommandLineThatIsNotUnderstoodIsAnError(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"pack"}, {"pack", "-version", "1"}, {"check", "-version", "1"}, {"notes", "a"}, {"other", "-version", "1", "a"}, {"notes", "-version", "1", "not-there"}} {
		if err := run(t.Context(), &bytes.Buffer{}, args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
