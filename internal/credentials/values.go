package credentials

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/aep-retrigger/aep-retrigger/pkg/aeptime"
	"github.com/aep-retrigger/aep-retrigger/pkg/flowclient"
)

// maxClientSecrets bounds how many client secrets a secret may have: each one that IMS
// refuses costs a call. Adobe's console lets a credential have a few.
const maxClientSecrets = 10

// orgSuffix ends the id of every IMS org.
const orgSuffix = "@AdobeOrg"

// single reads a part that is one text, or returns "" and reports why not.
func (r *reader) single(p part) (*find, string) {
	f := r.pick(p)
	if f == nil {
		return nil, ""
	}
	if f.value.shape != isText {
		r.fail(p, "%s must be a string", f.named())
		return nil, ""
	}
	return f, trim(f.value.text)
}

// named is the label of a field; our own spelling needs no quotation marks.
func (f find) named() string {
	if f.documented {
		return "field " + f.name
	}
	return f.label() + " (" + f.part.String() + ")"
}

// header reads a part that goes into a header of every call.
func (r *reader) header(p part) string {
	f, value := r.single(p)
	if f == nil {
		return ""
	}
	if fault := checkHeader(value); fault != "" {
		r.fail(p, "%s %s", f.named(), fault)
		return ""
	}
	return value
}

// checkHeader says why a text can't go into a header of a call, or nothing.
func checkHeader(value string) string {
	switch {
	case len(value) > flowclient.MaxIDLength:
		return fmt.Sprintf("has more than %d characters", flowclient.MaxIDLength)
	case quoted(value):
		return "has quotation marks around its value: remove the inner ones"
	case strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "has a character in it that no id has, such as white space or a typographic hyphen"
	}
	return ""
}

// quoted reports whether a value has quotation marks of its own, as a shell or a template
// leaves them: "\"3f0c…\"".
func quoted(value string) bool {
	return len(value) > 1 && strings.ContainsRune(`"'`, rune(value[0])) && value[len(value)-1] == value[0]
}

// bareOrg is an org's id without its suffix.
var bareOrg = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[0-9A-Fa-f]{24}$`)
})

// org reads the org's id.
func (r *reader) org() string {
	f, value := r.single(orgID)
	if f == nil {
		return ""
	}
	name, isOrg := strings.CutSuffix(value, orgSuffix)
	switch fault := checkHeader(value); {
	case fault != "":
		r.fail(orgID, "%s %s", f.named(), fault)
	case bareOrg().MatchString(value):
		r.fail(orgID, "%s has the 24 characters of an org's id, and lacks %q at its end", f.named(), orgSuffix)
	case strings.Contains(value, "@techacct"):
		r.fail(orgID, "%s must end in %q: its value is the id of a technical account", f.named(), orgSuffix)
	case !isOrg:
		r.fail(orgID, "%s must end in %q", f.named(), orgSuffix)
	case name == "" || strings.Contains(name, "@"):
		r.fail(orgID, "%s must have one id before %q", f.named(), orgSuffix)
	default:
		return value
	}
	return ""
}

// sandboxName reads the sandbox, which may be missing.
func (r *reader) sandboxName() string {
	f, value := r.single(sandbox)
	if f == nil {
		return ""
	}
	if err := flowclient.CheckSandboxName(value); err != nil {
		r.fail(sandbox, "%s %w", f.named(), err)
		return ""
	}
	return value
}

// scopeList reads the scopes.
func (r *reader) scopeList() []string {
	f := r.pick(scopes)
	if f == nil {
		return nil
	}
	list, err := f.scopes()
	switch {
	case err != nil:
		r.fail(scopes, "%s %w", f.named(), err)
	case len(list) == 0:
		r.fail(scopes, "%s is missing or empty", f.named())
	}
	return list
}

// scopes reads scopes from a list, or from a text that separates them by commas or
// white space.
func (f find) scopes() ([]string, error) {
	texts, ok := f.value.texts()
	if !ok {
		return nil, errors.New("must be a comma-separated string or a list of strings")
	}
	// The brackets are of a list that was written into a text, perhaps by Python.
	list := strings.FieldsFunc(strings.Join(texts, ","), func(r rune) bool {
		return invisible(r) || strings.ContainsRune(`,;[]"'`, r)
	})
	if slices.ContainsFunc(list, func(scope string) bool {
		return strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' })
	}) {
		return nil, errors.New("has a character in it that no scope has")
	}
	return list, nil
}

// texts returns the texts of a list, or the one text.
func (n *node) texts() (all []string, ok bool) {
	switch n.shape {
	case isText:
		return []string{n.text}, true
	case isList:
		for _, item := range n.items {
			if item.shape != isText {
				return nil, false
			}
			all = append(all, item.text)
		}
		return all, true
	}
	return nil, false
}

// secrets reads the client secrets.
func (r *reader) secrets() []string {
	f := r.pick(clientSecret)
	if f == nil {
		return nil
	}
	list, err := f.secrets()
	switch {
	case err != nil:
		r.fail(clientSecret, "%s %w", f.named(), err)
	case len(list) == 0:
		r.fail(clientSecret, "%s is missing or empty", f.named())
	case len(list) > maxClientSecrets:
		r.fail(clientSecret, "%s has %d client secrets, more than %d: keep those that are valid", f.named(), len(list), maxClientSecrets)
	case slices.ContainsFunc(list, func(text string) bool { return strings.ContainsFunc(text, unicode.IsControl) }):
		r.fail(clientSecret, "%s has a line break or another control character in it", f.named())
	case slices.ContainsFunc(list, quoted):
		r.fail(clientSecret, "%s has quotation marks around its value: remove the inner ones", f.named())
	}
	return list
}

// secrets reads client secrets, the newest first: one text, a list of texts in their
// order, or a list of objects, of which those with a date come first.
func (f find) secrets() ([]string, error) {
	switch f.value.shape {
	case isText:
		if strings.HasSuffix(plain(f.name), "secrets") {
			return tidy(strings.Split(f.value.text, ",")), nil
		}
		return tidy([]string{f.value.text}), nil
	case isList:
	default:
		return nil, errors.New("must be a string or a list of strings")
	}
	type dated struct {
		text string
		at   time.Time
	}
	var all []dated
	for _, item := range f.value.items {
		text, at, ok := item.clientSecret()
		if !ok {
			return nil, errors.New("has an element that is neither a string nor an object with a client_secret")
		}
		all = append(all, dated{text, at})
	}
	slices.SortStableFunc(all, func(a, b dated) int { return b.at.Compare(a.at) })
	var texts []string
	for _, secret := range all {
		texts = append(texts, secret.text)
	}
	return tidy(texts), nil
}

// tidy trims texts and leaves out empty ones and repetitions.
func tidy(texts []string) []string {
	var kept []string
	for _, text := range texts {
		if text = trim(text); text != "" && !slices.Contains(kept, text) {
			kept = append(kept, text)
		}
	}
	return kept
}

// clientSecret reads an element of a list of client secrets: a text, or an object with
// the text and perhaps the time when it was made.
func (n *node) clientSecret() (text string, at time.Time, ok bool) {
	if n.shape == isText {
		return n.text, time.Time{}, true
	}
	if n.shape != isObject {
		return "", time.Time{}, false
	}
	for _, f := range n.fields {
		p, understood := understand(f.name)
		switch name := plain(f.name); {
		case f.value.shape == isText && (understood && p == clientSecret || name == "value"):
			text, ok = f.value.text, true
		case strings.Contains(name, "creat") || slices.Contains([]string{"date", "addedat", "dateadded", "issuedat", "timestamp"}, name):
			if t := f.value.time(); !t.IsZero() {
				at = t
			}
		}
	}
	return text, at, ok
}

// time reads a date: seconds or milliseconds since 1970, or a text. Any other value is
// the zero time.
func (n *node) time() time.Time {
	if n.shape != isText && n.shape != isNumber {
		return time.Time{}
	}
	text := trim(n.text)
	if at := aeptime.Parse([]byte(text)); !at.IsZero() {
		return at
	}
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04:05Z0700", time.DateTime, time.DateOnly, time.RFC1123, time.RFC1123Z} {
		if at, err := time.Parse(layout, text); err == nil {
			return at
		}
	}
	return time.Time{}
}
