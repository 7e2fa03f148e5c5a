package config

import (
	"errors"
	"regexp"
	"strings"
	"sync"
)

// longestName is how long a secret's name may be. In an ARN a hyphen and six characters
// follow it.
const longestName = 512

// credentialLike finds parts of an Adobe or AWS credential that would pass for the name
// of a secret: a client secret ("p8e-…"), a client id or an org's id (32 or 24
// hexadecimal digits), an org or a technical account with its suffix, a token, an access
// key, and NAME=value lines of such.
var credentialLike = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)^(.*=)?[a-z]8e-` +
		`|^([0-9a-f]{24}|[0-9a-f]{32})$` +
		`|@(adobeorg|techacct\.adobe\.com)$` +
		`|^eyJ[a-z0-9_-]{8,}` +
		`|^(AKIA|ASIA)[A-Z0-9]{16}$` +
		`|client[_-]?(id|secret)=`)
})

// checkSecretID returns an error unless the text is a secret's name or ARN, of which the
// six characters at the end may be left out. The error does not quote the text: it may
// be the secret itself.
func checkSecretID(text string) error {
	name, isARN := cutARN(text)
	limit := longestName
	if isARN {
		limit += len("-AbCdEf")
	}
	switch {
	case name == "" || len(name) > limit || strings.ContainsFunc(name, notInName):
		return errors.New("is neither a name nor an ARN of a secret; is it the secret itself?")
	case !isARN && credentialLike().MatchString(name):
		return errors.New("looks like a part of a credential, not like the name of a secret: " +
			"store the credential in Secrets Manager, and put the name of that secret here")
	}
	return nil
}

// cutARN returns the name in the ARN of a secret, such as
// "arn:aws:secretsmanager:us-east-1:123456789012:secret:aep/ims-AbCdEf", or else the
// text itself.
func cutARN(text string) (name string, isARN bool) {
	parts := strings.SplitN(text, ":", 7)
	if len(parts) < 7 || parts[0] != "arn" || !strings.HasPrefix(parts[1], "aws") || parts[2] != "secretsmanager" ||
		parts[3] == "" || len(parts[4]) != 12 || strings.Trim(parts[4], "0123456789") != "" || parts[5] != "secret" ||
		strings.ContainsFunc(parts[1]+parts[3], notInName) {
		return text, false
	}
	return parts[6], true
}

// notInName reports whether the name of a secret can't have this character. The set is
// that of Secrets Manager:
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html.
func notInName(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("/_+=.@-", r)
}
