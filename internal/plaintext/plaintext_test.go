package plaintext_test

import (
	"encoding/json"
	"testing"

	"github.com/aep-retrigger/aep-retrigger/internal/plaintext"
)

func TestEscapeCodesOfASourceAreNotShown(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		"no file\x1b[2J was found":    {"no file�[2J was found", "no file�[2J was found"},
		"a\r\nb\tc":                   {"a  b c", "a\nb\tc"},
		"\u009b31mred":                {"�31mred", "�31mred"},
		"user\u202egnp.exe":           {"user�gnp.exe", "user�gnp.exe"},
		"Größe 10 €, 東京":              {"Größe 10 €, 東京", "Größe 10 €, 東京"},
		"bell\a and \x7f and \x1b]0;": {"bell� and � and �]0;", "bell� and � and �]0;"},
	} {
		if got := plaintext.Line(text); got != want[0] {
			t.Errorf("Line(%q) = %q, want %q", text, got, want[0])
		}
		if got := plaintext.Lines(text); got != want[1] {
			t.Errorf("Lines(%q) = %q, want %q", text, got, want[1])
		}
	}
}

func TestJSONHasNoEscapeCodesAndReadsTheSame(t *testing.T) {
	t.Parallel()
	text := "a\x1b[2J \u009b31m \u202e \U000e0001 end\n"
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	got := plaintext.JSON(encoded)
	for _, r := range string(got) {
		if !plaintext.Safe(r) {
			t.Errorf("%q is left in %s", r, got)
		}
	}
	var back string
	if err := json.Unmarshal(got, &back); err != nil || back != text {
		t.Errorf("it reads as %q (%v), want %q", back, err, text)
	}
}
