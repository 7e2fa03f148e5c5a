package flowclient

import (
	"errors"
	"html"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits on what an error holds of an answer, in bytes.
const (
	maxMessage = 512
	maxCode    = 128 // also for request ids
)

// redacted stands for a secret.
const redacted = "[redacted]"

const (
	// minSecret is the length from which a text counts as a secret. A shorter one
	// could stand in any sentence.
	minSecret = 6
	// secretRun is how many characters of a longer secret in a row are enough to
	// redact them, such as its first twelve before a mask of asterisks.
	secretRun = 12
	// maxEncodings is how often a text may be encoded one upon the other.
	maxEncodings = 4
)

// tokenLike finds what looks like a bearer token or a JSON web token, known or
// not.
var tokenLike = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i:\bbearer\s+)[\w.~+/=-]{16,}|\beyJ[\w-]{8,}(\.[\w-]*)*`)
})

// scrubber removes these secrets from texts. It finds a secret of which a part is
// encoded (%2B, \u002b, \/, &#43;, in each other up to four times) or broken by white
// space.
type scrubber []string

// clean returns an outsider's text without secrets, control characters and
// runs of white space, and not longer than limit.
func (s scrubber) clean(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = s.scrub(text)
	text = strings.Join(strings.FieldsFunc(text, blank), " ")
	if len(text) <= limit {
		return text
	}
	const ellipsis = "…"
	text = text[:limit-len(ellipsis)]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + ellipsis
}

// blank reports whether a character is white space or can't be seen.
func blank(r rune) bool { return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) }

func (s scrubber) scrub(text string) string {
	if secret := s.spans(text); len(secret) > 0 {
		var b strings.Builder
		at := 0
		for _, span := range secret {
			b.WriteString(text[at:span.from] + redacted)
			at = span.to
		}
		text = b.String() + text[at:]
	}
	return tokenLike().ReplaceAllString(text, redacted)
}

// cause returns an error that quotes no secret: the given one if it does not.
func (s scrubber) cause(err error) error {
	if text := err.Error(); s.scrub(text) != text {
		return errors.New(s.clean(text, maxMessage))
	}
	return err
}

// span is a part of a text, in bytes.
type span struct{ from, to int }

// spans returns where secrets stand in the text, in order and apart from each other.
func (s scrubber) spans(text string) []span {
	var found []span
	views := decodings(text)
	for _, secret := range s {
		for _, form := range decodings(secret) {
			if len(form.text) < minSecret {
				continue
			}
			n := newNeedle(string(form.text))
			for _, v := range views {
				found = append(found, n.find(v)...)
			}
		}
	}
	slices.SortFunc(found, func(a, b span) int { return a.from - b.from })
	apart := found[:0]
	for _, next := range found {
		if last := len(apart) - 1; last >= 0 && next.from <= apart[last].to {
			apart[last].to = max(apart[last].to, next.to)
			continue
		}
		apart = append(apart, next)
	}
	return apart
}

// view is a text as a reader may see it who has decoded it: without white space, and
// with escapes undone. spans has, for each of its bytes, the part of the original text
// that the byte stands for.
type view struct {
	text  []byte
	spans []span
}

// decodings returns the views of a text: undecoded, decoded once, twice and so on, as
// long as that makes a difference.
func decodings(text string) []view {
	v := view{}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		v.add(r, span{i, i + size})
		i += size
	}
	views := []view{v}
	for range maxEncodings {
		next := v.decode()
		if string(next.text) == string(v.text) {
			break
		}
		views, v = append(views, next), next
	}
	return views
}

// add appends a character, unless a secret may be broken by it. A plus is left out
// since a form writes a space so.
func (v *view) add(r rune, origin span) {
	if blank(r) || r == '+' {
		return
	}
	for _, b := range utf8.AppendRune(nil, r) {
		v.addByte(b, origin)
	}
}

func (v *view) addByte(b byte, origin span) {
	v.text, v.spans = append(v.text, b), append(v.spans, origin)
}

// decode undoes one layer of escapes.
func (v view) decode() view {
	var next view
	for i := 0; i < len(v.text); {
		c := unescape(v.text[i:])
		origin := span{v.spans[i].from, v.spans[i+c.size-1].to}
		if c.isByte {
			next.addByte(c.value, origin)
		} else {
			next.add(c.char, origin)
		}
		i += c.size
	}
	return next
}

// decoded is what the beginning of a text stands for, and how long that beginning is:
// a character, or a byte that may be part of one.
type decoded struct {
	char   rune
	value  byte
	isByte bool
	size   int
}

// unescape reads the escape that the text begins with; if there is none, the first
// byte.
func unescape(text []byte) decoded {
	if size, r := unicodeEscape(text); size > 0 {
		return decoded{char: r, size: size}
	}
	switch text[0] {
	case '%':
		if n, ok := hex(text, 1, 2); ok && n < utf8.RuneSelf {
			return decoded{char: n, size: 3}
		} else if ok {
			return decoded{value: byte(n & 0xff), isByte: true, size: 3}
		}
	case '\\':
		if n, ok := hex(text, 2, 2); ok && text[1] == 'x' {
			return decoded{char: n, size: 4}
		}
		if len(text) > 1 {
			if i := strings.IndexByte(`/\"'nrtbf`, text[1]); i >= 0 {
				return decoded{char: rune("/\\\"'\n\n\n\n\n"[i]), size: 2}
			}
		}
	case '&':
		if r, size := entity(text); size > 0 {
			return decoded{char: r, size: size}
		}
	}
	return decoded{value: text[0], isByte: true, size: 1}
}

// entity reads an entity of HTML, such as &#43; or &amp;. The size is 0 if there is none.
func entity(text []byte) (r rune, size int) {
	const longest = 10
	end := slices.Index(text[:min(len(text), longest)], ';')
	if end < 0 {
		return 0, 0
	}
	char := html.UnescapeString(string(text[:end+1]))
	if r, size := utf8.DecodeRuneInString(char); size == len(char) && size > 0 && r != '&' || char == "&" {
		return r, end + 1
	}
	return 0, 0
}

// unicodeEscape reads \u002b, its old form %u002b, or two of them that stand for one
// character. The size is 0 if there is none.
func unicodeEscape(text []byte) (size int, r rune) {
	n, ok := hex(text, 2, 4)
	if !ok || text[1] != 'u' || text[0] != '\\' && text[0] != '%' {
		return 0, 0
	}
	if utf16.IsSurrogate(n) && len(text) > 7 && text[6] == text[0] && text[7] == 'u' {
		if low, ok := hex(text, 8, 4); ok {
			if pair := utf16.DecodeRune(n, low); pair != unicode.ReplacementChar {
				return 12, pair
			}
		}
	}
	return 6, n
}

// hex reads hexadecimal digits at a place of the text.
func hex(text []byte, from, digits int) (n rune, ok bool) {
	if len(text) < from+digits {
		return 0, false
	}
	for _, c := range text[from : from+digits] {
		i := strings.IndexByte("0123456789abcdef", c|0x20)
		if i < 0 || c < '0' {
			return 0, false
		}
		n = n<<4 | rune(i) //nolint:gosec // i is less than 16
	}
	return n, true
}

// needle is a secret in one of its views, ready to be looked for.
type needle struct {
	secret string
	run    int             // how many characters in a row are looked for
	parts  map[string]bool // of the length run
}

func newNeedle(secret string) needle {
	n := needle{secret: secret, run: min(secretRun, len(secret)), parts: make(map[string]bool, len(secret))}
	for i := range len(secret) - n.run + 1 {
		n.parts[secret[i:i+n.run]] = true
	}
	return n
}

// find returns where the secret stands: the whole of a short one, every twelve
// characters of a longer one, and its beginning at the end of a text that was cut.
func (n needle) find(v view) []span {
	var found []span
	mark := func(from, to int) { found = append(found, span{v.spans[from].from, v.spans[to-1].to}) }
	for i := range len(v.text) - n.run + 1 {
		if n.parts[string(v.text[i:i+n.run])] {
			mark(i, i+n.run)
		}
	}
	for rest := min(n.run, len(v.text)); rest >= minSecret; rest-- {
		if from := len(v.text) - rest; strings.HasPrefix(n.secret, string(v.text[from:])) {
			mark(from, len(v.text))
			break
		}
	}
	return found
}
