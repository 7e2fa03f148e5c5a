package credentials

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// secret is one IMS OAuth server-to-server credential as it is stored in Secrets
// Manager.
type secret struct {
	clientID string
	// clientSecrets are tried in this order. There is one at least.
	clientSecrets []string
	orgID         string
	scopes        []string
	sandbox       string
}

// equal reports whether both secrets would make the same accounts.
func (s secret) equal(o secret) bool {
	return s.clientID == o.clientID && s.orgID == o.orgID && s.sandbox == o.sandbox &&
		slices.Equal(s.clientSecrets, o.clientSecrets) && slices.Equal(s.scopes, o.scopes)
}

// parseSecret reads the secret's text: a JSON object with client_id, client_secret,
// org_id, scopes and perhaps sandbox, or one in a spelling of Adobe's own tools.
//
// Our own spelling wins over all others, but for client secrets: a list that has those of
// every other field is taken. Two other fields with two values for the same part are an
// error that names both. Client secrets in a list are taken as they stand, the newest
// first; a list of objects with dates is sorted by them.
//
// The error names every field that is wrong, and the field that is wanted. It never has a
// value of the secret, nor any of its text. The secret that comes with an error has the
// parts that could be read.
func parseSecret(text string) (secret, error) {
	if trim(text) == "" {
		return secret{}, errors.New("is empty")
	}
	document, err := readDocument(text)
	if err != nil {
		return secret{}, err
	}
	found, top := search(document)
	if top == nil {
		return secret{}, errNoObject
	}
	r := reader{findings: found}
	if err := r.choose(top); err != nil {
		return secret{}, err
	}
	s := secret{
		orgID:         r.org(),
		clientID:      r.header(clientID),
		clientSecrets: r.secrets(),
		scopes:        r.scopeList(),
		sandbox:       r.sandboxName(),
	}
	if r.jwt && len(r.of(scopes)) == 0 {
		return s, errors.New("is a JWT credential (service account), which Adobe has ended in 2025: " +
			"add an OAuth server-to-server credential to the project in Adobe's Developer Console, and store its client_id, client_secret, org_id and scopes")
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int { return int(a.part) - int(b.part) })
	var problems []error
	for _, p := range r.problems {
		problems = append(problems, p.err)
	}
	return s, errors.Join(problems...)
}

// reader reads the parts of a credential out of what was found.
type reader struct {
	*findings

	// around are the object with the client secret and those around it. A part that
	// stands there belongs to the credential.
	around   []*node
	problems []problem
}

// problem is what is wrong with a part.
type problem struct {
	part part
	err  error
}

func (r *reader) fail(p part, format string, args ...any) {
	r.problems = append(r.problems, problem{p, fmt.Errorf(format, args...)})
}

// choose finds the object that the credential stands in. It is an error if there are
// several of them.
func (r *reader) choose(top *node) error {
	secrets := r.of(clientSecret)
	if len(secrets) == 0 {
		secrets = r.of(clientID)
	}
	if i := slices.IndexFunc(secrets, func(f find) bool { return f.owner == top && f.documented }); i >= 0 {
		secrets = secrets[i : i+1]
	}
	if slices.ContainsFunc(secrets, func(f find) bool { return f.serverToServer }) {
		secrets = slices.DeleteFunc(secrets, func(f find) bool { return !f.serverToServer })
	}
	r.around = []*node{top}
	if len(secrets) == 0 {
		return nil
	}
	r.around = r.chain(secrets[0].owner)
	for _, other := range secrets[1:] {
		if other.owner != secrets[0].owner && (other.content() != secrets[0].content() || r.id(other.owner) != r.id(secrets[0].owner)) {
			return fmt.Errorf("holds several credentials (%s stands in each): keep the one of the OAuth server-to-server credential", other.label())
		}
	}
	return nil
}

// id returns the client id in an object.
func (r *reader) id(owner *node) string {
	for _, f := range r.of(clientID) {
		if f.owner == owner {
			return f.content()
		}
	}
	return ""
}

// pick returns the field that a part is taken from. It is nil if there is none, or if
// there are several that differ. Except for the sandbox, which is optional, a part may
// stand elsewhere in the secret: the console keeps org and credential apart.
func (r *reader) pick(p part) *find {
	var near, far []find
	all := r.of(p)
	if p == orgID && slices.ContainsFunc(all, find.isOrg) { // "org" may be the name of the company, beside "ims_org_id"
		all = slices.DeleteFunc(all, func(f find) bool { return !f.documented && !f.isOrg() })
	}
	for _, f := range all {
		if slices.Contains(r.around, f.owner) {
			near = append(near, f)
		} else {
			far = append(far, f)
		}
	}
	candidates := near
	if len(near) == 0 && p != sandbox {
		candidates = far
	}
	if len(candidates) == 0 {
		r.missing(p)
		return nil
	}
	if all := covering(candidates); all != nil {
		return all
	}
	if documented := slices.DeleteFunc(slices.Clone(candidates), func(f find) bool { return !f.documented }); len(documented) > 0 {
		candidates = documented
	}
	for _, other := range candidates[1:] {
		if other.content() == candidates[0].content() {
			continue
		}
		if other.name == candidates[0].name {
			r.fail(p, "%s is there twice, with different values: keep one", other.label())
		} else {
			r.fail(p, "%s and field %q are both the %s, with different values: keep one", candidates[0].label(), other.name, p)
		}
		return nil
	}
	return &candidates[0]
}

// covering returns the field with client secrets that has those of all the other fields,
// too: a person who rotates adds "client_secrets": ["new", "old"] and may leave
// "client_secret": "old" where it was. It is nil if there is none.
func covering(fields []find) *find {
	if fields[0].part != clientSecret {
		return nil
	}
	for i := range fields {
		list, err := fields[i].secrets()
		lacks := func(other find) bool {
			texts, otherErr := other.secrets()
			return otherErr != nil || slices.ContainsFunc(texts, func(text string) bool { return !slices.Contains(list, text) })
		}
		if err == nil && !slices.ContainsFunc(fields, lacks) {
			return &fields[i]
		}
	}
	return nil
}

// isOrg reports whether the value looks like an org's id.
func (f find) isOrg() bool { return strings.HasSuffix(trim(f.value.text), orgSuffix) }

// missing reports a part that is not there, and the field that may be meant for it.
func (r *reader) missing(p part) {
	for _, s := range r.strange {
		if like, ok := resemble(s.name); ok && like == p && (p != sandbox || slices.Contains(r.around, s.owner)) {
			r.fail(p, "field %q is there, %q is wanted", s.name, p)
			return
		}
	}
	if p == sandbox {
		return
	}
	for _, f := range r.finds {
		if f.part == p && f.name != p.String() {
			r.fail(p, "%s is empty: it or %q is wanted", f.label(), p)
			return
		}
	}
	r.fail(p, "field %s is missing or empty", p)
}

// content is what two spellings must agree in.
func (f find) content() string {
	switch f.part {
	case scopes:
		list, _ := f.scopes()
		slices.Sort(list)
		return strings.Join(slices.Compact(list), " ")
	case clientSecret:
		list, _ := f.secrets()
		return strings.Join(list, "\x00")
	default:
		return trim(f.value.text)
	}
}
