package cli

import (
	"encoding/json"
	"testing"
)

func TestEscapeCodesOfASourceDoNotReachTheTerminal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"no file\x1b[2J was found":    "no file�[2J was found",
		"a\r\nb\tc":                   "a  b c",
		"\u009b31mred":                "�31mred",
		"user\u202egnp.exe":           "user�gnp.exe",
		"Größe 10 €, 東京":              "Größe 10 €, 東京",
		"bell\a and \x7f and \x1b]0;": "bell� and � and �]0;",
	} {
		if got := plain(text); got != want {
			t.Errorf("plain(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestJSONOnATerminalHasNoEscapeCodesAndReadsTheSame(t *testing.T) {
	t.Parallel()
	text := "a\x1b[2J \u009b31m \u202e \U000e0001 end\n"
	encoded, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	got := plainJSON(encoded)
	for _, r := range string(got) {
		if unsafe(r) {
			t.Errorf("%q is left in %s", r, got)
		}
	}
	var back string
	if err := json.Unmarshal(got, &back); err != nil || back != text {
		t.Errorf("it reads as %q (%v), want %q", back, err, text)
	}
}
