package flowclient

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits on what an error holds of an answer, in bytes.
const (
	maxMessage = 512
	maxCode    = 128 // also for request ids
)

// redacted stands for a secret.
const redacted = "[redacted]"

// minSecretPart is the length from which the beginning of a secret at the end
// of a text, where the text was cut, is removed too.
const minSecretPart = 6

// tokenLike finds what looks like a bearer token or a JSON web token, known or
// not.
var tokenLike = regexp.MustCompile(`(?i:\bbearer\s+)[\w.~+/=-]{16,}|\beyJ[\w-]{8,}(\.[\w-]*)*`)

// scrubber removes these secrets from texts.
type scrubber []string

// clean returns an outsider's text without secrets, control characters and
// runs of white space, and not longer than limit.
func (s scrubber) clean(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	text = s.scrub(text)
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
	}), " ")
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

func (s scrubber) scrub(text string) string {
	for _, secret := range s {
		for _, form := range []string{secret, url.QueryEscape(secret)} {
			text = strings.ReplaceAll(text, form, redacted)
			for n := len(form) - 1; n >= minSecretPart; n-- {
				if rest, cut := strings.CutSuffix(text, form[:n]); cut {
					text = rest + redacted
					break
				}
			}
		}
	}
	return tokenLike.ReplaceAllString(text, redacted)
}

// cause returns an error that quotes no secret: the given one if it does not.
func (s scrubber) cause(err error) error {
	if text := err.Error(); s.scrub(text) != text {
		return errors.New(s.clean(text, maxMessage))
	}
	return err
}
