package flowclient

import (
	"errors"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// encodings are ways to write a character that a server may use when it sends back
// what it was sent.
var encodings = []func(c byte) string{
	func(c byte) string { return string(c) },
	func(c byte) string { return fmt.Sprintf("%%%02X", c) },
	func(c byte) string { return fmt.Sprintf("%%%02x", c) },
	func(c byte) string { return fmt.Sprintf("%%25%02x", c) },
	func(c byte) string { return fmt.Sprintf(`\u%04x`, c) },
	func(c byte) string { return fmt.Sprintf(`\u%04X`, c) },
	func(c byte) string { return fmt.Sprintf(`\\u%04x`, c) },
	func(c byte) string { return fmt.Sprintf("&#%d;", c) },
	func(c byte) string { return fmt.Sprintf("&#x%x;", c) },
	func(c byte) string { return fmt.Sprintf("%%26%%23%d;", c) },
	func(c byte) string { return html.EscapeString(string(c)) },
	func(c byte) string { return url.QueryEscape(string(c)) },
	func(c byte) string {
		if strings.IndexByte(`/"\`, c) >= 0 {
			return `\` + string(c)
		}
		return string(c)
	},
}

var breaks = []string{" ", "\n", "\r\n", "\t", `\n`, `\r\n`, "%0A", "%20", "+", "\u00a0", "\u200b", "&#10;"}

// TestNoTwelveCharactersOfASecretSurvive draws a secret, and writes it in a random
// mixture of encodings and line breaks, whole or cut, between other text.
func TestNoTwelveCharactersOfASecretSurvive(t *testing.T) {
	t.Parallel()
	letters := "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~/=&"
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringOfN(rapid.SampledFrom([]rune(letters)), 12, 80, -1).Draw(t, "secret")
		few := rapid.SliceOfN(rapid.IntRange(0, len(encodings)-1), 1, 4).Draw(t, "encodings")
		broken := rapid.IntRange(2, 20).Draw(t, "a break every so many characters")
		first := rapid.IntRange(0, len(secret)-12).Draw(t, "the echo begins at")
		last := rapid.IntRange(first+12, len(secret)).Draw(t, "the echo ends at")
		var echo strings.Builder
		echo.WriteString(rapid.SampledFrom([]string{"", "client_secret=", `{"client_secret":"`, "100%", `C:\`, "a &amp "}).Draw(t, "before"))
		for i := first; i < last; i++ {
			if i > 0 && i%broken == 0 {
				echo.WriteString(rapid.SampledFrom(breaks).Draw(t, "break"))
			}
			echo.WriteString(encodings[rapid.SampledFrom(few).Draw(t, "encoding")](secret[i]))
		}
		echo.WriteString(rapid.SampledFrom([]string{"", "*****", `"}`, "&scope=openid", "…"}).Draw(t, "after"))
		left := scrubber{secret}.clean(echo.String(), 1<<16)
		for _, seen := range decodings(left) {
			for i := range len(secret) - 12 + 1 {
				if part := secret[i : i+12]; strings.Contains(string(seen.text), part) {
					t.Fatalf("%q is left of %q:\n%q\nwhich reads\n%q", part, echo.String(), left, seen.text)
				}
			}
		}
	})
}

func TestScrubberLeavesOtherTextAlone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ secret, text, want string }{
		{"", "a text", "a text"},
		{"a", "a banana", "a banana"},
		{"12345", "the code is 12345", "the code is 12345"},
		{"123456", "the code is 123456, or 12345", "the code is [redacted], or 12345"},
		{"123456", "the code is 1234 56", "the code is [redacted]"},
		{"123456", "1234567", "[redacted]7"},
		{"p8e-secret-of-the-client", "100% of the client's %zz and \\q are &unknown; here", "100% of the client's %zz and \\q are &unknown; here"},
		{"p8e-secret-of-the-client", "p8e-secret-o*****", "[redacted]*****"},
		{"p8e-secret-of-the-client", "cut: p8e-se", "cut: [redacted]"},
		{"p8e-secret-of-the-client", "p8e-secret is fine, since it goes on", "p8e-secret is fine, since it goes on"},
		{"p8e-secret-of-the-client", "before p8e-%73ecret-of\n-the-client after", "before [redacted] after"},
		{"pässword-of-ours", "p%C3%A4ssword-of-ours p\\u00e4ssword-of-ours p&auml;ssword-of-ours", "[redacted] [redacted] [redacted]"},
		{"key-\U0001F511-of-ours", `key-\ud83d\udd11-of-ours`, "[redacted]"},
		{"a%41bcdefghij", "a%41bcdefghij a%2541bcdefghij", "[redacted] [redacted]"},
	} {
		if got := (scrubber{test.secret}).clean(test.text, 1000); got != test.want {
			t.Errorf("%q without %q: got %q, want %q", test.text, test.secret, got, test.want)
		}
	}
}

func TestScrubberKeepsACauseThatShowsNoSecret(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection reset")
	if got := (scrubber{"p8e-secret-of-ours"}).cause(cause); !errors.Is(got, cause) {
		t.Errorf("got %v", got)
	}
	if got := (scrubber{"p8e-secret-of-ours"}).cause(errors.New("bad p8e-secret-%6ff-ours")); got.Error() != "bad [redacted]" {
		t.Errorf("got %v", got)
	}
}

// BenchmarkScrubOfALargeBody holds the time for a body in the worst shapes against that
// for a small part of it. It fails where that grows faster than the body.
func BenchmarkScrubOfALargeBody(b *testing.B) {
	const few, many = maxErrorAnswer / 64, maxErrorAnswer
	secrets := scrubber{strings.Repeat("ab", 700) + "c", "another-secret-of-ours"} // repeats itself, as long as a token
	for name, unit := range map[string]string{
		"the secret's own letters": "ab", "white space": "a \n", "percent signs": "%", "nested percent signs": "%25", "backslashes": `\`, "entities": "&", "escapes": `\u0061`,
	} {
		b.Run(name, func(b *testing.B) {
			least := func(size int) time.Duration {
				text := strings.Repeat(unit, size/len(unit))
				best := time.Hour
				for range 3 { // the least counts: others use the machine, too
					began := time.Now()
					_ = secrets.clean(text, maxMessage)
					best = min(best, time.Since(began))
				}
				return best
			}
			for b.Loop() {
				ratio := float64(least(many)) / float64(least(few))
				if ratio > 1000 { // 64 times as much; quadratic would take 4096 times as long
					b.Errorf("%d bytes took %.0f times as long as %d bytes", many, ratio, few)
				}
				b.ReportMetric(ratio, "large/small")
			}
		})
	}
}

func BenchmarkScrub(b *testing.B) {
	text := strings.Repeat(`{"message":"client_secret=p8e%2Dsomething"} `, maxErrorAnswer/44)
	for b.Loop() {
		_ = scrubber{strings.Repeat("x1-", 400)}.clean(text, maxMessage)
	}
}
