// Package plaintext makes texts of sources and of Adobe fit to be shown. They may hold
// escape codes, which move a terminal's cursor or set its window's title, and invisible
// characters that turn the direction of writing: "user\u202egnp.exe" reads as "userexe.png".
package plaintext

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
)

// replacement stands for a character that is not shown.
const replacement = '\uFFFD'

// Line returns the text as one line for a terminal: line breaks and tabs become spaces, other
// characters that are not [Safe] become “�”.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t':
			return ' '
		case !Safe(r):
			return replacement
		}
		return r
	}, text)
}

// Lines is [Line] for a text of several lines: line breaks and tabs stay.
func Lines(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || Safe(r) {
			return r
		}
		return replacement
	}, strings.ReplaceAll(text, "\r\n", "\n"))
}

// Safe reports whether a character does nothing but show itself. Control characters (C0, DEL
// and C1) are not safe, nor are the invisible ones that Unicode calls format characters.
func Safe(r rune) bool { return !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) }

// JSON escapes the characters that are not [Safe] in JSON, in which they stand in strings
// only. encoding/json escapes C0 itself.
func JSON(encoded []byte) []byte {
	var out bytes.Buffer
	for _, r := range string(encoded) {
		switch {
		case r != '\n' && !Safe(r) && r > 0xFFFF:
			high, low := (r-0x10000)>>10+0xD800, (r-0x10000)&0x3FF+0xDC00
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		case r != '\n' && !Safe(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r)
		}
	}
	return out.Bytes()
}
