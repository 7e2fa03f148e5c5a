package notice

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Most bytes of a notice's texts. A cut text ends with an ellipsis.
const (
	maxName = 256
	maxText = 1024
)

// credentialLike finds what looks like a token, a key or a password. A source may quote its
// connection in an error.
var credentialLike = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\bbearer\s+[\w.~+/=-]{8,}` +
		`|\beyJ[\w-]{8,}(\.[\w-]*)*` + // a JSON web token
		`|\b[a-z]8e-[\w-]{8,}` + // a client secret of Adobe's
		`|\b(AKIA|ASIA)[A-Z0-9]{16}\b` +
		`|//[^\s/@:]+:[^\s/@]+@` + // a URL with a password
		`|\b[\w-]*(password|passwd|pwd|secret|token|signature|credential|access_?key|account_?key|api_?key|sig)\s*=\s*("[^"]*"|'[^']*'|[^\s&;,"']+)` +
		`|["'][\w-]*(password|passwd|pwd|secret|token|signature|credential|access_?key|account_?key|api_?key)["']\s*:\s*("[^"]*"|'[^']*')`)
})

const redacted = "[redacted]"

// plain returns a text for a line of an e-mail or a chat. EventBridge puts it between double
// quotes, which it must not end. In a chat an angle bracket begins a mention or a link.
func plain(text string) string {
	return strings.NewReplacer(`"`, "'", `\`, "/", "<", "‹", ">", "›").Replace(text)
}

// shown returns an outsider's text as people may see it: in one line, without credentials,
// with U+FFFD for each character that can't be seen, and cut to so many bytes.
func shown(text string, most int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	text = credentialLike().ReplaceAllString(text, redacted)
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) && r != '\u200C' && r != '\u200D' || r&0xFFFE == 0xFFFE {
			return '\uFFFD'
		}
		return r
	}, text)
	if len(text) <= most {
		return text
	}
	const ellipsis = "…"
	text = text[:most-len(ellipsis)]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return text + ellipsis
}
