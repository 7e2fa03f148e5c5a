package aepcodes

import (
	"net/http"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// code is a code of Adobe's in its parts.
type code struct {
	whole  string // upper case, without the status: "CONNECTOR-1001"
	prefix string // "CONNECTOR", or empty
	number string // "1001", or empty
	status int    // 500, or 0
}

var codeParts = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:(.*?)[-_ ])??(\d+)(?:[-_ ](\d{3}))?$`)
})

// parseCode takes a code apart. A code may also stand at the end of a URL.
func parseCode(text string) code {
	text = strings.ToUpper(strings.TrimSpace(text[strings.LastIndexByte(text, '/')+1:]))
	parts := codeParts().FindStringSubmatch(text)
	if parts == nil {
		return code{whole: text}
	}
	c := code{prefix: parts[1], number: parts[2]}
	c.whole = strings.TrimPrefix(c.prefix+"-"+c.number, "-")
	c.status, _ = strconv.Atoi(parts[3])
	if c.prefix == "" && len(c.number) == 6 { // the gateway's
		c.status, _ = strconv.Atoi(c.number[:3])
	}
	return c
}

// How well an entry fits. A greater weight outdoes all smaller ones together.
const (
	fitOperation = 100
	fitText      = 20
	fitCode      = 5
	fitStatus    = 2
)

// fit is how well the entry fits; negative if it does not.
func (e Entry) fit(op Operation, asked code, status int, message string) int {
	fit := 0
	switch {
	case e.Operation == op:
		fit += fitOperation
	case e.Operation != AnyCall || op != Retrigger:
		return -1
	}
	switch exact, matches := e.matchesCode(asked); {
	case !matches:
		return -1
	case exact:
		fit += fitCode
	}
	switch exact, matches := e.matchesStatus(asked, status); {
	case !matches:
		return -1
	case exact:
		fit += fitStatus
	case e.Status != 0:
		fit += fitStatus / 2
	}
	if e.Text == "" {
		return fit
	}
	if !e.matchesText(message) {
		return -1
	}
	if e.Family == Gateway && strings.HasSuffix(e.Code, "*") {
		return fit // what the catalog knows of a code tells more than the gateway's text
	}
	return fit + fitText
}

// matchesCode reports whether the code matches, and whether it does so without a *.
func (e Entry) matchesCode(asked code) (exact, matches bool) {
	rest, open := strings.CutSuffix(e.Code, "*")
	switch {
	case e.Family == IMS:
		word := strings.NewReplacer("-", "_", " ", "_").Replace(asked.whole)
		return true, strings.EqualFold(word, e.Code)
	case open && e.Family == Run:
		return false, strings.HasPrefix(asked.whole, rest) || asked.whole == strings.TrimSuffix(rest, "-")
	case open: // the gateway's codes are digits alone
		return false, asked.prefix == "" && len(asked.number) == 6 && strings.HasPrefix(asked.number, rest)
	case e.Family == Run:
		return true, asked.whole == e.Code || asked.number == e.Code && asked.prefix == "FLOW"
	case e.Code == "": // a word such as Forbidden is none, nor is the HTTP status
		return false, asked.number == "" || asked.prefix == "" && len(asked.number) == len("403")
	default:
		return true, asked.number == e.Code
	}
}

// matchesStatus reports whether the status matches, and whether it is the answer's
// own.
func (e Entry) matchesStatus(asked code, status int) (exact, matches bool) {
	if status == 0 {
		status = asked.status
	}
	switch {
	case e.Status != 0 && e.Status == status:
		return true, true
	case e.Status != 0:
		return false, e.Status == asked.status && !mayPass(asked.status) && status/100 == 4 && !mayPass(status)
	case e.Kind == Passing, e.Kind == Done, e.Family == Run && e.Text != "":
		return false, true // a run's text tells more than the status in its code
	default:
		return false, !mayPass(status)
	}
}

// mayPass reports whether a status says that the fault may pass by itself.
func mayPass(status int) bool {
	return status >= 500 || status == http.StatusRequestTimeout || status == http.StatusTooManyRequests
}

func (e Entry) matchesText(message string) bool {
	return matches(e.Text, message) && (e.Unless == "" || !matches(e.Unless, message))
}

// matches reports whether a message matches a text of the catalog: one of its expressions.
func matches(text, message string) bool {
	return slices.ContainsFunc(patterns()[text], func(p *regexp.Regexp) bool { return p.MatchString(message) })
}

// patterns are the regular expressions of the catalog, compiled when they are first
// needed: most invocations need none.
var patterns = sync.OnceValue(func() map[string][]*regexp.Regexp {
	compiled := map[string][]*regexp.Regexp{}
	for _, e := range All() {
		for _, text := range []string{e.Text, e.Unless} {
			if text == "" || compiled[text] != nil {
				continue
			}
			for _, alternative := range alternatives("(?is)" + text) {
				compiled[text] = append(compiled[text], regexp.MustCompile(alternative))
			}
		}
	}
	return compiled
})

// alternatives cuts a regular expression at its outermost alternatives: "a|b" into "a" and "b".
// For a match, package regexp takes memory in a few sizes that follow the length of the
// expression. The longest text of the catalog would take 0.6 MB, its alternatives 20 KB at most.
func alternatives(text string) []string {
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil || parsed.Op != syntax.OpAlternate {
		return []string{text}
	}
	cut := make([]string, len(parsed.Sub))
	for i, alternative := range parsed.Sub {
		cut[i] = alternative.String()
	}
	return cut
}
