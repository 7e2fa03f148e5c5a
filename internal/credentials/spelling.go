package credentials

import (
	"iter"
	"slices"
	"strings"
	"unicode"

	"github.com/aep-retrigger/aep-retrigger/internal/typo"
)

// part is one part of a credential.
type part int

const (
	clientID part = iota
	clientSecret
	orgID
	scopes
	sandbox
	parts // how many there are
)

// String returns our own spelling, which README.md documents.
func (p part) String() string {
	return [parts]string{"client_id", "client_secret", "org_id", "scopes", "sandbox"}[p]
}

// spellings are the names under which Adobe's console, its CLI, its Postman
// environments and Python's aepp keep a part, as [plain] writes them.
func (p part) spellings() []string {
	return [parts][]string{
		clientID:     {"clientid", "apikey", "xapikey", "apiclientid", "apikeyclientid", "clientidapikey"},
		clientSecret: {"clientsecret", "clientsecrets", "secret", "secrets", "apisecret"},
		orgID: {
			"orgid", "imsorgid", "imsorg", "org", "xgwimsorgid", "organizationid", "imsorganizationid", "organization",
			"organisationid", "imsorganisationid", "organisation", //nolint:misspell // British scripts are read, too
		},
		scopes:  {"scopes", "scope"},
		sandbox: {"sandbox", "sandboxname", "xsandboxname"},
	}[p]
}

// hints are names that are too vague to be read, but tell which part is meant.
func (p part) hints() []string {
	return [parts][]string{
		clientID:     {"id", "key", "client", "clientkey", "appid", "applicationid", "integrationid", "username"},
		clientSecret: {"password", "clientpassword", "secretkey", "token", "clienttoken", "clientsecretkey", "secretvalue", "secretid"},
		orgID:        {"tenant", "tenantid", "orgname", "organizationname", "companyid", "imsid"},
		scopes:       {"metascopes", "permissions"},
		sandbox:      {"sandboxes", "sandboxnames", "defaultsandbox", "defaultsandboxname"},
	}[p]
}

// prefixes are in front of names in files with environment variables, such as
// ADOBE_CLIENT_ID and IMS_OAUTH_S2S_CLIENT_ID.
func prefixes() []string {
	return []string{"adobe", "aep", "aio", "ims", "oauth", "s2s", "experienceplatform", "platform"}
}

// plain writes a name in lower case, with its letters and digits only, so that
// "client_id", "Client-ID" and "clientId" are the same.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// variants yields the plain name, and then the name without the prefixes that are in
// front of it: "adobeimsorg", "imsorg", "org".
func variants(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for short := plain(name); short != "" && yield(short); {
			i := slices.IndexFunc(prefixes(), func(prefix string) bool { return strings.HasPrefix(short, prefix) })
			if i < 0 {
				return
			}
			short = short[len(prefixes()[i]):]
		}
	}
}

// understand returns the part that a name stands for.
func understand(name string) (part, bool) {
	for short := range variants(name) {
		for p := range parts {
			if slices.Contains(p.spellings(), short) {
				return p, true
			}
		}
	}
	return 0, false
}

// resemble returns the part that a name looks like without being one of its spellings:
// "client_scret", "my_client_secret", "password".
func resemble(name string) (part, bool) {
	short := plain(name)
	if p, ok := closest(short); ok {
		return p, true
	}
	for p := range parts {
		if slices.Contains(p.hints(), short) {
			return p, true
		}
	}
	for p := range sandbox {
		if i := slices.IndexFunc(p.spellings(), func(s string) bool { return len(s) > 4 && containsName(short, s) }); i >= 0 {
			return p, true
		}
	}
	return 0, false
}

// containsName reports whether a name is a spelling with a word or two around it. The
// rest must be letters: a secret that was pasted into the name has digits.
func containsName(short, spelling string) bool {
	const longest = 20
	before, after, found := strings.Cut(short, spelling)
	rest := before + after
	return found && len(rest) <= longest && !strings.ContainsFunc(rest, func(r rune) bool { return r < 'a' || r > 'z' })
}

// closest returns the part of which a spelling is a slip of the pen away.
func closest(short string) (part, bool) {
	for p := range parts {
		for _, s := range p.spellings() {
			allowed := 1
			if len(s) >= 8 && p != sandbox {
				allowed = 2
			}
			if len(s) > 4 && typo.Distance(short, s) <= allowed {
				return p, true
			}
		}
	}
	return 0, false
}
