package aepcodes

import (
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
	"testing"
)

// TestNoTwoEntriesFitEquallyWell holds that the order of the catalog decides nothing: a
// code of one entry, with its example, fits no other entry as well.
func TestNoTwoEntriesFitEquallyWell(t *testing.T) {
	t.Parallel()
	for i, e := range All() {
		text := strings.ReplaceAll(e.Code, "*", "777") // 403777, INGEST-777, 777
		if e.Status != 0 && e.Family == Run {
			text += "-" + strconv.Itoa(e.Status)
		}
		asked := parseCode(text)
		own := e.fit(e.Operation, asked, e.Status, e.Example)
		if own < 0 {
			t.Errorf("%+v does not fit %q", e, text)
		}
		for j, other := range All() {
			if fit := other.fit(e.Operation, asked, e.Status, e.Example); i != j && fit >= own {
				t.Errorf("%q fits %+v (%d) as well as %+v (%d)", text, other, fit, e, own)
			}
		}
	}
}

func TestATextMatchesIfOneOfItsAlternativesDoes(t *testing.T) {
	t.Parallel()
	for text := range patterns() {
		whole := regexp.MustCompile("(?is)" + text)
		for _, e := range All() {
			if got, want := matches(text, e.Example), whole.MatchString(e.Example); got != want {
				t.Errorf("%q matches the alternatives of %q: %t, want %t", e.Example, text, got, want)
			}
		}
	}
}

// TestNoTextTakesMuchMemory keeps each expression at 512 instructions: for a match of these,
// package regexp takes 20 KB, for the next size 80, and then 0.6 MB.
func TestNoTextTakesMuchMemory(t *testing.T) {
	t.Parallel()
	for text, expressions := range patterns() {
		for _, e := range expressions {
			parsed, err := syntax.Parse(e.String(), syntax.Perl)
			if err != nil {
				t.Fatal(err)
			}
			program, err := syntax.Compile(parsed.Simplify())
			if err != nil {
				t.Fatal(err)
			}
			if n := len(program.Inst); n > 512 {
				t.Errorf("%q of %q has %d instructions: split it", e, text, n)
			}
		}
	}
}
