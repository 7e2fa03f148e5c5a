package cli

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// plain makes a text fit for a terminal: texts of sources and of Adobe may hold escape
// codes, which move the cursor or set the window's title, and characters that turn the
// direction of writing. Line breaks and tabs become spaces, other such characters “�”.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case unsafe(r):
			return '\uFFFD'
		}
		return r
	}, text)
}

// unsafe reports whether a character does something to a terminal: control characters
// (C0, DEL and C1), and the invisible ones that Unicode calls format characters.
func unsafe(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }

// plainJSON escapes the same characters in JSON, in which they stand in strings only.
// encoding/json escapes C0 itself.
func plainJSON(encoded []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(encoded) {
		switch {
		case r != '\n' && unsafe(r) && r > 0xFFFF:
			high, low := (r-0x10000)>>10+0xD800, (r-0x10000)&0x3FF+0xDC00
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case r != '\n' && unsafe(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}
